/** Parents that have to be made, other kinds and attachments: needs what not every kernel has. */
import { expect } from 'vitest'
import type { Prefix } from '../../src/addr/ip.ts'
import { type EngineWorld, HOST_MAC } from '../engine/world.ts'
import { LAN4 } from '../lan.ts'
import { engines } from './engine-case.ts'

const names = async (world: EngineWorld, netns: string) =>
  (await world.snapshot(netns)).links.map((link) => link.name)

engines(
  'a VLAN parent is made, shared, and removed with its last network',
  async (world) => {
    await world.sandboxes('a', 'b')
    const engine = await world.open()
    const vlan = { parent: 'eth0.50', hostAccess: false } as const
    const one = await engine.createNetwork(world.network(vlan))
    expect(one).toMatchObject({ parentLink: 'eth0.50', parentOwned: true, segment: 'eth0.50' })
    const two = await engine.createNetwork(
      world.network({ name: 'two', parent: 'eth0', vlan: 50, hostAccess: false }),
    )
    expect(two).toMatchObject({ parentLink: 'eth0.50', parentOwned: true, segment: 'eth0.50' })
    const a = await engine.connect(world.request('a'))
    const b = await engine.connect({ network: 'two', endpoint: 'b', sandbox: world.ns('b') })
    // One segment, one table of addresses, though the networks know nothing of each other.
    expect(a.addresses).not.toEqual(b.addresses)
    expect(await world.ping('a', b.addresses[0]?.address ?? 0)).toBe(64)
    await world.fabric.apply([{ do: 'link.del', netns: world.host, name: 'eth0.50' }])
    await engine.idle()
    expect(await engine.reconcile()).toEqual([])
    expect(await world.ping('a', b.addresses[0]?.address ?? 0)).toBe(64)
    await engine.disconnect('lan', 'a')
    await engine.removeNetwork('lan')
    expect(await names(world, 'host')).toContain('eth0.50')
    await engine.removeNetwork('two', { disconnect: true })
    expect(await names(world, 'host')).toEqual(['lo', 'eth0'])
  },
  'vlan',
)

engines(
  'a VLAN that was there stays when its networks go',
  async (world) => {
    await world.fabric.apply([
      {
        do: 'link.add',
        netns: world.host,
        name: 'vlan50',
        spec: { kind: 'vlan', parent: 'eth0', id: 50 },
        up: true,
      },
    ])
    const engine = await world.open()
    const made = await engine.createNetwork(world.network({ parent: 'eth0.50', hostAccess: false }))
    expect(made).toMatchObject({ parentLink: 'vlan50', parentOwned: false, segment: 'eth0.50' })
    await engine.removeNetwork('lan')
    expect(await names(world, 'host')).toEqual(['lo', 'eth0', 'vlan50'])
  },
  'vlan',
)

engines(
  'a network without a parent is its own, with no way out',
  async (world) => {
    await world.sandboxes('a', 'b')
    const engine = await world.open()
    const made = await engine.createNetwork(world.network({ parent: undefined }))
    expect(made).toMatchObject({ internal: true, parentOwned: true })
    const a = await engine.connect(world.request('a'))
    const b = await engine.connect(world.request('b'))
    expect(await world.ping('a', b.addresses[0]?.address ?? 0)).toBe(64)
    expect((await world.snapshot('a')).routes.filter((route) => route.to.length === 0)).toEqual([])
    for (const name of ['a', 'b']) await engine.disconnect('lan', name)
    await engine.removeNetwork('lan')
    expect(a.gateways).toEqual([LAN4 + 1])
    expect(await names(world, 'host')).toEqual(['lo', 'eth0'])
  },
  'dummy',
)

for (const mode of ['l2', 'l3', 'l3s'] as const)
  engines(
    `ipvlan ${mode} endpoints share the MAC of their parent and reach each other`,
    async (world) => {
      await world.sandboxes('a', 'b')
      const engine = await world.open()
      await engine.createNetwork(world.network({ kind: 'ipvlan', ipvlanMode: mode }))
      const a = await engine.connect(world.request('a'))
      const b = await engine.connect(world.request('b'))
      expect([a.mac, b.mac]).toEqual([HOST_MAC, HOST_MAC])
      await world.settle('host', 'a', 'b')
      const to = b.addresses[0]?.address ?? 0
      expect(await world.ping('a', to)).toBe(64)
      // The LAN knows no way back to an address that nobody answers for (l3, l3s).
      if (mode === 'l2') expect(await world.ping('a', LAN4 + 9)).toBe(64)
      expect(await engine.status()).toEqual([])
      await world.fabric.apply([{ do: 'link.del', netns: world.ns('a'), name: a.link }])
      expect(await engine.reconcile()).toEqual([])
      await engine.idle()
      expect(await world.ping('a', to)).toBe(64)
      const beside = engine.createNetwork(world.network({ name: 'mac' }))
      await expect(beside).rejects.toMatchObject({
        code: 'parent-kind',
        message: expect.stringContaining('network lan') as string,
      })
      await engine.removeNetwork('lan', { disconnect: true })
      expect(await names(world, 'a')).toEqual(['lo'])
    },
    'ipvlan',
  )

