/**
 * A copy of parts of a store in this process's memory, kept by watches: what a choice among
 * thousands of addresses is made by, without asking a server for each. It may be a moment old, so
 * it is only ever a hint: the transaction decides, and what it says is learnt at once.
 */
import { SortedMap } from './sorted-map.ts'
import type {
  Entry,
  Page,
  Store,
  StoreEvent,
  StoreWatch,
  Transaction,
  TransactionResult,
} from './store.ts'

/** What to copy. */
export interface MirrorTable {
  readonly prefix: string
  /** Which keys there are, not what they say: a fifth of the memory. */
  readonly keysOnly?: boolean
}

/** What choices are made by: a store, or a mirror of one. */
export type View = Pick<Store, 'get' | 'range'>

/** Resolves after so many milliseconds of whatever clock it is. */
export type Sleep = (ms: number) => Promise<void>

const PAGE = 5000
const AGAIN_MS = 1000

interface Row {
  readonly value: string
  readonly created: number
  readonly modified: number
}

class Table {
  readonly prefix: string
  readonly #keysOnly: boolean
  /** Suffix -> what it says; only the revision where values are not kept. */
  readonly #rows = new SortedMap<Row | number>()
  /** Suffix -> the revision at which it was known to be absent, until the watch is past it. */
  readonly #absent = new Map<string, number>()

  constructor({ prefix, keysOnly = false }: MirrorTable) {
    this.prefix = prefix
    this.#keysOnly = keysOnly
  }

  get size(): number {
    return this.#rows.size
  }

  /** All of it, as read. */
  replace(entries: readonly Entry[]): void {
    this.#rows.clear()
    this.#absent.clear()
    for (const entry of entries) this.#rows.set(this.#suffix(entry.key), this.#row(entry))
  }

  put(entry: Entry): void {
    const suffix = this.#suffix(entry.key)
    const gone = this.#absent.get(suffix)
    if (gone !== undefined && gone > entry.modRevision) return
    const known = this.#rows.get(suffix)
    if (known !== undefined && revisionOf(known) > entry.modRevision) return
    this.#absent.delete(suffix)
    this.#rows.set(suffix, this.#row(entry))
  }

  remove(key: string, revision: number): void {
    const suffix = this.#suffix(key)
    const known = this.#rows.get(suffix)
    if (known !== undefined) {
      if (revisionOf(known) > revision) return
      this.#rows.delete(suffix)
    }
    this.#absent.set(suffix, revision)
  }

  /** The watch has told everything up to here. */
  settled(revision: number): void {
    for (const [suffix, at] of this.#absent) if (at <= revision) this.#absent.delete(suffix)
  }

  get(key: string): Entry | undefined {
    const row = this.#rows.get(this.#suffix(key))
    return row === undefined ? undefined : entryOf(key, row)
  }

  *after(from: string): Generator<Entry> {
    for (const [suffix, row] of this.#rows.entries(this.#suffix(from)))
      yield entryOf(this.prefix + suffix, row)
  }

  #suffix(key: string): string {
    return key.slice(this.prefix.length)
  }

  #row({ value, createRevision: created, modRevision: modified }: Entry): Row | number {
    return this.#keysOnly ? modified : { value, created, modified }
  }
}

const revisionOf = (row: Row | number): number => (typeof row === 'number' ? row : row.modified)

const entryOf = (key: string, row: Row | number): Entry =>
  typeof row === 'number'
    ? { key, value: '', createRevision: row, modRevision: row }
    : { key, value: row.value, createRevision: row.created, modRevision: row.modified }

/** Made by {@link openMirror}. */
export class Mirror implements View {
  readonly #store: Store
  readonly #tables: readonly Table[]
  readonly #sleep: Sleep
  #watches: StoreWatch[] = []
  #closed = false

  constructor(store: Store, tables: readonly MirrorTable[], sleep: Sleep) {
    this.#store = store
    this.#sleep = sleep
    this.#tables = tables.map((table) => new Table(table))
  }

  /** How many entries it holds. */
  get size(): number {
    return this.#tables.reduce((sum, table) => sum + table.size, 0)
  }

