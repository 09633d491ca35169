/** Parents that have to be made, other kinds, other attachments: what not every kernel can. */
import { expect, test } from 'vitest'
import { openSim, type SimFabric } from '../../src/sim/fabric.ts'
import { decodeFrame } from '../../src/wire/codec.ts'
import type { Bench } from '../conformance/suite.ts'
import { LAN4 } from '../lan.ts'
import { EngineWorld, HOST_MAC } from './world.ts'

/** A case in a world of its own on a simulator. */
function onSim(name: string, body: (world: EngineWorld, sim: SimFabric) => Promise<void>): void {
  test(name, async () => {
    const sim = openSim({ seed: 3 })
    const bench: Bench = {
      fabric: sim,
      ns: (short) => short,
      build: async (...ops) => void (await sim.apply(ops.flat())),
    }
    await EngineWorld.run(bench, (world) => body(world, sim))
  })
}

const names = async (world: EngineWorld, netns: string) =>
  (await world.snapshot(netns)).links.map((link) => link.name)

onSim('a VLAN parent is made, shared, and removed with its last network', async (world) => {
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
  await world.fabric.apply([{ do: 'link.del', netns: 'host', name: 'eth0.50' }])
  await engine.idle()
  expect(await engine.reconcile()).toEqual([])
  expect(await world.ping('a', b.addresses[0]?.address ?? 0)).toBe(64)
  await engine.disconnect('lan', 'a')
  await engine.removeNetwork('lan')
  expect(await names(world, 'host')).toContain('eth0.50')
  await engine.disconnect('two', 'b')
  await engine.removeNetwork('two')
  expect(await names(world, 'host')).toEqual(['lo', 'eth0'])
})

onSim('a VLAN that was there stays when its networks go', async (world, sim) => {
  await sim.apply([
    {
      do: 'link.add',
      netns: 'host',
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
})

onSim('a network without a parent is its own, with no way out', async (world) => {
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
})

onSim('ipvlan endpoints share the MAC of their parent and reach the LAN', async (world) => {
  await world.sandboxes('a', 'b')
  const engine = await world.open()
  await engine.createNetwork(world.network({ kind: 'ipvlan' }))
  const a = await engine.connect(world.request('a'))
  const b = await engine.connect(world.request('b'))
  expect([a.mac, b.mac]).toEqual([HOST_MAC, HOST_MAC])
  for (const to of [b.addresses[0]?.address ?? 0, LAN4 + 9])
    expect(await world.ping('a', to)).toBe(64)
  expect(await engine.status()).toEqual([])
})

onSim('attach veth: endpoints are ports of the bridge that owns the card', async (world, sim) => {
  await world.sandboxes('a')
  await sim.apply([
    { do: 'link.add', netns: 'host', name: 'br0', spec: { kind: 'bridge' }, address: HOST_MAC },
    { do: 'address.flush', netns: 'host', link: 'eth0' },
    { do: 'link.set', netns: 'host', name: 'eth0', master: 'br0' },
    { do: 'link.set', netns: 'host', name: 'br0', up: true },
    {
      do: 'address.add',
      netns: 'host',
      link: 'br0',
      address: { address: LAN4 + 2, length: 24 },
    },
  ])
  await world.settle('host')
  await sim.clock.sleep(31_000)
  const engine = await world.open()
  const refused = engine.createNetwork(world.network())
  await expect(refused).rejects.toMatchObject({ code: 'parent-busy', detail: { better: 'br0' } })
  const made = await engine.createNetwork(world.network({ attach: 'veth' }))
  expect(made.parentLink).toBe('br0')
  const a = await engine.connect(world.request('a'))
  await sim.clock.sleep(31_000)
  const ip = a.addresses[0]?.address ?? 0
  for (const from of ['host', 'peer']) expect(await world.ping(from, ip)).toBe(64)
  expect(await engine.status()).toEqual([])
  await engine.disconnect('lan', 'a')
  expect(await names(world, 'host')).toEqual(['lo', 'eth0', 'br0'])
})

onSim('what is changed by hand inside a sandbox is drift, and set right', async (world, sim) => {
  await world.sandboxes('a', 'b')
  const engine = await world.open()
  await engine.createNetwork(world.network())
  const a = await engine.connect(world.request('a'))
  const address = a.addresses[0] ?? { address: 0, length: 0 }
  await sim.apply([{ do: 'address.del', netns: 'a', link: 'eth0', address }])
  expect(await engine.status()).toEqual([
    expect.objectContaining({ endpoint: 'a', what: 'address 10.9.0.64/24 is missing' }),
  ])
  // Asking again for what one has mends it, too.
  expect(await engine.connect(world.request('a'))).toEqual(a)
  await sim.apply([{ do: 'link.del', netns: 'a', name: 'eth0' }])
  expect((await engine.status())[0]?.what).toBe('its link eth0 is missing')
  expect(await engine.reconcile()).toEqual([])
  await engine.idle()
  expect(await world.ping('peer', address.address)).toBe(64)
  const stray = { macvlan: { mode: 'bridge' }, kind: 'macvlan', parent: 'eth0' } as const
  await sim.apply([
    {
      do: 'link.add',
      netns: 'b',
      name: 'eth0',
      parentNetns: 'host',
      spec: stray,
      group: 0x4c000001,
      alias: 'lanyard:lan/nobody',
    },
    { do: 'link.add', netns: 'b', name: 'users', parentNetns: 'host', spec: stray },
  ])
  expect((await engine.status())[0]?.what).toContain('lanyard:lan/nobody) belongs to nothing')
  expect(await engine.reconcile()).toEqual([])
  expect(await names(world, 'b')).toEqual(['lo', 'users'])
})

onSim('a sandbox that is gone is a success at disconnect', async (world, sim) => {
  await world.sandboxes('a')
  const engine = await world.open()
  await engine.createNetwork(world.network())
  await engine.connect(world.request('a'))
  await sim.apply([{ do: 'netns.del', netns: 'a' }])
  await engine.disconnect('lan', 'a')
  expect(await engine.endpoints()).toEqual([])
  expect((await engine.leases()).filter((lease) => lease.kind === 'endpoint')).toEqual([])
  expect(await engine.status()).toEqual([])
})

onSim('a new endpoint is announced three times, a second apart', async (world, sim) => {
  await world.sandboxes('a')
  const engine = await world.open()
  await engine.createNetwork(world.network({ check: 'never' }))
  const heard: number[] = []
  await sim.openPort('peer', 'eth0', ({ bytes, timeNs }) => {
    const packet = decodeFrame(bytes)?.packet
    if (packet?.kind !== 'arp' || packet.senderIp !== packet.targetIp) return
    heard.push(timeNs)
  })
  await engine.connect(world.request('a'))
  await engine.idle()
  await sim.clock.sleep(10)
  expect(heard).toHaveLength(3)
  const [first = 0, , third = 0] = heard
  expect((third - first) / 1e9).toBeCloseTo(2, 0)
})
