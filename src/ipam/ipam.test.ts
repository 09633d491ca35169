/** Pools, leases and reservations on a store in memory, one wish after another. */
import { expect, test } from 'vitest'
import { formatIp, parseIp } from '../addr/ip.ts'
import { formatMac, isGroupMac, isLocalMac, parseMac } from '../addr/mac.ts'
import { parsePrefix } from '../addr/prefix.ts'
import { parseRange } from '../addr/range.ts'
import { LanyardError } from '../errors.ts'
import { openMemoryStore } from '../store/memory.ts'
import { createIpam, type Ipam, type IpamHost, type IpamOptions } from './ipam.ts'
import { lease, type LeaseRequest } from './lease.ts'
import { listHoldings, nextFree, whoHolds } from './list.ts'
import { stableMac } from './mac.ts'
import { lastHolder, quarantine } from './memory.ts'
import { definePools, removePools } from './pools.ts'
import { release } from './release.ts'
import { reserve, unreserve } from './reserve.ts'
import type { Pool } from './segment.ts'

const pool = (
  subnet: string,
  more: { gateway?: string; range?: string; exclude?: string[] } = {},
): Pool => ({
  subnet: parsePrefix(subnet),
  ...(more.range === undefined ? {} : { range: parseRange(more.range) }),
  ...(more.gateway === undefined ? {} : { gateway: parseIp(more.gateway) }),
  exclude: (more.exclude ?? []).map((text) => ({ name: 'aux', address: parseIp(text) })),
})

/** An ipam whose time the test turns on. */
function start(options: Partial<IpamOptions> = {}) {
  const clock = { ms: 1_800_000_000_000 }
  const nowMs = (): number => clock.ms
  const store = openMemoryStore({ nowMs })
  const ipam = createIpam(store, { nowMs, ...options })
  const define = (network: string, ...pools: Pool[]) =>
    definePools(ipam, { segment: 'eth0', network, pools })
  return { clock, store, ipam, define }
}

const ask = async (
  ipam: Ipam,
  endpoint: string,
  more: Partial<LeaseRequest> & { ip?: string } = {},
): Promise<string> => {
  const { ip, ...rest } = more
  const want = ip === undefined ? {} : { want: ip.split(',').map(parseIp) }
  const got = await lease(ipam, { segment: 'eth0', network: 'lan', endpoint, ...want, ...rest })
  return got.addresses.map(formatIp).join(',')
}
const drop = (ipam: Ipam, endpoint: string, revision?: number) =>
  release(ipam, {
    segment: 'eth0',
    network: 'lan',
    endpoint,
    ...(revision === undefined ? {} : { revision }),
  })

const hostNamed = (id: string): IpamHost => ({
  id,
  slot: 0,
  random: () => 0,
  guards: () => [],
  refused: () => Promise.resolve(),
  nameOf: (of) => Promise.resolve(of),
})

const why = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work
    return 'nothing'
  } catch (error) {
    return error instanceof LanyardError ? `${error.code}: ${error.message}` : String(error)
  }
}

test('lease() hands out one after another, neither gateway nor excluded nor outside the range', async () => {
  const { ipam, define } = start()
  await define('lan', pool('10.0.0.0/24', { gateway: '10.0.0.1', exclude: ['10.0.0.3'] }))
  const got = [await ask(ipam, 'a'), await ask(ipam, 'b'), await ask(ipam, 'c')]
  expect(got).toEqual(['10.0.0.2', '10.0.0.4', '10.0.0.5'])
  await define('other', pool('10.0.1.0/24', { range: '10.0.1.9-10.0.1.10' }))
  const network = 'other'
  expect([await ask(ipam, 'a', { network }), await ask(ipam, 'b', { network })]).toEqual([
    '10.0.1.9',
    '10.0.1.10',
  ])
  expect(await why(ask(ipam, 'c', { network }))).toBe(
    "pool-exhausted: no available addresses on this network's address pools: other: all 2 of 10.0.1.0/24 are taken or rest",
  )
  expect(await ask(ipam, 'd', { network, ip: '10.0.1.77' })).toBe('10.0.1.77')
})

