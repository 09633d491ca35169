/**
 * A topology as a {@link Plan}, the same for the simulator and the kernel: one namespace per
 * switch, host and container; cables are veth pairs, switches are bridges, containers get macvlan
 * or ipvlan children made in place.
 *
 * Every link carries the lab's group and alias, so whatever a crash leaves can be told from
 * everything else on the machine.
 */
import type { Prefix } from '../addr/ip.ts'
import type { LinkSpec, Op, Plan } from '../fabric/plan.ts'
import { aliasFor, groupFor, macFor } from './identity.ts'
import { impairOps } from './impair.ts'
import { UNPLUGGED } from './resolving.ts'
import type {
  Child,
  Container,
  End,
  Host,
  Nic,
  Port,
  Route,
  Shim,
  Switch,
  Topology,
  Upper,
} from './topology.ts'

/** The bridge inside a switch's namespace. */
export const BRIDGE = 'br0'

/** Names as a fabric sees them. */
export interface Naming {
  /** Put before every node name to make its namespace. */
  readonly prefix: string
}

/** What every link of a lab carries. */
export interface Tag {
  readonly group: number
  readonly alias: string
}

/** Nodes of a topology, each a namespace of its own, in the order they are made. */
export function namespacesOf(topology: Topology): string[] {
  const open = topology.hosts.some((h) => h.nics.some((n) => n.peer === undefined))
  return [
    ...topology.switches.map((s) => s.name),
    ...topology.hosts.map((h) => h.name),
    ...topology.containers.map((c) => c.name),
    ...(open ? [UNPLUGGED] : []),
  ]
}

/** The plan that makes a lab. */
export function planLab(topology: Topology, naming: Naming): Plan {
  const tag = tagOf(topology.lab)
  const ns = (node: string): string => `${naming.prefix}${node}`
  return [
    ...namespacesOf(topology).map((node): Op => ({ do: 'netns.add', netns: ns(node) })),
    ...topology.switches.flatMap((sw) => planSwitch(sw, ns(sw.name), tag)),
    ...topology.hosts.flatMap((host) => planSysctls(host, ns(host.name))),
    ...topology.containers.flatMap((c) => planSysctls(c, ns(c.name))),
    ...planCables(topology, ns, tag),
    ...topology.switches.flatMap((sw) => planPorts(sw, ns(sw.name))),
    ...topology.hosts.flatMap((host) => planHost(host, ns(host.name), tag)),
    ...topology.containers.flatMap((c) => planContainer(c, ns(c.name), ns(c.host), tag)),
    ...[...topology.hosts, ...topology.containers].flatMap(({ name, firewall }) =>
      firewall.map((op): Op => ({ ...op, netns: ns(name) })),
    ),
    ...planImpairs(topology, ns),
    // Routes last: their gateways must be reachable through links that are up.
    ...topology.hosts.flatMap((host) => routesOf(host).map((r) => routeOp(r, ns(host.name)))),
    ...topology.containers.flatMap((c) => c.routes.map((r) => routeOp(r, ns(c.name)))),
  ]
}

/** After everything else: making a lab is not slowed down by its cables. */
function planImpairs(topology: Topology, ns: (node: string) => string): Op[] {
  // A port without a cable is not made; a nic without one is.
  const at = (node: string, links: readonly (Port | Nic)[]) =>
    links
      .filter((link) => 'mac' in link || link.peer !== undefined)
      .flatMap((link) => impairOps(undefined, link.impair, ns(node), link.name))
  return [
    ...topology.switches.flatMap((s) => at(s.name, s.ports)),
    ...topology.hosts.flatMap((h) => at(h.name, h.nics)),
  ]
}

/** The plan that removes a lab: the namespaces, and with them everything inside. */
export function planDown(netns: readonly string[]): Plan {
  return netns.map((name) => ({ do: 'netns.del', netns: name }))
}

function planSwitch(sw: Switch, netns: string, tag: Tag): Op[] {
  return [
    // A switch is no host: its links send no neighbour discovery of their own.
    { do: 'sysctl.set', netns, key: 'net.ipv6.conf.all.disable_ipv6', value: '1' },
    { do: 'sysctl.set', netns, key: 'net.ipv6.conf.default.disable_ipv6', value: '1' },
    {
      do: 'link.add',
      netns,
      name: BRIDGE,
      // Only what is asked for: a kernel without VLAN filtering refuses even its absence.
      spec: { kind: 'bridge', ...(sw.vlanFiltering ? { bridge: { vlanFiltering: true } } : {}) },
      ...tag,
    },
    { do: 'link.set', netns, name: BRIDGE, up: true },
  ]
}

