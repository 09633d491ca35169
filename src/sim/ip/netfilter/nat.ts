/**
 * Address translation (net/netfilter/nf_nat_core.c): a connection is bound once, by the first rule
 * that says so; every packet of it is then rewritten in both directions.
 */
import type { Ip } from '../../../addr/ip.ts'
import type { FilterVerdict, PortRange } from '../../../fabric/filter.ts'
import type { Ip4Packet, Ip6Packet, Payload } from '../../../wire/frame.ts'
import { type Connection, invert, sameTuple, type Tracked, type Tuple } from './connections.ts'
import { isTaken } from './conntrack.ts'
import type { Netfilter } from './state.ts'

type Packet = Ip4Packet | Ip6Packet

/** What a NAT verdict binds: `source` in POSTROUTING and INPUT, else `destination`. */
export type Manip = 'source' | 'destination'

export type NatVerdict = Extract<FilterVerdict, { do: 'masquerade' | 'redirect' | 'snat' | 'dnat' }>

/** Sockets' own range, from which translation takes a port when the wanted one is taken. */
const FREE_PORTS: PortRange = { first: 1024, last: 65535 }
const ANY_ID: PortRange = { first: 0, last: 65535 }

/**
 * Binds a connection to a new source or destination, or, without a verdict, to what it has: even
 * then its answer must not be another's (nf_nat_setup_info, nf_nat_alloc_null_binding).
 *
 * @param at when, and what masquerade and redirect take
 * @returns false when there is no address to take: the packet is dropped
 */
export function bind(
  nf: Netfilter,
  connection: Connection,
  manip: Manip,
  verdict: NatVerdict | undefined,
  at: { readonly now: number; address(): Ip | undefined },
): boolean {
  const { now } = at
  const before = invert(connection.reply)
  let after: Tuple
  if (verdict === undefined) {
    // The destination is what the sender asked for; only a source can be in somebody's way.
    after = manip === 'source' ? uniqueSource(nf, connection, before, undefined, now) : before
  } else {
    const given = verdict.do === 'snat' || verdict.do === 'dnat'
    const fallback = manip === 'source' ? before.src : before.dst
    const to = given ? (verdict.to ?? fallback) : at.address()
    if (to === undefined) return false
    const ports = verdict.ports
    after =
      manip === 'source'
        ? uniqueSource(nf, connection, { ...before, src: to }, ports, now)
        : withDestination(before, to, ports)
  }
  if (sameTuple(after, before)) return true
  connection.reply = invert(after)
  if (manip === 'source') connection.sourceNat = true
  else connection.destinationNat = true
  return true
}

/** A packet as it looks after this hook's translation (nf_nat_packet). */
export function translate<P extends Packet>(packet: P, tracked: Tracked, manip: Manip): P {
  const { connection, direction } = tracked
  if (connection === undefined) return packet
  // A translated source is translated back as the destination of the answers.
  const isSource = (manip === 'source') === (direction === 'original')
  if (!(isSource ? connection.sourceNat : connection.destinationNat)) return packet
  // How the packet looks on the other side: the other direction's tuple, turned round.
  const other = direction === 'original' ? connection.reply : connection.original
  const { payload } = packet
  if (payload.kind === 'icmp' && payload.quoted !== undefined)
    return translateError(packet, payload.quoted, invert(other), manip)
  return manip === 'source'
    ? { ...packet, src: other.dst, payload: withPort(payload, other.dstPort, 'source') }
    : { ...packet, dst: other.src, payload: withPort(payload, other.srcPort, 'destination') }
}

/**
 * An error about a translated packet: outside it goes where the connection goes, inside it must
 * quote the packet as its sender knew it (nf_nat_icmp_reply_translation).
 */
function translateError<P extends Packet>(
  packet: P,
  quoted: Packet,
  target: Tuple,
  manip: Manip,
): P {
  const { payload } = packet
  if (payload.kind !== 'icmp') return packet
  const inner =
    manip === 'destination'
      ? { ...quoted, src: target.dst, payload: withPort(quoted.payload, target.dstPort, 'source') }
      : {
          ...quoted,
          dst: target.src,
          payload: withPort(quoted.payload, target.srcPort, 'destination'),
        }
  const outer = manip === 'destination' ? { dst: target.dst } : { src: target.src }
  return { ...packet, ...outer, payload: { ...payload, quoted: inner as Packet } }
}

/** `seen` with a source port no other connection's answers would come to (get_unique_tuple). */
function uniqueSource(
  nf: Netfilter,
  connection: Connection,
  seen: Tuple,
  ports: PortRange | undefined,
  now: number,
): Tuple {
  const isEcho = seen.protocol === 1 || seen.protocol === 58
  const isFree = (t: Tuple): boolean => !isTaken(nf, invert(t), now, connection)
  const wanted = inPorts(seen.srcPort, ports)
    ? seen
    : withSourcePort(seen, ports?.first ?? 0, isEcho)
  if (isFree(wanted)) return wanted
  const range = ports ?? (isEcho ? ANY_ID : FREE_PORTS)
  for (let port = range.first; port <= range.last; port++) {
    const candidate = withSourcePort(seen, port, isEcho)
    if (isFree(candidate)) return candidate
  }
  return wanted
}

function withSourcePort(t: Tuple, port: number, isEcho: boolean): Tuple {
  return isEcho ? { ...t, srcPort: port, dstPort: port } : { ...t, srcPort: port }
}

function withDestination(seen: Tuple, dst: Ip, ports: PortRange | undefined): Tuple {
  const dstPort = inPorts(seen.dstPort, ports) ? seen.dstPort : (ports?.first ?? seen.dstPort)
  return { ...seen, dst, dstPort }
}

function inPorts(port: number, ports: PortRange | undefined): boolean {
  return ports === undefined || (port >= ports.first && port <= ports.last)
}

function withPort(payload: Payload, port: number, which: Manip): Payload {
  if (payload.kind === 'icmp') return payload.id === port ? payload : { ...payload, id: port }
  if (payload.kind !== 'udp' && payload.kind !== 'tcp') return payload
  return which === 'source' ? { ...payload, srcPort: port } : { ...payload, dstPort: port }
}