const small: readonly (readonly [string, string[]])[] = [
  ['10.0.0.0/30', ['10.0.0.1', '10.0.0.2']],
  ['10.0.0.0/31', ['10.0.0.0', '10.0.0.1']],
  ['10.0.0.9/32', ['10.0.0.9']],
  ['2001:db8::/126', ['2001:db8::1', '2001:db8::2', '2001:db8::3']],
  ['2001:db8::/127', ['2001:db8::', '2001:db8::1']],
  ['2001:db8::5/128', ['2001:db8::5']],
]
for (const [subnet, addresses] of small)
  test(`lease() hands out ${addresses.length} addresses of ${subnet}`, async () => {
    const { ipam, define } = start()
    await define('lan', pool(subnet))
    const got: string[] = []
    for (let i = 0; i < addresses.length; i++) got.push(await ask(ipam, `e${i}`))
    expect(got).toEqual(addresses)
    expect(await why(ask(ipam, 'more'))).toContain('pool-exhausted')
  })

test('lease() gives each family one address or none at all', async () => {
  const { ipam, define, store } = start()
  await define('lan', pool('10.0.0.0/30'), pool('2001:db8::/127'))
  expect(await ask(ipam, 'a')).toBe('10.0.0.1,2001:db8::')
  expect(await ask(ipam, 'b', { ip: '2001:db8::1' })).toBe('2001:db8::1,10.0.0.2')
  const before = await store.revision()
  expect(await why(ask(ipam, 'c'))).toContain('pool-exhausted')
  expect(await store.revision()).toBe(before)
})

test('lease() goes on to the next subnet of a family when one is full', async () => {
  const { ipam, define } = start()
  await define('lan', pool('10.0.0.0/32'), pool('10.0.9.0/30'))
  expect([await ask(ipam, 'a'), await ask(ipam, 'b')]).toEqual(['10.0.0.0', '10.0.9.1'])
})

test('networks of one segment with one subnet share its addresses, those kept out too', async () => {
  const { ipam, define } = start()
  await define('lan', pool('10.0.0.0/29', { gateway: '10.0.0.1' }))
  await define('two', pool('10.0.0.0/29', { gateway: '10.0.0.6', exclude: ['10.0.0.3'] }))
  const got = [await ask(ipam, 'a'), await ask(ipam, 'a', { network: 'two' }), await ask(ipam, 'b')]
  expect(got).toEqual(['10.0.0.2', '10.0.0.4', '10.0.0.5'])
  expect(await why(ask(ipam, 'b', { network: 'two' }))).toContain('pool-exhausted')
  expect(await why(ask(ipam, 'x', { ip: '10.0.0.3' }))).toBe(
    'address-not-usable: Invalid address 10.0.0.3 in network "lan": it is excluded by network "two" (aux)',
  )
})

test('definePools() refuses what overlaps in part in the segment, and names the holder', async () => {
  const { ipam, define } = start()
  await define('lan', pool('10.0.0.0/16'))
  expect(await why(define('two', pool('10.0.1.0/24')))).toBe(
    'pool-overlap: Pool overlaps with other one on this address space: 10.0.1.0/24 and 10.0.0.0/16 of network "lan" in segment eth0',
  )
  await definePools(ipam, { segment: 'eth1', network: 'two', pools: [pool('10.0.1.0/24')] })
})

