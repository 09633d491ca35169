/**
 * The store on an etcd cluster (v3 API, 3.4 and newer): what several hosts share. A transaction is
 * one of etcd's, on the disks of a majority before it is answered; reads are linearizable.
 *
 * Entries with a ttl hang on leases of etcd. One lease serves all that is put within a fraction of
 * the ttl, so that thousands of cooldowns are a handful of leases; an entry goes at its ttl or up
 * to that fraction later, never before.
 */
import type { EtcdOptions } from './etcd-address.ts'
import { EtcdClient, type WentBack } from './etcd-client.ts'
import {
  BY_CREATE,
  BY_MOD,
  BY_VALUE,
  endOf,
  EQUAL,
  GREATER,
  type Int64,
  type KeyValue,
  LEASE_GRANT,
  RANGE,
  TXN,
  type TxnRequest,
} from './etcd-proto.ts'
import { isLeaseGone, ReadTogether, type Send, Together } from './etcd-together.ts'
import { EtcdWatch } from './etcd-watch.ts'
import { checkKey, checkPrefix, checkTransaction, PAGE_LIMIT } from './request.ts'
import type {
  Condition,
  Entry,
  Page,
  Store,
  StoreEvent,
  StoreWatch,
  Transaction,
  TransactionResult,
  Write,
} from './store.ts'

/** What part of its ttl an entry may be late to go. */
const LATE = 1 / 10
const LATE_MAX_SECONDS = 3600

interface TtlLease {
  readonly id: Promise<Int64>
  readonly untilMs: number
}

/**
 * Opens the store on an etcd, and looks whether it answers. A crash leaves all transactions that
 * were answered, and of the others each whole or not at all.
 *
 * @throws LanyardError `store-unavailable`, `store-denied`
 * @example
 * ```ts
 * const store = await openEtcdStore(parseEtcdUrl('etcd://10.0.0.1:2379'))
 * ```
 */
export async function openEtcdStore(options: EtcdOptions): Promise<EtcdStore> {
  const store = new EtcdStore(options)
  try {
    await store.revision()
  } catch (error) {
    await store.close()
    throw error
  }
  return store
}

export class EtcdStore implements Store {
  readonly #client: EtcdClient
  readonly #watches = new Set<EtcdWatch>()
  readonly #together: Together
  readonly #reads: ReadTogether
  readonly #leases = new Map<number, TtlLease>()

  constructor(options: EtcdOptions) {
    this.#client = new EtcdClient(options)
    const send: Send = (request, how) => this.#client.call(TXN, request, how)
    this.#together = new Together(send)
    this.#reads = new ReadTogether(send)
  }

  /** What errors call it. */
  get name(): string {
    return this.#client.name
  }

  /** The cluster was put back to an older state, or another one is in its place. */
  onWentBack(listener: (detail: WentBack) => void): void {
    this.#client.onWentBack = listener
  }

  async get(key: string): Promise<Entry | undefined> {
    checkKey(key)
    const found = await this.#reads.get(this.#full(key))
    return found === undefined ? undefined : this.#entry(found)
  }

