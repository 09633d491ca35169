/**
 * Connection tracking (net/netfilter/nf_conntrack_core.c): which connection a packet belongs to, in
 * which direction, and in which state that puts it.
 */
import type { Ip4Packet, Ip6Packet, Payload } from '../../../wire/frame.ts'
import { type Connection, type Entry, invert, type Tracked, type Tuple } from './connections.ts'
import { portOf, protocolOf } from './match.ts'
import type { Netfilter } from './state.ts'
import { nextTcpState, TCP_TIMEOUTS } from './tcp-state.ts'

type Packet = Ip4Packet | Ip6Packet

const SECOND = 1_000_000_000
/** nf_conntrack_{icmp,udp,udp_stream,generic} timeouts, seconds. */
const TIMEOUT_ICMP = 30
const TIMEOUT_UDP = 30
const TIMEOUT_UDP_STREAM = 120
/** Datagrams both ways are a stream only after so long, seconds. */
const UDP_STREAM_AFTER = 2
const TIMEOUT_GENERIC = 600
/** So many connections are begun before old ones are looked for (gc_worker). */
const SWEEP = 4096

const FIN = 1
const SYN = 2
const RST = 4
const ACK = 16

const INVALID: Tracked = Object.freeze<Tracked>({
  connection: undefined,
  direction: 'original',
  state: 'invalid',
})
/** Neighbour discovery and MLD are none of anybody's connections (nf_conntrack_icmpv6_error). */
const UNTRACKED: Tracked = Object.freeze<Tracked>({ ...INVALID, state: 'untracked' })

/** Finds or begins the packet's connection (nf_conntrack_in). */
export function track(nf: Netfilter, packet: Packet, now: number): Tracked {
  const { payload } = packet
  if (payload.kind === 'nd' || payload.kind === 'mld') return UNTRACKED
  if (payload.kind === 'icmp' && payload.quoted !== undefined)
    return related(nf, payload.quoted, now)
  const tuple = tupleOf(packet)
  const known = find(nf, tuple, now)
  if (known === undefined) {
    if (!mayBegin(payload)) return INVALID
    return { connection: begin(nf, tuple, payload, now), direction: 'original', state: 'new' }
  }
  const { connection, direction } = known
  if (payload.kind === 'tcp') followTcp(nf, connection, direction, payload.flags)
  connection.expires = now + timeoutOf(connection, now) * SECOND
  if (direction === 'reply') connection.seenReply = true
  const state = connection.seenReply ? 'established' : 'new'
  if (known.tracked?.state !== state) known.tracked = { connection, direction, state }
  return known.tracked
}

/**
 * The packet got through its last hook: its connection is in the table from now on
 * (__nf_conntrack_confirm).
 * @returns false when another one took its place meanwhile: the packet is dropped
 */
export function confirm(nf: Netfilter, connection: Connection, now: number): boolean {
  if (connection.confirmed) return true
  if (isTaken(nf, connection.original, now, connection)) return false
  if (isTaken(nf, connection.reply, now, connection)) return false
  connection.confirmed = true
  nf.connections.add(connection)
  return true
}

/** Whether a tuple is that of another connection (nf_nat_used_tuple). */
export function isTaken(nf: Netfilter, tuple: Tuple, now: number, own: Connection): boolean {
  const known = find(nf, tuple, now)
  return known !== undefined && known.connection !== own
}

/** The tuple of a packet; 0 for ports it has none of. */
export function tupleOf(packet: Packet): Tuple {
  const { src, dst, payload } = packet
  const protocol = protocolOf(packet)
  if (payload.kind === 'icmp') {
    const { id, type: icmpType } = payload
    return { src, dst, protocol, srcPort: id, dstPort: id, icmpType }
  }
  const srcPort = Math.max(0, portOf(packet, 'srcPort'))
  const dstPort = Math.max(0, portOf(packet, 'dstPort'))
  return { src, dst, protocol, srcPort, dstPort, icmpType: 0 }
}

/** An error belongs to the connection of the packet it quotes, in the other direction. */
function related(nf: Netfilter, quoted: Packet, now: number): Tracked {
  const known = find(nf, invert(tupleOf(quoted)), now)
  if (known === undefined) return INVALID
  return { connection: known.connection, direction: known.direction, state: 'related' }
}

function find(nf: Netfilter, tuple: Tuple, now: number): Entry | undefined {
  const entry = nf.connections.find(tuple)
  if (entry === undefined || entry.connection.expires >= now) return entry
  nf.connections.remove(entry.connection)
  return undefined
}

/**
 * Whether a packet nobody waits for can be the first of something: an answer cannot (icmp_new,
 * the row "none" of tcp_conntracks; a segment with ACK alone is taken for the middle of one).
 */
function mayBegin(payload: Payload): boolean {
  if (payload.kind === 'icmp') return payload.type === (payload.version === 4 ? 8 : 128)
  if (payload.kind !== 'tcp') return true
  const flags = payload.flags & (SYN | ACK | RST | FIN)
  return flags === SYN || flags === ACK
}

function begin(nf: Netfilter, original: Tuple, payload: Payload, now: number): Connection {
  if (++nf.fresh >= SWEEP) {
    nf.fresh = 0
    const old = [...nf.connections.values()].filter(({ expires }) => expires < now)
    for (const connection of old) nf.connections.remove(connection)
  }
  const connection: Connection = {
    original,
    reply: invert(original),
    confirmed: false,
    seenReply: false,
    destinationDone: false,
    sourceDone: false,
    destinationNat: false,
    sourceNat: false,
    expires: now,
    streamAt: now + UDP_STREAM_AFTER * SECOND,
    assured: false,
    tcp: payload.kind === 'tcp' ? nextTcpState('NONE', 'original', payload.flags) : 'NONE',
  }
  connection.expires = now + timeoutOf(connection, now) * SECOND
  return connection
}

/** nf_conntrack_tcp_packet: a refusal before anything was answered leaves nothing behind. */
function followTcp(
  nf: Netfilter,
  connection: Connection,
  direction: 'original' | 'reply',
  flags: number,
): void {
  const before = connection.tcp
  connection.tcp = nextTcpState(before, direction, flags)
  if ((flags & RST) !== 0 && !connection.seenReply) nf.connections.remove(connection)
  else if (before === 'SYN_RECV' && connection.tcp === 'ESTABLISHED') connection.assured = true
}

function timeoutOf(connection: Connection, now: number): number {
  switch (connection.original.protocol) {
    case 1:
    case 58:
      return TIMEOUT_ICMP
    case 6:
      return TCP_TIMEOUTS[connection.tcp]
    case 17:
      if (!connection.seenReply || now <= connection.streamAt) return TIMEOUT_UDP
      connection.assured = true
      return TIMEOUT_UDP_STREAM
    default:
      return TIMEOUT_GENERIC
  }
}