const wrong: readonly (readonly [string, Pool[], string])[] = [
  ['host bits', [pool('10.0.0.5/24')], 'invalid subnet 10.0.0.5/24: it should be 10.0.0.0/24'],
  [
    'a range outside',
    [pool('10.0.0.0/24', { range: '10.0.1.0/24' })],
    "parent subnet 10.0.0.0/24 doesn't contain ip-range",
  ],
  ['an excluded address outside', [pool('10.0.0.0/24', { exclude: ['10.0.1.1'] })], 'must belong'],
  ['a gateway of the other family', [pool('10.0.0.0/24', { gateway: '::1' })], 'another family'],
  ['overlap in itself', [pool('10.0.0.0/24'), pool('10.0.0.0/25')], 'overlap'],
]
for (const [what, pools, sentence] of wrong)
  test(`definePools() refuses ${what}`, async () => {
    const said = await why(start().define('lan', ...pools))
    expect(said).toContain('pool-invalid')
    expect(said).toContain(sentence)
  })

test('definePools() is repeatable, and refuses to keep out what somebody holds', async () => {
  const { ipam, define, store } = start()
  await define('lan', pool('10.0.0.0/24'))
  await ask(ipam, 'a')
  const before = await store.revision()
  await define('lan', pool('10.0.0.0/24'))
  expect(await store.revision()).toBe(before)
  expect(await why(define('lan', pool('10.0.0.0/25')))).toContain('pool-in-use')
  expect(await why(define('two', pool('10.0.0.0/24', { gateway: '10.0.0.1' })))).toBe(
    'address-in-use: Address already in use: 10.0.0.1 is held by endpoint "a" of "lan"',
  )
})

test('removePools() waits for the endpoints, or takes their addresses when told to', async () => {
  const { ipam, define, store } = start()
  await define('lan', pool('10.0.0.0/24'))
  await ask(ipam, 'a')
  await reserve(ipam, {
    segment: 'eth0',
    network: 'lan',
    address: parseIp('10.0.0.9'),
    name: 'kept',
  })
  const lan = { segment: 'eth0', network: 'lan' }
  expect(await why(removePools(ipam, lan))).toContain('pool-in-use')
  await removePools(ipam, { ...lan, force: true })
  await removePools(ipam, lan)
  const left = (await store.range('')).entries.map((e) => e.key)
  expect(left).toEqual(['ipam/cool/eth0/40a000001'])
  expect(await why(ask(ipam, 'a'))).toContain('pool-missing')
})

test('lease() answers a second time as the first, and refuses other wishes', async () => {
  const { ipam, define, store } = start()
  await define('lan', pool('10.0.0.0/24'))
  const request = { segment: 'eth0', network: 'lan', endpoint: 'a' }
  const first = await lease(ipam, request)
  const revision = await store.revision()
  expect(await lease(ipam, request)).toEqual({ ...first, made: false })
  expect(await lease(ipam, { ...request, want: [parseIp('10.0.0.1')] })).toEqual({
    ...first,
    made: false,
  })
  expect(await why(ask(ipam, 'a', { ip: '10.0.0.7' }))).toContain('lease-differs')
  expect(await why(ask(ipam, 'a', { mac: 0x020000000001 }))).toContain('lease-differs')
  expect(await store.revision()).toBe(revision)
  const many = await Promise.all(Array.from({ length: 5 }, () => ask(ipam, 'b')))
  expect(new Set(many).size).toBe(1)
})

test('an endpoint gets its address and MAC back, and nobody else does while others are free', async () => {
  const { ipam, define, clock } = start()
  await define('lan', pool('10.0.0.0/29'))
  const mac = parseMac('02:00:00:00:00:99')
  expect(await ask(ipam, 'a', { mac })).toBe('10.0.0.1')
  expect(await drop(ipam, 'a')).toBe(true)
  expect(await drop(ipam, 'a')).toBe(false)
  for (const name of ['b', 'c']) await ask(ipam, name)
  const again = await lease(ipam, { segment: 'eth0', network: 'lan', endpoint: 'a' })
  expect([again.addresses.map(formatIp), again.mac]).toEqual([['10.0.0.1'], mac])
  await drop(ipam, 'a')
  for (const name of ['d', 'e', 'f']) await ask(ipam, name)
  expect(await ask(ipam, 'g')).toBe('10.0.0.1')
  expect(await ask(ipam, 'a').catch(() => 'none')).toBe('none')
  await drop(ipam, 'b')
  clock.ms += 61_000
  expect(await ask(ipam, 'h')).toBe('10.0.0.2')
})

