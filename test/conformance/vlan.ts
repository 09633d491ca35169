/**
 * 802.1Q: sub-interfaces, trunk and access ports, a router between VLANs. Rows measured on
 * Linux 6.1.
 */
import { expect } from 'vitest'
import type { Fabric } from '../../src/fabric/fabric.ts'
import type { LinkSnapshot } from '../../src/fabric/snapshot.ts'
import type { BridgeOptions, BridgeVlanChange, LinkSpec, Op } from '../../src/fabric/plan.ts'
import { cableOps, netnsOps, switchOps } from '../lan.ts'
import { type Bench, conforms } from './suite.ts'

const SW_MAC = 0x020000000e00

/** 10.SUBNET.0.LAST */
const ip = (subnet: number, last: number): number => 0x0a000000 + subnet * 0x10000 + last

const address = (netns: string, link: string, subnet: number, last: number): Op => ({
  do: 'address.add',
  netns,
  link,
  address: { address: ip(subnet, last), length: 24 },
})

const sub = (netns: string, id: number, more: object = {}): Op => ({
  do: 'link.add',
  netns,
  name: `eth0.${id}`,
  spec: { kind: 'vlan', parent: 'eth0', id, ...more },
  up: true,
})

function makeSwitch({ ns }: Bench, bridge?: BridgeOptions): Op[] {
  const sw = ns('sw')
  const [add, ...rest] = switchOps(sw, SW_MAC)
  const spec: LinkSpec = { kind: 'bridge', ...(bridge === undefined ? {} : { bridge }) }
  return [
    ...netnsOps(sw, { ip6: false }),
    ...(add?.do === 'link.add' ? [{ ...add, spec }] : []),
    ...rest,
  ]
}

/** Host N on port pN of the switch; its link is up and has no address. */
function host({ ns }: Bench, number: number, forward = false): Op[] {
  const netns = ns(`h${number}`)
  return [
    ...netnsOps(netns, { ip6: false, forward }),
    ...cableOps({
      sw: ns('sw'),
      port: `p${number}`,
      portMac: 0x020000000d00 + number,
      netns,
      mac: 0x020000000b00 + number,
    }),
    { do: 'link.set', netns, name: 'eth0', up: true },
  ]
}

/** A container of a host: a macvlan on one of its links, with its gateway. */
function box(
  { ns }: Bench,
  name: string,
  on: { readonly host: string; readonly parent: string; readonly mode?: 'vepa' | 'private' },
  subnet: number,
  last: number,
): Op[] {
  const netns = ns(name)
  return [
    ...netnsOps(netns, { ip6: false }),
    {
      do: 'link.add',
      netns,
      name: 'm0',
      parentNetns: ns(on.host),
      address: 0x020000000a00 + subnet * 256 + last,
      spec: { kind: 'macvlan', parent: on.parent, macvlan: { mode: on.mode ?? 'bridge' } },
    },
    address(netns, 'm0', subnet, last),
    { do: 'link.set', netns, name: 'm0', up: true },
    { do: 'route.add', netns, to: { address: 0, length: 0 }, via: ip(subnet, 1), link: 'm0' },
  ]
}

const member = (
  { ns }: Bench,
  number: number,
  from: number,
  flags: Partial<BridgeVlanChange> = {},
): Op => ({ do: 'bridge-vlan.add', netns: ns('sw'), link: `p${number}`, from, ...flags })

const noMember = ({ ns }: Bench, number: number, from: number): Op => ({
  do: 'bridge-vlan.del',
  netns: ns('sw'),
  link: `p${number}`,
  from,
})

const ACCESS = { pvid: true, untagged: true } as const

/** TTL of the answer, by `from > address` of who has it, from flushed tables. */
async function reach(
  bench: Bench,
  from: string,
  to: number,
  netns: readonly string[],
): Promise<number | undefined> {
  const { fabric, ns } = bench
  await fabric.apply([
    ...netns.map((name): Op => ({ do: 'neighbour.flush', netns: ns(name) })),
    { do: 'fdb.flush', netns: ns('sw'), bridge: 'br0' },
  ])
  const [result] = await fabric.probe([{ from: ns(from), to, protocol: 'icmp', timeoutMs: 700 }])
  return result?.outcome === 'reply' ? result.ttl : undefined
}

const BOXES = { b1: ip(10, 10), b2: ip(20, 10), b3: ip(10, 11), b4: ip(20, 11) } as const
type Box = keyof typeof BOXES

