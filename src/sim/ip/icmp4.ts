/** ICMP: errors sent, echo answered, errors received (net/ipv4/icmp.c, ping.c, route.c). */
import type { Ip4 } from '../../addr/ip.ts'
import type { ReasonCode } from '../../fabric/reason.ts'
import type { IcmpMessage, Ip4Packet } from '../../wire/frame.ts'
import { icmpError4, makeEcho, makeEcho4 } from '../../wire/make.ts'
import type { Device, World } from '../model.ts'
import { allowIcmp4, allowRouteError, jiffies, peerOf } from './limit.ts'
import { eventSend, makeNeighbour } from './neighbour.ts'
import { answerTo } from './netfilter/state.ts'
import { sendLocal4 } from './output4.ts'
import {
  addressKind4,
  isUsable,
  learnException,
  lookup4,
  nextId,
  routeOutput4,
  selectAddress4,
} from './route4.ts'
import { reportError4, takeEcho } from './sockets.ts'
import { type DeviceIp, deviceIp, type NetnsIp, NUD_VALID, SCOPE_LINK, SECOND } from './state.ts'
import { onLink4 } from './arp-send.ts'
import { dropPacket } from './trace.ts'

/** What is known of a packet an error is about. */
export interface Offender4 {
  readonly packet: Ip4Packet
  /** The link it came in by; undefined when it was made here. */
  readonly inDev: Device | undefined
  /** It is addressed to this namespace: the error comes from the address it went to. */
  readonly local: boolean
}

/** `icmp_send`: an error about a packet to its source, unless a rule of RFC 1122 forbids it. */
export function sendError4(
  world: World,
  ns: NetnsIp,
  offender: Offender4,
  type: number,
  code: number,
  value: number,
): void {
  const packet = offender.packet
  if (packet.fragmentOffset !== 0) return
  if (packet.payload.kind === 'icmp' && isError(packet.payload.type)) return
  const src = packet.src
  if (src === 0 || src === 0xffffffff || src >>> 28 === 0xe) return
  if (packet.dst === 0xffffffff || packet.dst >>> 28 === 0xe) return
  if (addressKind4(ns, packet.dst) === 'broadcast') return
  let from = offender.local ? packet.dst : 0
  if (from === 0 && ns.conf.icmp_errors_use_inbound_ifaddr !== 0 && offender.inDev !== undefined) {
    from = selectAddress4(ns, offender.inDev, 0, SCOPE_LINK)
  }
  const out = routeOutput4(ns, src, from, undefined)
  if (typeof out === 'string') return
  if (!allowIcmp4(world, ns, src, type, code, out.dev === ns.lo)) {
    dropPacket(world, out.dev, packet, 'ICMP_RATE_LIMIT')
    return
  }
  const ttl = ns.conf.ip_default_ttl
  // icmp_glue_bits, icmpv6_getfrag: an error belongs to the connection it is about.
  const nf = ns.netfilter
  if (nf !== undefined) nf.attached = answerTo(nf.current)
  sendLocal4(world, ns, out, icmpError4(out.source, ttl, type, code, value, packet, nextId(ns)))
}

/** Not an echo or another question (icmp_pointers[].error). */
function isError(type: number): boolean {
  return type === 3 || type === 4 || type === 5 || type === 11 || type === 12
}

/** `ip_error`: a packet to forward for which there is no route. Pays a toll of its own. */
export function sendRouteError4(
  world: World,
  ns: NetnsIp,
  offender: Offender4,
  code: number,
): void {
  if (!allowRouteError(world, peerOf(world, ns, offender.packet.src))) {
    if (ns.lo !== undefined) dropPacket(world, ns.lo, offender.packet, 'ICMP_RATE_LIMIT')
    return
  }
  sendError4(world, ns, offender, 3, code, 0)
}

/** `ip_rt_send_redirect`: at most nine, further and further apart, until the host is quiet. */
export function sendRedirect4(world: World, ns: NetnsIp, offender: Offender4, gateway: Ip4): void {
  const peer = peerOf(world, ns, offender.packet.src)
  const now = jiffies(world)
  if (now > peer.last + 20.48 * SECOND) {
    peer.tokens = 0
    peer.redirects = 0
  }
  if (peer.redirects >= 9) {
    peer.last = now
    return
  }
  const apart = 0.02 * SECOND * 2 ** peer.redirects
  if (peer.redirects !== 0 && now <= peer.last + apart) return
  sendError4(world, ns, offender, 5, 1, gateway)
  peer.last = now
  peer.redirects++
}

