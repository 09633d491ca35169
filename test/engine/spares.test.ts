/** Two hosts that hold spares, and a store that goes away: who gets what, what is told after. */
import { expect } from 'vitest'
import { formatIp, parseIp } from '../../src/addr/ip.ts'
import { hexOfIp } from '../../src/ipam/keys.ts'
import { LAN4 } from '../lan.ts'
import { checkStore } from '../../src/engine/check.ts'
import type { HostEngine } from '../../src/engine/engine.ts'
import type { Endpoint, Lease } from '../../src/engine/types.ts'
import { openMemoryStore } from '../../src/store/memory.ts'
import { type Hosts, isUp, onHosts, refusal } from './on-hosts.ts'

const SPARES = 2

const sparesOf = async (engine: HostEngine, host: string): Promise<string[]> =>
  (await engine.leases())
    .filter((one) => one.kind === 'spare' && one.host === host)
    .map((one) => formatIp(one.address))

const addressOf = ({ addresses }: Pick<Endpoint, 'addresses'>): string =>
  addresses.map((one) => formatIp(one.address)).join()

/** The network on both, and what its hosts hold. */
async function onLan(hosts: Hosts, changes = {}): Promise<{ a: string[]; b: string[] }> {
  const { world, a, b } = hosts
  const network = world.network({ check: 'never', ...changes })
  for (const engine of [a, b]) {
    await engine.createNetwork(network)
    await engine.reconcile()
    await engine.idle()
  }
  return { a: await sparesOf(a, 'alpha'), b: await sparesOf(a, 'beta') }
}

const isClean = async ({ memory }: Hosts): Promise<readonly string[]> =>
  (await checkStore(openMemoryStore({ memory }))).problems

const onSpares = (name: string, body: (hosts: Hosts) => Promise<void>): void =>
  onHosts(name, body, SPARES)

onSpares('spares are seen, and nobody else gets them', async (hosts) => {
  const { world, a, b } = hosts
  const spares = await onLan(hosts)
  expect(spares.a).toHaveLength(SPARES)
  expect(spares.b).toHaveLength(SPARES)
  const [spare = ''] = spares.a
  const lease = (await b.leases()).find((one) => formatIp(one.address) === spare) as Lease
  expect(lease).toMatchObject({ kind: 'spare', holder: 'alpha', host: 'alpha', network: 'lan' })
  const wish = { addresses: [parseIp(spare)] }
  expect(await refusal(b.connect(world.request('b', wish)))).toBe(
    `Address already in use: ${spare} is held by a spare of host alpha of "lan"`,
  )
  // Its own are as good as free to a host.
  expect(addressOf(await a.connect(world.request('a', wish)))).toBe(spare)
  expect(await isClean(hosts)).toEqual([])
  await a.beat()
  expect(await sparesOf(a, 'alpha')).toHaveLength(SPARES)
})

onSpares(
  'a connect while the store is away takes a spare, and is told when it is back',
  async (hosts) => {
    const { world, a, b, cut } = hosts
    const spares = await onLan(hosts)
    cut('host', true)
    const one = await a.connect(world.request('a'))
    expect(spares.a).toContain(addressOf(one))
    expect(await isUp(world, 'a')).toBe(true)
    expect(await a.connect(world.request('a'))).toEqual(one)
    expect((await a.endpoints()).map((each) => each.name)).toEqual(['a'])
    const wish = { addresses: one.addresses.map((each) => each.address) }
    expect(await refusal(b.connect(world.request('b', wish)))).toContain('a spare of host alpha')
    cut('host', false)
    await a.beat()
    expect(await refusal(b.connect(world.request('b', wish)))).toContain(
      'is held by endpoint "a" on host alpha',
    )
    expect(await a.endpoints()).toEqual([one])
    expect(await a.connect(world.request('a'))).toEqual(one)
    expect(await a.status()).toEqual([])
    expect(await sparesOf(a, 'alpha')).toHaveLength(SPARES)
    expect(await isClean(hosts)).toEqual([])
  },
)

