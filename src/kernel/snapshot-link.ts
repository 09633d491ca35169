/** A link as the kernel dumps it, as the Snapshot says it. */
import type { BridgeOptions, IpvlanFlag, MacvlanMode, PortOptions } from '../fabric/plan.ts'
import type { LinkCounters, LinkRef, LinkSnapshot, OperState } from '../fabric/snapshot.ts'
import type { Entry } from '../netlink/message.ts'
import {
  ARPHRD_LOOPBACK,
  IFF_ALLMULTI,
  IFF_LOWER_UP,
  IFF_NOARP,
  IFF_PROMISC,
  IFF_UP,
} from '../netlink/tables/header.ts'
import {
  IPVLAN_F_PRIVATE,
  IPVLAN_F_VEPA,
  type link,
  type LinkInfo,
  MACVLAN_FLAG_NODST,
  MACVLAN_FLAG_NOPROMISC,
  VLAN_FLAG_GVRP,
  VLAN_FLAG_LOOSE,
  VLAN_FLAG_MVRP,
  VLAN_FLAG_REORDER,
} from '../netlink/tables/link.ts'
import type { ValueOf } from '../netlink/attribute.ts'
import { IPVLAN_MODES, MACVLAN_MODES, VLAN_PROTOCOLS } from './link-info.ts'

export type LinkEntry = Entry<ValueOf<typeof link.header>, ValueOf<typeof link.attributes>>

/** `IF_OPER_*` by number (RFC 2863). */
const OPER_STATES: readonly OperState[] = [
  'unknown',
  'notpresent',
  'down',
  'lowerlayerdown',
  'testing',
  'dormant',
  'up',
]

/** @param master name of the link's master; it and `parent` are resolved by the caller */
export function linkSnapshot(
  entry: LinkEntry,
  master: string | undefined,
  parent: LinkRef | undefined,
): LinkSnapshot {
  const { header, attributes } = entry
  const info = attributes.info ?? {}
  return {
    index: header.index,
    name: attributes.name ?? '',
    kind: kindOf(header.type, info),
    address: attributes.address ?? 0,
    mtu: attributes.mtu ?? 0,
    up: (header.flags & IFF_UP) !== 0,
    carrier: (header.flags & IFF_LOWER_UP) !== 0,
    operState: OPER_STATES[attributes.operState ?? 0] ?? 'unknown',
    promisc: (header.flags & IFF_PROMISC) !== 0,
    promiscuity: attributes.promiscuity ?? 0,
    allmulticast: (header.flags & IFF_ALLMULTI) !== 0,
    allmulti: attributes.allmulti ?? 0,
    arp: (header.flags & IFF_NOARP) === 0,
    group: attributes.group ?? 0,
    alias: attributes.alias,
    txQueueLength: attributes.txQueueLength ?? 0,
    qdisc: attributes.qdisc ?? 'noop',
    minMtu: attributes.minMtu ?? 0,
    maxMtu: attributes.maxMtu ?? 0,
    parent,
    master,
    macvlan: macvlanOf(info),
    ipvlan: ipvlanOf(info),
    vlan: vlanOf(info),
    vxlan: vxlanOf(info),
    bridge: bridgeOf(info),
    port: info.slaveKind === 'bridge' && info.port !== undefined ? portOf(info.port) : undefined,
  }
}

/** What it counted; undefined when the answer left it out. */
export function countersOf({ attributes }: LinkEntry): LinkCounters | undefined {
  const { stats } = attributes
  if (stats === undefined) return undefined
  return {
    rxPackets: Number(stats.rxPackets),
    rxBytes: Number(stats.rxBytes),
    rxDropped: Number(stats.rxDropped),
    multicast: Number(stats.multicast),
    txPackets: Number(stats.txPackets),
    txBytes: Number(stats.txBytes),
    txDropped: Number(stats.txDropped),
  }
}

