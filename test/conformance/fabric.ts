/** The contract of a fabric itself: outcomes, undo, events, raw ports, snapshots. */
import { expect } from 'vitest'
import type { CapturedFrame, FabricEvent } from '../../src/fabric/fabric.ts'
import type { Op } from '../../src/fabric/plan.ts'
import { undoPlan } from '../../src/fabric/undo.ts'
import { decodeFrame, encodeFrame } from '../../src/wire/codec.ts'
import { ETH_ARP } from '../../src/wire/frame.ts'
import { makeArp } from '../../src/wire/make.ts'
import { cableOps, LAN4, netnsOps, switchOps } from '../lan.ts'
import { Lan } from './lan.ts'
import { conforms } from './suite.ts'

conforms('apply stops at the first refusal and names it', async ({ fabric, ns, build }) => {
  await build(netnsOps(ns('a')))
  const netns = ns('a')
  const plan: Op[] = [
    { do: 'link.add', netns, name: 'v0', spec: { kind: 'veth', peer: { name: 'v1' } } },
    { do: 'link.add', netns, name: 'm0', spec: { kind: 'macvlan', parent: 'lo' } },
    { do: 'link.set', netns, name: 'v0', up: true },
  ]
  await expect(fabric.apply(plan)).rejects.toMatchObject({
    code: 'op-refused',
    detail: { index: 1, errno: 'EINVAL' },
  })
  const [found] = (await fabric.snapshot({ netns: [netns] })).netns
  expect(found?.links.map((link) => [link.name, link.up])).toEqual([
    ['lo', true],
    ['v1', false],
    ['v0', false],
  ])
})

conforms('apply with keepGoing gives every op its outcome', async ({ fabric, ns, build }) => {
  await build(netnsOps(ns('a')))
  const netns = ns('a')
  const outcomes = await fabric.apply(
    [
      { do: 'link.set', netns, name: 'nope', up: true },
      { do: 'link.add', netns, name: 'v0', spec: { kind: 'veth', peer: { name: 'v1' } } },
      { do: 'link.add', netns, name: 'v0', spec: { kind: 'veth', peer: { name: 'v2' } } },
      { do: 'route.add', netns, to: { address: 0, length: 0 }, via: 0x0a090001 },
    ],
    { keepGoing: true },
  )
  expect(outcomes.map((o) => (o.ok ? 'ok' : o.errno))).toEqual([
    'ENODEV',
    'ok',
    'EEXIST',
    'ENETUNREACH',
  ])
})

conforms('undo of a plan leaves nothing of it', async ({ fabric, ns, build }) => {
  await build(netnsOps(ns('a')))
  const netns = ns('a')
  const before = await fabric.snapshot({ netns: [netns] })
  const plan: Op[] = [
    { do: 'link.add', netns, name: 'v0', spec: { kind: 'veth', peer: { name: 'v1' } }, group: 77 },
    { do: 'address.add', netns, link: 'v0', address: { address: LAN4 + 1, length: 24 } },
    { do: 'link.set', netns, name: 'v0', up: true },
    { do: 'route.add', netns, to: { address: 0, length: 0 }, via: LAN4 + 9, link: 'v0' },
  ]
  await fabric.apply(plan)
  await fabric.apply(undoPlan(plan, before).plan)
  const after = await fabric.snapshot({ netns: [netns] })
  expect(after.netns[0]?.links.map((link) => link.name)).toEqual(['lo'])
  expect(after.netns[0]?.routes).toEqual(before.netns[0]?.routes)
})

conforms(
  'link.del-group removes what carries the tag and nothing else',
  async ({ fabric, ns, build }) => {
    const netns = ns('a')
    await build(netnsOps(netns), [
      { do: 'link.add', netns, name: 'v0', spec: { kind: 'veth', peer: { name: 'v1' } } },
      ...[1, 2, 3].map(
        (n): Op => ({
          do: 'link.add',
          netns,
          name: `m${n}`,
          spec: { kind: 'macvlan', parent: 'v0' },
          group: n === 3 ? 5 : 4242,
          alias: `test:${n}`,
        }),
      ),
      { do: 'link.del-group', netns, group: 4242 },
    ])
    const [found] = (await fabric.snapshot({ netns: [netns] })).netns
    expect(found?.links.map((link) => link.name).sort()).toEqual(['lo', 'm3', 'v0', 'v1'])
    expect(found?.links.find((link) => link.name === 'm3')).toMatchObject({
      group: 5,
      alias: 'test:3',
    })
  },
)

