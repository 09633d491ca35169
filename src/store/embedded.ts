/**
 * A store over one ordered map: the contract's revisions, conditions, expiry and change log, the
 * same for memory and for LMDB.
 *
 * Everything lies in the one map, told apart by the first letter of the key:
 *
 * | key | value |
 * |---|---|
 * | `eKEY` | an entry: [value, createRevision, modRevision, expiry in ms or 0] |
 * | `lREVISION` | what changed: [[key, value or null, createRevision], ...] |
 * | `xMILLISECONDSKEY` | KEY goes then |
 * | `mhead` | [newest revision, oldest revision in the log] |
 *
 * All of a transaction, its log record included, is one write of the map: a crash leaves all or
 * nothing. The log keeps the newest `history` revisions.
 */
import { LanyardError } from '../errors.ts'
import type { Ordered, Writer } from './ordered.ts'
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

export interface EmbeddedOptions {
  /**
   * Milliseconds since 1970, for expiry; processes on one file must agree. Default: the system's.
   */
  readonly nowMs?: () => number
  /** How many revisions a watch can go back. Default 4096. */
  readonly history?: number
}

type Row = readonly [value: string, created: number, modified: number, expiresMs: number]
type Change = readonly [key: string, value: string | null, created: number]
type Head = readonly [revision: number, oldest: number]

const EMPTY: Head = [0, 1]
/** Above every character a key may have. */
const AFTER = '\x7f'
const SWEEP_LIMIT = 1000
const LOG_PAGE = 500

const hex = (n: number): string => Math.floor(n).toString(16).padStart(13, '0')

interface Watching {
  readonly prefix: string
  seen: number
  open: boolean
  readonly onEvents: (events: readonly StoreEvent[]) => void
  readonly onLost: () => void
}

/** A {@link Store} over an {@link Ordered}; memory.ts and lmdb.ts open one. */
export class EmbeddedStore implements Store {
  readonly #map: Ordered
  readonly #nowMs: () => number
  readonly #history: number
  readonly #watches = new Set<Watching>()
  #listening: { close(): void } | undefined
  #closed = false

  constructor(map: Ordered, options: EmbeddedOptions = {}) {
    this.#map = map
    this.#nowMs = options.nowMs ?? Date.now
    this.#history = options.history ?? 4096
  }

  async get(key: string): Promise<Entry | undefined> {
    checkKey(key)
    await this.#freshen()
    return this.#entry(key)
  }

