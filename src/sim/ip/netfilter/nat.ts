/**
 * Address translation (net/netfilter/nf_nat_core.c): a connection is bound once, by the first rule
 * that says so; every packet of it is then rewritten in both directions.
 */
import type { Ip } from '../../../addr/ip.ts'
import type { FilterVerdict, PortRange } from '../../../fabric/filter.ts'
import type { Ip4Packet, Ip6Packet, Payload } from '../../../wire/frame.ts'
import { replyTaken } from './conntrack.ts'
import { type Connection, invert, type Netfilter, type Tracked, type Tuple } from './state.ts'

/** What a NAT verdict binds: `source` in POSTROUTING and INPUT, `destination` in PREROUTING and OUTPUT. */
export type Manip = 'source' | 'destination'

/** Sockets' own range, from which masquerading takes a port when the wanted one is taken. */
const FREE_PORTS: PortRange = { first: 1024, last: 65535 }

/**
 * Binds a connection to a new source or destination (nf_nat_setup_info).
 * @param address what masquerade and redirect take: the primary address of the link
 */
export function bind(
  nf: Netfilter,
  connection: Connection,
  verdict: Extract<FilterVerdict, { do: 'masquerade' | 'redirect' | 'snat' | 'dnat' }>,
  address: Ip | undefined,
  now: number,
): boolean {
  const to = verdict.do === 'snat' || verdict.do === 'dnat' ? (verdict.to ?? address) : address
  if (to === undefined) return false
  const ports = verdict.do === 'masquerade' ? undefined : verdict.ports
  const seen = invert(connection.reply)
  if (verdict.do === 'masquerade' || verdict.do === 'snat')
    connection.reply = invert(uniqueSource(nf, connection, { ...seen, src: to }, ports, now))
  else connection.reply = invert(withDestination(seen, to, ports))
  return true
}

/** A packet as it looks after this hook's translation (nf_nat_manip_pkt). */
export function translate<P extends Ip4Packet | Ip6Packet>(
  packet: P,
  { connection, direction }: Tracked,
  manip: Manip,
): P {
  if (connection === undefined) return packet
  // Which way the packet looks on the other side: the other direction's tuple, turned round.
  const target = invert(direction === 'original' ? connection.reply : connection.original)
  const { payload } = packet
  if (payload.kind === 'icmp' && payload.quoted !== undefined)
    return translateError(packet, payload.quoted, target, manip)
  if (manip === 'source') {
    if (packet.src === target.src && sourcePort(payload) === target.srcPort) return packet
    return { ...packet, src: target.src, payload: withPort(payload, target.srcPort, 'source') }
  }
  if (packet.dst === target.dst && destinationPort(payload) === target.dstPort) return packet
  return { ...packet, dst: target.dst, payload: withPort(payload, target.dstPort, 'destination') }
}

/**
 * An error about a translated packet: outside it goes where the connection goes, inside it must
 * quote the packet as its sender knew it (nf_nat_icmp_reply_translation).
 */
function translateError<P extends Ip4Packet | Ip6Packet>(
  packet: P,
  quoted: Ip4Packet | Ip6Packet,
  target: Tuple,
  manip: Manip,
): P {
  const { payload } = packet
  if (payload.kind !== 'icmp') return packet
  const inner =
    manip === 'destination'
      ? {
          ...quoted,
          src: target.dst,
          payload: withPort(quoted.payload, target.dstPort, 'source'),
        }
      : {
          ...quoted,
          dst: target.src,
          payload: withPort(quoted.payload, target.srcPort, 'destination'),
        }
  const outer = manip === 'destination' ? { dst: target.dst } : {}
  return { ...packet, ...outer, payload: { ...payload, quoted: inner as Ip4Packet } } as P
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
  const taken = (t: Tuple): boolean => replyTaken(nf, invert(t), now, connection)
  const wanted = inPorts(seen.srcPort, ports)
    ? seen
    : withSourcePort(seen, ports?.first ?? 0, isEcho)
  if (!taken(wanted)) return wanted
  const range = ports ?? (isEcho ? { first: 0, last: 65535 } : FREE_PORTS)
  for (let port = range.first; port <= range.last; port++) {
    const candidate = withSourcePort(seen, port, isEcho)
    if (!taken(candidate)) return candidate
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

function sourcePort(payload: Payload): number {
  if (payload.kind === 'udp' || payload.kind === 'tcp') return payload.srcPort
  return payload.kind === 'icmp' ? payload.id : 0
}

function destinationPort(payload: Payload): number {
  if (payload.kind === 'udp' || payload.kind === 'tcp') return payload.dstPort
  return payload.kind === 'icmp' ? payload.id : 0
}

function withPort(payload: Payload, port: number, which: 'source' | 'destination'): Payload {
  if (payload.kind === 'icmp') return { ...payload, id: port }
  if (payload.kind !== 'udp' && payload.kind !== 'tcp') return payload
  return which === 'source' ? { ...payload, srcPort: port } : { ...payload, dstPort: port }
}
