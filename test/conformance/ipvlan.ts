/** ipvlan: modes, flags, who hears whom, what is refused. Rows measured on Linux 6.1. */
import { expect } from 'vitest'
import type { IpvlanFlag, IpvlanMode, Op } from '../../src/fabric/plan.ts'
import { encodeFrame } from '../../src/wire/codec.ts'
import { ETH_IP4 } from '../../src/wire/frame.ts'
import { makeEcho, makeEcho4, makeFrame } from '../../src/wire/make.ts'
import { cableOps, LAN4, LAN6, netnsOps, switchOps } from '../lan.ts'
import { type Bench, conforms } from './suite.ts'

const ADDRESSES = { c1: 11, c2: 12, h1: 2, x: 10 } as const
type Name = keyof typeof ADDRESSES

const prefixes = (netns: string, link: string, last: number): Op[] => [
  { do: 'address.add', netns, link, address: { address: LAN4 + last, length: 24 } },
  {
    do: 'address.add',
    netns,
    link,
    address: { address: LAN6 + BigInt(last), length: 64 },
    nodad: true,
  },
]

function host({ ns }: Bench, name: string, number: number, hairpin: boolean): Op[] {
  const netns = ns(name)
  const sw = ns('sw')
  const port = `p${number}`
  const macs = { portMac: 0x020000000d00 + number, mac: 0x020000000b00 + number }
  return [
    ...netnsOps(netns),
    ...cableOps({ sw, port, netns, ...macs }),
    { do: 'link.set', netns: sw, name: port, port: { hairpin } },
    ...prefixes(netns, 'eth0', ADDRESSES[name as Name]),
    { do: 'link.set', netns, name: 'eth0', up: true },
  ]
}

const child = (
  { ns }: Bench,
  name: string,
  mode: IpvlanMode,
  flag: IpvlanFlag | undefined,
): Op[] => [
  ...netnsOps(ns(name)),
  {
    do: 'link.add',
    netns: ns(name),
    name: 'i0',
    parentNetns: ns('h1'),
    spec: { kind: 'ipvlan', parent: 'eth0', mode, ...(flag === undefined ? {} : { flag }) },
  },
]

/** Host h1 with children c1 and c2, and host x, on one switch and in one subnet. */
async function lan(
  bench: Bench,
  options: {
    readonly mode: IpvlanMode
    readonly flag?: IpvlanFlag
    readonly hairpin?: boolean
    readonly secondMode?: IpvlanMode
  },
): Promise<void> {
  const { ns } = bench
  const { mode, flag, hairpin } = options
  await bench.build(
    netnsOps(ns('sw'), { ip6: false }),
    switchOps(ns('sw'), 0x020000000e00),
    host(bench, 'h1', 1, hairpin === true),
    host(bench, 'x', 2, false),
    child(bench, 'c1', mode, flag),
    prefixes(ns('c1'), 'i0', 11),
    { do: 'link.set', netns: ns('c1'), name: 'i0', up: true },
    child(bench, 'c2', options.secondMode ?? mode, flag),
    prefixes(ns('c2'), 'i0', 12),
    { do: 'link.set', netns: ns('c2'), name: 'i0', up: true },
  )
  await bench.fabric.settle({ netns: ['sw', 'h1', 'x', 'c1', 'c2'].map((name) => ns(name)) })
}

async function ping(
  { fabric, ns }: Bench,
  from: string,
  to: number | bigint,
): Promise<number | undefined> {
  await fabric.apply([
    ...['h1', 'x', 'c1', 'c2'].map((name): Op => ({ do: 'neighbour.flush', netns: ns(name) })),
    { do: 'fdb.flush', netns: ns('sw'), bridge: 'br0' },
  ])
  const [result] = await fabric.probe([{ from: ns(from), to, protocol: 'icmp', timeoutMs: 700 }])
  return result?.outcome === 'reply' ? result.ttl : undefined
}

/** Which of the pairs that matter answer. */
async function answers(bench: Bench, family: 4 | 6): Promise<Record<string, boolean>> {
  const pairs: readonly (readonly [Name, Name])[] = [
    ['c1', 'c2'],
    ['c2', 'c1'],
    ['c1', 'h1'],
    ['h1', 'c1'],
    ['c1', 'x'],
    ['x', 'c1'],
    ['h1', 'x'],
  ]
  const found: Record<string, boolean> = {}
  for (const [from, to] of pairs) {
    const last = ADDRESSES[to]
    const ttl = await ping(bench, from, family === 4 ? LAN4 + last : LAN6 + BigInt(last))
    expect([64, undefined]).toContain(ttl)
    found[`${from}>${to}`] = ttl === 64
  }
  return found
}