for (const mode of ['l3', 'l3s'] as const)
  engines(
    `ipvlan ${mode}: an internal network reaches from one of its subnets into the other`,
    async (world) => {
      await world.sandboxes('a', 'b')
      const engine = await world.open()
      const pools = [0x0a140000, 0x0a150000, 0xfd20n << 112n, 0xfd21n << 112n].map((address) => ({
        subnet: { address, length: typeof address === 'number' ? 24 : 64 } as Prefix,
        exclude: [],
      }))
      const routed = { kind: 'ipvlan', ipvlanMode: mode, internal: true } as const
      await engine.createNetwork(world.network({ ...routed, pools }))
      const [four, six] = [
        [0x0a140005, 0x0a150005] as const,
        [(0xfd20n << 112n) + 5n, (0xfd21n << 112n) + 5n] as const,
      ]
      await engine.connect({ ...world.request('a'), addresses: [four[0], six[0]] })
      await engine.connect({ ...world.request('b'), addresses: [four[1], six[1]] })
      await world.settle('a', 'b')
      for (const to of [four[1], six[1]]) expect(await world.ping('a', to)).toBe(64)
      const { routes } = await world.snapshot('a')
      expect(routes.filter((route) => route.to.length === 0)).toEqual([])
      expect(await engine.status()).toEqual([])
    },
    'ipvlan',
  )

engines('attach veth: endpoints are ports of the bridge that owns the card', async (world) => {
  await world.sandboxes('a', 'b')
  const netns = world.host
  await world.fabric.apply([
    { do: 'link.add', netns, name: 'br0', spec: { kind: 'bridge' }, address: HOST_MAC },
    { do: 'address.flush', netns, link: 'eth0' },
    { do: 'link.set', netns, name: 'eth0', master: 'br0' },
    { do: 'link.set', netns, name: 'br0', up: true },
    { do: 'address.add', netns, link: 'br0', address: { address: LAN4 + 2, length: 24 } },
  ])
  await world.settle('host')
  const engine = await world.open()
  const refused = engine.createNetwork(world.network())
  await expect(refused).rejects.toMatchObject({ code: 'parent-busy', detail: { better: 'br0' } })
  const made = await engine.createNetwork(world.network({ attach: 'veth' }))
  expect(made.parentLink).toBe('br0')
  const a = await engine.connect(world.request('a'))
  const b = await engine.connect(world.request('b'))
  await world.settle('host', 'a', 'b')
  const ip = a.addresses[0]?.address ?? 0
  for (const from of ['host', 'peer', 'b']) expect(await world.ping(from, ip)).toBe(64)
  expect(await engine.status()).toEqual([])
  // What the LAN says is heard here, too.
  const taken = engine.connect({ ...world.request('a'), endpoint: 'c', addresses: [LAN4 + 9] })
  await expect(taken).rejects.toMatchObject({ code: 'address-on-lan' })
  await engine.disconnect('lan', 'a')
  expect(await names(world, 'a')).toEqual(['lo'])
  await world.fabric.apply([{ do: 'link.del', netns: world.ns('b'), name: b.link }])
  expect(await engine.reconcile()).toEqual([])
  await engine.idle()
  await world.settle('host', 'b')
  expect(await world.ping('peer', b.addresses[0]?.address ?? 0)).toBe(64)
  await engine.removeNetwork('lan', { disconnect: true })
  expect(await names(world, 'host')).toEqual(['lo', 'eth0', 'br0'])
})

engines('a network goes with its endpoints, which keep their other networks', async (world) => {
  await world.sandboxes('a', 'b', 'c')
  const engine = await world.open()
  await engine.createNetwork(world.network({ check: 'never' }))
  const pools = [{ subnet: { address: 0x0a140000, length: 24 }, gateway: 0x0a140001, exclude: [] }]
  await engine.createNetwork(world.network({ name: 'two', pools, check: 'never' }))
  for (const name of ['a', 'b', 'c']) await engine.connect(world.request(name))
  await engine.connect({ network: 'two', endpoint: 'a', sandbox: world.ns('a') })
  await world.fabric.apply([{ do: 'netns.del', netns: world.ns('c') }])
  await expect(engine.removeNetwork('lan')).rejects.toMatchObject({ code: 'network-in-use' })
  await engine.removeNetwork('lan', { disconnect: true })
  expect((await engine.networks()).map((one) => one.name)).toEqual(['two'])
  expect((await engine.endpoints()).map((one) => one.network)).toEqual(['two'])
  expect(await names(world, 'a')).toEqual(['lo', 'eth1'])
  expect(await names(world, 'b')).toEqual(['lo'])
  const [way] = (await world.snapshot('a')).routes.filter((route) => route.to.length === 0)
  expect(way).toMatchObject({ link: 'eth1', via: 0x0a140001 })
  const held = (await engine.leases()).filter((lease) => lease.kind === 'endpoint')
  expect(held.map((lease) => lease.network)).toEqual(['two'])
  expect(await engine.status()).toEqual([])
})
