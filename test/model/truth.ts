/**
 * The store as it is, and as one host reaches it: every request is a message that may be lost,
 * answered in vain, done twice or done long after its asker gave up, and every watch tells late.
 */
import { LanyardError } from '../../src/errors.ts'
import type {
  Condition,
  Entry,
  Page,
  Store,
  StoreEvent,
  Transaction,
  TransactionResult,
} from '../../src/store/store.ts'
import type { Life, Schedule } from './schedule.ts'

interface Row extends Entry {
  readonly expiresMs: number | undefined
}

interface Watching {
  readonly life: Life
  readonly prefix: string
  tell(events: readonly StoreEvent[]): void
  lost(): void
}

/** What a mutation of the model leaves out of a transaction, to see that it is missed. */
export type Mutation = (transaction: Transaction) => Transaction

export class Truth {
  readonly rows = new Map<string, Row>()
  readonly #schedule: Schedule
  #log: StoreEvent[] = []
  #watches: Watching[] = []
  #revision = 0
  #forgotten = 0
  readonly #mutate: Mutation
  nowMs = 1_700_000_000_000
  /** Whether anything was written since somebody last looked. */
  changed = true

  constructor(schedule: Schedule, mutate: Mutation = (asked) => asked) {
    this.#schedule = schedule
    this.#mutate = mutate
  }

  under(prefix: string): Entry[] {
    return [...this.rows.values()]
      .filter((row) => row.key.startsWith(prefix))
      .toSorted((a, b) => (a.key < b.key ? -1 : 1))
  }

  /** Time passes: what hangs on a ttl goes. */
  pass(ms: number): void {
    this.nowMs += ms
    const gone = [...this.rows.values()].filter((row) => (row.expiresMs ?? Infinity) <= this.nowMs)
    if (gone.length > 0) this.#commit(gone.map(({ key }) => ({ delete: key })))
  }

  /** What watches may have missed is forgotten. */
  compact(): void {
    this.#forgotten = this.#revision
    this.#log = []
    for (const watch of this.#watches.splice(0))
      this.#schedule.add({
        life: watch.life,
        kind: 'told',
        what: watch.prefix,
        run: () => watch.lost(),
      })
  }

  #holds(condition: Condition): boolean {
    const row = this.rows.get(condition.key)
    if ('is' in condition) return (row === undefined) === (condition.is === 'absent')
    if ('value' in condition) return row?.value === condition.value
    return (row?.modRevision ?? 0) === condition.modRevision
  }

  transact(asked: Transaction): TransactionResult {
    const { when, then, otherwise = [] } = this.#mutate(asked)
    const done = when.every((condition) => this.#holds(condition))
    if (done && then.length > 0) this.#commit(then)
    const found = done ? [] : otherwise.map((key) => this.rows.get(key))
    return { done, revision: this.#revision, found }
  }

  #commit(writes: Transaction['then']): void {
    const revision = this.#revision + 1
    const events: StoreEvent[] = []
    for (const write of writes) {
      const key = 'put' in write ? write.put : write.delete
      const before = this.rows.get(key)
      if ('put' in write) {
        const ttl = write.ttlSeconds
        const expiresMs = ttl === undefined ? undefined : this.nowMs + ttl * 1000
        const createRevision = before?.createRevision ?? revision
        const entry = { key, value: write.value, createRevision, modRevision: revision }
        this.rows.set(key, { ...entry, expiresMs })
        events.push({ change: 'put', entry })
      } else if (this.rows.delete(key)) events.push({ change: 'delete', key, revision })
    }
    if (events.length === 0) return
    this.#revision = revision
    this.changed = true
    this.#log.push(...events)
    for (const watch of this.#watches) this.#tell(watch, events)
  }

  #tell(watch: Watching, events: readonly StoreEvent[]): void {
    const theirs = events.filter((event) => keyOf(event).startsWith(watch.prefix))
    if (theirs.length === 0) return
    const run = (): void => {
      if (this.#watches.includes(watch)) watch.tell(theirs)
    }
    this.#schedule.add({ life: watch.life, kind: 'told', what: watch.prefix, run })
  }

  range(prefix: string, from: string | undefined, limit: number): Page {
    const found = this.under(prefix).filter((entry) => from === undefined || entry.key >= from)
    const next = found[limit]?.key
    return { entries: found.slice(0, limit), revision: this.#revision, next }
  }

  /** As a process reaches it. */
  reachedBy(life: Life): Store {
    const ask = <T>(what: string, work: () => T, reads = true): Promise<T> =>
      this.#ask({ life, what, reads }, work)
    return {
      get: (key) => ask(`get ${key}`, () => this.rows.get(key)),
      range: (prefix, { from, limit = 1000 } = {}) =>
        ask(`range ${prefix}`, () => this.range(prefix, from, limit)),
      transact: (transaction) =>
        ask(describe(transaction), () => this.transact(transaction), false),
      revision: () => ask('revision', () => this.#revision),
      watch: async (prefix, revision, tell, lost) => {
        const watch = { life, prefix, tell, lost }
        if (revision < this.#forgotten) {
          this.#schedule.add({ life, kind: 'told', what: prefix, run: lost })
          return { close: () => undefined }
        }
        this.#watches.push(watch)
        const missed = this.#log.filter((event) => revisionOf(event) > revision)
        for (const event of missed) this.#tell(watch, [event])
        return { close: () => this.#watches.splice(this.#watches.indexOf(watch), 1) }
      },
      close: async () => undefined,
    }
  }

  forget(life: Life): void {
    this.#watches = this.#watches.filter((watch) => watch.life !== life)
  }

  #ask<T>(
    { life, what, reads }: { readonly life: Life; readonly what: string; readonly reads: boolean },
    work: () => T,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      let waits = true
      const lose = (): void => {
        if (!waits || life.dead) return
        waits = false
        reject(new LanyardError('store-unavailable', { store: 'model', why: 'no answer' }))
      }
      const run = (): void => {
        const result = work()
        if (!waits || life.dead) return
        const reply = (): void => {
          if (!waits || life.dead) return
          waits = false
          resolve(result)
        }
        const text = `answer to ${what}`
        this.#schedule.add({ life, kind: 'reply', what: text, reads, run: reply, lose })
      }
      this.#schedule.add({ life, kind: 'request', what: `${life.host}: ${what}`, reads, run, lose })
    })
  }
}

const keyOf = (event: StoreEvent): string => (event.change === 'put' ? event.entry.key : event.key)
const revisionOf = (event: StoreEvent): number =>
  event.change === 'put' ? event.entry.modRevision : event.revision

function describe({ when, then }: Transaction): string {
  const writes = then.map((write) => ('put' in write ? `+${write.put}` : `-${write.delete}`))
  return `if ${when.map((one) => one.key).join(' ')}: ${writes.join(' ')} `
}