onSpares('what only the store can say is refused in one sentence', async (hosts) => {
  const { world, a, cut } = hosts
  const spares = await onLan(hosts)
  await a.reserve('lan', LAN4 + 90, 'c')
  await a.connect(world.request('d'))
  await a.idle()
  cut('host', true)
  const begins = 'the store does not answer, and of network lan '
  const [x = '', y = ''] = spares.a
  expect(await refusal(a.connect(world.request('a', { addresses: [LAN4 + 70] })))).toBe(
    `${begins}10.9.0.70 is not among this host's free spares of it (${x}, ${y})`,
  )
  expect(await refusal(a.connect(world.request('a', { mac: 0x02_00_00_00_00_77 })))).toBe(
    `${begins}whether somebody bears a MAC that is asked for only it can say`,
  )
  expect(await refusal(a.connect(world.request('c')))).toBe(
    `${begins}10.9.0.90, which is kept for c, only it can hand out`,
  )
  expect(await refusal(a.connect(world.request('d')))).toBe(
    `${begins}how endpoint d is now only it can say`,
  )
  expect(addressOf(await a.connect(world.request('a', { addresses: [parseIp(y)] })))).toBe(y)
  expect(addressOf(await a.connect(world.request('b')))).toBe(x)
  expect(await refusal(a.connect(world.request('e', { sandbox: 'c' })))).toBe(
    `${begins}all 2 spares that this host has of it are in use`,
  )
  // One that goes makes room.
  await a.disconnect('lan', 'a')
  expect(addressOf(await a.connect(world.request('e', { sandbox: 'c' })))).toBe(y)
  cut('host', false)
  expect(await a.reconcile()).toEqual([])
  expect((await a.endpoints()).map((one) => one.name)).toEqual(['b', 'd', 'e'])
  expect(await isClean(hosts)).toEqual([])
})

onSpares(
  'one that goes and comes while the store is away leaves its old address',
  async (hosts) => {
    const { world, a, b, cut } = hosts
    const spares = await onLan(hosts)
    const before = await a.connect(world.request('a'))
    await a.idle()
    cut('host', true)
    await a.disconnect('lan', 'a')
    const after = await a.connect(world.request('a'))
    expect(spares.a).toContain(addressOf(after))
    cut('host', false)
    await a.beat()
    expect(await a.endpoints()).toEqual([after])
    expect(await isUp(world, 'a')).toBe(true)
    const wish = { addresses: before.addresses.map((one) => one.address) }
    await b.connect(world.request('b', wish))
    expect(await isClean(hosts)).toEqual([])
  },
)

onSpares('a host that dies while the store is away tells it at the next start', async (hosts) => {
  const { world, a, cut, open } = hosts
  await onLan(hosts)
  cut('host', true)
  const one = await a.connect(world.request('a'))
  world.kill(a)
  cut('host', false)
  const again = await open('host')
  expect(await again.endpoints()).toEqual([one])
  expect(await isUp(world, 'a')).toBe(true)
  expect(await again.status()).toEqual([])
  expect(await isClean(hosts)).toEqual([])
})

onSpares('another host has the name by then: the newcomer is taken away', async (hosts) => {
  const { world, a, b, cut } = hosts
  await onLan(hosts)
  cut('host', true)
  await a.connect(world.request('a'))
  const there = await b.connect(world.request('a', { sandbox: 'b' }))
  cut('host', false)
  await a.beat()
  expect(await a.endpoints()).toEqual([])
  expect(await b.endpoints()).toEqual([there])
  expect((await world.snapshot('a')).links.map((link) => link.name)).toEqual(['lo'])
  const told = world.events.find((event) => event.what === 'conflict')
  expect(told?.detail).toBe(
    'it is on host beta already: what came in a while the store was away was taken away',
  )
  expect(await sparesOf(a, 'alpha')).toHaveLength(SPARES)
  expect(await isClean(hosts)).toEqual([])
})

onSpares('a store put back gave the spare to another: the newcomer stands back', async (hosts) => {
  const { world, memory, a, b, cut } = hosts
  await onLan(hosts)
  cut('host', true)
  const one = await a.connect(world.request('a'))
  // An older state of the store, in which alpha held none.
  for (const [key] of [...memory.range('e', 'f', 1e9)])
    if (key.includes('~host-id.') || /^eipam\/(ip|mac)/.test(key)) memory.remove(key)
  const wish = { addresses: one.addresses.map((each) => each.address) }
  await b.connect(world.request('b', wish))
  cut('host', false)
  await a.beat()
  expect(await isUp(world, 'a')).toBe(false)
  expect(await isUp(world, 'b')).toBe(true)
  await b.disconnect('lan', 'b')
  await a.reconcile()
  expect(await isUp(world, 'a')).toBe(true)
})