  async load(): Promise<void> {
    await Promise.all(this.#tables.map((table) => this.#load(table)))
  }

  async get(key: string): Promise<Entry | undefined> {
    const table = this.#of(key)
    return table === undefined ? await this.#store.get(key) : table.get(key)
  }

  async range(
    prefix: string,
    options: { readonly from?: string; readonly limit?: number } = {},
  ): Promise<Page> {
    const table = this.#of(prefix)
    if (table === undefined) return await this.#store.range(prefix, options)
    const limit = options.limit ?? 1000
    const from = options.from === undefined || options.from < prefix ? prefix : options.from
    const entries: Entry[] = []
    for (const entry of table.after(from)) {
      if (!entry.key.startsWith(prefix)) break
      if (entries.length === limit) return { entries, revision: 0, next: entry.key }
      entries.push(entry)
    }
    return { entries, revision: 0, next: undefined }
  }

  /** Of a transaction, the keys to read if it fails: what it was wrong about is known then. */
  wishes({ when, otherwise = [] }: Transaction): readonly string[] {
    const keys = new Set(otherwise)
    for (const { key } of when) if (this.#of(key) !== undefined) keys.add(key)
    return [...keys]
  }

  /** What a transaction and its answer say of what is copied here. */
  learn({ when, then, otherwise = [] }: Transaction, result: TransactionResult): void {
    const { done, revision, found } = result
    if (!done) {
      for (const [i, key] of otherwise.entries()) {
        const [table, entry] = [this.#of(key), found[i]]
        if (entry === undefined) table?.remove(key, revision)
        else table?.put(entry)
      }
      return
    }
    const fresh = new Set(when.flatMap((c) => ('is' in c && c.is === 'absent' ? [c.key] : [])))
    for (const write of then) {
      const key = 'put' in write ? write.put : write.delete
      const table = this.#of(key)
      if (table === undefined) continue
      if ('delete' in write) table.remove(key, revision)
      else {
        const created = fresh.has(key) ? revision : (table.get(key)?.createRevision ?? revision)
        table.put({ key, value: write.value, createRevision: created, modRevision: revision })
      }
    }
  }

  close(): void {
    this.#closed = true
    for (const watch of this.#watches) watch.close()
    this.#watches = []
  }

  #of(key: string): Table | undefined {
    return this.#tables.find((table) => key.startsWith(table.prefix))
  }

  async #load(table: Table): Promise<void> {
    const entries: Entry[] = []
    let from: string | undefined
    let revision: number | undefined
    do {
      const page = await this.#store.range(table.prefix, {
        limit: PAGE,
        ...(from === undefined ? {} : { from }),
      })
      // What changed while the pages were read is told again by the watch.
      revision ??= page.revision
      entries.push(...page.entries)
      from = page.next
    } while (from !== undefined)
    if (this.#closed) return
    table.replace(entries)
    const watch = await this.#store.watch(
      table.prefix,
      revision,
      (events) => this.#told(table, events),
      () => void this.#again(table),
    )
    if (this.#closed) watch.close()
    else this.#watches.push(watch)
  }

  /** The store has forgotten what changed since: all is read anew; until then the old will do. */
  async #again(table: Table): Promise<void> {
    while (!this.#closed)
      try {
        await this.#load(table)
        return
      } catch {
        await this.#sleep(AGAIN_MS)
      }
  }

  #told(table: Table, events: readonly StoreEvent[]): void {
    let last = 0
    for (const event of events)
      if (event.change === 'put') {
        table.put(event.entry)
        last = event.entry.modRevision
      } else {
        table.remove(event.key, event.revision)
        last = event.revision
      }
    table.settled(last)
  }
}

/**
 * Copies parts of a store, and keeps the copies up to date until it is closed.
 *
 * @example
 * ```ts
 * const mirror = await openMirror(store, [{ prefix: 'ipam/ip/', keysOnly: true }], clock.sleep)
 * ```
 */
export async function openMirror(
  store: Store,
  tables: readonly MirrorTable[],
  sleep: Sleep,
): Promise<Mirror> {
  const mirror = new Mirror(store, tables, sleep)
  try {
    await mirror.load()
  } catch (error) {
    mirror.close()
    throw error
  }
  return mirror
}
