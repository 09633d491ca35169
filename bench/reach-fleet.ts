/**
 * Fleets: hosts on leaf switches under a spine, containers of four VLANs on each host, a router on
 * a stick. Ports are trunks, with and without hairpin, some lack a VLAN, some are access ports; the
 * networks have different modes, one has no gateway; the router drops what goes from the first to
 * the second.
 */
import type { Op, Plan } from '../src/fabric/plan.ts'
import type { NetnsSnapshot, Snapshot } from '../src/fabric/snapshot.ts'
import { Random } from '../src/sim/random.ts'

export interface FleetSize {
  readonly leaves: number
  /** Hosts of each leaf. */
  readonly hosts: number
  /** Containers of each host, spread over the networks. */
  readonly containers: number
  readonly seed?: number
}

const NETWORKS = [
  { vlan: 100, mode: 'bridge', gateway: true },
  { vlan: 200, mode: 'private', gateway: true },
  { vlan: 300, mode: 'vepa', gateway: true },
  { vlan: 400, mode: 'bridge', gateway: false },
] as const
const VLANS = NETWORKS.map((n) => n.vlan)
/** What the port of a host allows. */
const PORTS = [
  { vlans: VLANS, hairpin: false },
  { vlans: VLANS, hairpin: false },
  { vlans: VLANS, hairpin: true },
  { vlans: [100, 200, 300], hairpin: false },
  { vlans: [], hairpin: false },
] as const

const ip = (network: number, number: number): number => 0x0a0a0000 + network * 0x10000 + number
const anywhere = { address: 0, length: 0 }

/** A fleet as a plan. */
export function fleetPlan(size: FleetSize): Plan {
  const random = new Random(size.seed ?? 1)
  const ops: Op[] = [...netns('spine'), ...bridge('spine')]
  let hosts = 0
  let containers = 0
  for (let l = 0; l < size.leaves; l++) {
    const leaf = `leaf${l}`
    ops.push(...netns(leaf), ...bridge(leaf), ...cable('spine', `down${l}`, leaf, 'up0'))
    ops.push({ do: 'link.set', netns: leaf, name: 'up0', master: 'br0', up: true })
    ops.push(...trunk('spine', `down${l}`, VLANS), ...trunk(leaf, 'up0', VLANS))
    for (let h = 0; h < size.hosts; h++) {
      const host = `host${hosts++}`
      const port = PORTS[random.below(PORTS.length)] as (typeof PORTS)[number]
      ops.push(...netns(host), ...cable(leaf, `p${h}`, host, 'eth0'))
      ops.push(...trunk(leaf, `p${h}`, port.vlans))
      if (port.hairpin) {
        ops.push({ do: 'link.set', netns: leaf, name: `p${h}`, port: { hairpin: true } })
      }
      ops.push(...hostLinks(host, hosts))
      for (let c = 0; c < size.containers; c++) {
        ops.push(...container(`c${containers}`, host, c % NETWORKS.length, ++containers))
      }
    }
  }
  return [...ops, ...router()]
}

function netns(name: string): Op[] {
  const off = ['all', 'default'].map((level): Op => {
    return {
      do: 'sysctl.set',
      netns: name,
      key: `net.ipv6.conf.${level}.disable_ipv6`,
      value: '1',
    }
  })
  return [{ do: 'netns.add', netns: name }, ...off]
}

function bridge(name: string): Op[] {
  const spec = { kind: 'bridge', bridge: { vlanFiltering: true } } as const
  return [{ do: 'link.add', netns: name, name: 'br0', spec, up: true }]
}

function cable(sw: string, port: string, other: string, link: string): Op[] {
  const spec = { kind: 'veth', peer: { name: link, netns: other } } as const
  return [
    { do: 'link.add', netns: sw, name: port, spec },
    { do: 'link.set', netns: sw, name: port, master: 'br0', up: true },
    { do: 'link.set', netns: other, name: link, up: true },
  ]
}

