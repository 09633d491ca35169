/**
 * The store contract: what Lanyard keeps and must never lose. One small vocabulary that an embedded
 * file (LMDB), plain memory and an etcd cluster all speak: keys in order, revisions, one
 * compare-then-else transaction, watch from a revision. `contract.case.ts` is run by every engine.
 *
 * Values are JSON text; what they mean belongs to ipam and the engine. Revisions grow with every
 * transaction that wrote something (by one, where nobody else uses the same etcd) and are never
 * used again; transactions that are asked for at once, on different keys, may share one.
 *
 * What all engines can do bounds what may be asked (request.ts): keys are printable ASCII, so that
 * their order is the same everywhere; a transaction has at most 128 conditions, writes and reads
 * each (etcd's `--max-txn-ops`) and writes a key once.
 */

export interface Entry {
  readonly key: string
  readonly value: string
  /** Revision the key was made at; a key deleted and made again has a new one. */
  readonly createRevision: number
  /** Revision of its last change. */
  readonly modRevision: number
}

export type Condition =
  | { readonly key: string; readonly is: 'absent' | 'present' }
  | { readonly key: string; readonly modRevision: number }
  | { readonly key: string; readonly value: string }

export type Write =
  | {
      readonly put: string
      readonly value: string
      /**
       * The entry goes by itself after so long: from then on nobody sees it, and its going is a
       * change with a revision. Never for an address that somebody holds.
       */
      readonly ttlSeconds?: number
    }
  | { readonly delete: string }

export interface Transaction {
  /** All must hold. */
  readonly when: readonly Condition[]
  /** Done together, and durable before the answer. */
  readonly then: readonly Write[]
  /** Keys to read when a condition does not hold, in the same instant. */
  readonly otherwise?: readonly string[]
}

export interface TransactionResult {
  /** Whether the conditions held. */
  readonly done: boolean
  /** The store's revision after it. */
  readonly revision: number
  /** What `otherwise` asked for, in its order; empty when `done`. */
  readonly found: readonly (Entry | undefined)[]
}

export interface Page {
  /** In key order (by code unit). */
  readonly entries: readonly Entry[]
  /** The state they are all of. */
  readonly revision: number
  /** Key to go on from with `from`; undefined at the end. */
  readonly next: string | undefined
}

export type StoreEvent =
  | { readonly change: 'put'; readonly entry: Entry }
  | { readonly change: 'delete'; readonly key: string; readonly revision: number }

export interface StoreWatch {
  close(): void
}

export interface Store {
  get(key: string): Promise<Entry | undefined>
  /** Entries whose key starts with `prefix`, a page at a time. */
  range(
    prefix: string,
    options?: { readonly from?: string; readonly limit?: number },
  ): Promise<Page>
  /**
   * When it throws `store-unavailable` nobody knows whether the transaction was done: ask again,
   * the same, and look in `otherwise` at who was there first.
   *
   * @throws LanyardError `store-full`, `store-unavailable`, `store-corrupt`,
   * `store-request-invalid`
   */
  transact(transaction: Transaction): Promise<TransactionResult>
  /**
   * Every change of keys under `prefix` after `revision`, in order, until closed. When the store
   * has forgotten changes since then (compaction) `onLost` is called instead, and the watch is
   * over: read everything again and watch from the revision read.
   */
  watch(
    prefix: string,
    revision: number,
    onEvents: (events: readonly StoreEvent[]) => void,
    onLost: () => void,
  ): Promise<StoreWatch>
  /** Revision of the newest state. */
  revision(): Promise<number>
  close(): Promise<void>
}
