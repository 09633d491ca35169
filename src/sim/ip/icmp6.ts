/** ICMPv6: errors sent, echo answered, errors received (net/ipv6/icmp.c). */
import type { ReasonCode } from '../../fabric/reason.ts'
import type { IcmpMessage, Ip6Packet } from '../../wire/frame.ts'
import { icmpError6, makeEcho, makeEcho6 } from '../../wire/make.ts'
import type { Device, World } from '../model.ts'
import { allowIcmp6 } from './limit.ts'
import { answerTo } from './netfilter/state.ts'
import { sendLocal6 } from './output6.ts'
import { isUsable, learnException } from './route4.ts'
import { isLinkLocal6, isLocal6, isMulticast6, lookup6, routeOutput6 } from './route6.ts'
import { reportError6, takeEcho } from './sockets.ts'
import { deviceIp, type NetnsIp, SECOND } from './state.ts'
import { dropPacket } from './trace.ts'

/** `icmp6_send`: an error about a packet to its source, unless RFC 4443 forbids it. */
export function sendError6(
  world: World,
  ns: NetnsIp,
  packet: Ip6Packet,
  inDev: Device | undefined,
  type: number,
  code: number,
  value: number,
): void {
  const payload = packet.payload
  if (payload.kind === 'icmp' && payload.type < 128) return
  if (packet.fragment !== undefined && packet.fragment.offset !== 0) return
  const group = isMulticast6(packet.dst)
  if (group && type !== 2) return
  if (packet.src === 0n || isMulticast6(packet.src)) return
  const from = !group && isLocal6(ns, packet.dst, inDev) ? packet.dst : 0n
  const oif = isLinkLocal6(packet.src) ? inDev : undefined
  const out = routeOutput6(ns, packet.src, from, oif, world.now)
  if (typeof out === 'string') return
  const loopback = out.dev === ns.lo
  if (!allowIcmp6(world, ns, packet.src, type, out.route.length, loopback)) {
    dropPacket(world, out.dev, packet, 'ICMP_RATE_LIMIT')
    return
  }
  const hops = deviceIp(out.dev)?.conf6.hop_limit ?? 64
  // icmp_glue_bits, icmpv6_getfrag: an error belongs to the connection it is about.
  const nf = ns.netfilter
  if (nf !== undefined) nf.attached = answerTo(nf.current)
  sendLocal6(world, ns, out, icmpError6(out.source, hops, type, code, value, packet))
}

/** `icmpv6_rcv` for all but neighbour discovery and MLD. @returns why nothing came of it */
export function receiveIcmp6(
  world: World,
  ns: NetnsIp,
  dev: Device,
  packet: Ip6Packet,
  message: IcmpMessage,
): ReasonCode | undefined {
  switch (message.type) {
    case 128:
      return answerEcho6(world, ns, dev, packet, message)
    case 129:
      return takeEcho(world, ns, packet.src, packet.hopLimit, message) ? undefined : 'NO_SOCKET'
    case 1:
    case 2:
    case 3:
    case 4:
      return receiveError6(world, ns, dev, packet, message)
    default:
      return 'NO_SOCKET'
  }
}

/** `icmpv6_echo_reply` */
function answerEcho6(
  world: World,
  ns: NetnsIp,
  dev: Device,
  packet: Ip6Packet,
  message: IcmpMessage,
): ReasonCode | undefined {
  const group = isMulticast6(packet.dst)
  if (ns.conf['ipv6.icmp.echo_ignore_all'] !== 0) return 'ECHO_IGNORED'
  if (group && ns.conf['ipv6.icmp.echo_ignore_multicast'] !== 0) return 'ECHO_IGNORED'
  const anycast = !group && !isLocal6(ns, packet.dst)
  const from = group || anycast ? 0n : packet.dst
  const oif = isLinkLocal6(packet.src) || group ? dev : undefined
  const out = routeOutput6(ns, packet.src, from, oif, world.now)
  if (typeof out === 'string') {
    dropPacket(world, dev, packet, 'NO_ROUTE_BACK')
    return undefined
  }
  const hops = deviceIp(out.dev)?.conf6.hop_limit ?? 64
  const echo = makeEcho(6, true, message.id, message.sequence, message.dataLength)
  sendLocal6(world, ns, out, makeEcho6(out.source, packet.src, hops, echo))
  return undefined
}

/** `icmpv6_notify`, and path MTU discovery (`rt6_update_pmtu`). */
function receiveError6(
  world: World,
  ns: NetnsIp,
  dev: Device,
  packet: Ip6Packet,
  message: IcmpMessage,
): ReasonCode | undefined {
  const quoted = message.quoted
  if (quoted === undefined || quoted.kind !== 'ip6') return 'NO_SOCKET'
  if (message.type === 2) {
    const oif = isLinkLocal6(quoted.dst) ? dev : undefined
    const route = lookup6(ns, quoted.dst, quoted.src, undefined, oif, oif !== undefined)
    if (isUsable(route)) {
      const expires = world.now + ns.conf['ipv6.route.mtu_expires'] * SECOND
      learnException(route, quoted.dst, undefined, Math.max(1280, message.value), expires)
    }
  }
  return reportError6(world, ns, packet.src, message, quoted) ? undefined : 'NO_SOCKET'
}
