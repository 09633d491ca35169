/** Addresses, routes, rules, neighbours and forwarding entries as the Snapshot says them. */
import { linkLocalOf } from '../addr/eui64.ts'
import type { Ip, Prefix } from '../addr/ip.ts'
import { isGroupMac } from '../addr/mac.ts'
import type { NeighbourState } from '../fabric/plan.ts'
import type {
  AddressSnapshot,
  BridgeVlanSnapshot,
  FdbSnapshot,
  LinkSnapshot,
  NeighbourSnapshot,
  RouteSnapshot,
  RuleSnapshot,
} from '../fabric/snapshot.ts'
import { type Entry, type Format, outgoing } from '../netlink/message.ts'
import type { Connection } from '../netlink/request.ts'
import {
  address,
  IFA_F_DADFAILED,
  IFA_F_PERMANENT,
  IFA_F_SECONDARY,
  IFA_F_TENTATIVE,
  IFAPROT_KERNEL_LL,
  IFAPROT_KERNEL_RA,
} from '../netlink/tables/address.ts'
import { bridgeLink, VLAN_PVID, VLAN_UNTAGGED } from '../netlink/tables/bridge.ts'
import {
  AF_BRIDGE,
  AF_INET,
  AF_INET6,
  RTM_GETADDR,
  RTM_GETLINK,
  RTM_GETNEIGH,
  RTM_GETROUTE,
  RTM_GETRULE,
} from '../netlink/tables/header.ts'
import { RTEXT_FILTER_BRVLAN } from '../netlink/tables/link.ts'
import { NTF_MASTER, NTF_PROXY, NTF_ROUTER, NUD, neighbour } from '../netlink/tables/neighbour.ts'
import {
  ROUTE_TYPES,
  RT_TABLE_LOCAL,
  RTNH_F_LINKDOWN,
  RTNH_F_ONLINK,
  route,
} from '../netlink/tables/route.ts'
import {
  FR_ACT_BLACKHOLE,
  FR_ACT_PROHIBIT,
  FR_ACT_TO_TBL,
  FR_ACT_UNREACHABLE,
  rule,
} from '../netlink/tables/rule.ts'

type EntryOf<F> = F extends Format<infer H, infer A> ? Entry<H, A> : never

/** A dump of all families also holds multicast routing (128, 129) and MPLS. */
const isIp = (family: number) => family === AF_INET || family === AF_INET6

/** Links of the namespace by index. */
export type LinksByIndex = ReadonlyMap<number, LinkSnapshot>

export function readAddresses(connection: Connection, links: LinksByIndex): AddressSnapshot[] {
  return connection
    .dump(outgoing(RTM_GETADDR, 0, address, {}), address)
    .map((entry) => addressSnapshot(entry, links))
}

function addressSnapshot(entry: EntryOf<typeof address>, links: LinksByIndex): AddressSnapshot {
  const { header, attributes } = entry
  const flags = attributes.flags ?? header.flags
  const ip = attributes.local ?? attributes.address ?? 0
  const owner = links.get(header.index)
  return {
    link: owner?.name ?? '',
    address: { address: ip, length: header.length },
    broadcast: attributes.broadcast,
    scope: addressScope(header.scope),
    // The same bit means "temporary" to IPv6.
    secondary: header.family === AF_INET && (flags & IFA_F_SECONDARY) !== 0,
    tentative: (flags & IFA_F_TENTATIVE) !== 0,
    dadFailed: (flags & IFA_F_DADFAILED) !== 0,
    dynamic: typeof ip === 'bigint' && isDynamic(ip, flags, attributes.protocol, owner),
  }
}

/**
 * Kernels before 5.18 do not say who set an address: then a link-local one made of the MAC counts.
 */