/** Goal: a sibling, the own host, the rest of the LAN; by mode, flag and port of the switch. */
const ROWS: readonly {
  readonly mode: IpvlanMode
  readonly flag?: IpvlanFlag
  readonly hairpin?: boolean
  readonly sibling: boolean
  readonly host: boolean
  readonly lan: boolean
}[] = [
  { mode: 'l2', sibling: true, host: false, lan: true },
  { mode: 'l2', hairpin: true, sibling: true, host: true, lan: true },
  { mode: 'l2', flag: 'private', sibling: false, host: false, lan: true },
  { mode: 'l2', flag: 'private', hairpin: true, sibling: false, host: true, lan: true },
  { mode: 'l2', flag: 'vepa', sibling: false, host: false, lan: true },
  { mode: 'l2', flag: 'vepa', hairpin: true, sibling: true, host: true, lan: true },
  // In the subnet of the wire nobody answers ARP for them.
  { mode: 'l3', sibling: true, host: false, lan: false },
  { mode: 'l3s', sibling: true, host: false, lan: false },
]

for (const { mode, flag, hairpin, ...row } of ROWS) {
  const how = `${mode} ${flag ?? 'bridge'}, ${hairpin === true ? 'hairpin' : 'plain switch'}`
  conforms(
    `ipvlan ${how}: siblings, host and the other host`,
    async (bench) => {
      await lan(bench, {
        mode,
        ...(flag === undefined ? {} : { flag }),
        ...(hairpin === undefined ? {} : { hairpin }),
      })
      for (const family of [4, 6] as const)
        expect(await answers(bench, family), `IPv${family}`).toEqual({
          'c1>c2': row.sibling,
          'c2>c1': row.sibling,
          'c1>h1': row.host,
          'h1>c1': row.host,
          'c1>x': row.lan,
          'x>c1': row.lan,
          'h1>x': true,
        })
    },
    'ipvlan',
  )
}

conforms(
  'ipvlan: a second child in another mode takes the first one along',
  async (bench) => {
    await lan(bench, { mode: 'l2', secondMode: 'l3' })
    expect(await ping(bench, 'c1', LAN4 + 12)).toBe(64)
    expect(await ping(bench, 'c1', LAN4 + 10), 'it asks nobody any more').toBeUndefined()
    const { ns } = bench
    const [found] = (await bench.fabric.snapshot({ netns: [ns('c1')] })).netns
    expect(found?.links.find((link) => link.name === 'i0')).toMatchObject({
      arp: false,
      ipvlan: { mode: 'l3', flag: 'bridge' },
    })
  },
  'ipvlan',
)

conforms(
  'ipvlan l3: own subnets by the link alone, out by the routes of the host',
  async (bench) => {
    const { ns } = bench
    const all = { address: 0, length: 0 } as const
    const own = (last: number): Op[] => {
      const netns = ns(`c${last}`)
      const address = { address: 0x0a140000 + last * 256 + 1, length: 24 }
      return [
        { do: 'address.add', netns, link: 'i0', address },
        { do: 'link.set', netns, name: 'i0', up: true },
        { do: 'route.add', netns, to: all, link: 'i0' },
      ]
    }
    await bench.build(
      netnsOps(ns('sw'), { ip6: false }),
      switchOps(ns('sw'), 0x020000000e00),
      host(bench, 'h1', 1, false),
      host(bench, 'x', 2, false),
      child(bench, 'c1', 'l3', undefined),
      own(1),
      child(bench, 'c2', 'l3', undefined),
      own(2),
    )
    await bench.fabric.settle({ netns: ['sw', 'h1', 'x', 'c1', 'c2'].map((name) => ns(name)) })
    expect(await ping(bench, 'c1', 0x0a140201), 'sibling of another subnet').toBe(64)
    expect(await ping(bench, 'c1', LAN4 + 10), 'nobody routes back').toBeUndefined()
    const to = { address: 0x0a140000, length: 16 }
    await bench.build({ do: 'route.add', netns: ns('x'), to, via: LAN4 + 2 })
    expect(await ping(bench, 'c1', LAN4 + 10)).toBe(64)
    expect(await ping(bench, 'x', 0x0a140101)).toBe(64)
  },
  'ipvlan',
)

conforms(
  'ipvlan l3: where the host has no route IPv4 asks the wire, and IPv6 tells the sender',
  async (bench) => {
    const { ns, fabric } = bench
    const netns = ns('c1')
    await lan(bench, { mode: 'l3' })
    await bench.build(
      { do: 'route.add', netns, to: { address: 0, length: 0 }, link: 'i0' },
      { do: 'route.add', netns, to: { address: 0n, length: 0 }, link: 'i0' },
    )
    const [four, six] = await fabric.probe([
      { from: netns, to: 0x0a630001, protocol: 'icmp', timeoutMs: 700 },
      { from: netns, to: (0xfd99n << 112n) + 1n, protocol: 'icmp', timeoutMs: 700 },
    ])
    expect(four).toMatchObject({ outcome: 'timeout' })
    expect(six).toMatchObject({ outcome: 'errno', errno: 'ENETUNREACH' })
  },
  'ipvlan',
)