/** Boxes b1, b2 on host 2 and b3, b4 on host 3, in VLANs 100 and 200; a router is host 1. */
async function trunk(
  bench: Bench,
  options: {
    readonly bridge?: BridgeOptions
    readonly router?: boolean
    readonly third?: number
    readonly protocol?: '802.1ad'
  } = {},
): Promise<void> {
  const more = options.protocol === undefined ? {} : { protocol: options.protocol }
  const { ns } = bench
  const third = options.third ?? 100
  const filters = options.bridge?.vlanFiltering === true
  await bench.build(
    makeSwitch(bench, options.bridge),
    host(bench, 1, options.router === true),
    host(bench, 2),
    host(bench, 3),
    filters ? [1, 2, 3].flatMap((n) => [member(bench, n, 100), member(bench, n, 200)]) : [],
    [2, 3].flatMap((n) => [
      sub(ns(`h${n}`), n === 3 ? third : 100, more),
      sub(ns(`h${n}`), 200, more),
    ]),
    options.router === true
      ? [100, 200].flatMap((id) => [
          sub(ns('h1'), id, more),
          address(ns('h1'), `eth0.${id}`, id / 10, 1),
        ])
      : [],
    box(bench, 'b1', { host: 'h2', parent: 'eth0.100' }, 10, 10),
    box(bench, 'b2', { host: 'h2', parent: 'eth0.200' }, 20, 10),
    box(bench, 'b3', { host: 'h3', parent: `eth0.${third}` }, 10, 11),
    box(bench, 'b4', { host: 'h3', parent: 'eth0.200' }, 20, 11),
  )
  const all = ['sw', 'h1', 'h2', 'h3', 'b1', 'b2', 'b3', 'b4']
  await bench.fabric.settle({ netns: all.map((name) => ns(name)) })
}

/** The TTLs of every ordered pair of boxes that answers. */
async function pairs(bench: Bench): Promise<Record<string, number>> {
  const found: Record<string, number> = {}
  for (const from of Object.keys(BOXES) as Box[])
    for (const to of Object.keys(BOXES) as Box[]) {
      if (from === to) continue
      const ttl = await reach(bench, from, BOXES[to], ['h1', ...Object.keys(BOXES)])
      if (ttl !== undefined) found[`${from}>${to}`] = ttl
    }
  return found
}

const SAME_VLAN = { 'b1>b3': 64, 'b3>b1': 64, 'b2>b4': 64, 'b4>b2': 64 }
const ROUTED = {
  ...SAME_VLAN,
  ...Object.fromEntries(
    ['b1>b2', 'b1>b4', 'b2>b1', 'b2>b3', 'b3>b2', 'b3>b4', 'b4>b1', 'b4>b3'].map((p) => [p, 63]),
  ),
}

conforms(
  'vlan: two VLANs over a trunk do not hear each other',
  async (bench) => {
    await trunk(bench)
    expect(await pairs(bench)).toEqual(SAME_VLAN)
  },
  'vlan',
)

conforms(
  'vlan: 802.1ad keeps them apart as well',
  async (bench) => {
    await trunk(bench, { protocol: '802.1ad' })
    expect(await pairs(bench)).toEqual(SAME_VLAN)
  },
  'vlan',
)

conforms(
  'vlan: a router with a leg in each joins them, ttl 63',
  async (bench) => {
    await trunk(bench, { router: true, bridge: { vlanFiltering: true } })
    expect(await pairs(bench)).toEqual(ROUTED)
    // Its other address is its own, too.
    expect(await reach(bench, 'b1', ip(20, 1), ['h1', 'b1'])).toBe(64)
  },
  'vlan',
  'vlan filtering',
)

conforms(
  'vlan: a host that uses another id is alone',
  async (bench) => {
    await trunk(bench, { third: 101 })
    expect(await pairs(bench)).toEqual({ 'b2>b4': 64, 'b4>b2': 64 })
  },
  'vlan',
)

conforms(
  'vlan: a trunk without 200 carries 100 alone',
  async (bench) => {
    await trunk(bench, { bridge: { vlanFiltering: true } })
    await bench.build(noMember(bench, 3, 200))
    expect(await pairs(bench)).toEqual({ 'b1>b3': 64, 'b3>b1': 64 })
  },
  'vlan',
  'vlan filtering',
)

conforms(
  'vlan: a sub-interface that is down cuts off its own containers only',
  async (bench) => {
    await trunk(bench)
    await bench.build({ do: 'link.set', netns: bench.ns('h2'), name: 'eth0.100', up: false })
    expect(await pairs(bench)).toEqual({ 'b2>b4': 64, 'b4>b2': 64 })
  },
  'vlan',
)

