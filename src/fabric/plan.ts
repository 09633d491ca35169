/**
 * A Plan: readonly data, an ordered list of ops. Drivers and the lab make plans as pure functions,
 * a Fabric does them, `--dry-run` prints them as `ip` commands, `undo` derives the way back.
 *
 * Ops name things by network namespace and link name, never by index: a plan is made before the
 * things in it exist. The namespace `''` is the fabric's own (the one the program started in); on a
 * kernel a namespace is a name as `ip netns` knows it, an absolute path, or `pid:N`.
 */
import type { Ip, Prefix } from '../addr/ip.ts'
import type { Mac } from '../addr/mac.ts'
import type { FilterOp } from './filter.ts'
import type { QdiscChange } from './netem.ts'

export type Plan = readonly Op[]

export type MacvlanMode = 'private' | 'vepa' | 'bridge' | 'passthru' | 'source'
export type IpvlanMode = 'l2' | 'l3' | 'l3s'
export type IpvlanFlag = 'bridge' | 'private' | 'vepa'
export type RouteType =
  | 'unicast'
  | 'local'
  | 'broadcast'
  | 'unreachable'
  | 'blackhole'
  | 'prohibit'
  | 'throw'
export type NeighbourState =
  | 'incomplete'
  | 'reachable'
  | 'stale'
  | 'delay'
  | 'probe'
  | 'failed'
  | 'noarp'
  | 'permanent'

/** Options of a bridge device; absent = leave as it is (kernel default at creation). */
export interface BridgeOptions {
  readonly vlanFiltering?: boolean
  readonly vlanDefaultPvid?: number
  /** Seconds; the kernel counts in hundredths. */
  readonly ageingTime?: number
  readonly forwardDelay?: number
  readonly stp?: boolean
  readonly groupForwardMask?: number
  readonly multicastSnooping?: boolean
}

/** Options of a bridge port. */
export interface PortOptions {
  readonly hairpin?: boolean
  readonly isolated?: boolean
  readonly learning?: boolean
  readonly flood?: boolean
  readonly multicastFlood?: boolean
  readonly broadcastFlood?: boolean
  readonly locked?: boolean
  /** STP state: 0 disabled, 1 listening, 2 learning, 3 forwarding, 4 blocking. */
  readonly state?: number
}

/** Options of a macvlan child that can be changed while it exists. */
export interface MacvlanOptions {
  readonly mode?: MacvlanMode
  /** passthru: do not put the parent into promiscuous mode. */
  readonly nopromisc?: boolean
  /** source: a frame handed to a child is not handed to anybody else. */
  readonly nodst?: boolean
  /**
   * source: `set` replaces the list of source MACs, `add`/`remove` change it, `flush` empties it.
   */
  readonly sources?: {
    readonly change: 'set' | 'add' | 'remove' | 'flush'
    readonly macs: readonly Mac[]
  }
  readonly broadcastQueueLength?: number
}

/** What kind of link to make, with its options. */
export type LinkSpec =
  | { readonly kind: 'dummy' }
  | {
      readonly kind: 'veth'
      readonly peer: {
        readonly name: string
        /** Default: the netns of the link itself. */
        readonly netns?: string
        readonly address?: Mac
        readonly mtu?: number
      }
    }
  | { readonly kind: 'bridge'; readonly bridge?: BridgeOptions }
  | {
      readonly kind: 'macvlan' | 'macvtap'
      readonly parent: string | undefined
      readonly macvlan?: MacvlanOptions
    }
  | {
      readonly kind: 'ipvlan'
      readonly parent: string | undefined
      readonly mode?: IpvlanMode
      readonly flag?: IpvlanFlag
    }
  | {
      readonly kind: 'vlan'
      readonly parent: string | undefined
      /** Absent is refused by the kernel; a plan may still ask. */
      readonly id: number | undefined
      readonly protocol?: '802.1Q' | '802.1ad'
      readonly reorderHeader?: boolean
      readonly looseBinding?: boolean
      readonly gvrp?: boolean
      readonly mvrp?: boolean
      readonly ingressQos?: readonly (readonly [from: number, to: number])[]
      readonly egressQos?: readonly (readonly [from: number, to: number])[]
    }
  | {
      readonly kind: 'vxlan'
      readonly id: number
      readonly port: number
      readonly parent?: string
      readonly local?: Ip
      readonly remote?: Ip
      readonly learning?: boolean
    }
  | { readonly kind: 'tun' | 'tap' }

export type LinkKind = LinkSpec['kind']

/** What `link.add` and `link.set` can both say of a link. */
export interface LinkAttributes {
  readonly address?: Mac
  readonly mtu?: number
  readonly up?: boolean
  readonly promisc?: boolean
  readonly allmulticast?: boolean
  readonly arp?: boolean
  readonly txQueueLength?: number
  /** `IFLA_GROUP`: the tag teardown and garbage collection go by. */
  readonly group?: number
  readonly alias?: string
  /** Bridge to enslave to; null frees it. */
  readonly master?: string | null
}

