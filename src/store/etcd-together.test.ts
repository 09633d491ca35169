/** What goes together and what does not, and whose failure is whose; on a real etcd at the end. */
import { describe, expect, test } from 'vitest'
import { startEtcd, whyNoEtcd } from '../../test/support/etcd.ts'
import { LanyardError } from '../errors.ts'
import { BY_CREATE, EQUAL, type TxnRequest, type TxnResponse } from './etcd-proto.ts'
import { ReadTogether, type Send, Together } from './etcd-together.ts'
import { openEtcdStore } from './etcd.ts'

const header = { cluster_id: 1, revision: 7 } as unknown as TxnResponse['header']

/** Makes a key if it is absent. */
const make = (key: string, value = '', conditions = 1): TxnRequest => ({
  compare: Array.from({ length: conditions }, (_, i) => ({
    key: i === 0 ? key : `${key}/${i}`,
    result: EQUAL,
    target: BY_CREATE,
    create_revision: 0,
  })),
  success: [{ request_put: { key, value } }],
  failure: [{ request_range: { key } }],
})

/** A server that remembers which keys each request was to make, and does what `meets` says. */
function server(meets: (keys: readonly string[]) => Promise<boolean> = async () => true): {
  readonly requests: string[][]
  readonly send: Send
} {
  const requests: string[][] = []
  const send: Send = async ({ success }) => {
    const keys = success.map((op) => op.request_put?.key ?? '')
    requests.push(keys)
    return { header, succeeded: await meets(keys), responses: [] }
  }
  return { requests, send }
}

const askAll = (together: Together, requests: readonly TxnRequest[]) =>
  Promise.allSettled(requests.map((request) => together.ask(request)))

describe('what goes together', () => {
  test('whoever is alone goes as it is', async () => {
    const { requests, send } = server()
    const together = new Together(send)
    await together.ask(make('a'))
    await together.ask(make('b'))
    expect(requests).toEqual([['a'], ['b']])
  })

  test('what is asked for in one moment, and a condition of all of them once', async () => {
    const { requests, send } = server()
    const keys = Array.from({ length: 200 }, (_, i) => `k${i}`)
    const ofAll = make('segment').compare
    const sizes: number[] = []
    const counted: Send = (request, how) => {
      sizes.push(request.compare.length)
      return send(request, how)
    }
    const asked = keys.map((key) => ({ ...make(key), compare: [...ofAll, ...make(key).compare] }))
    const said = await askAll(new Together(counted), asked)
    expect(requests).toEqual([keys.slice(0, 127), keys.slice(127)])
    expect(sizes).toEqual([128, 74])
    expect(said.every((one) => one.status === 'fulfilled' && one.value.succeeded)).toBe(true)
  })

  test('but nobody with another that writes what it names, or that is large', async () => {
    const { requests, send } = server()
    const reads: TxnRequest = { compare: make('a').compare, success: [], failure: [] }
    const wishes: TxnRequest = { compare: [], success: [], failure: make('b').failure }
    const large = make('large', '', 128)
    await askAll(new Together(send), [make('a'), make('a'), reads, make('b'), wishes, large])
    expect(requests).toEqual([['a', 'b'], ['a'], [], ['large']])
    const long = server()
    const value = 'x'.repeat(600_000)
    await askAll(new Together(long.send), [make('a', value), make('b', value), make('c')])
    expect(long.requests).toEqual([['a', 'c'], ['b']])
  })
})

