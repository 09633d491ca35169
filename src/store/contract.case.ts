/**
 * The store contract as tests, run by every engine: order, conditions, reads instead, revisions,
 * expiry, watch, lost history, two handles at once, and random commands against a model.
 */
import { describe, expect, test } from 'vitest'
import { LanyardError } from '../errors.ts'
import { on, type Place, type StoreUnderTest } from './contract-place.case.ts'
import { againstModel } from './contract-model.case.ts'
import type { Condition, Store, StoreEvent, Write } from './store.ts'

const put = (store: Store, key: string, value: string, ttlSeconds?: number) =>
  store.transact({
    when: [],
    then: [{ put: key, value, ...(ttlSeconds === undefined ? {} : { ttlSeconds }) }],
  })

const failure = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work
    return 'none'
  } catch (error) {
    return error instanceof LanyardError ? error.code : String(error)
  }
}

/** Waits until `is` holds, as long as the engine may take. */
async function until(engine: StoreUnderTest, is: () => boolean): Promise<void> {
  const end = performance.now() + engine.toldWithinMs + 2000
  while (!is() && performance.now() < end) await new Promise((done) => setTimeout(done, 5))
  expect(is()).toBe(true)
}

/** Time goes on until an entry with a ttl must be gone; with real time that may take longer. */
async function expire(
  engine: StoreUnderTest,
  place: Place,
  ms: number,
  isGone: () => Promise<boolean>,
): Promise<void> {
  await place.pass(ms)
  const end = performance.now() + engine.lateMs
  while (!(await isGone()) && performance.now() < end)
    await new Promise((done) => setTimeout(done, 50))
  expect(await isGone()).toBe(true)
}

const briefly = (event: StoreEvent): string =>
  event.change === 'put'
    ? `${event.entry.modRevision} ${event.entry.key}=${event.entry.value}`
    : `${event.revision} -${event.key}`

/** Declares the suite; `name` is the engine's. */
export function testStore(name: string, engine: StoreUnderTest): void {
  describe(name, () => {
    transactions(engine)
    ranges(engine)
    if (engine.expires !== false) expiry(engine)
    watches(engine)
    handles(engine)
    test('does what a model does, whatever is asked in whatever order', () => againstModel(engine))
  })
}

function transactions(engine: StoreUnderTest): void {
  test('get() finds what was put, with the revisions it was made and changed at', () =>
    on(engine, async (store) => {
      expect(await store.revision()).toBe(0)
      expect(await store.get('a')).toBeUndefined()
      expect(await put(store, 'a', '1')).toEqual({ done: true, revision: 1, found: [] })
      await put(store, 'b', '1')
      await put(store, 'a', '2')
      expect(await store.get('a')).toEqual({
        key: 'a',
        value: '2',
        createRevision: 1,
        modRevision: 3,
      })
    }))

  test('a key deleted and made again has a new createRevision', () =>
    on(engine, async (store) => {
      await put(store, 'a', '1')
      await store.transact({ when: [], then: [{ delete: 'a' }] })
      expect(await store.get('a')).toBeUndefined()
      await put(store, 'a', '1')
      expect((await store.get('a'))?.createRevision).toBe(3)
    }))

  test('all of a transaction has one revision; one that changes nothing has none', () =>
    on(engine, async (store) => {
      const { revision } = await store.transact({
        when: [],
        then: [
          { put: 'a', value: '1' },
          { put: 'b', value: '1' },
        ],
      })
      expect(revision).toBe(1)
      expect((await store.get('b'))?.modRevision).toBe(1)
      expect((await store.transact({ when: [], then: [{ delete: 'zz' }] })).revision).toBe(1)
      expect((await store.transact({ when: [], then: [] })).revision).toBe(1)
    }))

  const cases: readonly (readonly [Condition, boolean])[] = [
    [{ key: 'a', is: 'present' }, true],
    [{ key: 'a', is: 'absent' }, false],
    [{ key: 'no', is: 'present' }, false],
    [{ key: 'no', is: 'absent' }, true],
    [{ key: 'a', modRevision: 1 }, true],
    [{ key: 'a', modRevision: 2 }, false],
    [{ key: 'no', modRevision: 1 }, false],
    [{ key: 'a', value: 'x' }, true],
    [{ key: 'a', value: 'y' }, false],
    [{ key: 'no', value: '' }, false],
  ]
  for (const [condition, holds] of cases)
    test(`condition ${JSON.stringify(condition)} ${holds ? 'holds' : 'does not hold'}`, () =>
      on(engine, async (store) => {
        await put(store, 'a', 'x')
        const result = await store.transact({ when: [condition], then: [{ put: 'w', value: '' }] })
        expect(result.done).toBe(holds)
        expect((await store.get('w')) !== undefined).toBe(holds)
      }))

  test('nothing is written unless all conditions hold; then `otherwise` is read, in its order', () =>
    on(engine, async (store) => {
      await put(store, 'a', 'x')
      const result = await store.transact({
        when: [
          { key: 'a', is: 'present' },
          { key: 'b', is: 'present' },
        ],
        then: [{ put: 'a', value: 'y' }, { delete: 'a2' }],
        otherwise: ['b', 'a'],
      })
      const entry = { key: 'a', value: 'x', createRevision: 1, modRevision: 1 }
      expect(result).toEqual({ done: false, revision: 1, found: [undefined, entry] })
    }))

  test('what no engine could do is refused by all', () =>
    on(engine, async (store) => {
      const many = Array.from({ length: 129 }, (_, i): Write => ({ put: `k${i}`, value: '' }))
      const twice: Write[] = [{ put: 'a', value: '' }, { delete: 'a' }]
      const invalid = 'store-request-invalid'
      expect(await failure(store.transact({ when: [], then: many }))).toBe(invalid)
      expect(await failure(store.transact({ when: [], then: twice }))).toBe(invalid)
      expect(await failure(put(store, '', '1'))).toBe(invalid)
      expect(await failure(put(store, 'k'.repeat(1025), '1'))).toBe(invalid)
      expect(await failure(put(store, 'grün', '1'))).toBe(invalid)
      expect(await failure(put(store, 'a', '1', 0))).toBe(invalid)
      expect(await failure(store.get('a b'))).toBe(invalid)
      expect(await store.revision()).toBe(0)
      expect((await store.transact({ when: [], then: many.slice(1) })).done).toBe(true)
      await put(store, 'k'.repeat(1024), '€'.repeat(100_000))
      expect((await store.get('k'.repeat(1024)))?.value).toBe('€'.repeat(100_000))
    }))
}