conforms('watch tells of a link that comes, changes and goes', async ({ fabric, ns, build }) => {
  const netns = ns('a')
  await build(netnsOps(netns))
  const events: FabricEvent[] = []
  const watch = await fabric.watch([netns], (event) => events.push(event))
  await build([
    { do: 'link.add', netns, name: 'v0', spec: { kind: 'veth', peer: { name: 'v1' } } },
    { do: 'link.set', netns, name: 'v0', up: true },
    { do: 'address.add', netns, link: 'v0', address: { address: LAN4 + 1, length: 24 } },
    { do: 'link.del', netns, name: 'v0' },
  ])
  const isLast = (event: FabricEvent): boolean => event.what === 'link' && event.change === 'del'
  for (let i = 0; i < 40 && !events.some(isLast); i++) await fabric.clock.sleep(50)
  watch.close()
  expect(events).toContainEqual(
    expect.objectContaining({ what: 'link', change: 'new', name: 'v0', up: true }),
  )
  expect(events).toContainEqual(
    expect.objectContaining({ what: 'address', change: 'new', ip: LAN4 + 1 }),
  )
  expect(events).toContainEqual(
    expect.objectContaining({ what: 'link', change: 'del', name: 'v0' }),
  )
})

conforms('a frame port asks who has an address, as an ARP probe does', async (bench) => {
  const { fabric, ns } = bench
  await Lan.build(bench, { hosts: { h1: {}, h2: {} }, children: {} })
  const seen: CapturedFrame[] = []
  const port = await fabric.openPort(ns('h1'), 'eth0', (frame) => seen.push(frame), {
    etherType: ETH_ARP,
  })
  port.send(encodeFrame(makeArp(0xffffffffffff, 0x020000000b01, 1, 0x020000000b01, 0, 0, LAN4 + 2)))
  await fabric.clock.sleep(100)
  port.close()
  const answers = seen
    .filter((frame) => frame.type === 'host')
    .map((frame) => decodeFrame(frame.bytes)?.packet)
  expect(answers).toEqual([
    expect.objectContaining({
      kind: 'arp',
      operation: 2,
      senderMac: 0x020000000b02,
      senderIp: LAN4 + 2,
    }),
  ])
})

conforms('snapshot tells parents, masters and modes as they are', async ({ fabric, ns, build }) => {
  const [sw, host, child] = [ns('sw'), ns('h1'), ns('a')]
  await build(
    netnsOps(sw, { ip6: false }),
    switchOps(sw, 0x020000000e00),
    netnsOps(host),
    cableOps({ sw, port: 'p1', portMac: 0x020000000d01, netns: host, mac: 0x020000000b01 }),
    netnsOps(child),
    [
      { do: 'link.set', netns: sw, name: 'p1', port: { hairpin: true } },
      {
        do: 'link.add',
        netns: child,
        name: 'm0',
        parentNetns: host,
        address: 0x020000000a11,
        spec: {
          kind: 'macvlan',
          parent: 'eth0',
          macvlan: { mode: 'vepa', broadcastQueueLength: 77 },
        },
      },
    ],
  )
  const snapshot = await fabric.snapshot({ netns: [sw, host, child] })
  const link = (netns: string, name: string) =>
    snapshot.netns.find((n) => n.name === netns)?.links.find((l) => l.name === name)
  expect(link(child, 'm0')).toMatchObject({
    kind: 'macvlan',
    address: 0x020000000a11,
    up: false,
    parent: { netns: host, name: 'eth0' },
    macvlan: { mode: 'vepa', broadcastQueueLength: 77, sources: [] },
  })
  expect(link(sw, 'p1')).toMatchObject({
    kind: 'veth',
    master: 'br0',
    port: { hairpin: true, learning: true },
  })
  expect(link(sw, 'br0')).toMatchObject({ kind: 'bridge', bridge: { ageingTime: 300, stp: false } })
})
