/** What goes wrong around an engine: parents that fail, and changes that cost the host its LAN. */
import { expect } from 'vitest'
import type { EngineWorld } from '../engine/world.ts'
import { LanyardError } from '../../src/errors.ts'
import type { Fabric } from '../../src/fabric/fabric.ts'
import type { LinkSet, Op } from '../../src/fabric/plan.ts'
import { LAN4 } from '../lan.ts'
import { engines } from './engine-case.ts'

const whats = async (engine: { status(): Promise<readonly { readonly what: string }[]> }) =>
  (await engine.status()).map((drift) => drift.what)

const parent = async (world: EngineWorld, name = 'eth0') => {
  const { links } = await world.snapshot('host')
  const link = links.find((one) => one.name === name)
  if (link === undefined) throw new Error(`the host has no ${name}`)
  return link
}

/** The host's own way out, which a change of its card may cost it. */
async function defaultRoute(world: EngineWorld): Promise<void> {
  const to = { address: 0, length: 0 }
  const via = LAN4 + 1
  await world.fabric.apply([{ do: 'route.add', netns: world.host, to, via, link: 'eth0' }])
}

engines(
  'a parent without carrier keeps its endpoints; the LAN is told when it is back',
  async (world) => {
    await world.sandboxes('a', 'b')
    const engine = await world.open()
    await engine.createNetwork(world.network())
    const a = await engine.connect(world.request('a'))
    await engine.idle()
    const port = (up: boolean): LinkSet => ({
      do: 'link.set',
      netns: world.ns('sw'),
      name: 'p2',
      up,
    })
    await world.fabric.apply([port(false)])
    await world.waitFor(() => world.events.some((event) => event.what === 'parent-lost'))
    await engine.idle()
    expect(await whats(engine)).toEqual(['parent eth0 has no carrier'])
    // Nobody can be asked now whether an address is free, and nobody is refused for that.
    const b = await engine.connect(world.request('b'))
    await engine.idle()
    const heard = await world.announcements('peer')
    await world.fabric.apply([port(true)])
    await world.waitFor(() => world.events.some((event) => event.what === 'parent-back'))
    await engine.idle()
    heard.close()
    for (const { mac, addresses } of [a, b])
      expect(heard.all).toContainEqual(
        expect.objectContaining({ mac, ip: addresses[0]?.address ?? 0 }),
      )
    for (const { addresses } of [a, b])
      for (const from of ['host', 'peer'])
        expect(await world.ping(from, addresses[0]?.address ?? 0)).toBe(64)
    expect(await engine.status()).toEqual([])
    expect(world.events.filter((event) => event.what === 'drift')).toEqual([])
  },
)

engines('a parent deleted under connects: each is done wholly, or not at all', async (world) => {
  const names = Array.from({ length: 8 }, (_, i) => `c${i}`)
  await world.sandboxes(...names)
  const engine = await world.open()
  await engine.createNetwork(world.network())
  const asked = names.map((name) => engine.connect(world.request(name)))
  await Promise.race(asked)
  await world.fabric.apply([{ do: 'link.del', netns: world.host, name: 'eth0' }])
  const answers = await Promise.allSettled(asked)
  await world.waitFor(() => world.events.some((event) => event.what === 'parent-lost'))
  await engine.idle()
  const done = answers.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  for (const one of answers)
    if (one.status === 'rejected') {
      expect(one.reason).toBeInstanceOf(LanyardError)
      expect(one.reason).toMatchObject({ code: 'parent-gone' })
    }
  const held = async () =>
    (await engine.leases())
      .filter((lease) => lease.kind === 'endpoint')
      .map((lease) => lease.holder)
  expect(done.length).toBeGreaterThan(0)
  expect((await engine.endpoints()).map((one) => one.name)).toEqual(done.map((one) => one.name))
  expect(new Set(await held())).toEqual(new Set(done.map((one) => one.name)))
  expect(await whats(engine)).toContain('parent eth0 is missing')
  const late = world.request(names[0] ?? '', { endpoint: 'late' })
  await expect(engine.connect(late)).rejects.toMatchObject({ code: 'parent-gone' })
  await world.plugIn(engine)
  await world.settle('sw', 'host', ...names)
  const all = []
  for (const name of names) all.push(await engine.connect(world.request(name)))
  expect(new Set(all.map((one) => one.addresses[0]?.address)).size).toBe(names.length)
  for (const one of done)
    expect(all.find(({ name }) => name === one.name)?.addresses).toEqual(one.addresses)
  for (const { addresses } of all)
    expect(await world.ping('peer', addresses[0]?.address ?? 0)).toBe(64)
  await engine.idle()
  expect(await engine.status()).toEqual([])
})

