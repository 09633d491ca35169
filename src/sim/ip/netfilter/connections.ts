/**
 * The table of connections (nf_conntrack_hash): each stands in it twice, once for either direction.
 * Keyed by a hash of numbers, for it is asked for every packet; equal hashes hang in a row.
 */
import type { Ip } from '../../../addr/ip.ts'
import type { ConnectionState } from '../../../fabric/filter.ts'
import type { TcpState } from './tcp-state.ts'

/** How packets of one direction look (struct nf_conntrack_tuple). An echo has its id for ports. */
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
  /** What the answer looks like when it arrives: the original turned round, after translation. */
  reply: Tuple
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
  /** From then on datagrams both ways are a stream (`udp.stream_ts`). */
  readonly streamAt: number
  /** It has shown that it lasts (IPS_ASSURED). */
  assured: boolean
  /** `NONE` where it is not TCP. */
  tcp: TcpState
}

/** A packet's place in a connection, handed from hook to hook (skb->_nfct). */
export interface Tracked {
  readonly connection: Connection | undefined
  readonly direction: 'original' | 'reply'
  readonly state: ConnectionState
}

/** One direction of a connection (struct nf_conntrack_tuple_hash). */
export interface Entry {
  readonly tuple: Tuple
  readonly connection: Connection
  readonly direction: 'original' | 'reply'
  /** What its last packet was told: the next most often is told the same. */
  tracked: Tracked | undefined
  next: Entry | undefined
}

/** No private members: worlds with it are copied field by field. */
export class ConnectionTable {
  readonly heads = new Map<number, Entry>()

  find(tuple: Tuple): Entry | undefined {
    let entry = this.heads.get(hashOf(tuple))
    while (entry !== undefined && !sameTuple(entry.tuple, tuple)) entry = entry.next
    return entry
  }

  add(connection: Connection): void {
    for (const direction of ['original', 'reply'] as const) {
      const tuple = connection[direction]
      insert(this.heads, { tuple, connection, direction, tracked: undefined, next: undefined })
    }
  }

  remove(connection: Connection): void {
    cut(this.heads, connection.original, connection)
    cut(this.heads, connection.reply, connection)
  }

  /** Every connection, once. */
  *values(): Generator<Connection> {
    for (const head of this.heads.values())
      for (let entry: Entry | undefined = head; entry !== undefined; entry = entry.next)
        if (entry.direction === 'original') yield entry.connection
  }
}

function insert(heads: Map<number, Entry>, entry: Entry): void {
  const hash = hashOf(entry.tuple)
  entry.next = heads.get(hash)
  heads.set(hash, entry)
}

function cut(heads: Map<number, Entry>, tuple: Tuple, connection: Connection): void {
  const hash = hashOf(tuple)
  let before: Entry | undefined
  let entry = heads.get(hash)
  while (entry !== undefined) {
    const { next } = entry
    if (entry.connection === connection && sameTuple(entry.tuple, tuple)) {
      if (before !== undefined) before.next = next
      else if (next === undefined) heads.delete(hash)
      else heads.set(hash, next)
      return
    }
    before = entry
    entry = next
  }
}

export function sameTuple(a: Tuple, b: Tuple): boolean {
  return (
    a.srcPort === b.srcPort &&
    a.dstPort === b.dstPort &&
    a.src === b.src &&
    a.dst === b.dst &&
    a.protocol === b.protocol &&
    a.icmpType === b.icmpType
  )
}

function hashOf(t: Tuple): number {
  let hash = Math.imul(fold(t.src) ^ Math.imul(fold(t.dst), 0x9e3779b1), 0x85ebca6b)
  hash ^= Math.imul((t.srcPort << 16) | t.dstPort, 0xc2b2ae35)
  hash ^= Math.imul((t.protocol << 8) | t.icmpType, 0x27d4eb2f)
  return (hash ^ (hash >>> 15)) & 0x3fffffff
}

/** An address as 32 bits. */
function fold(ip: Ip): number {
  if (typeof ip === 'number') return ip | 0
  return Number(BigInt.asIntN(32, ip)) ^ Number(BigInt.asIntN(32, ip >> 64n))
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
