/**
 * A Snapshot: what is there, as plain data. A Fabric takes one, the doctor and the console read it,
 * the simulator can load it. Both fabrics fill it to the same rules, so two snapshots of one plan
 * are equal after {@link Snapshot} consumers drop what must differ (indexes, times).
 */
import type { Ip, Prefix } from '../addr/ip.ts'
import type { Mac } from '../addr/mac.ts'
import type { FilterChainSnapshot } from './filter.ts'
import type { Netem } from './netem.ts'
import type {
  BridgeOptions,
  IpvlanFlag,
  IpvlanMode,
  MacvlanMode,
  NeighbourState,
  PortOptions,
  RouteType,
} from './plan.ts'

export interface Snapshot {
  readonly netns: readonly NetnsSnapshot[]
}

export interface NetnsSnapshot {
  /** As in a Plan: a name, a path, `pid:N`, or `''` for the fabric's own. */
  readonly name: string
  readonly links: readonly LinkSnapshot[]
  readonly addresses: readonly AddressSnapshot[]
  /**
   * Of all tables, one entry a next hop; without those of protocol `kernel` in the local table
   * (255: own addresses, broadcasts, multicast, anycast), which follow from addresses and links.
   */
  readonly routes: readonly RouteSnapshot[]
  /** Of both families, the kernel's own three included. */
  readonly rules: readonly RuleSnapshot[]
  /** Proxy entries too (`permanent`); without NOARP ones, which the kernel makes for groups. */
  readonly neighbours: readonly NeighbourSnapshot[]
  /**
   * Entries of bridges, with the permanent ones of their ports' own MACs; `self` entries only of
   * vxlan links and, where one is in passthru mode, macvlans, and no group MACs.
   */
  readonly fdb: readonly FdbSnapshot[]
  readonly vlans: readonly BridgeVlanSnapshot[]
  /** Chains of the packet filter, where there are any: by family, table and chain. */
  readonly filters?: readonly FilterChainSnapshot[]
  /** Those that change what a frame meets; key as in `sysctl.set`. */
  readonly sysctls: Readonly<Record<string, string>>
}

/** What can be asked for besides the links. */
export type SnapshotPart =
  | 'addresses'
  | 'routes'
  | 'rules'
  | 'neighbours'
  | 'fdb'
  | 'vlans'
  | 'filters'
  | 'sysctls'

/** What a snapshot is to hold. */
export interface SnapshotOptions {
  readonly netns?: readonly string[]
  readonly parts?: readonly SnapshotPart[]
  /** With what the links counted. */
  readonly counters?: boolean
}

export type OperState =
  | 'unknown'
  | 'notpresent'
  | 'down'
  | 'lowerlayerdown'
  | 'testing'
  | 'dormant'
  | 'up'

/** Another link, perhaps in another namespace. */
export interface LinkRef {
  readonly index: number
  /** Undefined when the snapshot does not hold that namespace. */
  readonly netns: string | undefined
  readonly name: string | undefined
}

/** What a netem counted since it was made (`struct gnet_stats_basic`, `gnet_stats_queue`). */
export interface QdiscCounters {
  readonly sentPackets: number
  readonly sentBytes: number
  readonly dropped: number
  readonly waiting: number
}

/** What a link counted since it was made (`struct rtnl_link_stats64`, as its driver fills it). */
export interface LinkCounters {
  readonly rxPackets: number
  readonly rxBytes: number
  readonly rxDropped: number
  /** Frames received for a group, where the driver counts them. */
  readonly multicast: number
  readonly txPackets: number
  readonly txBytes: number
  readonly txDropped: number
}