  async range(
    prefix: string,
    options: { readonly from?: string; readonly limit?: number } = {},
  ): Promise<Page> {
    checkPrefix(prefix)
    const limit = Math.max(1, options.limit ?? PAGE_LIMIT)
    await this.#freshen()
    const from = options.from === undefined || options.from < prefix ? prefix : options.from
    const now = this.#nowMs()
    const entries: Entry[] = []
    let next: string | undefined
    for (const [at, value] of this.#map.range(`e${from}`, `e${prefix}${AFTER}`, limit + 1)) {
      const key = at.slice(1)
      if (entries.length === limit) next = key
      else if (!isOver(value as Row, now)) entries.push(entryOf(key, value as Row))
    }
    return { entries, revision: this.#head()[0], next }
  }

  async transact(transaction: Transaction): Promise<TransactionResult> {
    checkTransaction(transaction)
    this.#assertOpen()
    const result = await this.#map.write((writer) => {
      this.#sweep(writer)
      if (!transaction.when.every((condition) => this.#holds(condition)))
        return {
          done: false,
          revision: this.#head()[0],
          found: (transaction.otherwise ?? []).map((key) => this.#entry(key)),
        }
      return { done: true, revision: this.#write(writer, transaction.then), found: [] }
    })
    this.#wake()
    return result
  }

  async watch(
    prefix: string,
    revision: number,
    onEvents: (events: readonly StoreEvent[]) => void,
    onLost: () => void,
  ): Promise<StoreWatch> {
    checkPrefix(prefix)
    this.#assertOpen()
    const watching: Watching = { prefix, seen: revision, open: true, onEvents, onLost }
    this.#watches.add(watching)
    this.#listening ??= this.#map.listen(() => this.#wake())
    this.#wake()
    return { close: () => this.#unwatch(watching) }
  }

  async revision(): Promise<number> {
    await this.#freshen()
    return this.#head()[0]
  }

  async close(): Promise<void> {
    if (this.#closed) return
    for (const watching of this.#watches) this.#unwatch(watching)
    this.#closed = true
    await this.#map.close()
  }

  #assertOpen(): void {
    if (this.#closed)
      throw new LanyardError('store-unavailable', { store: this.#map.name, why: 'it was closed' })
  }

  #head(): Head {
    return (this.#map.get('mhead') as Head | undefined) ?? EMPTY
  }

  #entry(key: string): Entry | undefined {
    const row = this.#map.get(`e${key}`) as Row | undefined
    return row === undefined || isOver(row, this.#nowMs()) ? undefined : entryOf(key, row)
  }

  /** Reads see the newest state, and what has expired was deleted before. */
  async #freshen(): Promise<void> {
    this.#assertOpen()
    this.#map.refresh()
    if (this.#expired(1).length === 0) return
    try {
      await this.#map.write((writer) => this.#sweep(writer))
    } catch (error) {
      // Reading goes on when there is no room to write: what expired is hidden either way.
      if (!(error instanceof LanyardError && error.code === 'store-full')) throw error
    }
    this.#assertOpen()
    this.#map.refresh()
    this.#wake()
  }

  #expired(limit: number): string[] {
    const until = `x${hex(this.#nowMs() + 1)}`
    return Array.from(this.#map.range('x', until, limit), ([key]) => key)
  }

  /** Deletes what has expired, as one change with a revision of its own. */
  #sweep(writer: Writer): void {
    const expired = this.#expired(SWEEP_LIMIT)
    if (expired.length > 0)
      this.#write(
        writer,
        expired.map((key) => ({ delete: key.slice(14) })),
      )
  }

  #holds(condition: Condition): boolean {
    const entry = this.#entry(condition.key)
    if ('is' in condition) return (entry !== undefined) === (condition.is === 'present')
    if ('value' in condition) return entry?.value === condition.value
    return entry?.modRevision === condition.modRevision
  }

  /** @returns the revision after it */
  #write(writer: Writer, writes: readonly Write[]): number {
    const [last, oldest] = this.#head()
    const revision = last + 1
    const changes: Change[] = []
    for (const write of writes) {
      const key = 'put' in write ? write.put : write.delete
      const old = this.#map.get(`e${key}`) as Row | undefined
      if (old !== undefined && old[3] > 0) writer.remove(`x${hex(old[3])}${key}`)
      if ('put' in write) {
        const created = old?.[1] ?? revision
        const expires =
          write.ttlSeconds === undefined ? 0 : Math.ceil(this.#nowMs() + write.ttlSeconds * 1000)
        const row: Row = [write.value, created, revision, expires]
        writer.put(`e${key}`, row)
        if (expires > 0) writer.put(`x${hex(expires)}${key}`, 0)
        changes.push([key, write.value, created])
      } else if (old !== undefined) {
        writer.remove(`e${key}`)
        changes.push([key, null, 0])
      }
    }
    if (changes.length === 0) return last
    writer.put(`l${hex(revision)}`, changes)
    // Two at a time: a store that was opened with a longer history shrinks to this one.
    let kept = oldest
    for (let n = 0; n < 2 && revision - kept >= this.#history; n++) writer.remove(`l${hex(kept++)}`)
    const head: Head = [revision, kept]
    writer.put('mhead', head)
    return revision
  }

  /** Tells the watches, after whoever is calling has had their answer. */
  #wake(): void {
    if (this.#watches.size === 0) return
    void Promise.resolve().then(() => {
      for (const watching of this.#watches) this.#pump(watching)
    })
  }

  #pump(watching: Watching): void {
    if (this.#closed) return
    this.#map.refresh()
    for (;;) {
      if (!watching.open) return
      const [revision, oldest] = this.#head()
      if (watching.seen === revision) return
      // A revision that is not yet: this is an older copy of the store than the one watched.
      if (watching.seen > revision || watching.seen + 1 < oldest) {
        this.#unwatch(watching)
        watching.onLost()
        return
      }
      const events: StoreEvent[] = []
      const page = this.#map.range(`l${hex(watching.seen + 1)}`, 'm', LOG_PAGE)
      for (const [key, changes] of page) {
        watching.seen = Number.parseInt(key.slice(1), 16)
        for (const change of changes as readonly Change[])
          if (change[0].startsWith(watching.prefix)) events.push(eventOf(change, watching.seen))
      }
      if (events.length > 0) watching.onEvents(events)
    }
  }

  #unwatch(watching: Watching): void {
    watching.open = false
    this.#watches.delete(watching)
    if (this.#watches.size > 0) return
    this.#listening?.close()
    this.#listening = undefined
  }
}

const isOver = (row: Row, nowMs: number): boolean => row[3] > 0 && row[3] <= nowMs

const entryOf = (key: string, row: Row): Entry => ({
  key,
  value: row[0],
  createRevision: row[1],
  modRevision: row[2],
})

function eventOf([key, value, createRevision]: Change, revision: number): StoreEvent {
  if (value === null) return { change: 'delete', key, revision }
  return { change: 'put', entry: { key, value, createRevision, modRevision: revision } }
}
