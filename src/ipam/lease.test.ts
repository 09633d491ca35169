/**
 * lease() and release() under everything that can go wrong: several hosts at once, requests and
 * replies that get lost, processes that die in the middle. Whatever happens, what was answered
 * holds, and no address and no MAC is answered twice.
 */
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatIp, type Ip, parseIp } from '../addr/ip.ts'
import { parsePrefix } from '../addr/prefix.ts'
import { LanyardError } from '../errors.ts'
import { Memory, openMemoryStore } from '../store/memory.ts'
import type { Store } from '../store/store.ts'
import { createIpam, type Ipam } from './ipam.ts'
import { lease, type LeaseResult } from './lease.ts'
import { listHoldings } from './list.ts'
import { definePools } from './pools.ts'
import { release } from './release.ts'
import { reserve, unreserve } from './reserve.ts'

class Crash extends Error {}

type Fault = 'none' | 'request lost' | 'reply lost' | 'crash before' | 'crash after'

/** A store whose transactions meet the faults dealt out, and then no more. */
function faulty(store: Store, faults: Fault[]): Store {
  const unavailable = (why: string): LanyardError =>
    new LanyardError('store-unavailable', { store: 'under test', why })
  return {
    ...bound(store),
    transact: async (transaction) => {
      const fault = faults.shift() ?? 'none'
      if (fault === 'request lost') throw unavailable(fault)
      if (fault === 'crash before') throw new Crash()
      const result = await store.transact(transaction)
      if (fault === 'reply lost') throw unavailable(fault)
      if (fault === 'crash after') throw new Crash()
      return result
    },
  }
}

const bound = (store: Store): Store => ({
  get: (key) => store.get(key),
  range: (prefix, options) => store.range(prefix, options),
  transact: (transaction) => store.transact(transaction),
  watch: (...all) => store.watch(...all),
  revision: () => store.revision(),
  close: () => store.close(),
})

const SEGMENT = 'eth0'
const KEPT = ['10.0.0.0', '10.0.0.1', '10.0.0.5', '10.0.0.15', '2001:db8::'].map(parseIp)
const NETWORKS = ['lan', 'two']
const pools = [
  {
    subnet: parsePrefix('10.0.0.0/28'),
    gateway: parseIp('10.0.0.1'),
    exclude: [{ name: '', address: parseIp('10.0.0.5') }],
  },
  { subnet: parsePrefix('2001:db8::/120'), exclude: [] },
]

type Step =
  | {
      readonly do: 'lease'
      readonly network: string
      readonly endpoint: string
      readonly want: readonly Ip[]
    }
  | { readonly do: 'release'; readonly network: string; readonly endpoint: string }
  | { readonly do: 'reserve' | 'unreserve'; readonly network: string; readonly ip: Ip }
  | { readonly do: 'wait' | 'restart' }

/** What callers were told and rely on. */
class Told {
  readonly leases = new Map<string, LeaseResult>()
  /** Endpoints whose last call died: anything may be. */
  readonly unsure = new Set<string>()

  note(id: string, result: LeaseResult): void {
    const before = this.leases.get(id)
    if (before !== undefined && !this.unsure.has(id))
      expect(result).toEqual({ ...before, made: false })
    this.unsure.delete(id)
    this.leases.set(id, result)
    for (const ip of result.addresses) expect(KEPT).not.toContain(ip)
    for (const [other, theirs] of this.leases) {
      if (other === id || this.unsure.has(other)) continue
      for (const ip of result.addresses)
        expect(theirs.addresses.map(formatIp)).not.toContain(formatIp(ip))
      expect(theirs.mac).not.toBe(result.mac)
    }
  }
}

async function play(ipam: Ipam, told: Told, step: Step): Promise<void> {
  if (!('network' in step)) return
  const at = { segment: SEGMENT, network: step.network }
  const id = 'endpoint' in step ? `${step.network}/${step.endpoint}` : ''
  try {
    if (step.do === 'lease') {
      const wants = step.want.length > 0 ? { want: step.want } : {}
      told.note(id, await lease(ipam, { ...at, ...wants, endpoint: step.endpoint }))
    } else if (step.do === 'release') {
      // From the moment it is asked for, the address may be somebody else's.
      told.unsure.add(id)
      await release(ipam, { ...at, endpoint: step.endpoint })
      told.leases.delete(id)
      told.unsure.delete(id)
    } else if (step.do === 'reserve' || step.do === 'unreserve') {
      if (step.do === 'unreserve') await unreserve(ipam, { ...at, address: step.ip })
      else await reserve(ipam, { ...at, address: step.ip, name: 'e0' })
    }
  } catch (error) {
    if (error instanceof Crash) return
    if (!(error instanceof LanyardError)) throw error
    expect([
      'pool-exhausted',
      'address-in-use',
      'address-not-usable',
      'lease-differs',
      'store-unavailable',
    ]).toContain(error.code)
  }
}

