/**
 * What the protocol stack keeps of a namespace and of a link: addresses, routes, rules, neighbours,
 * sockets. Plain data only, so that a world with it can be copied; what is done with it stands in
 * the other files of this folder.
 */
import type { Ip, Ip4, Ip6 } from '../../addr/ip.ts'
import type { Mac } from '../../addr/mac.ts'
import type { Ip4Packet, Ip6Packet } from '../../wire/frame.ts'
import type { Device, Netns } from '../model.ts'
import {
  CONF4,
  CONF6,
  type Conf4,
  type Conf6,
  NEIGHBOUR_CONF,
  type NeighbourConf,
  NETNS_CONF,
  type NetnsConf,
} from './conf.ts'
import type { Fib } from './fib.ts'
import type { Netfilter } from './netfilter/state.ts'
import type { Output4, Route } from './route.ts'
import { EchoSockets, type ProbeSocket } from './socket.ts'

export type { Output4, Route, RouteException, RouteKind } from './route.ts'

/** Scopes (rtnetlink.h); higher is narrower. */
export const SCOPE_GLOBAL = 0
export const SCOPE_SITE = 200
export const SCOPE_LINK = 253
export const SCOPE_HOST = 254
export const SCOPE_NOWHERE = 255

export const TABLE_DEFAULT = 253
export const TABLE_MAIN = 254
export const TABLE_LOCAL = 255

export const SECOND = 1_000_000_000

/** An IPv4 address of a link (struct in_ifaddr). */
export interface Address4 {
  readonly ip: Ip4
  readonly length: number
  readonly mask: number
  readonly broadcast: Ip4 | undefined
  readonly scope: number
  secondary: boolean
  readonly noPrefixRoute: boolean
}

/** An IPv6 address of a link (struct inet6_ifaddr). */
export interface Address6 {
  readonly ip: Ip6
  readonly length: number
  readonly scope: number
  readonly noDad: boolean
  readonly noPrefixRoute: boolean
  /** Set by hand; false = link-local by itself, or from a router's prefix. */
  readonly permanent: boolean
  /** From a router's prefix; ends at `validUntil`. */
  readonly dynamic: boolean
  tentative: boolean
  dadFailed: boolean
  /** NS still to be sent. */
  dadProbes: number
  dadNonce: number | undefined
  /** When the next step of DAD is due; events that come at another time are old ones. */
  dadAt: number
  validUntil: number
  preferredUntil: number
}

/** A routing policy rule (struct fib_rule). */
export interface Rule {
  readonly priority: number
  readonly from: { readonly address: Ip; readonly length: number } | undefined
  readonly to: { readonly address: Ip; readonly length: number } | undefined
  readonly iif: string | undefined
  readonly oif: string | undefined
  readonly table: number
  readonly action: 'lookup' | 'unreachable' | 'blackhole' | 'prohibit'
}

/** Neighbour states as bits (include/uapi/linux/neighbour.h). */
export const NUD_NONE = 0
export const NUD_INCOMPLETE = 0x01
export const NUD_REACHABLE = 0x02
export const NUD_STALE = 0x04
export const NUD_DELAY = 0x08
export const NUD_PROBE = 0x10
export const NUD_FAILED = 0x20
export const NUD_NOARP = 0x40
export const NUD_PERMANENT = 0x80
export const NUD_CONNECTED = NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE
export const NUD_VALID = NUD_CONNECTED | NUD_PROBE | NUD_STALE | NUD_DELAY
export const NUD_IN_TIMER = NUD_INCOMPLETE | NUD_REACHABLE | NUD_DELAY | NUD_PROBE

/** A neighbour (struct neighbour). One class for both families. */
export class Neighbour {
  readonly dev: Device
  readonly ip: Ip
  state = NUD_NONE
  mac: Mac = 0
  /** IPv6: it is a router. */
  router = false
  probes = 0
  /** When it last changed, was last heard of, was last asked for: ms. */
  updated = 0
  confirmed = 0
  used = 0
  /** When its timer is due, ms; 0 = no timer. */
  timerAt = 0
  /** The tick it is looked at, and its neighbours there. */
  tick: Tick | undefined = undefined
  before: Neighbour | undefined = undefined
  after: Neighbour | undefined = undefined
  /** Packets that wait for the address. */
  queue: (Ip4Packet | Ip6Packet)[] | undefined = undefined
  queuedBytes = 0

  constructor(dev: Device, ip: Ip) {
    this.dev = dev
    this.ip = ip
  }
}

/** Neighbours to look at at one time, in the order they were put there: neighbour-timers.ts. */
export class Tick {
  readonly atMs: number
  first: Neighbour | undefined = undefined
  last: Neighbour | undefined = undefined

  constructor(atMs: number) {
    this.atMs = atMs
  }
}

/** What the rate limits remember of a host (struct inet_peer). */
export interface Peer {
  tokens: number
  last: number
  redirects: number
}

/** Fragments of one packet on their way to become whole. */
export interface Reassembly {
  readonly parts: (Ip4Packet | Ip6Packet)[]
  readonly since: number
}

/** A port somebody listens on. */
export interface Listener {
  /** UDP: sends back what it gets. */
  readonly echo: boolean
}