function isDynamic(
  ip: bigint,
  flags: number,
  protocol: number | undefined,
  owner: LinkSnapshot | undefined,
): boolean {
  if (protocol === IFAPROT_KERNEL_RA || protocol === IFAPROT_KERNEL_LL) return true
  if (protocol !== undefined) return false
  return (
    (flags & IFA_F_PERMANENT) === 0 || (owner !== undefined && ip === linkLocalOf(owner.address))
  )
}

function addressScope(scope: number): AddressSnapshot['scope'] {
  if (scope === 253) return 'link'
  if (scope === 254) return 'host'
  return scope === 200 ? 'site' : 'global'
}

/** `RTPROT_*`, as iproute2 words them (/etc/iproute2/rt_protos). */
const PROTOCOLS: Readonly<Record<number, string>> = {
  0: 'unspec',
  1: 'redirect',
  2: 'kernel',
  3: 'boot',
  4: 'static',
  8: 'gated',
  9: 'ra',
  10: 'mrt',
  11: 'zebra',
  12: 'bird',
  13: 'dnrouted',
  14: 'xorp',
  15: 'ntk',
  16: 'dhcp',
  18: 'keepalived',
  42: 'babel',
  186: 'bgp',
  187: 'isis',
  188: 'ospf',
  189: 'rip',
  192: 'eigrp',
}
const RTPROT_KERNEL = 2

/**
 * Routes of all tables, without those the kernel keeps in the local table by itself (own
 * addresses, broadcasts, multicast, anycast): they follow from addresses and links.
 */
export function readRoutes(connection: Connection, links: LinksByIndex): RouteSnapshot[] {
  return connection
    .dump(
      outgoing(RTM_GETROUTE, 0, route, {}),
      route,
      (header) =>
        isIp(header.family) &&
        (header.table !== RT_TABLE_LOCAL || header.protocol !== RTPROT_KERNEL),
    )
    .flatMap((entry) => routeSnapshots(entry, links))
}

/** One, or one a next hop. */
function routeSnapshots(entry: EntryOf<typeof route>, links: LinksByIndex): RouteSnapshot[] {
  const { header, attributes } = entry
  const four = header.family === AF_INET
  const hop = (flags: number, index: number | undefined, via: Ip | undefined): RouteSnapshot => ({
    to: { address: attributes.dst ?? (four ? 0 : 0n), length: header.dstLength },
    type: routeType(header.type),
    via,
    link: index === undefined ? undefined : links.get(index)?.name,
    source: attributes.prefsrc,
    metric: attributes.priority ?? 0,
    table: attributes.table ?? header.table,
    scope: routeScope(header.scope),
    protocol: PROTOCOLS[header.protocol] ?? String(header.protocol),
    linkDown: (flags & RTNH_F_LINKDOWN) !== 0,
    onlink: (flags & RTNH_F_ONLINK) !== 0,
  })
  if (attributes.multipath !== undefined) {
    return attributes.multipath.map((next) => hop(next.flags, next.index, next.gateway ?? next.via))
  }
  return [hop(header.flags, attributes.oif, attributes.gateway ?? attributes.via)]
}

function routeType(type: number): RouteSnapshot['type'] {
  const name = ROUTE_TYPES[type]
  return name === undefined || name === 'unspec' ? 'unicast' : name
}

function routeScope(scope: number): RouteSnapshot['scope'] {
  return scope === 255 ? 'nowhere' : addressScope(scope)
}

const RULE_ACTIONS: Readonly<Record<number, RuleSnapshot['action']>> = {
  [FR_ACT_TO_TBL]: 'lookup',
  [FR_ACT_BLACKHOLE]: 'blackhole',
  [FR_ACT_UNREACHABLE]: 'unreachable',
  [FR_ACT_PROHIBIT]: 'prohibit',
}

