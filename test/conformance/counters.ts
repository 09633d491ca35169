/**
 * What links count (`ip -s link`): which driver counts which frame, with the Ethernet header or
 * without, and once or twice. Rows read off Linux 6.18 (veth, bridge, macvlan) and 6.1.
 */
import { expect } from 'vitest'
import type { IpvlanMode, MacvlanMode, Op } from '../../src/fabric/plan.ts'
import { cableOps, childOps, LAN4, netnsOps, switchOps } from '../lan.ts'
import { type Bench, conforms } from './suite.ts'

const address = (netns: string, link: string, last: number): Op => ({
  do: 'address.add',
  netns,
  link,
  address: { address: LAN4 + last, length: 24 },
})

/** A neighbour is asked again 5 s after it was used: a slow guest takes longer for a case. */
const up = (netns: string, name: string): Op[] => [
  {
    do: 'sysctl.set',
    netns,
    key: `net.ipv4.neigh.${name}.delay_first_probe_time`,
    value: '60',
  },
  { do: 'link.set', netns, name, up: true },
]

/** A switch with hosts h1, h2, ...: eth0 of host N is 10.9.0.N. */
function lan({ ns }: Bench, hosts: number, hairpin = false, addresses = true): Op[] {
  const sw = ns('sw')
  const one = (n: number): Op[] => {
    const netns = ns(`h${n}`)
    const macs = { portMac: 0x020000000d00 + n, mac: 0x020000000b00 + n }
    return [
      ...netnsOps(netns, { ip6: false }),
      ...cableOps({ sw, port: `p${n}`, netns, ...macs }),
      { do: 'link.set', netns: sw, name: `p${n}`, port: { hairpin } },
      ...(addresses ? [address(netns, 'eth0', n)] : []),
      ...up(netns, 'eth0'),
    ]
  }
  const [bridge, ...rest] = switchOps(sw, 0x020000000e00)
  // A snooping bridge joins a group of its own (224.0.0.106) and reports it when it pleases.
  const spec = { kind: 'bridge', bridge: { multicastSnooping: false } } as const
  return [
    ...netnsOps(sw, { ip6: false }),
    ...(bridge?.do === 'link.add' ? [{ ...bridge, spec }] : []),
    ...rest,
    ...up(sw, 'br0'),
    ...Array.from({ length: hosts }, (_, i) => one(i + 1)).flat(),
  ]
}

function child({ ns }: Bench, name: string, last: number, mode: MacvlanMode): Op[] {
  const netns = ns(name)
  const parentNetns = ns('h1')
  return [
    ...netnsOps(netns, { ip6: false }),
    ...childOps({ netns, parentNetns, mac: 0x020000000c00 + last, macvlan: { mode } }),
    address(netns, 'm0', last),
    ...up(netns, 'm0'),
  ]
}

/** Packets/bytes of each link that counted anything: `rx 3/238 +1 group, 1 dropped tx 3/238`. */
async function counted({ fabric, ns }: Bench, ...names: readonly string[]): Promise<object> {
  // What is still under way arrives.
  await fabric.clock.sleep(20)
  const { netns } = await fabric.snapshot({
    netns: names.map(ns),
    parts: [],
    counters: true,
  })
  const rows = netns.flatMap(({ links }, i) =>
    links.flatMap(({ name, counters: c }): [string, string][] => {
      if (c === undefined) return [[`${names[i]} ${name}`, 'no counters']]
      const group = c.multicast === 0 ? '' : ` +${c.multicast} group`
      const dropped = (n: number): string => (n === 0 ? '' : ` ${n} dropped`)
      const rx = `rx ${c.rxPackets}/${c.rxBytes}${group}${dropped(c.rxDropped)}`
      const tx = `tx ${c.txPackets}/${c.txBytes}${dropped(c.txDropped)}`
      const text = `${rx} ${tx}`
      return text === 'rx 0/0 tx 0/0' ? [] : [[`${names[i]} ${name}`, text]]
    }),
  )
  return Object.fromEntries(rows)
}

/** Pings 10.9.0.LAST; a sender waits as long as the kernel asks for an address. */
async function ping({ fabric, ns }: Bench, from: string, last: number, size = 56): Promise<string> {
  const [result] = await fabric.probe([
    { protocol: 'icmp', from: ns(from), to: LAN4 + last, size, timeoutMs: 5000 },
  ])
  return result?.outcome ?? 'none'
}

