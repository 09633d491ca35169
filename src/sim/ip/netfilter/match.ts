/** Whether a rule asks for this packet (net/ipv4/netfilter/ip_tables.c, the x_tables matches). */
import type { Ip, Prefix } from '../../../addr/ip.ts'
import type { FilterAspect, FilterMatch, PortRange } from '../../../fabric/filter.ts'
import type { Ip4Packet, Ip6Packet } from '../../../wire/frame.ts'
import type { Tracked } from './connections.ts'

/** With every part in its place: what has one shape is read several times as quickly. */
export type WholeMatch = { readonly [K in keyof Required<FilterMatch>]: FilterMatch[K] | undefined }

export function wholeMatch(match: FilterMatch): WholeMatch {
  return {
    iif: match.iif,
    oif: match.oif,
    from: match.from,
    to: match.to,
    protocol: match.protocol,
    sourcePorts: match.sourcePorts,
    destinationPorts: match.destinationPorts,
    icmpType: match.icmpType,
    icmpCode: match.icmpCode,
    states: match.states,
    statesBy: match.statesBy,
    not: match.not,
  }
}

export function matches(
  match: WholeMatch,
  packet: Ip4Packet | Ip6Packet,
  tracked: Tracked | undefined,
  iif: string | undefined,
  oif: string | undefined,
): boolean {
  const { not } = match
  if (match.iif !== undefined && linkMatches(match.iif, iif) === isNot(not, 'iif')) return false
  if (match.oif !== undefined && linkMatches(match.oif, oif) === isNot(not, 'oif')) return false
  if (match.from !== undefined && inPrefix(match.from, packet.src) === isNot(not, 'from'))
    return false
  if (match.to !== undefined && inPrefix(match.to, packet.dst) === isNot(not, 'to')) return false
  const { protocol, sourcePorts, destinationPorts } = match
  if (protocol !== undefined && (protocolOf(packet) === protocol) === isNot(not, 'protocol'))
    return false
  if (sourcePorts !== undefined) {
    const port = portOf(packet, 'srcPort')
    if (port === -1 || inRange(sourcePorts, port) === isNot(not, 'sourcePorts')) return false
  }
  if (destinationPorts !== undefined) {
    const port = portOf(packet, 'dstPort')
    if (port === -1 || inRange(destinationPorts, port) === isNot(not, 'destinationPorts'))
      return false
  }
  if (match.icmpType !== undefined && icmpMatches(match, packet) === isNot(not, 'icmpType'))
    return false
  if (match.states === undefined) return true
  return match.states.includes(tracked?.state ?? 'invalid') !== isNot(not, 'states')
}

/** Whether the rule says `!` before this. */
function isNot(not: WholeMatch['not'], aspect: FilterAspect): boolean {
  return not !== undefined && not.includes(aspect)
}

/** The transport protocol number. */
export function protocolOf(packet: Ip4Packet | Ip6Packet): number {
  return packet.kind === 'ip4' ? packet.protocol : packet.nextHeader
}

/** TCP's or UDP's port; -1 for everything else and for later fragments. */
export function portOf({ payload }: Ip4Packet | Ip6Packet, which: 'srcPort' | 'dstPort'): number {
  return payload.kind === 'udp' || payload.kind === 'tcp' ? payload[which] : -1
}

function icmpMatches(match: WholeMatch, packet: Ip4Packet | Ip6Packet): boolean {
  const { payload } = packet
  if (payload.kind === 'icmp')
    return (
      payload.type === match.icmpType &&
      (match.icmpCode === undefined || payload.code === match.icmpCode)
    )
  if (payload.kind !== 'nd' && payload.kind !== 'mld') return false
  return payload.type === match.icmpType && (match.icmpCode ?? 0) === 0
}

function linkMatches(pattern: string, name: string | undefined): boolean {
  if (name === undefined) return false
  return pattern.endsWith('+') ? name.startsWith(pattern.slice(0, -1)) : name === pattern
}

function inPrefix({ address, length }: Prefix, ip: Ip): boolean {
  if (typeof address === 'bigint') {
    if (typeof ip !== 'bigint') return false
    const shift = BigInt(128 - length)
    return ip >> shift === address >> shift
  }
  if (typeof ip !== 'number') return false
  return length === 0 || (ip ^ address) >>> (32 - length) === 0
}

function inRange({ first, last }: PortRange, port: number): boolean {
  return port >= first && port <= last
}