export function readRules(connection: Connection): RuleSnapshot[] {
  const request = outgoing(RTM_GETRULE, 0, rule, {})
  return connection
    .dump(request, rule, (header) => isIp(header.family))
    .flatMap((entry) => {
      const { header, attributes } = entry
      const action = RULE_ACTIONS[header.action]
      if (action === undefined) return []
      return [
        {
          family: header.family === AF_INET ? (4 as const) : (6 as const),
          priority: attributes.priority ?? 0,
          from: prefixOf(attributes.src, header.srcLength),
          to: prefixOf(attributes.dst, header.dstLength),
          iif: attributes.iif,
          oif: attributes.oif,
          table: attributes.table ?? header.table,
          action,
        },
      ]
    })
}

function prefixOf(ip: Ip | undefined, length: number): Prefix | undefined {
  return ip === undefined ? undefined : { address: ip, length }
}

const NEIGHBOUR_STATES = new Map(
  Object.entries(NUD).map(([name, bit]) => [bit as number, name as NeighbourState]),
)

/**
 * Neighbours and proxy entries; without NOARP ones, which the kernel makes for groups and the like.
 */
export function readNeighbours(connection: Connection, links: LinksByIndex): NeighbourSnapshot[] {
  const read = (flags: number) =>
    connection.dump(
      outgoing(RTM_GETNEIGH, 0, neighbour, { flags }),
      neighbour,
      ({ family, state, flags: own }) =>
        family !== AF_BRIDGE && ((own & NTF_PROXY) !== 0 || (state & ~NUD.noarp) !== 0),
    )
  return [...read(0), ...read(NTF_PROXY)].flatMap(({ header, attributes }) => {
    if (attributes.dst === undefined) return []
    const proxy = (header.flags & NTF_PROXY) !== 0
    return [
      {
        link: links.get(header.index)?.name ?? '',
        ip: attributes.dst,
        mac: attributes.mac,
        state: proxy
          ? ('permanent' as const)
          : (NEIGHBOUR_STATES.get(header.state) ?? 'incomplete'),
        proxy,
        router: (header.flags & NTF_ROUTER) !== 0,
      },
    ]
  })
}

/** Kinds with a forwarding table of their own, seen as `self`. */
const OWN_TABLE = new Set(['vxlan', 'macvlan', 'macvtap'])

/**
 * Entries of bridges; `self` entries only of links that forward by them (vxlan, macvlan), and no
 * groups: the rest is what children asked their parents to listen to.
 */
export function readFdb(connection: Connection, links: LinksByIndex): FdbSnapshot[] {
  const request = outgoing(RTM_GETNEIGH, 0, neighbour, { family: AF_BRIDGE })
  return connection.dump(request, neighbour).flatMap(({ header, attributes }) => {
    const { mac, vlan, master } = attributes
    const owner = links.get(header.index)
    if (mac === undefined || owner === undefined) return []
    const bridged = (header.flags & NTF_MASTER) !== 0 || master !== undefined
    if (!bridged && (isGroupMac(mac) || !OWN_TABLE.has(owner.kind))) return []
    return [
      {
        link: owner.name,
        mac,
        vlan,
        on: bridged ? ('master' as const) : ('self' as const),
        state: fdbState(header.state),
      },
    ]
  })
}

function fdbState(state: number): FdbSnapshot['state'] {
  if ((state & NUD.permanent) !== 0) return 'permanent'
  return (state & NUD.noarp) === 0 ? 'dynamic' : 'static'
}

/** VLAN membership of bridge ports and of bridges. */
export function readVlans(connection: Connection, links: LinksByIndex): BridgeVlanSnapshot[] {
  const request = outgoing(
    RTM_GETLINK,
    0,
    bridgeLink,
    { family: AF_BRIDGE },
    { extMask: RTEXT_FILTER_BRVLAN },
  )
  return connection.dump(request, bridgeLink).flatMap(({ header, attributes }) =>
    (attributes.afSpec?.vlans ?? []).map(({ flags, vid }) => ({
      link: links.get(header.index)?.name ?? '',
      vlan: vid,
      pvid: (flags & VLAN_PVID) !== 0,
      untagged: (flags & VLAN_UNTAGGED) !== 0,
    })),
  )
}