conforms(
  'bridge vlan: access ports, a trunk and a native VLAN',
  async (bench) => {
    const { ns } = bench
    const access = (number: number, id: number): Op[] => [
      noMember(bench, number, 1),
      member(bench, number, id, ACCESS),
    ]
    await bench.build(
      makeSwitch(bench, { vlanFiltering: true }),
      [1, 2, 3, 4, 5].flatMap((n) => host(bench, n)),
      access(1, 10),
      access(2, 10),
      access(3, 20),
      [noMember(bench, 4, 1), member(bench, 4, 10), member(bench, 4, 20)],
      [1, 2, 3, 5].map((n) => address(ns(`h${n}`), 'eth0', 9, n)),
      [sub(ns('h4'), 10), address(ns('h4'), 'eth0.10', 9, 4)],
      [sub(ns('h4'), 20), address(ns('h4'), 'eth0.20', 20, 4), address(ns('h3'), 'eth0', 20, 3)],
    )
    const all = ['h1', 'h2', 'h3', 'h4', 'h5']
    await bench.fabric.settle({ netns: ['sw', ...all].map((name) => ns(name)) })
    const ping = (from: string, to: number) => reach(bench, from, to, all)
    expect(await ping('h1', ip(9, 2)), 'same access VLAN').toBe(64)
    expect(await ping('h1', ip(9, 3)), 'other access VLAN').toBeUndefined()
    expect(await ping('h1', ip(9, 4)), 'trunk host, VLAN 10').toBe(64)
    expect(await ping('h3', ip(20, 4)), 'trunk host, VLAN 20').toBe(64)
    expect(await ping('h5', ip(9, 1)), 'default VLAN to 10').toBeUndefined()
    await bench.build(member(bench, 4, 10, ACCESS), address(ns('h4'), 'eth0', 9, 44), {
      do: 'address.flush',
      netns: ns('h4'),
      link: 'eth0.10',
    })
    expect(await ping('h1', ip(9, 44)), 'native VLAN of the trunk').toBe(64)
    expect(await ping('h3', ip(20, 4)), 'beside it, tagged').toBe(64)
  },
  'vlan',
  'vlan filtering',
)

conforms(
  'bridge vlan: the bridge itself hears the VLANs it is a member of',
  async (bench) => {
    const { ns } = bench
    const sw = ns('sw')
    await bench.build(
      makeSwitch(bench, { vlanFiltering: true }),
      host(bench, 1),
      [noMember(bench, 1, 1), member(bench, 1, 10, ACCESS), address(ns('h1'), 'eth0', 9, 1)],
      { do: 'link.add', netns: sw, name: 'br0.10', spec: { kind: 'vlan', parent: 'br0', id: 10 } },
      address(sw, 'br0.10', 9, 100),
      { do: 'link.set', netns: sw, name: 'br0.10', up: true },
    )
    await bench.fabric.settle({ netns: [sw, ns('h1')] })
    expect(await reach(bench, 'h1', ip(9, 100), ['sw', 'h1'])).toBeUndefined()
    await bench.build({ do: 'bridge-vlan.add', netns: sw, link: 'br0', from: 10, self: true })
    expect(await reach(bench, 'h1', ip(9, 100), ['sw', 'h1'])).toBe(64)
  },
  'vlan',
  'vlan filtering',
)

async function outcomesOf(fabric: Fabric, ...ops: readonly Op[]): Promise<string[]> {
  const outcomes = await fabric.apply(ops, { keepGoing: true })
  return outcomes.map((o) => (o.ok ? 'ok' : `${o.errno} ${o.extack ?? '-'}`))
}

conforms(
  'vlan: what the kernel refuses, in its words',
  async (bench) => {
    const { ns } = bench
    await bench.build(makeSwitch(bench), host(bench, 1))
    const netns = ns('h1')
    const vlan = (name: string, parent: string, id: number | undefined, more: object = {}): Op => ({
      do: 'link.add',
      netns,
      name,
      spec: { kind: 'vlan', parent, id },
      ...more,
    })
    const set = (name: string, change: object): Op => ({ do: 'link.set', netns, name, ...change })
    expect(
      await outcomesOf(
        bench.fabric,
        vlan('v0', 'eth0', 0),
        vlan('v4094', 'eth0', 4094),
        vlan('v4095', 'eth0', 4095),
        vlan('none', 'eth0', undefined),
        vlan('twin', 'eth0', 4094),
        { ...sub(netns, 4094, { protocol: '802.1ad' }), name: 'other' } as Op,
        vlan('onlo', 'lo', 5),
        vlan('inner', 'v4094', 5),
        vlan('big', 'eth0', 6, { mtu: 1501 }),
        set('v4094', { mtu: 1501 }),
        set('eth0', { up: false }),
        set('v0', { up: true }),
      ),
    ).toEqual([
      'ok',
      'ok',
      'ERANGE 8021q: Invalid VLAN id',
      'EINVAL 8021q: VLAN properties not specified',
      'EEXIST 8021q: VLAN device already exists',
      'ok',
      'EOPNOTSUPP 8021q: VLANs not supported on device',
      'ok',
      'EINVAL -',
      'ERANGE -',
      'ok',
      'ENETDOWN -',
    ])
  },
  'vlan',
)