const network = fc.constantFrom(...NETWORKS)
const endpoint = fc.constantFrom('e0', 'e1', 'e2', 'e3', 'e4', 'e5', 'e6', 'e7', 'e8')
const ip = fc.constantFrom(...['10.0.0.3', '10.0.0.4', '10.0.0.5', '10.0.0.6'].map(parseIp))
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('lease' as const),
      network,
      endpoint,
      want: fc.oneof({ weight: 3, arbitrary: fc.constant<Ip[]>([]) }, fc.tuple(ip)),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('release' as const), network, endpoint }) },
  fc.record({ do: fc.constantFrom('reserve' as const, 'unreserve' as const), network, ip }),
  fc.record({ do: fc.constantFrom('wait' as const, 'restart' as const) }),
)
const fault = fc.constantFrom<Fault[]>(
  'none',
  'none',
  'request lost',
  'reply lost',
  'crash before',
  'crash after',
)

/** Steps go by threes at once, on two hosts that share nothing but the store. */
async function run(steps: readonly Step[], faults: readonly Fault[]): Promise<void> {
  const memory = new Memory()
  const told = new Told()
  const dealt = [...faults]
  let now = 1_000_000
  const nowMs = (): number => now
  const open = (): Ipam => createIpam(faulty(openMemoryStore({ memory, nowMs }), dealt), { nowMs })
  const sober = createIpam(openMemoryStore({ memory, nowMs }), { nowMs })
  for (const name of NETWORKS) await definePools(sober, { segment: SEGMENT, network: name, pools })
  let hosts = [open(), open()]
  for (let at = 0; at < steps.length; at += 3) {
    const group = steps.slice(at, at + 3)
    if (group.some((s) => s.do === 'wait')) now += 45_000
    if (group.some((s) => s.do === 'restart')) hosts = [open(), open()]
    // Two calls for one endpoint at once may end either way: only one of them is made.
    const ids = group.map((s) => ('endpoint' in s ? `${s.network}/${s.endpoint}` : s))
    const apart = group.filter((_, i) => ids.indexOf(ids[i] ?? '') === i)
    await Promise.all(apart.map((s, i) => play(hosts[i % 2] ?? sober, told, s)))
  }
  await settle(sober, told)
}

/** In the end the table says what callers were told, and holds together. */
async function settle(ipam: Ipam, told: Told): Promise<void> {
  const held = (await listHoldings(ipam)).filter((h) => h.kind === 'endpoint')
  const ids = held.map((h) => `${h.network}/${h.holder}`)
  for (const [id, { addresses, mac }] of told.leases) {
    if (told.unsure.has(id)) continue
    const mine = held.filter((_, i) => ids[i] === id)
    expect(mine.map((h) => formatIp(h.address)).sort()).toEqual(addresses.map(formatIp).sort())
    expect(mine.every((h) => h.mac === mac)).toBe(true)
  }
  // No record without its counterpart: each endpoint that holds anything holds one of each family.
  const ends = (await ipam.store.range('ipam/end/')).entries
  const macs = (await ipam.store.range('ipam/mac/')).entries
  expect(held).toHaveLength(ends.length * 2)
  expect(macs).toHaveLength(ends.length)
  expect(new Set(held.map((h) => formatIp(h.address))).size).toBe(held.length)
}

test('lease() answers no address or MAC twice, whatever is lost and whoever dies', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 5, maxLength: 60 }),
      fc.array(fault, { maxLength: 80 }),
      run,
    ),
    { numRuns: 300 },
  )
}, 60_000)

test('lease() asks again for the same when its answer was lost', async () => {
  const memory = new Memory()
  const nowMs = (): number => 1
  const store = openMemoryStore({ memory, nowMs })
  const setup = createIpam(store, { nowMs })
  await definePools(setup, { segment: SEGMENT, network: 'lan', pools })
  const ipam = createIpam(faulty(store, ['reply lost', 'request lost', 'reply lost']), { nowMs })
  const got = await lease(ipam, { segment: SEGMENT, network: 'lan', endpoint: 'a' })
  expect(got.addresses.map(formatIp)).toEqual(['10.0.0.2', '2001:db8::1'])
  expect(await listHoldings(ipam)).toHaveLength(2)
})

test('lease() of many at once on two hosts gives each its own', async () => {
  const memory = new Memory()
  const nowMs = (): number => 1
  const hosts = [0, 1].map(() => createIpam(openMemoryStore({ memory, nowMs }), { nowMs }))
  const [first] = hosts
  if (first === undefined) throw new Error('no host')
  const wide = [{ subnet: parsePrefix('10.0.0.0/24'), exclude: [] }]
  await definePools(first, { segment: SEGMENT, network: 'lan', pools: wide })
  const got = await Promise.all(
    Array.from({ length: 120 }, (_, i) =>
      lease(hosts[i % 2] ?? first, { segment: SEGMENT, network: 'lan', endpoint: `e${i}` }),
    ),
  )
  expect(new Set(got.flatMap((g) => g.addresses)).size).toBe(120)
  expect(new Set(got.map((g) => g.mac)).size).toBe(120)
})