export interface LinkAdd extends LinkAttributes {
  readonly do: 'link.add'
  /** Where the new link lives. */
  readonly netns: string
  readonly name: string
  readonly spec: LinkSpec
  /** Where the parent lives and the request is made; default `netns`. */
  readonly parentNetns?: string
}

export interface LinkSet extends LinkAttributes {
  readonly do: 'link.set'
  readonly netns: string
  readonly name: string
  readonly newName?: string
  readonly newNetns?: string
  readonly macvlan?: MacvlanOptions
  readonly ipvlan?: { readonly mode?: IpvlanMode; readonly flag?: IpvlanFlag }
  readonly bridge?: BridgeOptions
  readonly port?: PortOptions
}

interface InNetns {
  readonly netns: string
}

export interface AddressChange extends InNetns {
  readonly do: 'address.add' | 'address.del'
  readonly link: string
  readonly address: Prefix
  readonly broadcast?: Ip
  readonly scope?: 'global' | 'link' | 'host'
  /** IPv6: usable at once, no duplicate address detection. */
  readonly nodad?: boolean
  /** No connected route. */
  readonly noprefixroute?: boolean
}

export interface RouteChange extends InNetns {
  readonly do: 'route.add' | 'route.replace' | 'route.del'
  readonly to: Prefix
  readonly type?: RouteType
  readonly via?: Ip
  readonly link?: string
  readonly source?: Ip
  readonly metric?: number
  readonly table?: number
  readonly scope?: 'global' | 'link' | 'host'
  readonly onlink?: boolean
  readonly mtu?: number
}

export interface NeighbourChange extends InNetns {
  readonly do: 'neighbour.add' | 'neighbour.replace' | 'neighbour.del'
  readonly link: string
  readonly ip: Ip
  readonly mac?: Mac
  readonly state?: NeighbourState
  readonly proxy?: boolean
}

/** A routing policy rule (`ip rule`). */
export interface RuleChange extends InNetns {
  readonly do: 'rule.add' | 'rule.del'
  readonly family: 4 | 6
  readonly priority?: number
  readonly from?: Prefix
  readonly to?: Prefix
  readonly iif?: string
  readonly oif?: string
  readonly table?: number
  readonly action?: 'lookup' | 'unreachable' | 'blackhole' | 'prohibit'
}

/** A forwarding entry: of a bridge port (`master`) or of the device itself (`self`). */
export interface FdbChange extends InNetns {
  readonly do: 'fdb.add' | 'fdb.replace' | 'fdb.del'
  readonly link: string
  readonly mac: Mac
  readonly on: 'master' | 'self'
  readonly vlan?: number
  readonly state?: 'permanent' | 'static' | 'dynamic'
  readonly sticky?: boolean
}

/** VLAN membership of a bridge port, or of the bridge itself (`self`). */
export interface BridgeVlanChange extends InNetns {
  readonly do: 'bridge-vlan.add' | 'bridge-vlan.del'
  readonly link: string
  readonly from: number
  /** Last id of a range; default `from`. */
  readonly to?: number
  readonly pvid?: boolean
  readonly untagged?: boolean
  readonly self?: boolean
}

export type Op =
  | { readonly do: 'netns.add' | 'netns.del'; readonly netns: string }
  | LinkAdd
  | LinkSet
  | { readonly do: 'link.del'; readonly netns: string; readonly name: string }
  | { readonly do: 'link.del-group'; readonly netns: string; readonly group: number }
  | AddressChange
  | { readonly do: 'address.flush'; readonly netns: string; readonly link: string }
  | RouteChange
  | { readonly do: 'route.flush-cache'; readonly netns: string }
  | NeighbourChange
  | {
      readonly do: 'neighbour.flush'
      readonly netns: string
      readonly link?: string
      readonly family?: 4 | 6
    }
  | {
      readonly do: 'sysctl.set'
      readonly netns: string
      /** With dots, as sysctl(8); a dot inside a link name is written `/`. */
      readonly key: string
      readonly value: string
    }
  | RuleChange
  | FdbChange
  /** Forgets what the bridge learned; static and permanent entries stay. */
  | { readonly do: 'fdb.flush'; readonly netns: string; readonly bridge: string }
  | BridgeVlanChange
  | {
      readonly do: 'multicast.add' | 'multicast.del'
      readonly netns: string
      readonly link: string
      readonly mac: Mac
    }
  | QdiscChange
  | FilterOp

/** The op of a name; of those that share a shape, too. */
export type OpOf<D extends Op['do']> = Op & { readonly do: D }