conforms(
  'vlan: MAC, MTU and state follow the parent',
  async (bench) => {
    const { fabric, ns } = bench
    const netns = ns('h1')
    await bench.build(makeSwitch(bench), host(bench, 1), sub(netns, 5), {
      do: 'link.add',
      netns,
      name: 'down',
      spec: { kind: 'vlan', parent: 'eth0', id: 6 },
    })
    const set = (name: string, change: object): Op => ({ do: 'link.set', netns, name, ...change })
    const look = async (name: string): Promise<LinkSnapshot | undefined> => {
      await fabric.settle({ netns: [netns] })
      const [found] = (await fabric.snapshot({ netns: [netns] })).netns
      return found?.links.find((link) => link.name === name)
    }
    await bench.build(set('eth0', { address: 0x020000000b77, mtu: 1400 }))
    expect(await look('eth0.5')).toMatchObject({ address: 0x020000000b77, mtu: 1400 })
    await bench.build(set('eth0', { mtu: 1500 }))
    expect(await look('eth0.5')).toMatchObject({ mtu: 1400, up: true, carrier: true })
    await bench.build(set('eth0.5', { address: 0x020000000b78 }))
    await bench.build(set('eth0', { address: 0x020000000b79 }))
    expect(await look('eth0.5')).toMatchObject({ address: 0x020000000b78 })
    await bench.build(set('eth0', { up: false }))
    expect(await look('eth0.5')).toMatchObject({ up: false })
    await bench.build(set('eth0', { up: true }))
    expect(await look('eth0.5')).toMatchObject({ up: true, carrier: true })
    expect(await look('down'), 'one that never was').toMatchObject({ up: true })
  },
  'vlan',
)

conforms(
  'vlan: promisc and allmulti reach the parent, whether it is up or not',
  async (bench) => {
    const { fabric, ns } = bench
    const netns = ns('h1')
    await bench.build(makeSwitch(bench), host(bench, 1), {
      do: 'link.add',
      netns,
      name: 'v5',
      spec: { kind: 'vlan', parent: 'eth0', id: 5 },
    })
    const counts = async (): Promise<object | undefined> => {
      const [found] = (await fabric.snapshot({ netns: [netns] })).netns
      const parent = found?.links.find((link) => link.name === 'eth0')
      return parent && { promiscuity: parent.promiscuity, allmulti: parent.allmulti }
    }
    const set = (change: object): Op => ({ do: 'link.set', netns, name: 'v5', ...change })
    await bench.build(set({ promisc: true, allmulticast: true }))
    expect(await counts()).toEqual({ promiscuity: 1, allmulti: 1 })
    await bench.build(set({ up: true }))
    expect(await counts()).toEqual({ promiscuity: 1, allmulti: 1 })
    await bench.build(set({ up: false, promisc: false, allmulticast: false }))
    expect(await counts()).toEqual({ promiscuity: 0, allmulti: 0 })
  },
  'vlan',
)

conforms(
  'vlan: one too small for IPv4 has none of it until it grows',
  async (bench) => {
    const { fabric, ns } = bench
    const netns = ns('h1')
    await bench.build(makeSwitch(bench), host(bench, 1), sub(netns, 5))
    const set = (mtu: number): Op => ({ do: 'link.set', netns, name: 'eth0.5', mtu })
    const add = address(netns, 'eth0.5', 5, 1)
    const key = 'net.ipv4.conf.eth0/5.forwarding'
    const has = async (): Promise<readonly [boolean, number]> => {
      const [found] = (await fabric.snapshot({ netns: [netns] })).netns
      const own = found?.addresses.filter((a) => a.link === 'eth0.5') ?? []
      return [found?.sysctls[key] !== undefined, own.length]
    }
    await bench.build(add)
    expect(await has()).toEqual([true, 1])
    await bench.build(set(67))
    expect(await has()).toEqual([false, 0])
    expect(await outcomesOf(fabric, add, set(68), add)).toEqual(['ENOBUFS -', 'ok', 'ok'])
    expect(await has()).toEqual([true, 1])
  },
  'vlan',
)