onSpares('a spare that the store lost is told again, or is none any more', async (hosts) => {
  const { world, memory, a, b } = hosts
  const spares = await onLan(hosts)
  for (const [key] of [...memory.range('e', 'f', 1e9)])
    if (key.includes('~host-id.') || /^eipam\/(ip|mac)/.test(key)) memory.remove(key)
  const [lost = '', kept = ''] = spares.a
  await b.connect(world.request('b', { addresses: [parseIp(lost)] }))
  await a.reconcile()
  const now = await sparesOf(a, 'alpha')
  expect(now).toContain(kept)
  expect(now).not.toContain(lost)
  expect(now).toHaveLength(SPARES)
})

onSpares('spares go with the network, and where the host is drained', async (hosts) => {
  const { memory, a, b } = hosts
  await onLan(hosts)
  const store = openMemoryStore({ memory })
  const entry = await store.get('host/host-id')
  const drained = JSON.stringify({ ...(JSON.parse(entry?.value ?? '') as object), drained: true })
  await store.transact({ when: [], then: [{ put: 'host/host-id', value: drained }] })
  await a.beat()
  expect(await sparesOf(b, 'alpha')).toEqual([])
  expect(await sparesOf(b, 'beta')).toHaveLength(SPARES)
  await a.removeNetwork('lan')
  // Whether beta's are in use only beta can say.
  expect(await sparesOf(b, 'beta')).toHaveLength(SPARES)
  await b.reconcile()
  expect(await sparesOf(b, 'beta')).toEqual([])
  expect(await isClean(hosts)).toEqual([])
})

onSpares('a network that was removed meanwhile takes what came on a spare along', async (hosts) => {
  const { world, a, b, cut } = hosts
  await onLan(hosts)
  cut('host', true)
  await a.connect(world.request('a'))
  await b.removeNetwork('lan')
  cut('host', false)
  await a.beat()
  expect((await world.snapshot('a')).links.map((link) => link.name)).toEqual(['lo'])
  expect(await sparesOf(b, 'alpha')).toEqual([])
  expect(await isClean(hosts)).toEqual([])
})

onSpares('a pool that runs out takes the spares of the host that asks', async (hosts) => {
  const { world, a, b } = hosts
  const pools = [
    {
      subnet: { address: LAN4, length: 24 },
      range: { first: LAN4 + 64, last: LAN4 + 71 },
      exclude: [],
    },
  ]
  const spares = await onLan(hosts, { pools })
  expect(spares.a).toHaveLength(SPARES)
  for (const [i, sandbox] of ['a', 'b', 'c', 'd'].entries())
    await a.connect(world.request(`x${i}`, { sandbox }))
  // Four are held by endpoints, two by beta: alpha's are the last.
  const got = [
    addressOf(await a.connect(world.request('y0', { sandbox: 'a', link: 'e1' }))),
    addressOf(await a.connect(world.request('y1', { sandbox: 'b', link: 'e1' }))),
  ]
  expect(got.toSorted()).toEqual(spares.a.toSorted())
  expect(await refusal(a.connect(world.request('z', { sandbox: 'c', link: 'e1' })))).toBe(
    "no available addresses on this network's address pools: lan: all 8 of 10.9.0.0/24 are taken or rest, as spares 2 of host beta",
  )
  expect(await isClean(hosts)).toEqual([])
  await a.beat()
  expect(await sparesOf(b, 'alpha')).toEqual([])
})