function ranges(engine: StoreUnderTest): void {
  test('range() gives the keys under a prefix in order, and says of which revision', () =>
    on(engine, async (store) => {
      for (const key of ['b/2', 'a', 'b/10', 'b0', 'b/~', 'b/!', 'b']) await put(store, key, key)
      const page = await store.range('b/')
      expect(page.entries.map((e) => e.key)).toEqual(['b/!', 'b/10', 'b/2', 'b/~'])
      expect(page).toMatchObject({ revision: 7, next: undefined })
      expect((await store.range('')).entries).toHaveLength(7)
      expect((await store.range('c')).entries).toEqual([])
    }))

  test('range() goes on from where a page ended', () =>
    on(engine, async (store) => {
      for (let i = 0; i < 7; i++) await put(store, `k/${i}`, '')
      const keys: string[][] = []
      let from: string | undefined
      do {
        const page = await store.range('k/', {
          limit: 3,
          ...(from === undefined ? {} : { from }),
        })
        keys.push(page.entries.map((e) => e.key))
        from = page.next
      } while (from !== undefined)
      expect(keys).toEqual([['k/0', 'k/1', 'k/2'], ['k/3', 'k/4', 'k/5'], ['k/6']])
      expect((await store.range('k/', { from: 'k/45' })).entries.map((e) => e.key)).toEqual([
        'k/5',
        'k/6',
      ])
      expect((await store.range('k/', { from: 'a' })).entries).toHaveLength(7)
    }))
}

function expiry(engine: StoreUnderTest): void {
  test('an entry with a ttl goes by itself, as a change with a revision', () =>
    on(engine, async (store, place) => {
      await put(store, 'a', '1', 3)
      await put(store, 'b', '1')
      await place.pass(2000)
      expect((await store.get('a'))?.value).toBe('1')
      await expire(engine, place, 1500, async () => (await store.get('a')) === undefined)
      expect((await store.range('')).entries.map((e) => e.key)).toEqual(['b'])
      expect(await store.revision()).toBe(3)
      const again = await store.transact({
        when: [{ key: 'a', is: 'absent' }],
        then: [{ put: 'a', value: '2' }],
      })
      expect(again).toMatchObject({ done: true, revision: 4 })
      expect((await store.get('a'))?.createRevision).toBe(4)
    }))

  test('a transaction does not see what has expired', () =>
    on(engine, async (store, place) => {
      await put(store, 'a', '1', 1)
      const look = () =>
        store.transact({ when: [{ key: 'a', is: 'present' }], then: [], otherwise: ['a'] })
      await expire(engine, place, 1500, async () => !(await look()).done)
      expect(await look()).toMatchObject({ done: false, found: [undefined] })
    }))

  test('putting an entry again takes its old ttl away', () =>
    on(engine, async (store, place) => {
      await put(store, 'a', '1', 1)
      await put(store, 'b', '1', 1)
      await put(store, 'a', '2')
      await put(store, 'b', '2', 5)
      await place.pass(2000)
      expect((await store.get('a'))?.value).toBe('2')
      expect((await store.get('b'))?.value).toBe('2')
      await expire(engine, place, 4000, async () => (await store.get('b')) === undefined)
    }))
}

