/** The store contract against a model: random commands, the same answers. */
import * as fc from 'fast-check'
import { expect } from 'vitest'
import { on, type Place, type StoreUnderTest } from './contract-place.case.ts'
import type { Condition, Store, Write } from './store.ts'

const KEYS = ['a', 'a/b', 'b', 'b/1', 'b/2']

/** The contract in twenty lines, for one handle. */
class Model {
  revision = 0
  readonly entries = new Map<string, { value: string; created: number; modified: number }>()
  readonly goes = new Map<string, number>()
  now = 0

  expire(): void {
    const gone = [...this.goes].filter(([, at]) => at <= this.now).map(([key]) => key)
    if (gone.length > 0) this.write(gone.map((key) => ({ delete: key })))
  }

  holds(c: Condition): boolean {
    const entry = this.entries.get(c.key)
    if ('is' in c) return (entry === undefined) === (c.is === 'absent')
    if ('value' in c) return entry?.value === c.value
    return entry?.modified === c.modRevision
  }

  write(writes: readonly Write[]): void {
    const real = writes.filter((w) => 'put' in w || this.entries.has(w.delete))
    if (real.length > 0) this.revision++
    for (const w of real) {
      const key = 'put' in w ? w.put : w.delete
      const created = this.entries.get(key)?.created ?? this.revision
      this.goes.delete(key)
      this.entries.delete(key)
      if (!('put' in w)) continue
      this.entries.set(key, { value: w.value, created, modified: this.revision })
      if (w.ttlSeconds !== undefined) this.goes.set(key, this.now + w.ttlSeconds * 1000)
    }
  }

  list(prefix: string): unknown[] {
    return [...this.entries]
      .filter(([key]) => key.startsWith(prefix))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, e]) => ({
        key,
        value: e.value,
        createRevision: e.created,
        modRevision: e.modified,
      }))
  }
}

class Pass implements fc.AsyncCommand<Model, Real> {
  readonly ms: number
  constructor(ms: number) {
    this.ms = ms
  }
  check = (): boolean => true
  async run(model: Model, { place }: Real): Promise<void> {
    model.now += this.ms
    await place.pass(this.ms)
  }
  toString = (): string => `pass(${this.ms})`
}

class Transact implements fc.AsyncCommand<Model, Real> {
  readonly when: readonly Condition[]
  readonly then: readonly Write[]
  constructor(when: readonly Condition[], then: readonly Write[]) {
    this.when = when
    this.then = then
  }
  check = (): boolean => true
  async run(model: Model, { store }: Real): Promise<void> {
    model.expire()
    const done = this.when.every((c) => model.holds(c))
    if (done) model.write(this.then)
    const result = await store.transact({ when: this.when, then: this.then, otherwise: KEYS })
    expect(result.done).toBe(done)
    expect(result.revision).toBe(model.revision)
    if (!done) expect(result.found.filter((e) => e !== undefined)).toEqual(model.list(''))
  }
  toString = (): string => `transact(${JSON.stringify([this.when, this.then])})`
}

class List implements fc.AsyncCommand<Model, Real> {
  readonly prefix: string
  constructor(prefix: string) {
    this.prefix = prefix
  }
  check = (): boolean => true
  async run(model: Model, { store }: Real): Promise<void> {
    model.expire()
    const page = await store.range(this.prefix)
    expect(page.entries).toEqual(model.list(this.prefix))
    expect(page.revision).toBe(model.revision)
  }
  toString = (): string => `range(${this.prefix})`
}

interface Real {
  readonly store: Store
  readonly place: Place
}

/** Runs random commands on the engine and on the model. */
export async function againstModel(engine: StoreUnderTest): Promise<void> {
  const key = fc.constantFrom(...KEYS)
  const value = fc.constantFrom('', 'x', 'y')
  const condition: fc.Arbitrary<Condition> = fc.oneof(
    fc.record({ key, is: fc.constantFrom('absent' as const, 'present' as const) }),
    fc.record({ key, modRevision: fc.integer({ min: 1, max: 12 }) }),
    fc.record({ key, value }),
  )
  const lasting: fc.Arbitrary<Write>[] = [
    fc.record({ put: key, value }),
    fc.record({ delete: key }),
  ]
  const going = fc.record({ put: key, value, ttlSeconds: fc.constantFrom(1, 5, 30) })
  // With real time a model cannot say to the millisecond what is gone.
  const timed = engine.lateMs === 0
  const write: fc.Arbitrary<Write> = fc.oneof(...lasting, ...(timed ? [going] : []))
  const commands = fc.commands(
    [
      fc
        .tuple(
          fc.array(condition, { maxLength: 2 }),
          fc.uniqueArray(write, {
            maxLength: 3,
            selector: (w) => ('put' in w ? w.put : w.delete),
          }),
        )
        .map(([when, then]) => new Transact(when, then)),
      fc.constantFrom('', 'a', 'b/', 'c').map((prefix) => new List(prefix)),
      ...(timed ? [fc.constantFrom(500, 2000, 20_000).map((ms) => new Pass(ms))] : []),
    ],
    { maxCommands: 40 },
  )
  await fc.assert(
    fc.asyncProperty(commands, async (list) => {
      await on(engine, async (store, place) => {
        await fc.asyncModelRun(() => ({ model: new Model(), real: { store, place } }), list)
      })
    }),
    { numRuns: 60 },
  )
}