function planSysctls(node: Host | Container, netns: string): Op[] {
  const set = node.sysctls.map(([key, value]): Op => ({ do: 'sysctl.set', netns, key, value }))
  return node.lo ? [{ do: 'link.set', netns, name: 'lo', up: true }, ...set] : set
}

/** Each cable once, made at the end that comes first in the file: switches, then hosts. */
function planCables(topology: Topology, ns: (node: string) => string, tag: Tag): Op[] {
  const made = new Set<string>()
  const ops: Op[] = []
  const ends: { readonly near: End; readonly link: Port | Nic }[] = [
    ...topology.switches.flatMap((s) =>
      s.ports.map((link) => ({ near: { node: s.name, link: link.name }, link })),
    ),
    ...topology.hosts.flatMap((h) =>
      h.nics.map((link) => ({ near: { node: h.name, link: link.name }, link })),
    ),
  ]
  const linkAt = (end: End) =>
    ends.find((e) => e.near.node === end.node && e.near.link === end.link)?.link
  let unplugged = 0
  for (const { near, link } of ends) {
    if (made.has(`${near.node}:${near.link}`)) continue
    const isNic = 'mac' in link
    if (link.peer === undefined && !isNic) continue
    const far = link.peer ?? { node: UNPLUGGED, link: `end${unplugged++}` }
    made.add(`${far.node}:${far.link}`)
    const other = linkAt(far)
    ops.push(
      {
        do: 'link.add',
        netns: ns(near.node),
        name: near.link,
        spec: {
          kind: 'veth',
          peer: {
            name: far.link,
            netns: ns(far.node),
            address: macAt(topology, far, other),
            ...mtuOf(other),
          },
        },
        address: macAt(topology, near, link),
        ...mtuOf(link),
        ...tag,
      },
      // The peer is made along with the first end, without its tag.
      { do: 'link.set', netns: ns(far.node), name: far.link, ...tag },
    )
  }
  return ops
}

function macAt(topology: Topology, end: End, link: Port | Nic | undefined): number {
  return link !== undefined && 'mac' in link ? link.mac : macFor(topology.lab, end.node, end.link)
}

function mtuOf(link: Port | Nic | undefined): { mtu?: number } {
  return link?.mtu === undefined ? {} : { mtu: link.mtu }
}

function planPorts(sw: Switch, netns: string): Op[] {
  return sw.ports
    .filter((port) => port.peer !== undefined)
    .flatMap((port): Op[] => {
      const { name } = port
      return [
        { do: 'link.set', netns, name, master: BRIDGE },
        ...portOps(port, undefined, netns),
        ...(sw.vlanFiltering ? vlanOps(port, undefined, netns) : []),
        ...(port.up ? [{ do: 'link.set', netns, name, up: true } as const] : []),
      ]
    })
}

const PORT_FLAGS = ['hairpin', 'isolated', 'learning', 'flood'] as const
const PORT_DEFAULTS = { hairpin: false, isolated: false, learning: true, flood: true }

/** Brings the flags of a port from what they were (or a new port's) to what they shall be. */
export function portOps(port: Port, before: Port | undefined, netns: string): Op[] {
  const was = before ?? PORT_DEFAULTS
  const changed = PORT_FLAGS.filter((flag) => port[flag] !== was[flag])
  if (changed.length === 0) return []
  const options = Object.fromEntries(changed.map((flag) => [flag, port[flag]]))
  return [{ do: 'link.set', netns, name: port.name, port: options }]
}

/** Brings the VLANs of a port from what they were (or a new port's: 1) to what they shall be. */
export function vlanOps(port: Port, before: Port | undefined, netns: string): Op[] {
  const old = new Map(before === undefined ? [[1, true]] : memberships(before))
  const now = new Map(memberships(port))
  const ops: Op[] = []
  for (const [id, untagged] of old) {
    if (now.get(id) !== untagged)
      ops.push({ do: 'bridge-vlan.del', netns, link: port.name, from: id })
  }
  for (const [id, untagged] of now) {
    if (old.get(id) === untagged) continue
    const flags = untagged ? { pvid: true, untagged: true } : {}
    ops.push({ do: 'bridge-vlan.add', netns, link: port.name, from: id, ...flags })
  }
  return ops
}