function watches(engine: StoreUnderTest): void {
  const told: string[] = []
  const listen = (events: readonly StoreEvent[]): void => void told.push(...events.map(briefly))
  const lost = (): void => void told.push('lost')

  test('watch() tells every change under its prefix after the revision, in order', () =>
    on(engine, async (store, place) => {
      told.length = 0
      await put(store, 'a/1', 'x')
      await put(store, 'a/2', 'x')
      const watch = await store.watch('a/', 1, listen, lost)
      await put(store, 'b', 'x')
      await store.transact({ when: [], then: [{ delete: 'a/1' }, { put: 'a/3', value: 'y' }] })
      await put(store, 'a/4', 'z', 1)
      await expire(engine, place, 1500, async () => (await store.get('a/4')) === undefined)
      await until(engine, () => told.length >= 5)
      expect(told).toEqual(['2 a/2=x', '4 -a/1', '4 a/3=y', '5 a/4=z', '6 -a/4'])
      watch.close()
      await put(store, 'a/5', 'x')
      const other = await store.watch('a/', 6, () => told.push('seen'), lost)
      await until(engine, () => told.includes('seen'))
      expect(told).toHaveLength(6)
      other.close()
    }))

  test('watch() says when the changes since then are forgotten, and ends', () =>
    on(
      engine,
      async (store) => {
        told.length = 0
        for (let i = 0; i < 10; i++) await put(store, 'a', `${i}`)
        await store.watch('a', 2, listen, lost)
        await until(engine, () => told.length > 0)
        await put(store, 'a', 'more')
        await store.watch('a', 10, (events) => told.push(...events.map(briefly)), lost)
        await until(engine, () => told.length > 1)
        expect(told).toEqual(['lost', '11 a=more'])
      },
      4,
    ))

  test('watch() of a revision that is not yet is lost: the store is an older copy', () =>
    on(engine, async (store) => {
      told.length = 0
      await put(store, 'a', '1')
      await store.watch('a', 5, listen, lost)
      await until(engine, () => told.length > 0)
      expect(told).toEqual(['lost'])
    }))
}

function handles(engine: StoreUnderTest): void {
  test('a second handle sees what the first wrote, at once, and keeps it when that closes', () =>
    on(engine, async (store, place) => {
      const second = await place.open()
      await put(store, 'a', '1')
      expect((await second.get('a'))?.value).toBe('1')
      await put(second, 'a', '2')
      expect((await store.get('a'))?.modRevision).toBe(2)
      await second.close()
      expect(await failure(second.get('a'))).toBe('store-unavailable')
      expect(await failure(put(second, 'a', '3'))).toBe('store-unavailable')
      const third = await place.open()
      expect((await third.get('a'))?.value).toBe('2')
      await third.close()
    }))

  test('a watch hears of changes made on another handle', () =>
    on(engine, async (store, place) => {
      const told: string[] = []
      const second = await place.open()
      const watch = await second.watch(
        'a',
        0,
        (events) => told.push(...events.map(briefly)),
        () => told.push('lost'),
      )
      await put(store, 'a', '1')
      await until(engine, () => told.length === 1)
      await put(store, 'a', '2')
      await until(engine, () => told.length === 2)
      expect(told).toEqual(['1 a=1', '2 a=2'])
      watch.close()
      await second.close()
    }))

  test('of many that make one key at once exactly one does', () =>
    on(engine, async (store, place) => {
      const second = await place.open()
      const results = await Promise.all(
        Array.from({ length: 40 }, (_, i) =>
          (i % 2 === 0 ? store : second).transact({
            when: [{ key: 'a', is: 'absent' }],
            then: [{ put: 'a', value: `${i}` }],
            otherwise: ['a'],
          }),
        ),
      )
      const winners = results.flatMap((r, i) => (r.done ? [`${i}`] : []))
      expect(winners).toHaveLength(1)
      for (const result of results)
        if (!result.done) expect(result.found[0]?.value).toBe(winners[0])
      expect(await store.revision()).toBe(1)
      await second.close()
    }))
}
