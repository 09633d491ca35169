/** What is seen best in virtual time: drift made by hand, announcements. */
import { expect, test } from 'vitest'
import { openSim, type SimFabric } from '../../src/sim/fabric.ts'
import { decodeFrame } from '../../src/wire/codec.ts'
import type { Bench } from '../conformance/suite.ts'
import { EngineWorld } from './world.ts'

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

onSim(
  'a link deleted by hand in a sandbox is made again by whoever looks in twice',
  async (world, sim) => {
    const boxes = Array.from({ length: 20 }, (_, i) => `box${i}`)
    await world.sandboxes(...boxes)
    const engine = await world.open()
    await engine.createNetwork(world.network())
    for (const box of boxes) await engine.connect(world.request(box))
    await engine.idle()
    const healed = () => world.events.filter((event) => event.what === 'healed').length
    for (let i = 0; i < 4; i++) await engine.patrol()
    expect(healed()).toBe(0)
    const lost = ['box1', 'box19']
    for (const netns of lost) await sim.apply([{ do: 'link.del', netns, name: 'eth0' }])
    // Two times sixteen sandboxes are all of them, and a missing link is looked for twice.
    for (let i = 0; i < 4; i++) await engine.patrol()
    for (const netns of lost) expect(await names(world, netns)).toEqual(['lo', 'eth0'])
    expect(healed()).toBe(lost.length)
    // A sandbox that is gone, and links that went with their parent, are not its business.
    await sim.apply([{ do: 'netns.del', netns: 'box2' }])
    await sim.apply([{ do: 'link.del', netns: 'host', name: 'eth0' }])
    await engine.idle()
    const before = world.events.length
    for (let i = 0; i < 6; i++) await engine.patrol()
    expect(world.events.length).toBe(before)
  },
)

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

onSim('a link a slow runtime takes after minutes is known by its new name', async (world, sim) => {
  await world.sandboxes('a')
  const engine = await world.open()
  const network = world.network({ check: 'never' })
  await engine.createNetwork(network)
  const at = { network: network.name, endpoint: 'web' }
  const made = await engine.createEndpoint({ ...at, id: 'id-of-web' })
  const joined = await engine.join({ ...at, sandbox: 'a', handOver: true })
  // Virtual time jumps: in small steps, so that the engine looks on its way as often as it would.
  const later = sim.clock.nowNs() + 3 * 60e9
  while (sim.clock.nowNs() < later) await sim.clock.sleep(5)
  const [address = { address: 0, length: 0 }] = made.addresses
  await sim.apply([
    { do: 'link.set', netns: 'host', name: joined.link, newNetns: 'a', newName: 'eth7' },
    { do: 'address.add', netns: 'a', link: 'eth7', address },
    { do: 'link.set', netns: 'a', name: 'eth7', up: true },
    { do: 'route.add', netns: 'a', to: { address: 0, length: 0 }, via: made.gateways[0] ?? 0 },
  ])
  await engine.idle()
  expect((await engine.endpoints()).map(({ link }) => link)).toEqual(['eth7'])
  expect(await engine.status()).toEqual([])
})
