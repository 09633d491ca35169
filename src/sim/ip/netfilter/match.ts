/** Whether a rule asks for this packet (net/ipv4/netfilter/ip_tables.c, the x_tables matches). */
import type { Ip, Prefix } from '../../../addr/ip.ts'
import type { FilterAspect, FilterMatch, PortRange } from '../../../fabric/filter.ts'
import type { Ip4Packet, Ip6Packet } from '../../../wire/frame.ts'
import type { Tracked } from './state.ts'

export function matches(
  match: FilterMatch,
  packet: Ip4Packet | Ip6Packet,
  tracked: Tracked | undefined,
  iif: string | undefined,
  oif: string | undefined,
): boolean {
  const holds = (key: FilterAspect, yes: boolean): boolean =>
    match.not === undefined || !match.not.includes(key) ? yes : !yes
  if (match.iif !== undefined && !holds('iif', linkMatches(match.iif, iif))) return false
  if (match.oif !== undefined && !holds('oif', linkMatches(match.oif, oif))) return false
  if (match.from !== undefined && !holds('from', inPrefix(match.from, packet.src))) return false
  if (match.to !== undefined && !holds('to', inPrefix(match.to, packet.dst))) return false
  if (match.protocol !== undefined && !holds('protocol', protocolOf(packet) === match.protocol))
    return false
  if (match.sourcePorts !== undefined) {
    const ports = portsOf(packet)
    if (ports === undefined) return false
    if (!holds('sourcePorts', inRange(match.sourcePorts, ports.src))) return false
  }
  if (match.destinationPorts !== undefined) {
    const ports = portsOf(packet)
    if (ports === undefined) return false
    if (!holds('destinationPorts', inRange(match.destinationPorts, ports.dst))) return false
  }
  if (match.icmpType !== undefined && !holds('icmpType', icmpMatches(match, packet))) return false
  if (match.states !== undefined) {
    const state = tracked?.state ?? 'invalid'
    if (!holds('states', match.states.includes(state))) return false
  }
  return true
}

/** The transport protocol number. */
export function protocolOf(packet: Ip4Packet | Ip6Packet): number {
  return packet.kind === 'ip4' ? packet.protocol : packet.nextHeader
}

/** TCP's or UDP's ports; undefined for everything else and for later fragments. */
export function portsOf(packet: Ip4Packet | Ip6Packet): { src: number; dst: number } | undefined {
  const { payload } = packet
  if (payload.kind !== 'udp' && payload.kind !== 'tcp') return undefined
  return { src: payload.srcPort, dst: payload.dstPort }
}

function icmpMatches(match: FilterMatch, packet: Ip4Packet | Ip6Packet): boolean {
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