/** VLAN id -> whether it is the untagged one. */
function memberships(port: Port): [number, boolean][] {
  const tagged = port.tagged.map((id): [number, boolean] => [id, false])
  return port.pvid === undefined ? tagged : [[port.pvid, true], ...tagged]
}

function planHost(host: Host, netns: string, tag: Tag): Op[] {
  return [
    ...host.nics.flatMap((nic): Op[] => [
      ...addressOps(nic.addresses, netns, nic.name),
      ...(nic.promisc ? [{ do: 'link.set', netns, name: nic.name, promisc: true } as const] : []),
      ...(nic.up ? [{ do: 'link.set', netns, name: nic.name, up: true } as const] : []),
    ]),
    ...host.uppers.flatMap((upper): Op[] => [
      {
        do: 'link.add',
        netns,
        name: upper.name,
        spec: upperSpec(upper),
        ...(upper.mac === undefined ? {} : { address: upper.mac }),
        ...(upper.mtu === undefined ? {} : { mtu: upper.mtu }),
        ...tag,
      },
      ...addressOps(upper.addresses, netns, upper.name),
      ...(upper.up ? [{ do: 'link.set', netns, name: upper.name, up: true } as const] : []),
    ]),
    ...host.shims.flatMap((shim) => planShim(shim, netns, tag)),
  ]
}

function upperSpec({ parent, id, protocol }: Upper): LinkSpec {
  if (parent === undefined) return { kind: 'dummy' }
  return { kind: 'vlan', parent, id, ...(protocol === '802.1ad' ? { protocol } : {}) }
}

/** Its routes come with those of the host, once the containers' children are there. */
export function planShim(shim: Shim, netns: string, tag: Tag): Op[] {
  const { name } = shim
  return [
    {
      do: 'link.add',
      netns,
      name,
      spec: childSpec(shim),
      ...(shim.mac === undefined ? {} : { address: shim.mac }),
      ...tag,
    },
    // Without it the shim answers ARP for the parent, and neighbours learn the wrong MAC.
    {
      do: 'sysctl.set',
      netns,
      key: `net.ipv4.conf.${name.replaceAll('.', '/')}.arp_filter`,
      value: '1',
    },
    ...addressOps(shim.addresses, netns, name),
    { do: 'link.set', netns, name, up: true },
  ]
}

/** The routes of a node: what stands in the file, then those of its shims. */
export function routesOf(host: Host): readonly Route[] {
  return [...host.routes, ...host.shims.flatMap((shim) => shim.routes)]
}

/** How the links of a lab are marked. */
export function tagOf(lab: string): Tag {
  return { group: groupFor(lab), alias: aliasFor(lab) }
}

function planContainer(container: Container, netns: string, parentNetns: string, tag: Tag): Op[] {
  return container.children.flatMap((child): Op[] => [
    {
      do: 'link.add',
      netns,
      parentNetns,
      name: child.name,
      spec: childSpec(child),
      ...(child.mac === undefined ? {} : { address: child.mac }),
      ...tag,
    },
    ...addressOps(child.addresses, netns, child.name),
    ...(child.promisc ? [{ do: 'link.set', netns, name: child.name, promisc: true } as const] : []),
    { do: 'link.set', netns, name: child.name, up: true },
  ])
}

function childSpec({ parent, kind }: Child | Shim): LinkSpec {
  return kind.driver === 'macvlan'
    ? { kind: 'macvlan', parent, macvlan: { mode: kind.mode } }
    : { kind: 'ipvlan', parent, mode: kind.mode, flag: kind.flag }
}

/** IPv6 addresses are usable at once: a lab knows its addresses to be unique. */
export function addressOps(addresses: readonly Prefix[], netns: string, link: string): Op[] {
  return addresses.map((address) => ({
    do: 'address.add',
    netns,
    link,
    address,
    ...(typeof address.address === 'bigint' ? { nodad: true } : {}),
  }))
}

export function routeOp(
  route: Route,
  netns: string,
  verb: 'route.add' | 'route.del' = 'route.add',
): Op {
  const { to, via, link, source, metric } = route
  return {
    do: verb,
    netns,
    to,
    ...(via === undefined ? {} : { via }),
    ...(link === undefined ? {} : { link }),
    ...(source === undefined ? {} : { source }),
    ...(metric === undefined ? {} : { metric }),
  }
}
