/** A lab resolved for one combination of its variables: defaults filled, names checked. */
import type { Ip, Prefix } from '../addr/ip.ts'
import type { Mac } from '../addr/mac.ts'
import type { FilterOp } from '../fabric/filter.ts'
import type { Service } from '../fabric/fabric.ts'
import type { IpvlanFlag, IpvlanMode, MacvlanMode } from '../fabric/plan.ts'
import type { Netem } from '../fabric/netem.ts'
import type { ReasonCode } from '../fabric/reason.ts'
import type { Variables } from './expression.ts'

/** One end of a cable. */
export interface End {
  readonly node: string
  readonly link: string
}

export interface Port {
  readonly name: string
  /** VLAN ids the port is a tagged member of. */
  readonly tagged: readonly number[]
  /** VLAN of untagged frames; undefined: none (tagged frames only). */
  readonly pvid: number | undefined
  readonly hairpin: boolean
  readonly isolated: boolean
  readonly learning: boolean
  readonly flood: boolean
  readonly up: boolean
  readonly mtu: number | undefined
  /** What befalls frames that leave here. */
  readonly impair: Netem | undefined
  /** Undefined: nothing is plugged in, and the port is not made. */
  readonly peer: End | undefined
}

export interface Switch {
  readonly name: string
  readonly vlanFiltering: boolean
  readonly ports: readonly Port[]
}

export interface Nic {
  readonly name: string
  readonly mac: Mac
  readonly mtu: number | undefined
  readonly promisc: boolean
  readonly up: boolean
  readonly addresses: readonly Prefix[]
  /** What befalls frames that leave here. */
  readonly impair: Netem | undefined
  /** Undefined: no cable, no carrier. */
  readonly peer: End | undefined
}

/** A link a host makes itself: a VLAN link on a nic, or a dummy for a network without a parent. */
export interface Upper {
  readonly name: string
  /** Undefined for a dummy. */
  readonly parent: string | undefined
  /** VLAN id; undefined for a dummy. */
  readonly id: number | undefined
  readonly protocol: '802.1Q' | '802.1ad'
  /** Undefined: its parent's. */
  readonly mac: Mac | undefined
  readonly mtu: number | undefined
  readonly up: boolean
  readonly addresses: readonly Prefix[]
}

/** Host access: a child of the host's own, beside those of its containers. */
export interface Shim {
  readonly name: string
  readonly network: string
  readonly parent: string
  readonly kind: ChildKind
  /** Undefined: the parent's (ipvlan). */
  readonly mac: Mac | undefined
  /** One address without neighbours, or none: then the host speaks with its parent's. */
  readonly addresses: readonly Prefix[]
  /** To each container of the network on this host. */
  readonly routes: readonly Route[]
}

export interface Route {
  readonly to: Prefix
  readonly via: Ip | undefined
  readonly link: string | undefined
  readonly source: Ip | undefined
  readonly metric: number | undefined
}

/** A command line with the line of the file it stands at. */
export interface RunLine {
  readonly node: string
  readonly text: string
  readonly line: number
}

interface NodeBase {
  readonly name: string
  /** Whether loopback is brought up. */
  readonly lo: boolean
  readonly sysctls: readonly (readonly [key: string, value: string])[]
  readonly routes: readonly Route[]
  /** Rules and policies of its packet filter; the namespace in them is left open. */
  readonly firewall: readonly FilterOp[]
  readonly listen: readonly Service[]
  readonly run: readonly RunLine[]
}

export interface Host extends NodeBase {
  readonly nics: readonly Nic[]
  /** In the order they are made: a VLAN link on another comes after it. */
  readonly uppers: readonly Upper[]
  readonly shims: readonly Shim[]
}

export interface Subnet {
  readonly prefix: Prefix
  readonly gateway: Ip | undefined
  /** Where automatic addresses come from: the subnet or a part of it. */
  readonly range: Prefix
}

export type ChildKind =
  | { readonly driver: 'macvlan'; readonly mode: MacvlanMode }
  | { readonly driver: 'ipvlan'; readonly mode: IpvlanMode; readonly flag: IpvlanFlag }

export interface Network {
  readonly name: string
  readonly kind: ChildKind
  /** Link name of the parent on each host. */
  readonly parent: string
  readonly subnets: readonly Subnet[]
  readonly aux: readonly Ip[]
  readonly internal: boolean
  readonly hosts: readonly string[]
}

/** A container's link: a macvlan or ipvlan child of its host's parent. */
export interface Child {
  readonly name: string
  readonly network: string
  readonly parent: string
  readonly kind: ChildKind
  /** Undefined: the parent's (ipvlan, passthru). */
  readonly mac: Mac | undefined
  readonly promisc: boolean
  readonly addresses: readonly Prefix[]
}

export interface Container extends NodeBase {
  readonly host: string
  readonly children: readonly Child[]
}

/** One side of an expectation, named members only. */
export interface Member {
  /** Undefined for a literal address. */
  readonly node: string | undefined
  /** A link of the node, when the file names one. */
  readonly link: string | undefined
  readonly ip: Ip | undefined
}

export interface Expectation {
  readonly text: string
  readonly line: number
  readonly from: readonly Member[]
  readonly to: readonly Member[]
  readonly both: boolean
  readonly verdict: 'ok' | 'fail'
  readonly ttl: number | undefined
  readonly family: 4 | 6 | undefined
  readonly why: ReasonCode | undefined
  /** A connection or a datagram to a port; undefined: a ping. */
  readonly service: Service | undefined
  /** How long an answer may take; undefined: as long as it may in the matrix. */
  readonly withinMs: number | undefined
  /** The routers on the way, in order; undefined: not looked at. */
  readonly via: readonly string[] | undefined
  /** The source address that the other side sees; undefined: not looked at. */
  readonly as: Ip | undefined
}

export interface Step {
  readonly name: string
  readonly line: number
  /** When it begins, counted from when the lab was made; undefined: when the one before is over. */
  readonly atMs: number | undefined
  /** The lab as it is from this step on; undefined when the step sets nothing. */
  readonly becomes: Topology | undefined
  readonly run: readonly RunLine[]
  readonly expect: readonly Expectation[]
}

export interface Topology {
  readonly lab: string
  readonly title: string | undefined
  readonly variables: Variables
  readonly switches: readonly Switch[]
  readonly hosts: readonly Host[]
  readonly networks: readonly Network[]
  readonly containers: readonly Container[]
  readonly expect: readonly Expectation[]
  readonly steps: readonly Step[]
}

/** A node that can be pinged, with its addresses by link. */
export interface AddressedNode {
  readonly name: string
  readonly addresses: readonly { readonly link: string; readonly prefix: Prefix }[]
}

/** Hosts and containers in the order of the file. */
export function nodesOf(topology: Topology): AddressedNode[] {
  const of = (links: readonly { readonly name: string; readonly addresses: readonly Prefix[] }[]) =>
    links.flatMap((link) => link.addresses.map((prefix) => ({ link: link.name, prefix })))
  return [
    ...topology.hosts.map((h) => ({
      name: h.name,
      addresses: of([...h.nics, ...h.uppers, ...h.shims]),
    })),
    ...topology.containers.map((c) => ({ name: c.name, addresses: of(c.children) })),
  ]
}