export interface LinkSnapshot {
  readonly index: number
  readonly name: string
  /** `loopback`, a {@link LinkKind}, `device` for hardware, or the kernel's own word. */
  readonly kind: string
  readonly address: Mac
  readonly mtu: number
  /** Administratively up (`UP`). */
  readonly up: boolean
  /** Has carrier (`LOWER_UP`). */
  readonly carrier: boolean
  readonly operState: OperState
  /** The flag set by hand; `promiscuity` counts all who ask. */
  readonly promisc: boolean
  readonly promiscuity: number
  readonly allmulticast: boolean
  readonly allmulti: number
  readonly arp: boolean
  readonly group: number
  readonly alias: string | undefined
  readonly txQueueLength: number
  /**
   * Root queueing discipline: `noop` until a link was up for the first time, then mostly `noqueue`.
   */
  readonly qdisc: string
  /** What the root queueing discipline `netem` does, where it is one. */
  readonly netem?: Netem
  /** The number the kernel gave it: `8001` of `8001:`. */
  readonly netemHandle?: number
  readonly minMtu: number
  readonly maxMtu: number
  /** What a macvlan, ipvlan or vlan sits on; the other end of a veth. */
  readonly parent: LinkRef | undefined
  readonly master: string | undefined
  readonly macvlan:
    | {
        readonly mode: MacvlanMode
        readonly nopromisc: boolean
        readonly nodst: boolean
        readonly sources: readonly Mac[]
        readonly broadcastQueueLength: number
      }
    | undefined
  readonly ipvlan: { readonly mode: IpvlanMode; readonly flag: IpvlanFlag } | undefined
  readonly vlan:
    | {
        readonly id: number
        readonly protocol: '802.1Q' | '802.1ad'
        readonly reorderHeader: boolean
        readonly looseBinding: boolean
        readonly gvrp: boolean
        readonly mvrp: boolean
        readonly ingressQos: readonly (readonly [number, number])[]
        readonly egressQos: readonly (readonly [number, number])[]
      }
    | undefined
  readonly vxlan:
    | { readonly id: number; readonly port: number; readonly learning: boolean }
    | undefined
  readonly bridge: Required<BridgeOptions> | undefined
  readonly port: (Required<PortOptions> & { readonly state: number }) | undefined
  /** Only where asked for. */
  readonly counters?: LinkCounters
  /** Of its netem, with {@link counters}, where the fabric reads them: the simulator does. */
  readonly netemCounters?: QdiscCounters
}

export interface AddressSnapshot {
  readonly link: string
  readonly address: Prefix
  readonly broadcast: Ip | undefined
  readonly scope: 'global' | 'link' | 'host' | 'site'
  readonly secondary: boolean
  readonly tentative: boolean
  readonly dadFailed: boolean
  /** IPv6: not set by hand (autoconfigured from a router's prefix, or the link-local one). */
  readonly dynamic: boolean
}

export interface RouteSnapshot {
  readonly to: Prefix
  readonly type: RouteType | 'multicast' | 'anycast'
  readonly via: Ip | undefined
  readonly link: string | undefined
  readonly source: Ip | undefined
  readonly metric: number
  readonly table: number
  readonly scope: 'global' | 'link' | 'host' | 'nowhere' | 'site'
  /** `kernel`, `boot`, `static`, `ra`, `redirect`, ... */
  readonly protocol: string
  readonly linkDown: boolean
  readonly onlink: boolean
}

export interface RuleSnapshot {
  readonly family: 4 | 6
  readonly priority: number
  readonly from: Prefix | undefined
  readonly to: Prefix | undefined
  readonly iif: string | undefined
  readonly oif: string | undefined
  readonly table: number
  readonly action: 'lookup' | 'unreachable' | 'blackhole' | 'prohibit'
}

export interface NeighbourSnapshot {
  readonly link: string
  readonly ip: Ip
  readonly mac: Mac | undefined
  readonly state: NeighbourState
  readonly proxy: boolean
  readonly router: boolean
}

export interface FdbSnapshot {
  /** The port, or the bridge itself. */
  readonly link: string
  readonly mac: Mac
  readonly vlan: number | undefined
  readonly on: 'master' | 'self'
  readonly state: 'permanent' | 'static' | 'dynamic'
}

export interface BridgeVlanSnapshot {
  readonly link: string
  readonly vlan: number
  readonly pvid: boolean
  readonly untagged: boolean
}