engines('passthru on the card the host lives by is taken back, and says why', async (world) => {
  await world.sandboxes('a')
  await defaultRoute(world)
  expect(await world.ping('host', LAN4 + 1)).toBe(64)
  const engine = await world.open()
  const before = await parent(world)
  const spec = world.network({ macvlanMode: 'passthru', hostAccess: false, check: 'never' })
  await engine.createNetwork(spec)
  await expect(engine.connect(world.request('a'))).rejects.toMatchObject({
    code: 'parent-cut-off',
    detail: { gateway: '10.9.0.1', parent: 'eth0' },
  })
  expect(await parent(world)).toEqual(before)
  expect((await world.snapshot('a')).links.map((link) => link.name)).toEqual(['lo'])
  expect((await engine.leases()).filter((lease) => lease.kind === 'endpoint')).toEqual([])
  expect(await engine.endpoints()).toEqual([])
  expect(await world.ping('host', LAN4 + 1)).toBe(64)
  expect(await engine.status()).toEqual([])
})

engines(
  'a parent is raised and made promiscuous for a network, and put back after it',
  async (world) => {
    await world.sandboxes('a')
    await defaultRoute(world)
    const engine = await world.open()
    const before = await parent(world)
    const wish = { parentMtu: 9000, parentPromisc: true, mtu: 9000 } as const
    await engine.createNetwork(world.network(wish))
    expect(await parent(world)).toMatchObject({ mtu: 9000, promisc: true })
    await engine.connect(world.request('a'))
    const inside = async () =>
      (await world.snapshot('a')).links.find((link) => link.name === 'eth0')?.mtu
    expect(await inside()).toBe(9000)
    await engine.createNetwork(world.network({ name: 'two', parentMtu: 4000, pools: other }))
    // Somebody else sets it back: that is seen, and set right.
    const back = {
      do: 'link.set',
      netns: world.host,
      name: 'eth0',
      mtu: 1500,
      promisc: false,
    } as const
    await world.fabric.apply([back])
    await engine.idle()
    expect(await whats(engine)).toContain(
      'parent eth0 has MTU 1500, not 9000, eth0 is not promiscuous',
    )
    expect(await engine.reconcile()).toEqual([])
    expect(await parent(world)).toMatchObject({ mtu: 9000, promisc: true })
    expect(await inside()).toBe(9000)
    await engine.removeNetwork('lan', { disconnect: true })
    expect(await parent(world)).toMatchObject({ mtu: 4000, promisc: false })
    await engine.removeNetwork('two')
    expect(await parent(world)).toEqual(before)
  },
)

const other = [{ subnet: { address: 0x0a140000, length: 24 }, gateway: 0x0a140001, exclude: [] }]

/** A LAN whose gateway falls silent after some ops, and comes back after their undoing. */
function fragile(world: EngineWorld, silentAfter: (op: Op) => boolean | undefined): Fabric {
  const apply: Fabric['apply'] = async (plan, options) => {
    const outcomes = await world.fabric.apply(plan, options)
    const silent = plan.map(silentAfter).findLast((one) => one !== undefined)
    if (silent !== undefined) {
      const port: Op = { do: 'link.set', netns: world.ns('sw'), name: 'p1', up: !silent }
      await world.fabric.apply([port])
    }
    return outcomes
  }
  return new Proxy(world.fabric, {
    get(fabric, key) {
      if (key === 'apply') return apply
      const value: unknown = Reflect.get(fabric, key)
      return typeof value === 'function' ? (value.bind(fabric) as unknown) : value
    },
  })
}

