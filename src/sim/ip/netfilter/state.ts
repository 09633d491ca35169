/**
 * What netfilter keeps of a namespace: chains, rules with their counters, connections. Plain data,
 * so that a world with it can be copied.
 */
import type { Ip } from '../../../addr/ip.ts'
import type { ConnectionState, FilterRule, FilterTable } from '../../../fabric/filter.ts'
import type { Ip4Packet, Ip6Packet } from '../../../wire/frame.ts'

export interface CountedRule {
  readonly rule: FilterRule
  packets: number
  bytes: number
}

export interface Chain {
  readonly name: string
  /** Undefined for a chain made by hand. */
  policy: 'accept' | 'drop' | undefined
  rules: CountedRule[]
}

/** One direction of a connection (struct nf_conntrack_tuple); ports are the identifier for echo. */
export interface Tuple {
  readonly src: Ip
  readonly dst: Ip
  readonly protocol: number
  readonly srcPort: number
  readonly dstPort: number
  /** ICMP's type; 0 for all else. A question differs from its answer by it. */
  readonly icmpType: number
}

/** A connection (struct nf_conn). */
export interface Connection {
  readonly original: Tuple
  readonly originalKey: string
  /** What the answer looks like when it arrives: the original turned round, after translation. */
  reply: Tuple
  replyKey: string
  /** In the table: its first packet got through (IPS_CONFIRMED). */
  confirmed: boolean
  seenReply: boolean
  /** The nat table was asked for a destination, for a source: once in a lifetime. */
  destinationDone: boolean
  sourceDone: boolean
  /** What it said: IPS_DST_NAT, IPS_SRC_NAT. */
  destinationNat: boolean
  sourceNat: boolean
  /** Virtual time. */
  expires: number
}

/** A packet's place in a connection, handed from hook to hook (skb->_nfct). */
export interface Tracked {
  readonly connection: Connection | undefined
  readonly direction: 'original' | 'reply'
  readonly state: ConnectionState
}

export class Netfilter {
  readonly tables: Record<4 | 6, Map<FilterTable, Map<string, Chain>>> = {
    4: new Map(),
    6: new Map(),
  }
  /** Rules that need connections: they are tracked while there is one (nf_ct_netns_get). */
  readonly trackers: Record<4 | 6, number> = { 4: 0, 6: 0 }
  /** By the key of either direction's tuple. */
  readonly connections = new Map<string, Connection>()
  /** Connections begun since the table was last swept of old ones. */
  fresh = 0
  /** Of the packet that is on its way through the namespace now. */
  current: Tracked | undefined = undefined
  /** Of the next packet made here: an answer that belongs to the one it answers (nf_ct_attach). */
  attached: Tracked | undefined = undefined
  /** Packets made here that OUTPUT rejected. */
  rejections = 0
  /** Of packets on their way through lo, which keep their connection. */
  readonly looped = new Map<Ip4Packet | Ip6Packet, Tracked>()
}

/** Where an answer or error about a packet belongs: to its connection, the other way round. */
export function answerTo(tracked: Tracked | undefined): Tracked | undefined {
  if (tracked?.connection === undefined) return undefined
  const direction = tracked.direction === 'original' ? 'reply' : 'original'
  return { connection: tracked.connection, direction, state: 'related' }
}

/** The key of a tuple in {@link Netfilter.connections}. */
export function tupleKey(t: Tuple): string {
  return `${t.protocol} ${t.src} ${t.srcPort} ${t.dst} ${t.dstPort} ${t.icmpType}`
}

/** Echo and its reply, in both versions (invmap of nf_conntrack_proto_icmp.c and _icmpv6.c). */
const ANSWER_TYPE: Readonly<Record<number, number>> = { 8: 0, 0: 8, 128: 129, 129: 128 }

const isIcmp = (protocol: number): boolean => protocol === 1 || protocol === 58

/** The tuple an answer to `t` has. */
export function invert(t: Tuple): Tuple {
  return {
    src: t.dst,
    dst: t.src,
    protocol: t.protocol,
    srcPort: t.dstPort,
    dstPort: t.srcPort,
    icmpType: isIcmp(t.protocol) ? (ANSWER_TYPE[t.icmpType] ?? t.icmpType) : 0,
  }
}