export class NetnsIp {
  // What every frame meets stands first: of a state as large, few cache lines are fetched then.
  readonly netns: Netns
  lo: Device | undefined = undefined
  /** Only the three rules a namespace is born with: lookups may be cached by destination. */
  plain4 = true
  /** There were local routes to more than own addresses and 127.0.0.0/8, or rules of one's own. */
  localPrefixes = false
  /** Made with the first rule: without it no packet asks. */
  netfilter: Netfilter | undefined = undefined
  conf: Readonly<NetnsConf> = NETNS_CONF
  conf4All: Readonly<Conf4> = CONF4
  /** How many links hold an IPv4 address (inet_addr_lst). */
  readonly local4 = new Map<Ip4, number>()
  /** What was asked of `local4` last: an address it holds, one it does not; -1 = none. */
  own4 = -1
  foreign4 = -1
  /** The routes looked up last, to an own address and to another, and for which; -1 = none. */
  ownRouteTo = -1
  ownRoute: Route | undefined = undefined
  lastRouteTo = -1
  lastRoute: Route | undefined = undefined
  /** Where the packet made last went. */
  lastOutput: Output4 | undefined = undefined
  /** Routes by destination, emptied on every change of a table, an address or a link. */
  readonly cache4 = new Map<Ip4, Route>()
  readonly tables4 = new Map<number, Fib>()
  /** By echo identifier. */
  readonly echoSockets = new EchoSockets()
  nextEchoId = 1
  ipId = 0
  // The rest.
  conf4Default: Readonly<Conf4> = CONF4
  conf6All: Readonly<Conf6> = CONF6
  conf6Default: Readonly<Conf6> = CONF6
  neighbour4Default: Readonly<NeighbourConf> = NEIGHBOUR_CONF
  neighbour6Default: Readonly<NeighbourConf> = NEIGHBOUR_CONF
  readonly tables6 = new Map<number, Fib>()
  /** Never changed, but put in another's place: namespaces and forks share them. */
  rules4: readonly Rule[] = []
  rules6: readonly Rule[] = []
  plain6 = true
  readonly cache6 = new Map<Ip6, Route>()
  readonly peers4 = new Map<Ip4, Peer>()
  readonly peers6 = new Map<Ip6, Peer>()
  /** The namespace's budget of ICMP messages (icmp_global). */
  icmpCredit = 0
  icmpStamp = 0
  readonly reassembly = new Map<string, Reassembly>()
  /** By protocol * 65536 + local port. */
  readonly portSockets = new Map<number, ProbeSocket>()
  /** By protocol * 65536 + port. */
  readonly listeners = new Map<number, Listener>()
  nextPort = 32768

  constructor(netns: Netns) {
    this.netns = netns
  }
}

export class DeviceIp {
  // What every frame meets stands first: of a state as large, few cache lines are fetched then.
  /** The namespace it counts for now. */
  readonly ns: NetnsIp
  conf4: Readonly<Conf4> = CONF4
  neighbourConf4: Readonly<NeighbourConf> = NEIGHBOUR_CONF
  addresses4: Address4[] = []
  readonly neighbours4 = new Map<Ip4, Neighbour>()
  /** ARP probes that wait for an answer here. */
  arpSockets: ProbeSocket[] = []
  /** Counts the changes of the two above: neighbours that come, go, get or lose a MAC; probes. */
  news = 0
  /** Drawn once: how long its neighbours count as reachable, ms; 0 = not yet drawn. */
  reachable4 = 0
  // The rest.
  conf6: Readonly<Conf6> = CONF6
  /** Names of IPv4 values set for this very link: `default` no longer changes them. */
  readonly conf4Set = new Set<string>()
  /** All of them count as set: it was given an IPv4 address once. */
  conf4AllSet = false
  /** Its MTU is enough for IPv4 (68) and for IPv6 (1280): without, it has none of it. */
  has4 = true
  has6 = true
  neighbourConf6: Readonly<NeighbourConf> = NEIGHBOUR_CONF
  addresses6: Address6[] = []
  readonly neighbours6 = new Map<Ip6, Neighbour>()
  readonly proxies4 = new Set<Ip4>()
  readonly proxies6 = new Set<Ip6>()
  /** IPv6 groups joined, with how often. */
  readonly groups6 = new Map<Ip6, number>()
  /** The groups stand in the link's multicast filter. */
  groupsLoaded6 = false
  /** IPv4 is up on it: its routes stand. */
  running4 = false
  /** IPv6 is up with carrier (IF_READY). */
  ready6 = false
  reachable6 = 0
  /** Router solicitations sent since it came up; when the next is due. */
  rsSent = 0
  rsInterval = 0
  rsAt = 0
  /** MLD reports still to come, and when. */
  mldLeft = 0
  mldAt = 0

  constructor(ns: NetnsIp) {
    this.ns = ns
  }
}

/** Whether a link of the namespace holds an IPv4 address. Most packets of a host ask the same. */
export function holds4(ns: NetnsIp, ip: Ip4): boolean {
  if (ip === ns.own4) return true
  if (ip === ns.foreign4) return false
  const held = ns.local4.has(ip)
  if (held) ns.own4 = ip
  else ns.foreign4 = ip
  return held
}

/** Notes that one more, or one less, link holds an address. */
export function countHolder4(ns: NetnsIp, ip: Ip4, change: 1 | -1): void {
  const count = (ns.local4.get(ip) ?? 0) + change
  if (count > 0) ns.local4.set(ip, count)
  else ns.local4.delete(ip)
  ns.own4 = -1
  ns.foreign4 = -1
}

/** The stack's state of a namespace; there from `netnsCreated` on. */
export function netnsIp(netns: Netns): NetnsIp {
  return netns.ip as NetnsIp
}

/** The stack's state of a link; undefined before it is registered and after it went. */
export function deviceIp(dev: Device): DeviceIp | undefined {
  return dev.ip as DeviceIp | undefined
}