test('a released address rests for the cooldown, and of those that rest the oldest comes first', async () => {
  const { ipam, define, clock } = start({ cooldownSeconds: 10, memorySeconds: 0 })
  await define('lan', pool('10.0.0.0/30'))
  await ask(ipam, 'a')
  await ask(ipam, 'b')
  await drop(ipam, 'b')
  clock.ms += 1000
  await drop(ipam, 'a')
  expect(await ask(ipam, 'c')).toBe('10.0.0.2')
  expect(await ask(ipam, 'd', { ip: '10.0.0.1' })).toBe('10.0.0.1')
})

test('release() of an old lease never takes a new one away', async () => {
  const { ipam, define } = start()
  await define('lan', pool('10.0.0.0/24'))
  const request = { segment: 'eth0', network: 'lan', endpoint: 'a' }
  const old = await lease(ipam, request)
  await drop(ipam, 'a', old.revision)
  const now = await lease(ipam, request)
  expect(await drop(ipam, 'a', old.revision)).toBe(false)
  expect(await whoHolds(ipam, parseIp('10.0.0.1'))).toMatchObject([{ holder: 'a', mac: now.mac }])
})

test('lease() takes no one for a stranger who leased the address meanwhile', async () => {
  const { ipam, store, define } = start()
  await define('lan', pool('10.0.0.0/24'))
  /** While the LAN is asked, `faster` takes the address, and answers for it. */
  const overtaken = (faster: string) => async (ip: number | bigint) => {
    if (formatIp(ip) !== '10.0.0.1') return undefined
    await ask(ipam, faster, { ip: '10.0.0.1' }).catch(() => undefined)
    return new LanyardError('address-on-lan', {
      address: formatIp(ip),
      network: 'lan',
      mac: '02:00:00:00:00:99',
    })
  }
  expect(await why(ask(ipam, 'b', { ip: '10.0.0.1', check: overtaken('a') }))).toBe(
    'address-in-use: Address already in use: 10.0.0.1 is held by endpoint "a" of "lan"',
  )
  // The endpoint itself, asked for twice at once, is told what it holds.
  await drop(ipam, 'a')
  expect(await ask(ipam, 'c', { ip: '10.0.0.1', check: overtaken('c') })).toBe('10.0.0.1')
  await drop(ipam, 'c')
  expect(await ask(ipam, 'd', { check: overtaken('e') })).not.toBe('10.0.0.1')
  const resting = (await store.range('ipam/cool/')).entries
  expect(resting.filter(({ value }) => value.includes('conflict'))).toEqual([])
})

test('an exact address is given or refused with its holder', async () => {
  const { ipam, define } = start()
  await define('lan', pool('10.0.0.0/24', { range: '10.0.0.16/28', gateway: '10.0.0.1' }))
  expect(await ask(ipam, 'a', { ip: '10.0.0.200' })).toBe('10.0.0.200')
  expect(await why(ask(ipam, 'b', { ip: '10.0.0.200' }))).toBe(
    'address-in-use: Address already in use: 10.0.0.200 is held by endpoint "a" of "lan"',
  )
  for (const [ip, reason] of [
    ['10.0.0.0', 'it is the network address of 10.0.0.0/24'],
    ['10.0.0.255', 'it is the broadcast address of 10.0.0.0/24'],
    ['10.0.0.1', 'it is the gateway of network "lan"'],
    ['10.9.0.1', "It does not belong to any of this network's subnets (10.0.0.0/24)"],
  ] as const)
    expect(await why(ask(ipam, 'b', { ip }))).toBe(
      `address-not-usable: Invalid address ${ip} in network "lan": ${reason}`,
    )
})