conforms('counters: a bridge counts no Ethernet header of what it receives', async (bench) => {
  await bench.build(lan(bench, 3), address(bench.ns('sw'), 'br0', 9))
  await bench.fabric.settle()
  expect(await ping(bench, 'h1', 2)).toBe('reply')
  expect(await ping(bench, 'h1', 9, 1000)).toBe('reply')
  expect(await counted(bench, 'sw', 'h1', 'h2', 'h3')).toEqual({
    'h1 eth0': 'rx 4/1224 tx 4/1224',
    'h2 eth0': 'rx 3/182 tx 2/140',
    'h3 eth0': 'rx 2/84 tx 0/0',
    'sw br0': 'rx 3/1084 tx 2/1084',
    'sw p1': 'rx 4/1224 tx 4/1224',
    'sw p2': 'rx 2/140 tx 3/182',
    'sw p3': 'rx 0/0 tx 2/84',
  })
})

conforms('counters: lo counts what it sends as received, without a header', async (bench) => {
  await bench.build(netnsOps(bench.ns('h1')))
  const probe = { protocol: 'icmp', from: bench.ns('h1'), to: 0x7f000001, size: 56 } as const
  await bench.fabric.probe([probe])
  expect(await counted(bench, 'h1')).toEqual({
    'h1 lo': 'rx 2/168 tx 2/168',
  })
})

conforms('counters: a frame too long for the other end is dropped at both', async (bench) => {
  const [h1, h2] = [bench.ns('h1'), bench.ns('h2')]
  await bench.build(lan(bench, 2), { do: 'link.set', netns: h2, name: 'eth0', mtu: 1000 })
  await bench.fabric.settle()
  expect(await ping(bench, 'h1', 2)).toBe('reply')
  expect(
    await bench.fabric.probe([
      { protocol: 'icmp', from: h1, to: LAN4 + 2, size: 1200, pmtu: 'dont' },
    ]),
  ).toMatchObject([{ outcome: 'timeout' }])
  expect(await counted(bench, 'sw', 'h2')).toEqual({
    'h2 eth0': 'rx 2/140 1 dropped tx 2/140',
    'sw br0': 'rx 1/28 tx 0/0',
    'sw p1': 'rx 3/1382 tx 2/140',
    'sw p2': 'rx 2/140 tx 2/140 1 dropped',
  })
})

/** A broadcast to a sibling counts its header twice; one that comes back to its sender no bytes. */
const MACVLAN_ROWS = {
  bridge: {
    'a m0': 'rx 4/280 tx 4/280',
    'b m0': 'rx 3/210 +2 group tx 2/140',
    'h1 eth0': 'rx 2/140 tx 3/182',
    'h2 eth0': 'rx 3/182 tx 2/140',
  },
  private: {
    'a lo': 'rx 1/112 tx 1/112',
    'a m0': 'rx 6/140 tx 5/266',
    'h1 eth0': 'rx 6/308 tx 5/266',
    'h2 eth0': 'rx 5/266 tx 2/140',
  },
  vepa: {
    'a m0': 'rx 4/280 tx 4/280',
    'b m0': 'rx 3/182 +2 group tx 2/140',
    'h1 eth0': 'rx 7/462 tx 6/420',
    'h2 eth0': 'rx 3/182 tx 2/140',
  },
}

for (const mode of ['bridge', 'private', 'vepa'] as const) {
  conforms(`counters: macvlan ${mode} children, their parent and the switch`, async (bench) => {
    await bench.build(
      lan(bench, 2, mode !== 'bridge'),
      child(bench, 'a', 11, mode),
      child(bench, 'b', 12, mode),
    )
    await bench.fabric.settle()
    expect(await ping(bench, 'a', 2)).toBe('reply')
    expect(await ping(bench, 'a', 12)).toBe(mode === 'private' ? 'icmp-error' : 'reply')
    expect(await counted(bench, 'h1', 'h2', 'a', 'b')).toEqual(MACVLAN_ROWS[mode])
  })
}