  async range(
    prefix: string,
    options: { readonly from?: string; readonly limit?: number } = {},
  ): Promise<Page> {
    checkPrefix(prefix)
    const limit = Math.max(1, options.limit ?? PAGE_LIMIT)
    const from = options.from === undefined || options.from < prefix ? prefix : options.from
    const range_end = endOf(this.#full(prefix))
    const { header, kvs } = await this.#client.call(
      RANGE,
      { key: this.#full(from), range_end, limit: limit + 1 },
      { reads: true },
    )
    const found = kvs.map((kv) => this.#entry(kv))
    const next = found[limit]?.key
    return { entries: found.slice(0, limit), revision: header.revision.toNumber(), next }
  }

  async transact(transaction: Transaction): Promise<TransactionResult> {
    checkTransaction(transaction)
    const { when, otherwise = [] } = transaction
    for (let attempt = 0; ; attempt++) {
      const leases = new Map<number, Int64>()
      for (const write of transaction.then)
        if ('put' in write && write.ttlSeconds !== undefined)
          leases.set(write.ttlSeconds, await this.#lease(write.ttlSeconds))
      const request: TxnRequest = {
        compare: when.map((condition) => this.#compare(condition)),
        success: transaction.then.map((write) => this.#write(write, leases)),
        failure: otherwise.map((key) => ({ request_range: { key: this.#full(key) } })),
      }
      try {
        const { header, succeeded, responses } = await this.#together.ask(request)
        const found = succeeded ? [] : responses.map((one) => one.response_range?.kvs[0])
        return {
          done: succeeded,
          revision: header.revision.toNumber(),
          found: found.map((kv) => (kv === undefined ? undefined : this.#entry(kv))),
        }
      } catch (error) {
        if (!isLeaseGone(error) || attempt === 3) throw error
        this.#leases.clear()
      }
    }
  }

  async watch(
    prefix: string,
    revision: number,
    onEvents: (events: readonly StoreEvent[]) => void,
    onLost: () => void,
  ): Promise<StoreWatch> {
    checkPrefix(prefix)
    const watch = new EtcdWatch(this.#client, (kv) => this.#entry(kv), {
      prefix: this.#full(prefix),
      revision,
      onEvents,
      onLost: () => {
        this.#watches.delete(watch)
        onLost()
      },
    })
    this.#watches.add(watch)
    await watch.start()
    return {
      close: () => {
        this.#watches.delete(watch)
        watch.close()
      },
    }
  }

  async revision(): Promise<number> {
    const { header } = await this.#client.call(RANGE, { key: this.#full('x') }, { reads: true })
    return header.revision.toNumber()
  }

  async close(): Promise<void> {
    for (const watch of this.#watches) watch.close()
    this.#watches.clear()
    this.#client.close()
  }

  #full(key: string): string {
    return this.#client.prefix + key
  }

  #entry({ key, value, create_revision: created, mod_revision: modified }: KeyValue): Entry {
    return {
      key: key.slice(this.#client.prefix.length),
      value,
      createRevision: created.toNumber(),
      modRevision: modified.toNumber(),
    }
  }

  #compare(condition: Condition): TxnRequest['compare'][number] {
    const key = this.#full(condition.key)
    if ('is' in condition) {
      const result = condition.is === 'absent' ? EQUAL : GREATER
      return { key, result, target: BY_CREATE, create_revision: 0 }
    }
    if ('value' in condition)
      return { key, result: EQUAL, target: BY_VALUE, value: condition.value }
    return { key, result: EQUAL, target: BY_MOD, mod_revision: condition.modRevision }
  }

  #write(write: Write, leases: ReadonlyMap<number, Int64>): TxnRequest['success'][number] {
    if ('delete' in write) return { request_delete_range: { key: this.#full(write.delete) } }
    const lease = write.ttlSeconds === undefined ? undefined : leases.get(write.ttlSeconds)
    return {
      request_put: {
        key: this.#full(write.put),
        value: write.value,
        ...(lease === undefined ? {} : { lease }),
      },
    }
  }

  /** A lease that lives at least so long from now. */
  async #lease(ttlSeconds: number): Promise<Int64> {
    const now = performance.now()
    const known = this.#leases.get(ttlSeconds)
    if (known !== undefined && known.untilMs > now) return await known.id
    const late = Math.min(Math.max(1, ttlSeconds * LATE), LATE_MAX_SECONDS)
    const request = { TTL: Math.ceil(ttlSeconds + late), ID: 0 }
    const id = this.#client
      .call(LEASE_GRANT, request, { reads: true })
      .then((answer) => answer.ID)
      .catch((error: unknown) => {
        this.#leases.delete(ttlSeconds)
        throw error
      })
    // Half of what it is longer: the rest is for how long the transaction may be on its way.
    this.#leases.set(ttlSeconds, { id, untilMs: now + late * 500 })
    return await id
  }
}