test('what the LAN answers for is left alone, and is an error for an exact wish', async () => {
  const { ipam, define, clock } = start()
  await define('lan', pool('10.0.0.0/29'))
  const asked: string[] = []
  const check = async (ip: ReturnType<typeof parseIp>): Promise<Error | undefined> => {
    asked.push(formatIp(ip))
    return ip === parseIp('10.0.0.1') ? new Error('02:aa has it') : undefined
  }
  expect(await ask(ipam, 'a', { check })).toBe('10.0.0.2')
  expect(asked).toEqual(['10.0.0.1', '10.0.0.2'])
  expect(await listHoldings(ipam)).toMatchObject([
    { kind: 'conflict', holder: '02:aa has it' },
    { kind: 'endpoint', holder: 'a' },
  ])
  expect(await why(ask(ipam, 'b', { check, ip: '10.0.0.1' }))).toBe('Error: 02:aa has it')
  expect(await why(ask(ipam, 'b', { ip: '10.0.0.1' }))).toContain('02:aa has it')
  for (const name of ['c', 'd', 'e', 'f']) await ask(ipam, name)
  expect(await why(ask(ipam, 'g'))).toContain('pool-exhausted')
  clock.ms += 601_000
  expect(await ask(ipam, 'g')).toBe('10.0.0.1')
})

test('a reserved address is for endpoints of its name, and stays so', async () => {
  const { ipam, define } = start()
  await define('lan', pool('10.0.0.0/29'))
  const kept = { segment: 'eth0', network: 'lan', address: parseIp('10.0.0.1'), name: 'printer' }
  await reserve(ipam, kept)
  await reserve(ipam, kept)
  expect(await why(reserve(ipam, { ...kept, name: 'other' }))).toContain('reservation "printer"')
  expect(await ask(ipam, 'a')).toBe('10.0.0.2')
  expect(await why(ask(ipam, 'b', { ip: '10.0.0.1' }))).toContain('reservation "printer"')
  expect(await ask(ipam, 'printer')).toBe('10.0.0.1')
  expect(await why(reserve(ipam, { ...kept, address: parseIp('10.0.0.2') }))).toContain('"a"')
  await drop(ipam, 'printer')
  expect(await whoHolds(ipam, kept.address)).toMatchObject([{ kind: 'reservation' }])
  expect(await unreserve(ipam, kept)).toBe(true)
  expect(await unreserve(ipam, kept)).toBe(false)
})

test('nextFree() says what lease() then gives', async () => {
  const { ipam, define } = start()
  await define('lan', pool('10.0.0.0/24'), pool('2001:db8::/64'))
  await ask(ipam, 'a')
  const next = await nextFree(ipam, { segment: 'eth0', network: 'lan' })
  expect(next.map(formatIp).join()).toBe('10.0.0.2,2001:db8::2')
  expect(await ask(ipam, 'b')).toBe('10.0.0.2,2001:db8::2')
  const avoid = (ip: unknown): boolean => ip === parseIp('10.0.0.3')
  expect(await ask(ipam, 'c', { avoid })).toBe('10.0.0.4,2001:db8::3')
})

test('stableMac() makes the same unicast local MAC of the same names, and another of others', () => {
  expect(formatMac(stableMac('3f2a', 'web'))).toBe(formatMac(stableMac('3f2a', 'web')))
  const macs = new Set<number>()
  for (let i = 0; i < 20_000; i++) macs.add(stableMac('3f2a', `e${i}`))
  expect(macs.size).toBe(20_000)
  expect([...macs].every((m) => isLocalMac(m) && !isGroupMac(m))).toBe(true)
})