for (const [what, wish, silentAfter, ...needs] of [
  [
    'an MTU',
    { parentMtu: 9000 },
    (op: Op) => (op.do === 'link.set' && op.mtu !== undefined ? op.mtu === 9000 : undefined),
  ],
  [
    'promiscuous mode',
    { parentPromisc: true },
    (op: Op) => (op.do === 'link.set' ? op.promisc : undefined),
  ],
  [
    'a VLAN',
    { parent: 'eth0.50' },
    (op: Op) =>
      op.do === 'link.add' && op.spec.kind === 'vlan'
        ? true
        : op.do === 'link.del' && op.name === 'eth0.50'
          ? false
          : undefined,
    'vlan' as const,
  ],
] as const)
  engines(
    `${what} that costs the host its gateway is taken back, and says so`,
    async (world) => {
      await defaultRoute(world)
      expect(await world.ping('host', LAN4 + 1)).toBe(64)
      const engine = await world.open({ fabric: fragile(world, silentAfter) })
      const before = await parent(world)
      await expect(engine.createNetwork(world.network(wish))).rejects.toMatchObject({
        code: 'parent-cut-off',
        detail: { gateway: '10.9.0.1' },
        mend: expect.any(String) as string,
      })
      expect(await parent(world)).toEqual(before)
      expect((await world.snapshot('host')).links.map((one) => one.name)).toEqual(['lo', 'eth0'])
      expect(await world.ping('host', LAN4 + 1)).toBe(64)
      expect(await engine.networks()).toEqual([])
      expect(await engine.status()).toEqual([])
      expect((await world.store.range('was/')).entries).toEqual([])
    },
    ...needs,
  )

engines('host access that does not work is told, stays told, and spoils nothing', async (world) => {
  await world.sandboxes('a')
  const netns = world.ns('a')
  const ignore = (value: string): Op => ({
    do: 'sysctl.set',
    netns,
    key: 'net.ipv4.icmp_echo_ignore_all',
    value,
  })
  await world.fabric.apply([ignore('1')])
  const engine = await world.open()
  await engine.createNetwork(world.network())
  const a = await engine.connect(world.request('a'))
  await engine.idle()
  const what = `the host (10.9.0.2) does not reach a (10.9.0.64) (MAC ${world.macText(a.mac)})`
  expect(world.events.filter((event) => event.what === 'drift')).toEqual([
    expect.objectContaining({ network: 'lan', endpoint: 'a', detail: what }),
  ])
  expect(await whats(engine)).toEqual([what])
  // It has its place all the same.
  expect(await world.ping('a', LAN4 + 9)).toBe(64)
  expect(await engine.endpoints()).toEqual([a])
  await world.fabric.apply([ignore('0')])
  expect(await engine.status()).toEqual([])
  await world.fabric.apply([ignore('1')])
  expect(await engine.reconcile()).toEqual([])
  await engine.disconnect('lan', 'a')
  expect(await engine.status()).toEqual([])
})

engines('who comes is announced three times, a second apart, in both families', async (world) => {
  await world.sandboxes('a')
  const engine = await world.open()
  await engine.createNetwork(world.dual({ check: 'never' }))
  const heard = await world.announcements('peer')
  const a = await engine.connect(world.request('a'))
  await engine.idle()
  await world.waitFor(() => heard.all.length >= 6)
  heard.close()
  for (const { address } of a.addresses) {
    const times = heard.all.filter((one) => one.ip === address && one.mac === a.mac)
    expect(times).toHaveLength(3)
    const [first = 0, second = 0, third = 0] = times.map((one) => one.timeNs / 1e9)
    expect(second - first).toBeGreaterThan(0.9)
    expect(third - second).toBeGreaterThan(0.9)
  }
  expect(heard.all).toHaveLength(6)
})