function kindOf(type: number, info: LinkInfo): string {
  if (type === ARPHRD_LOOPBACK) return 'loopback'
  if (info.kind === 'tun') return info.tun?.type === 2 ? 'tap' : 'tun'
  return info.kind ?? 'device'
}

const MODE_NAMES = new Map(
  Object.entries(MACVLAN_MODES).map(([name, mode]) => [mode, name as MacvlanMode]),
)

function macvlanOf(info: LinkInfo): LinkSnapshot['macvlan'] {
  const data = info.macvlan
  if (data === undefined) return undefined
  const flags = data.flags ?? 0
  return {
    mode: MODE_NAMES.get((data.mode ?? 2) as 1) ?? 'vepa',
    nopromisc: (flags & MACVLAN_FLAG_NOPROMISC) !== 0,
    nodst: (flags & MACVLAN_FLAG_NODST) !== 0,
    // The kernel lists them by hash bucket.
    sources: (data.addresses?.list ?? []).toSorted((a, b) => a - b),
    broadcastQueueLength: data.broadcastQueueLength ?? 1000,
  }
}

function ipvlanOf(info: LinkInfo): LinkSnapshot['ipvlan'] {
  const data = info.ipvlan
  if (data === undefined) return undefined
  const flags = data.flags ?? 0
  const flag: IpvlanFlag =
    (flags & IPVLAN_F_PRIVATE) !== 0 ? 'private' : (flags & IPVLAN_F_VEPA) !== 0 ? 'vepa' : 'bridge'
  return { mode: IPVLAN_MODES[data.mode ?? 1] ?? 'l3', flag }
}

function vlanOf(info: LinkInfo): LinkSnapshot['vlan'] {
  const data = info.vlan
  if (data === undefined) return undefined
  const flags = data.flags?.flags ?? 0
  const pairs = (map: { readonly list?: readonly { from: number; to: number }[] } | undefined) =>
    (map?.list ?? []).map(({ from, to }) => [from, to] as const)
  return {
    id: data.id ?? 0,
    protocol: data.protocol === VLAN_PROTOCOLS['802.1ad'] ? '802.1ad' : '802.1Q',
    reorderHeader: (flags & VLAN_FLAG_REORDER) !== 0,
    looseBinding: (flags & VLAN_FLAG_LOOSE) !== 0,
    gvrp: (flags & VLAN_FLAG_GVRP) !== 0,
    mvrp: (flags & VLAN_FLAG_MVRP) !== 0,
    ingressQos: pairs(data.ingressQos),
    egressQos: pairs(data.egressQos),
  }
}

function vxlanOf(info: LinkInfo): LinkSnapshot['vxlan'] {
  const data = info.vxlan
  if (data === undefined) return undefined
  return { id: data.id ?? 0, port: data.port ?? 0, learning: data.learning === 1 }
}

function bridgeOf(info: LinkInfo): Required<BridgeOptions> | undefined {
  const data = info.bridge
  if (data === undefined) return undefined
  return {
    vlanFiltering: data.vlanFiltering === 1,
    // 1 is the default; a kernel without VLAN filtering does not say.
    vlanDefaultPvid: data.vlanDefaultPvid ?? 0,
    ageingTime: (data.ageingTime ?? 30000) / 100,
    forwardDelay: (data.forwardDelay ?? 1500) / 100,
    stp: (data.stpState ?? 0) !== 0,
    groupForwardMask: data.groupForwardMask ?? 0,
    multicastSnooping: data.multicastSnooping === 1,
  }
}

function portOf(data: NonNullable<LinkInfo['port']>): Required<PortOptions> {
  return {
    hairpin: data.hairpin === 1,
    isolated: data.isolated === 1,
    learning: data.learning === 1,
    flood: data.flood === 1,
    multicastFlood: data.multicastFlood === 1,
    broadcastFlood: data.broadcastFlood === 1,
    locked: data.locked === 1,
    state: data.state ?? 0,
  }
}