test('a MAC is borne once in a segment: a made one gives way, a wished one is refused', async () => {
  const { ipam, define } = start()
  await define('lan', pool('10.0.0.0/24'))
  const mac = stableMac('lan', 'b')
  await ask(ipam, 'a', { mac })
  const other = await lease(ipam, { segment: 'eth0', network: 'lan', endpoint: 'b' })
  expect(other.mac).toBe(stableMac('lan', 'b', 1))
  expect(await why(ask(ipam, 'c', { mac }))).toContain('mac-in-use')
  expect(await why(ask(ipam, 'c', { mac: 0x010000000001 }))).toContain('address-invalid')
  const none = await lease(ipam, {
    segment: 'eth0',
    network: 'lan',
    endpoint: 'd',
    mac: 'none',
  })
  expect(none.mac).toBeUndefined()
})

test('who had an address last and still answers for it is no stranger', async () => {
  const { ipam, define, clock } = start({ host: hostNamed('h1') })
  await define('lan', pool('10.0.0.0/30'))
  const answers = (mac: string) => async (ip: ReturnType<typeof parseIp>) =>
    ip === parseIp('10.0.0.1')
      ? new LanyardError('address-on-lan', { address: formatIp(ip), network: 'lan', mac })
      : undefined
  const mac = '02:00:00:00:00:aa'
  expect(await ask(ipam, 'a', { ip: '10.0.0.1', mac: parseMac(mac) })).toBe('10.0.0.1')
  await drop(ipam, 'a')
  expect(await lastHolder(ipam, 'eth0', parseIp('10.0.0.1'))).toEqual({
    what: 'endpoint "a"',
    mac: parseMac(mac),
    host: 'h1',
  })
  // Never given while it answers, whether asked for by number or not.
  expect(await why(ask(ipam, 'b', { ip: '10.0.0.1', check: answers(mac) }))).toContain(mac)
  expect(await ask(ipam, 'b', { check: answers(mac) })).toBe('10.0.0.2')
  expect(await why(ask(ipam, 'c', { check: answers(mac) }))).toContain('pool-exhausted')
  expect(await listHoldings(ipam)).toMatchObject([
    { kind: 'cooldown', holder: 'a', mac: undefined },
    { kind: 'endpoint', holder: 'b' },
  ])
  // It is there at once when nobody answers any more.
  expect(await ask(ipam, 'c', { check: () => Promise.resolve(undefined) })).toBe('10.0.0.1')
  await drop(ipam, 'c')
  // Another MAC than that of who had it last is a stranger's.
  expect(await why(ask(ipam, 'd', { check: answers(mac) }))).toContain('pool-exhausted')
  expect(await listHoldings(ipam)).toMatchObject([{ kind: 'conflict' }, { holder: 'b' }])
  expect(await lastHolder(ipam, 'eth0', parseIp('10.0.0.1'))).toBeUndefined()
  clock.ms += 601_000
  expect(await ask(ipam, 'd')).toBe('10.0.0.1')
})

test('who gives an address back while the LAN is asked is no stranger', async () => {
  const { ipam, define } = start()
  await define('lan', pool('10.0.0.0/30'))
  const mac = '02:00:00:00:00:aa'
  expect(await ask(ipam, 'a', { ip: '10.0.0.1', mac: parseMac(mac) })).toBe('10.0.0.1')
  await drop(ipam, 'a')
  const { store } = ipam
  // Its rest was not written yet when the answer was judged.
  const rested = await store.get('ipam/cool/eth0/40a000001')
  await store.transact({ when: [], then: [{ delete: 'ipam/cool/eth0/40a000001' }] })
  const get: typeof store.get = async (key) => {
    const entry = await store.get(key)
    if (key === rested?.key)
      await store.transact({ when: [], then: [{ put: key, value: rested.value }] })
    return entry
  }
  const conflict = new LanyardError('address-on-lan', { address: '10.0.0.1', network: 'lan', mac })
  const late: Ipam = { ...ipam, store: { ...store, get, transact: (t) => store.transact(t) } }
  await quarantine(late, {
    ...{ segment: 'eth0', network: 'lan', endpoint: 'b' },
    ...{ address: parseIp('10.0.0.1'), conflict },
  })
  expect(await listHoldings(ipam)).toMatchObject([{ kind: 'cooldown', holder: 'a' }])
})
