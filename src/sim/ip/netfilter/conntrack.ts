/**
 * Connection tracking (net/netfilter/nf_conntrack_core.c): which connection a packet belongs to, in
 * which direction, and in which state that puts it.
 */
import type { Ip4Packet, Ip6Packet } from '../../../wire/frame.ts'
import { portsOf, protocolOf } from './match.ts'
import {
  type Connection,
  invert,
  type Netfilter,
  type Tracked,
  type Tuple,
  tupleKey,
} from './state.ts'

const SECOND = 1_000_000_000
/** nf_conntrack_{icmp,udp,udp_stream,tcp_established,generic} timeouts, seconds. */
const TIMEOUT_ICMP = 30
const TIMEOUT_UDP = 30
const TIMEOUT_UDP_STREAM = 120
const TIMEOUT_TCP = 432_000
const TIMEOUT_TCP_OPENING = 120
const TIMEOUT_GENERIC = 600

const UNTRACKED: Tracked = { connection: undefined, direction: 'original', state: 'invalid' }

/** Finds or begins the packet's connection (nf_conntrack_in). `undefined`: nobody asked for tracking. */
export function track(
  nf: Netfilter,
  packet: Ip4Packet | Ip6Packet,
  now: number,
): Tracked | undefined {
  if (!nf.tracking) return undefined
  const quoted = quotedBy(packet)
  if (quoted !== undefined) return related(nf, quoted, now)
  const tuple = tupleOf(packet)
  if (tuple === undefined) return UNTRACKED
  const known = find(nf, tuple, now)
  if (known === undefined) {
    const { payload } = packet
    // An answer nobody asked for begins nothing (icmp_new).
    if (payload.kind === 'icmp' && !isEchoRequest(packet)) return UNTRACKED
    return { connection: begin(nf, tuple, now), direction: 'original', state: 'new' }
  }
  const { connection, direction } = known
  if (direction === 'reply') connection.seenReply = true
  connection.expires = now + timeoutOf(connection) * SECOND
  return { connection, direction, state: connection.seenReply ? 'established' : 'new' }
}

/** The packet got through its last hook: its connection is in the table from now on (__nf_conntrack_confirm). */
export function confirm(nf: Netfilter, tracked: Tracked | undefined): void {
  const connection = tracked?.connection
  if (connection === undefined || connection.confirmed) return
  connection.confirmed = true
  nf.connections.set(tupleKey(connection.original), connection)
  nf.connections.set(tupleKey(connection.reply), connection)
}

/** Whether an answer with this tuple could be mistaken for one of another connection. */
export function replyTaken(nf: Netfilter, reply: Tuple, now: number, own: Connection): boolean {
  const known = find(nf, reply, now)
  return known !== undefined && known.connection !== own
}

/** The tuple of a packet; undefined for what has none (errors, fragments, neighbour discovery). */
export function tupleOf(packet: Ip4Packet | Ip6Packet): Tuple | undefined {
  const { src, dst, payload } = packet
  const protocol = protocolOf(packet)
  if (payload.kind === 'icmp') {
    if (payload.quoted !== undefined) return undefined
    return { src, dst, protocol, srcPort: payload.id, dstPort: payload.id }
  }
  if (payload.kind === 'nd' || payload.kind === 'mld') return undefined
  const ports = portsOf(packet)
  return { src, dst, protocol, srcPort: ports?.src ?? 0, dstPort: ports?.dst ?? 0 }
}

function quotedBy(packet: Ip4Packet | Ip6Packet): Ip4Packet | Ip6Packet | undefined {
  return packet.payload.kind === 'icmp' ? packet.payload.quoted : undefined
}

/** An error belongs to the connection of the packet it quotes, in the other direction. */
function related(nf: Netfilter, quoted: Ip4Packet | Ip6Packet, now: number): Tracked {
  const tuple = tupleOf(quoted)
  const known = tuple === undefined ? undefined : find(nf, invert(tuple), now)
  if (known === undefined) return UNTRACKED
  return { connection: known.connection, direction: known.direction, state: 'related' }
}

function find(
  nf: Netfilter,
  tuple: Tuple,
  now: number,
): { connection: Connection; direction: 'original' | 'reply' } | undefined {
  const key = tupleKey(tuple)
  const connection = nf.connections.get(key)
  if (connection === undefined) return undefined
  if (connection.expires < now) {
    nf.connections.delete(tupleKey(connection.original))
    nf.connections.delete(tupleKey(connection.reply))
    return undefined
  }
  const direction = tupleKey(connection.original) === key ? 'original' : 'reply'
  return { connection, direction }
}

function begin(nf: Netfilter, original: Tuple, now: number): Connection {
  const connection: Connection = {
    id: nf.nextId++,
    original,
    reply: invert(original),
    confirmed: false,
    seenReply: false,
    dstDone: false,
    srcDone: false,
    expires: now,
  }
  connection.expires = now + timeoutOf(connection) * SECOND
  return connection
}

function timeoutOf(connection: Connection): number {
  switch (connection.original.protocol) {
    case 1:
    case 58:
      return TIMEOUT_ICMP
    case 6:
      return connection.seenReply ? TIMEOUT_TCP : TIMEOUT_TCP_OPENING
    case 17:
      return connection.seenReply ? TIMEOUT_UDP_STREAM : TIMEOUT_UDP
    default:
      return TIMEOUT_GENERIC
  }
}

function isEchoRequest(packet: Ip4Packet | Ip6Packet): boolean {
  const { payload } = packet
  return payload.kind === 'icmp' && payload.type === (payload.version === 4 ? 8 : 128)
}