engines('a network in mode private: the LAN, and no sibling', async (world) => {
  const [a, b] = await pair(world, { macvlanMode: 'private', hostAccess: false })
  expect(await world.ping('a', b)).toBeUndefined()
  expect(await world.ping('b', a)).toBeUndefined()
  expect(await world.ping('host', a)).toBeUndefined()
  for (const from of ['peer', 'gw']) expect(await world.ping(from, a)).toBe(64)
  expect(await world.ping('a', LAN4 + 9)).toBe(64)
  // Not even by way of the switch.
  await hairpin(world)
  expect(await world.ping('a', b)).toBeUndefined()
})

engines('a network in mode vepa: siblings by way of the switch, if it lets them', async (world) => {
  const [a, b] = await pair(world, { macvlanMode: 'vepa', hostAccess: false })
  expect(await world.ping('a', b)).toBeUndefined()
  expect(await world.ping('host', a)).toBeUndefined()
  for (const from of ['peer', 'gw']) expect(await world.ping(from, a)).toBe(64)
  await hairpin(world)
  expect(await world.ping('a', b)).toBe(64)
  expect(await world.ping('b', a)).toBe(64)
})

engines('a network in mode source hears those on its list alone', async (world) => {
  const sources = [0x020000000b09]
  const [a] = await pair(world, { macvlanMode: 'source', sources, hostAccess: false })
  expect(await world.ping('peer', a)).toBe(64)
  expect(await world.ping('a', LAN4 + 9)).toBe(64)
  expect(await world.ping('gw', a)).toBeUndefined()
  expect(await world.ping('a', LAN4 + 1)).toBeUndefined()
  const engine = await world.open()
  const netns = world.ns('a')
  const macvlan = { sources: { change: 'flush', macs: [] } } as const
  await world.fabric.apply([{ do: 'link.set', netns, name: 'eth0', macvlan }])
  expect(await world.ping('peer', a)).toBeUndefined()
  expect(world.events.at(-1)?.what).not.toBe('healed')
  expect(await engine.reconcile()).toEqual([])
  expect(world.events.at(-1)).toMatchObject({ what: 'healed', endpoint: 'a' })
  expect(await world.ping('peer', a)).toBe(64)
})

engines('an endpoint whose sandbox ended is there again at once, the same', async (world) => {
  const engine = await world.open()
  await engine.createNetwork(world.network())
  const netns = world.ns('a')
  await world.sandboxes('a')
  const before = await engine.connect(world.request('a'))
  for (let i = 0; i < 5; i++) {
    // A kernel takes the links of a namespace down some time after its name has gone.
    await world.fabric.apply([{ do: 'netns.del', netns }])
    await engine.disconnect('lan', 'a')
    await world.sandboxes('a')
    const { addresses, mac } = await engine.connect(world.request('a'))
    expect({ addresses, mac }).toEqual({ addresses: before.addresses, mac: before.mac })
  }
})

/** Two endpoints of a network that nobody looked after since: their addresses. */
async function pair(
  world: EngineWorld,
  changes: Parameters<EngineWorld['network']>[0],
): Promise<[number, number]> {
  await world.sandboxes('a', 'b')
  const engine = await world.open()
  await engine.createNetwork(world.network(changes))
  const ips: number[] = []
  for (const name of ['a', 'b']) {
    const [prefix] = (await engine.connect(world.request(name))).addresses
    ips.push(Number(prefix?.address))
  }
  await engine.idle()
  await engine.close()
  const [a = 0, b = 0] = ips
  return [a, b]
}

async function hairpin(world: EngineWorld): Promise<void> {
  const port = { hairpin: true }
  await world.fabric.apply([{ do: 'link.set', netns: world.ns('sw'), name: 'p2', port }])
}