/** `icmp_rcv` for a packet to this namespace. @returns why nothing came of it */
export function receiveIcmp4(
  world: World,
  ns: NetnsIp,
  dev: Device,
  packet: Ip4Packet,
  message: IcmpMessage,
  group: boolean,
): ReasonCode | undefined {
  switch (message.type) {
    case 8:
      return answerEcho4(world, ns, dev, packet, message, group)
    case 0:
      return takeEcho(world, ns, packet.src, packet.ttl, message) ? undefined : 'NO_SOCKET'
    case 3:
    case 11:
    case 12:
      return receiveError4(world, ns, packet, message)
    case 5:
      return receiveRedirect4(world, ns, dev, packet, message)
    default:
      return 'NO_SOCKET'
  }
}

/** `icmp_echo`, `icmp_reply`. */
function answerEcho4(
  world: World,
  ns: NetnsIp,
  dev: Device,
  packet: Ip4Packet,
  message: IcmpMessage,
  group: boolean,
): ReasonCode | undefined {
  if (ns.conf.icmp_echo_ignore_all !== 0) return 'ECHO_IGNORED'
  if (group && ns.conf.icmp_echo_ignore_broadcasts !== 0) return 'ECHO_IGNORED'
  // fib_compute_spec_dst: a group cannot be a source
  const from = group ? selectAddress4(ns, dev, packet.src, SCOPE_LINK) : packet.dst
  const out = routeOutput4(ns, packet.src, from, undefined)
  if (typeof out === 'string') {
    dropPacket(world, dev, packet, 'NO_ROUTE_BACK')
    return undefined
  }
  const echo = makeEcho(4, true, message.id, message.sequence, message.dataLength)
  const ttl = ns.conf.ip_default_ttl
  sendLocal4(world, ns, out, makeEcho4(out.source, packet.src, ttl, echo, { id: nextId(ns) }))
  return undefined
}

/** `icmp_unreach` and what the sockets make of it. */
function receiveError4(
  world: World,
  ns: NetnsIp,
  packet: Ip4Packet,
  message: IcmpMessage,
): ReasonCode | undefined {
  const quoted = message.quoted
  if (quoted === undefined || quoted.kind !== 'ip4') return 'NO_SOCKET'
  if (message.type === 3 && message.code === 4) {
    learnMtu4(world, ns, quoted, message.value)
  }
  return reportError4(world, ns, packet.src, message, quoted) ? undefined : 'NO_SOCKET'
}

/** `__ip_rt_update_pmtu`. */
function learnMtu4(world: World, ns: NetnsIp, quoted: Ip4Packet, mtu: number): void {
  if (!quoted.dontFragment) return
  const route = lookup4(ns, quoted.dst, quoted.src, undefined, undefined)
  if (!isUsable(route)) return
  const known = Math.max(mtu, ns.conf['route.min_pmtu'])
  const expires = world.now + ns.conf['route.mtu_expires'] * SECOND
  learnException(route, quoted.dst, undefined, known, expires)
}

/** `icmp_redirect`, `__ip_do_redirect`: believed only from the gateway in use. */
function receiveRedirect4(
  world: World,
  ns: NetnsIp,
  dev: Device,
  packet: Ip4Packet,
  message: IcmpMessage,
): ReasonCode | undefined {
  const quoted = message.quoted
  const ip = deviceIp(dev)
  if (quoted === undefined || quoted.kind !== 'ip4' || ip === undefined) return 'NO_SOCKET'
  reportError4(world, ns, packet.src, message, quoted)
  const route = lookup4(ns, quoted.dst, quoted.src, undefined, undefined)
  if (!isUsable(route) || route.via !== packet.src || route.dev !== dev) return 'REDIRECT_IGNORED'
  const gateway = message.value >>> 0
  if (gateway === packet.src || !takesRedirects4(ns, ip)) return 'REDIRECT_IGNORED'
  if (gateway === 0xffffffff || gateway >>> 28 === 0xe || gateway >>> 24 === 0) {
    return 'REDIRECT_IGNORED'
  }
  const shared = ns.conf4All.shared_media !== 0 || ip.conf4.shared_media !== 0
  if (!shared && !onLink4(ip, gateway, packet.src)) return 'REDIRECT_IGNORED'
  if (shared && addressKind4(ns, gateway) !== 'unicast') return 'REDIRECT_IGNORED'
  const n = ip.neighbours4.get(gateway) ?? makeNeighbour(ip, dev, gateway)
  // Only once the new hop is known to be there: until then it is asked for.
  if ((n.state & NUD_VALID) === 0) eventSend(world, n, undefined)
  else learnException(route, quoted.dst, gateway, 0, world.now + 300 * SECOND)
  return undefined
}

/** IN_DEV_RX_REDIRECTS */
function takesRedirects4(ns: NetnsIp, ip: DeviceIp): boolean {
  const all = ns.conf4All.accept_redirects !== 0
  const own = ip.conf4.accept_redirects !== 0
  return ip.conf4.forwarding !== 0 ? all && own : all || own
}