conforms(
  'ipvlan: one MAC, one owner an address, and what else the kernel refuses',
  async (bench) => {
    const { ns, fabric } = bench
    await lan(bench, { mode: 'l2' })
    const [h1, c1, c2] = [ns('h1'), ns('c1'), ns('c2')]
    const onParent = (spec: Extract<Op, { do: 'link.add' }>['spec']): Op => ({
      do: 'link.add',
      netns: h1,
      name: 'odd',
      spec,
    })
    const outcomes = await fabric.apply(
      [
        ...prefixes(c2, 'i0', 11),
        { do: 'link.set', netns: c1, name: 'i0', address: 0x020000000a11 },
        onParent({ kind: 'macvlan', parent: 'eth0' }),
        onParent({ kind: 'ipvlan', parent: 'lo' }),
        { do: 'link.add', netns: h1, name: 'br9', spec: { kind: 'bridge' } },
        { do: 'link.set', netns: h1, name: 'eth0', master: 'br9' },
        { do: 'link.add', netns: c1, name: 'v', spec: { kind: 'vlan', parent: 'i0', id: 5 } },
        { do: 'link.add', netns: c1, name: 'm', spec: { kind: 'macvlan', parent: 'i0' } },
        // The parent's own address is nobody else's business.
        ...prefixes(c1, 'i0', 2),
      ],
      { keepGoing: true },
    )
    expect(outcomes.map((o) => (o.ok ? 'ok' : `${o.errno} ${o.extack ?? '-'}`))).toEqual([
      'EADDRINUSE Address already assigned to an ipvlan device',
      'EADDRINUSE Address already assigned to an ipvlan device',
      'EOPNOTSUPP -',
      'EBUSY -',
      'EINVAL -',
      'ok',
      'EBUSY -',
      'EOPNOTSUPP 8021q: VLANs not supported on device',
      'EINVAL -',
      'ok',
      'ok',
    ])
    const { netns } = await fabric.snapshot({ netns: [h1, c1] })
    expect(netns[0]?.links.find((link) => link.name === 'eth0')).toMatchObject({ promiscuity: 0 })
    expect(netns[1]?.links.find((link) => link.name === 'i0')).toMatchObject({
      address: 0x020000000b01,
      ipvlan: { mode: 'l2', flag: 'bridge' },
      parent: { netns: h1, name: 'eth0' },
    })
  },
  'ipvlan',
)

conforms(
  'ipvlan on a VLAN makes nobody below promiscuous',
  async (bench) => {
    const { ns, fabric } = bench
    const h1 = ns('h1')
    await bench.build(
      netnsOps(ns('sw'), { ip6: false }),
      switchOps(ns('sw'), 0x020000000e00),
      host(bench, 'h1', 1, false),
      [
        { do: 'link.add', netns: h1, name: 'v5', spec: { kind: 'vlan', parent: 'eth0', id: 5 } },
        { do: 'link.set', netns: h1, name: 'v5', up: true },
        { do: 'link.add', netns: h1, name: 'i5', spec: { kind: 'ipvlan', parent: 'v5' } },
        { do: 'link.set', netns: h1, name: 'i5', up: true },
      ],
    )
    const [found] = (await fabric.snapshot({ netns: [h1] })).netns
    const counts = ['eth0', 'v5', 'i5'].map(
      (name) => found?.links.find((link) => link.name === name)?.promiscuity,
    )
    expect(counts).toEqual([0, 0, 0])
  },
  'vlan',
  'ipvlan',
)

/** What a port listens for says nothing of what it sends: ipvlan looks into what says it is IP. */
conforms(
  'ipvlan l3 looks into a frame from a port that listens for another protocol',
  async (bench) => {
    const { ns, fabric } = bench
    await lan(bench, { mode: 'l3' })
    let heard = 0
    const ear = await fabric.openPort(ns('c2'), 'i0', () => heard++, { etherType: ETH_IP4 })
    const mouth = await fabric.openPort(ns('c1'), 'i0', () => undefined, { etherType: 0x88b5 })
    const echo = makeEcho(4, false, 4711, 1, 56)
    const packet = makeEcho4(LAN4 + 11, LAN4 + 12, 64, echo, { id: 1 })
    const shared = 0x020000000b01
    mouth.send(encodeFrame(makeFrame(shared, shared, ETH_IP4, packet, packet.length)))
    await fabric.clock.sleep(100)
    for (const port of [ear, mouth]) port.close()
    expect(heard).toBe(1)
  },
  'ipvlan',
)