function trunk(sw: string, link: string, vlans: readonly number[]): Op[] {
  return vlans.map((from): Op => ({ do: 'bridge-vlan.add', netns: sw, link, from }))
}

function hostLinks(host: string, number: number): Op[] {
  const address = { address: 0x0a000100 + number, length: 16 }
  return [
    { do: 'address.add', netns: host, link: 'eth0', address },
    ...VLANS.map((id): Op => {
      const spec = { kind: 'vlan', parent: 'eth0', id } as const
      return { do: 'link.add', netns: host, name: `eth0.${id}`, spec, up: true }
    }),
  ]
}

function container(name: string, host: string, network: number, number: number): Op[] {
  const { vlan, mode, gateway } = NETWORKS[network] as (typeof NETWORKS)[number]
  const spec = { kind: 'macvlan', parent: `eth0.${vlan}`, macvlan: { mode } } as const
  const address = { address: ip(network, 256 + number), length: 16 }
  return [
    ...netns(name),
    { do: 'link.add', netns: name, name: 'eth0', parentNetns: host, spec },
    { do: 'address.add', netns: name, link: 'eth0', address },
    { do: 'link.set', netns: name, name: 'eth0', up: true },
    ...(gateway
      ? [{ do: 'route.add', netns: name, to: anywhere, via: ip(network, 1) } as const]
      : []),
  ]
}

function router(): Op[] {
  const drop = {
    match: {
      from: { address: ip(0, 0), length: 16 },
      to: { address: ip(1, 0), length: 16 },
    },
    verdict: { do: 'drop' },
  } as const
  return [
    ...netns('router'),
    ...cable('spine', 'stick', 'router', 'eth0'),
    ...trunk('spine', 'stick', VLANS),
    ...NETWORKS.flatMap(({ vlan }, network): Op[] => {
      const spec = { kind: 'vlan', parent: 'eth0', id: vlan } as const
      const name = `eth0.${vlan}`
      const address = { address: ip(network, 1), length: 16 }
      return [
        { do: 'link.add', netns: 'router', name, spec, up: true },
        { do: 'address.add', netns: 'router', link: name, address },
      ]
    }),
    { do: 'sysctl.set', netns: 'router', key: 'net.ipv4.ip_forward', value: '1' },
    {
      do: 'filter.add',
      netns: 'router',
      family: 4,
      table: 'filter',
      chain: 'FORWARD',
      rule: drop,
    },
  ]
}

/**
 * A larger fleet out of the snapshot of one: each container as often as said, every copy with a
 * name, MAC and address of its own.
 */
export function multiplied(snapshot: Snapshot, times: number): Snapshot {
  let number = 0
  /** Addresses taken of each network: all of them together are more than one network has. */
  const taken = new Map<number, number>()
  const netns = snapshot.netns.flatMap((one): NetnsSnapshot[] => {
    if (!/^c\d+$/.test(one.name)) return [one]
    const [own] = one.addresses.filter((a) => a.link === 'eth0')
    const network = ((own?.address.address as number) >>> 16) * 0x10000
    return Array.from({ length: times }, () => {
      const last = (taken.get(network) ?? 511) + 1
      taken.set(network, last)
      return copy(one, number++, network + last)
    })
  })
  return { netns }
}

function copy(one: NetnsSnapshot, number: number, address: number): NetnsSnapshot {
  return {
    ...one,
    name: `c${number}`,
    sysctls: { ...one.sysctls },
    links: one.links.map((l) => ({
      ...l,
      address: l.kind === 'macvlan' ? 0x060000000000 + number : l.address,
    })),
    addresses: one.addresses.map((a) =>
      a.link === 'eth0' ? { ...a, address: { address, length: 16 } } : a,
    ),
    routes: one.routes.map((r) => (r.source === undefined ? r : { ...r, source: address })),
    rules: one.rules.map((r) => ({ ...r })),
  }
}