onSpares('of both families each has its own spares, and an endpoint one of each', async (hosts) => {
  const { world, a, cut } = hosts
  const { pools } = world.dual()
  const spares = await onLan(hosts, { pools })
  expect(spares.a).toHaveLength(SPARES * 2)
  cut('host', true)
  const one = await a.connect(world.request('a'))
  expect(one.addresses.map((each) => typeof each.address)).toEqual(['number', 'bigint'])
  for (const { address } of one.addresses) expect(spares.a).toContain(formatIp(address))
  const [, six] = one.addresses
  expect(
    await refusal(a.connect(world.request('b', { addresses: [six?.address ?? 0] }))),
  ).toContain("is not among this host's free spares")
  cut('host', false)
  await a.beat()
  expect(await a.endpoints()).toEqual([one])
  expect(await sparesOf(a, 'alpha')).toHaveLength(SPARES * 2)
  expect(await a.status()).toEqual([])
  expect(await isClean(hosts)).toEqual([])
})

onSpares('an ipvlan endpoint bears the MAC of its parent, on a spare, too', async (hosts) => {
  const { world, a, cut, open } = hosts
  const spares = await onLan(hosts, { kind: 'ipvlan', hostAccess: false })
  cut('host', true)
  const one = await a.connect(world.request('a'))
  expect(spares.a).toContain(addressOf(one))
  world.kill(a)
  cut('host', false)
  const again = await open('host')
  expect(await again.endpoints()).toEqual([one])
  expect(await isClean(hosts)).toEqual([])
})

onSpares('what is done to a spare is written down before: late, it hits nobody', async (hosts) => {
  const { world, a, b, cut, holdUp } = hosts
  const spares = await onLan(hosts)
  const [x = '', y = ''] = spares.a
  // The answer to giving x back is lost, and it may be done at any time.
  const arrive = holdUp('host', 'ipam/end/eth0/lan/~host-id.' + hexOfIp(parseIp(x)))
  await refusal(a.connect(world.request('a', { addresses: [parseIp(x)] })))
  cut('host', true)
  expect(addressOf(await a.connect(world.request('b')))).toBe(y)
  expect(await refusal(a.connect(world.request('a')))).toContain('are in use')
  expect(await arrive()).toMatchObject({ done: true })
  expect(addressOf(await b.connect(world.request('c', { addresses: [parseIp(x)] })))).toBe(x)
})

onSpares("Docker's steps one by one while the store is away", async (hosts) => {
  const { world, a, cut } = hosts
  const spares = await onLan(hosts)
  cut('host', true)
  const ip = await a.claim({ network: 'lan', family: 4, name: 'web' })
  expect(spares.a).toContain(formatIp(ip))
  const other = await a.claim({ network: 'lan', family: 4 })
  expect(other).not.toBe(ip)
  await a.unclaim('lan', other)
  const at = { network: 'lan', endpoint: 'web' }
  const made = await a.createEndpoint({ ...at, id: 'docker', addresses: [ip] })
  expect(addressOf(made)).toBe(formatIp(ip))
  const joined = await a.join({ ...at, sandbox: world.ns('a') })
  expect(joined.mac).toBe(made.mac)
  cut('host', false)
  await a.beat()
  expect(await a.endpoints()).toEqual([joined])
  expect(await a.status()).toEqual([])
  await a.leave('lan', 'web')
  await a.disconnect('lan', 'web')
  expect(await a.endpoints()).toEqual([])
  expect(await isClean(hosts)).toEqual([])
})

onSpares('what was not looked at since the start is not handed out', async (hosts) => {
  const { world, a, cut, open } = hosts
  await onLan(hosts)
  await a.close()
  const again = await open('host', {}, { reconcile: false })
  cut('host', true)
  expect(await refusal(again.connect(world.request('a')))).toContain('does not answer: cut off')
  cut('host', false)
  await again.reconcile()
  cut('host', true)
  expect((await again.connect(world.request('a'))).addresses).toHaveLength(1)
})

onSpares(
  'a spare that its host does not know of is given back by it, and by no other',
  async (hosts) => {
    const { a, b, files } = hosts
    const spares = await onLan(hosts)
    // The file of alpha is lost: what it had asked for may still be there, or come late.
    await a.close()
    files.delete('host-spares')
    await b.reconcile()
    expect(await sparesOf(b, 'alpha')).toEqual(spares.a)
    const again = await hosts.open('host')
    const written = JSON.parse(files.get('host-spares') ?? '') as { spares: { address: string }[] }
    const now = await sparesOf(again, 'alpha')
    expect(now).toHaveLength(SPARES)
    expect(written.spares.map((one) => one.address).toSorted()).toEqual(now.toSorted())
  },
)