describe('whose failure is whose', () => {
  test('when not all conditions hold, each is asked for again by itself', async () => {
    const { requests, send } = server(async (keys) => !keys.includes('taken'))
    const said = await askAll(new Together(send), [make('a'), make('taken'), make('c')])
    const held = said.map((one) => one.status === 'fulfilled' && one.value.succeeded)
    expect(held).toEqual([true, false, true])
    expect(requests).toEqual([['a', 'taken', 'c'], ['a'], ['taken'], ['c']])
  })

  const failing = (error: LanyardError) =>
    server(async (keys) => {
      if (keys.includes('bad')) throw error
      return true
    })
  const outcome = async (send: Send) =>
    (await askAll(new Together(send), [make('a'), make('bad'), make('c')])).map((one) =>
      one.status === 'fulfilled' ? 'done' : (one.reason as LanyardError).code,
    )

  test('what was surely not done is asked for again, each by itself', async () => {
    const full = new LanyardError('store-full', { store: 'etcd', why: 'no space', mend: 'compact' })
    const { requests, send } = failing(full)
    expect(await outcome(send)).toEqual(['done', 'store-full', 'done'])
    expect(requests).toEqual([['a', 'bad', 'c'], ['a'], ['bad'], ['c']])
    const gone = { cause: { details: 'etcdserver: requested lease not found' } }
    const lease = new LanyardError('store-unavailable', { store: 'etcd', why: 'gone' }, gone)
    expect(await outcome(failing(lease).send)).toEqual(['done', 'store-unavailable', 'done'])
  })

  test('of what may have been done nobody is told that it was not, and nothing is sent twice', async () => {
    const lost = new LanyardError('store-unavailable', { store: 'etcd', why: 'no answer' })
    const { requests, send } = failing(lost)
    expect(new Set(await outcome(send))).toEqual(new Set(['store-unavailable']))
    expect(requests).toHaveLength(1)
  })
})

test('keys that are read in one moment are one request, 128 at most; each is told its own', async () => {
  const asked: number[] = []
  const send: Send = async ({ success }) => {
    asked.push(success.length)
    const kvs = success.map(({ request_range: read }) => ({ key: read?.key ?? '' }))
    const responses = kvs.map((kv) => ({
      response_range: { header, kvs: [kv], more: false },
    })) as unknown as TxnResponse['responses']
    return { header, succeeded: true, responses }
  }
  const reads = new ReadTogether(send)
  const keys = Array.from({ length: 130 }, (_, i) => `k${i}`)
  const found = await Promise.all(keys.map((key) => reads.get(key)))
  expect(found.map((kv) => kv?.key)).toEqual(keys)
  await reads.get('alone')
  expect(asked).toEqual([128, 2, 1])
  const down = new LanyardError('store-unavailable', { store: 'etcd', why: 'no answer' })
  const broken = new ReadTogether(() => Promise.reject(down))
  const said = await Promise.allSettled(['a', 'b'].map((key) => broken.get(key)))
  expect(said.map((one) => one.status)).toEqual(['rejected', 'rejected'])
})

const missing = whyNoEtcd()
const skipped = missing === undefined ? '' : ` (skipped: ${missing})`

test.skipIf(missing !== undefined)(
  `on a real etcd many share a revision, and each has the answer it would have alone${skipped}`,
  async () => {
    const etcd = await startEtcd()
    const store = await openEtcdStore({ endpoints: etcd.endpoints, timeoutMs: 20_000 })
    try {
      const from = await store.revision()
      const create = (key: string, value: string) =>
        store.transact({
          when: [{ key, is: 'absent' }],
          then: [{ put: key, value }],
          otherwise: [key],
        })
      const keys = Array.from({ length: 100 }, (_, i) => `k${i % 50}`)
      const made = await Promise.all(keys.map((key, i) => create(key, `${i}`)))
      // Each key was wanted twice: one has it, the other is told who.
      for (let i = 0; i < 50; i++) {
        const [one, other] = [made[i], made[i + 50]]
        const [first, second] = one?.done === true ? [i, other] : [i + 50, one]
        expect([one?.done, other?.done].filter(Boolean)).toHaveLength(1)
        expect(second?.found[0]).toMatchObject({ key: `k${i}`, value: `${first}` })
      }
      const changes = (await store.revision()) - from
      expect(changes).toBeLessThan(50)
    } finally {
      await store.close()
      await etcd.stop()
    }
  },
)
