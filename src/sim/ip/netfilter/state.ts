/** What netfilter keeps of a namespace: chains, rules with their counters, connections. Plain data. */
import type { Ip } from '../../../addr/ip.ts'
import type { FilterRule, FilterTable } from '../../../fabric/filter.ts'

export interface CountedRule {
  readonly rule: FilterRule
  packets: number
  bytes: number
}

export interface Chain {
  readonly name: string
  /** Undefined for a chain made by hand. */
  policy: 'accept' | 'drop' | undefined
  packets: number
  bytes: number
  rules: CountedRule[]
}

/** One direction of a connection (struct nf_conntrack_tuple); ports are the identifier for echo. */
export interface Tuple {
  readonly src: Ip
  readonly dst: Ip
  readonly protocol: number
  readonly srcPort: number
  readonly dstPort: number
}

/** A connection (struct nf_conn). */
export interface Connection {
  readonly id: number
  readonly original: Tuple
  /** What the answer looks like when it arrives: the original turned round, after translation. */
  reply: Tuple
  /** In the table: its first packet got through (IPS_CONFIRMED). */
  confirmed: boolean
  seenReply: boolean
  /** The nat table was asked for a destination, for a source: once in a lifetime. */
  dstDone: boolean
  srcDone: boolean
  /** Virtual time. */
  expires: number
}

/** A packet's place in a connection, handed from hook to hook (skb->_nfct). */
export interface Tracked {
  readonly connection: Connection | undefined
  readonly direction: 'original' | 'reply'
  readonly state: 'new' | 'established' | 'related' | 'invalid'
}

export class Netfilter {
  readonly tables: Record<4 | 6, Map<FilterTable, Map<string, Chain>>> = {
    4: new Map(),
    6: new Map(),
  }
  /** A rule asks for states, or the nat table is in use: connections are tracked from then on. */
  tracking = false
  /** By the key of either direction's tuple. */
  readonly connections = new Map<string, Connection>()
  nextId = 1
}

/** The key of a tuple in {@link Netfilter.connections}. */
export function tupleKey(t: Tuple): string {
  return `${t.protocol} ${t.src} ${t.srcPort} ${t.dst} ${t.dstPort}`
}

/** The tuple an answer to `t` has. */
export function invert(t: Tuple): Tuple {
  return {
    src: t.dst,
    dst: t.src,
    protocol: t.protocol,
    srcPort: t.dstPort,
    dstPort: t.srcPort,
  }
}