conforms(
  'counters: a VLAN counts no tag, the link below not the outer one',
  async (bench) => {
    const sub = (n: number): Op[] => {
      const netns = bench.ns(`h${n}`)
      return [
        {
          do: 'link.add',
          netns,
          name: 'v',
          spec: { kind: 'vlan', parent: 'eth0', id: 7 },
          up: true,
        },
        {
          do: 'link.add',
          netns,
          name: 'q',
          spec: { kind: 'vlan', parent: 'v', id: 8 },
          up: true,
        },
        address(netns, 'q', n),
        { do: 'address.add', netns, link: 'v', address: { address: 0x0a0a0000 + n, length: 24 } },
      ]
    }
    await bench.build(lan(bench, 2, false, false), sub(1), sub(2))
    await bench.fabric.settle()
    expect(await ping(bench, 'h1', 2)).toBe('reply')
    const from = bench.ns('h1')
    expect(await bench.fabric.probe([{ protocol: 'icmp', from, to: 0x0a0a0002 }])).toMatchObject([
      { outcome: 'reply' },
    ])
    expect(await counted(bench, 'sw', 'h1', 'h2')).toEqual({
      'h1 eth0': 'rx 4/288 tx 4/288',
      'h1 q': 'rx 2/112 tx 2/140',
      'h1 v': 'rx 4/232 tx 4/288',
      'h2 eth0': 'rx 4/288 tx 4/288',
      'h2 q': 'rx 2/112 tx 2/140',
      'h2 v': 'rx 4/232 tx 4/288',
      'sw br0': 'rx 2/60 1 dropped tx 0/0',
      'sw p1': 'rx 4/288 tx 4/288',
      'sw p2': 'rx 4/288 tx 4/288',
    })
  },
  'vlan',
)

/** As in macvlan: between children a header counts twice. */
const IPVLAN_ROWS = {
  l2: {
    'a i0': 'rx 4/308 tx 4/280',
    'b i0': 'rx 3/224 +2 group tx 2/140',
    'h1 eth0': 'rx 2/140 tx 3/182',
    'h2 eth0': 'rx 3/182 tx 2/140',
  },
  l3: {
    'a i0': 'rx 4/238 tx 2/196',
    'b i0': 'rx 1/112 tx 1/98',
    'h1 eth0': 'rx 4/168 tx 2/140',
    'h2 eth0': 'rx 2/140 tx 4/168',
    'h2 lo': 'rx 1/112 tx 1/112',
  },
  l3s: {
    'a i0': 'rx 1/112 tx 2/196',
    'b i0': 'rx 1/112 tx 1/98',
    'h1 eth0': 'rx 4/168 tx 2/140',
    'h2 eth0': 'rx 2/140 tx 4/168',
    'h2 lo': 'rx 1/112 tx 1/112',
  },
}

for (const mode of ['l2', 'l3', 'l3s'] as const) {
  conforms(
    `counters: ipvlan ${mode} children and their parent`,
    async (bench) => {
      await bench.build(lan(bench, 2), ipvlan(bench, 'a', 11, mode), ipvlan(bench, 'b', 12, mode))
      await bench.fabric.settle()
      expect(await ping(bench, 'a', 12)).toBe('reply')
      await ping(bench, 'a', 2)
      expect(await counted(bench, 'h1', 'h2', 'a', 'b')).toEqual(IPVLAN_ROWS[mode])
    },
    'ipvlan',
  )
}

function ipvlan({ ns }: Bench, name: string, last: number, mode: IpvlanMode): Op[] {
  const netns = ns(name)
  const spec = { kind: 'ipvlan', parent: 'eth0', mode } as const
  return [
    ...netnsOps(netns, { ip6: false }),
    { do: 'link.add', netns, name: 'i0', parentNetns: ns('h1'), spec },
    address(netns, 'i0', last),
    ...up(netns, 'i0'),
  ]
}

conforms(
  'counters: a dummy counts what it swallows',
  async (bench) => {
    const netns = bench.ns('h1')
    await bench.build(
      netnsOps(netns, { ip6: false }),
      { do: 'link.add', netns, name: 'd0', spec: { kind: 'dummy' }, up: true },
      address(netns, 'd0', 1),
    )
    expect(await ping(bench, 'h1', 7)).toBe('timeout')
    expect(await counted(bench, 'h1')).toEqual({
      'h1 d0': 'rx 0/0 tx 1/98',
    })
  },
  'dummy',
)
