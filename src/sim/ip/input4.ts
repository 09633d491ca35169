/**
 * IPv4 packets as they come in: to this namespace, on to another link, or nowhere
 * (net/ipv4/ip_input.c, route.c ip_route_input_slow, ip_forward.c).
 */
import type { ReasonCode } from '../../fabric/reason.ts'
import type { Frame, Ip4Packet } from '../../wire/frame.ts'
import { makeIp4, makeUdp, withTtl4 } from '../../wire/make.ts'
import { drop } from '../core.ts'
import { findL3sChild } from '../link/ipvlan.ts'
import {
  type Device,
  PACKET_HOST,
  PACKET_LOOPBACK,
  PACKET_OTHERHOST,
  type PacketType,
  type World,
} from '../model.ts'
import { STEP_CONSUME, STEP_FORWARD, STEP_ROUTE } from '../trace-ring.ts'
import { onLink4 } from './arp-send.ts'
import { reassemble4 } from './fragment.ts'
import { hookForward, hookInput, hookPrerouting } from './hooks.ts'
import { receiveIcmp4, sendError4, sendRedirect4, sendRouteError4 } from './icmp4.ts'
import { mtuOf4, output4, sendLocal4 } from './output4.ts'
import {
  isUsable,
  localnetAllowed,
  lookup4,
  routeOutput4,
  SOURCE_RP_FILTER,
  validateSource4,
} from './route4.ts'
import { type DeviceIp, deviceIp, type NetnsIp, type Route } from './state.ts'
import { receiveTcp, receiveUdp } from './transport.ts'

/** Handler of ETH_P_IP frames: `ip_rcv`. */
export function receive4(world: World, dev: Device, frame: Frame, type: PacketType): void {
  const ip = deviceIp(dev)
  const packet = frame.packet
  if (ip === undefined || packet.kind !== 'ip4') {
    drop(world, dev, frame, 'MALFORMED')
    return
  }
  if (type === PACKET_OTHERHOST) {
    drop(world, dev, frame, 'OTHERHOST')
    return
  }
  const { ns } = ip
  const nf = ns.netfilter
  const passed = nf === undefined ? packet : hookPrerouting(world, ns, nf, dev, packet)
  if (passed === undefined) return
  const child = findL3sChild(world, dev, passed.dst)
  if (child !== undefined) {
    receiveL3s4(world, ns, dev, child, frame, passed, type)
    return
  }
  const reason = routeInput4(world, ns, dev, ip, frame, passed, type)
  if (reason !== undefined) drop(world, dev, frame, reason)
}

/** `ipvlan_l3_rcv`: routed as the child's, past the INPUT hook of the parent's namespace. */
function receiveL3s4(
  world: World,
  ns: NetnsIp,
  dev: Device,
  child: Device,
  frame: Frame,
  packet: Ip4Packet,
  type: PacketType,
): void {
  const ip = deviceIp(child)
  const nf = ns.netfilter
  const passed = nf === undefined ? packet : hookInput(world, ns, nf, dev, packet)
  if (ip === undefined || passed === undefined) return
  world.trace.record(world, dev, STEP_FORWARD, child.id, frame)
  const reason = routeInput4(world, ip.ns, child, ip, frame, passed, type)
  if (reason !== undefined) drop(world, child, frame, reason)
}

/** `ip_route_input_slow` and what follows from it. @returns why it ended */
function routeInput4(
  world: World,
  ns: NetnsIp,
  dev: Device,
  ip: DeviceIp,
  frame: Frame,
  packet: Ip4Packet,
  type: PacketType,
): ReasonCode | undefined {
  const { src, dst } = packet
  // What was looped through lo, or looped back from a group, has its route already.
  const own = dev.ops.kind === 'loopback' || type === PACKET_LOOPBACK
  if (dst >>> 28 === 0xe) return deliverGroup4(world, ns, dev, ip, frame, packet, own)
  if (src >>> 28 === 0xe || src === 0xffffffff) return 'MARTIAN_SOURCE'
  if (dst === 0xffffffff) return deliver4(world, ns, dev, frame, packet, true)
  if (src >>> 24 === 0 || (src >>> 24 === 127 && !own && !localnetAllowed(ns, dev))) {
    return 'MARTIAN_SOURCE'
  }
  if (dst >>> 24 === 0) return 'MARTIAN_DESTINATION'
  if (dst >>> 24 === 127 && !own && !localnetAllowed(ns, dev)) return 'MARTIAN_DESTINATION'
  const route = lookup4(ns, dst, src, dev, undefined)
  if (route?.kind === 'local' || route?.kind === 'broadcast') {
    const group = route.kind === 'broadcast'
    if (!own) {
      const valid = validateSource4(ns, dev, ip, src, group ? 0 : dst, undefined)
      if (valid < 0) return valid === SOURCE_RP_FILTER ? 'RP_FILTER' : 'MARTIAN_SOURCE'
    }
    return deliver4(world, ns, dev, frame, packet, group)
  }
  if (ip.conf4.forwarding === 0) return 'IP_FORWARD_OFF'
  if (!isUsable(route)) return routeError4(world, ns, dev, packet, type, route)
  if (route.kind !== 'unicast') return 'MARTIAN_DESTINATION'
  return forward4(world, ns, dev, ip, frame, packet, type, route)
}

/** `ip_error` */
function routeError4(
  world: World,
  ns: NetnsIp,
  dev: Device,
  packet: Ip4Packet,
  type: PacketType,
  route: Route | undefined,
): ReasonCode {
  if (route?.kind === 'blackhole') return 'ROUTE_BLACKHOLE'
  const code = route === undefined ? 0 : route.kind === 'prohibit' ? 13 : 1
  if (type === PACKET_HOST) {
    sendRouteError4(world, ns, { packet, inDev: dev, local: false }, code)
  }
  if (route === undefined) return 'NO_ROUTE'
  return route.kind === 'prohibit' ? 'ROUTE_PROHIBIT' : 'ROUTE_UNREACHABLE'
}

/** `ip_forward` */
function forward4(
  world: World,
  ns: NetnsIp,
  dev: Device,
  ip: DeviceIp,
  frame: Frame,
  packet: Ip4Packet,
  type: PacketType,
  route: Route,
): ReasonCode | undefined {
  const out = route.dev
  if (out === undefined) return 'NO_ROUTE'
  const valid = validateSource4(ns, dev, ip, packet.src, packet.dst, out)
  if (valid < 0) return valid === SOURCE_RP_FILTER ? 'RP_FILTER' : 'MARTIAN_SOURCE'
  if (type !== PACKET_HOST) return 'NOT_FOR_FORWARDING'
  const offender = { packet, inDev: dev, local: false }
  if (packet.ttl <= 1) {
    sendError4(world, ns, offender, 11, 0, 0)
    return 'TTL_EXPIRED'
  }
  const mtu =
    ns.conf.ip_forward_use_pmtu === 0 && route.mtu === 0
      ? out.mtu
      : mtuOf4(world, out, route, packet.dst)
  if (packet.length > mtu && packet.dontFragment) {
    sendError4(world, ns, offender, 3, 4, mtu)
    return 'MTU_TOO_SMALL'
  }
  const gateway = typeof route.via === 'number' ? route.via : undefined
  if (out === dev && valid === 1 && redirects(ns, ip, packet.src, gateway ?? 0)) {
    sendRedirect4(world, ns, offender, gateway ?? packet.dst)
  }
  const older = withTtl4(packet, packet.ttl - 1)
  const nf = ns.netfilter
  const passed = nf === undefined ? older : hookForward(world, ns, nf, dev, out, older)
  if (passed === undefined) return undefined
  world.trace.record(world, dev, STEP_ROUTE, out.id, frame)
  output4(world, ns, out, 'unicast', route, passed)
  return undefined
}

/** `__mkroute_input`: whether the sender could have gone there himself. */
function redirects(ns: NetnsIp, ip: DeviceIp, src: number, gateway: number): boolean {
  if (ns.conf4All.send_redirects === 0 && ip.conf4.send_redirects === 0) return false
  const shared = ns.conf4All.shared_media !== 0 || ip.conf4.shared_media !== 0
  return shared || onLink4(ip, src, gateway)
}

function deliverGroup4(
  world: World,
  ns: NetnsIp,
  dev: Device,
  ip: DeviceIp,
  frame: Frame,
  packet: Ip4Packet,
  own: boolean,
): ReasonCode | undefined {
  // only the all-hosts group is joined (ip_check_mc_rcu)
  if (packet.dst !== 0xe0000001) return 'GROUP_NOT_JOINED'
  if (!own && validateSource4(ns, dev, ip, packet.src, 0, undefined) < 0) return 'MARTIAN_SOURCE'
  return deliver4(world, ns, dev, frame, packet, true)
}

/** `ip_local_deliver`: fragments first, then INPUT, then the protocol. */
function deliver4(
  world: World,
  ns: NetnsIp,
  dev: Device,
  frame: Frame,
  packet: Ip4Packet,
  group: boolean,
): ReasonCode | undefined {
  world.trace.record(world, dev, STEP_CONSUME, -1, frame)
  let whole = packet
  if (packet.moreFragments || packet.fragmentOffset !== 0) {
    const made = reassemble4(world, ns, packet)
    if (made === undefined) return undefined
    whole = made
  }
  const nf = ns.netfilter
  if (nf !== undefined) {
    const passed = hookInput(world, ns, nf, dev, whole)
    if (passed === undefined) return undefined
    whole = passed
  }
  const payload = whole.payload
  switch (payload.kind) {
    case 'icmp':
      return receiveIcmp4(world, ns, dev, whole, payload, group)
    case 'udp': {
      const fate = receiveUdp(world, ns, whole.src, whole.ttl, payload)
      if (fate === 'echo') {
        const back = makeUdp(payload.dstPort, payload.srcPort, payload.data)
        reply4(world, ns, whole, back, 8 + payload.data.length)
      }
      if (fate !== 'refused' || group) return undefined
      sendError4(world, ns, { packet: whole, inDev: dev, local: true }, 3, 3, 0)
      return 'PORT_CLOSED'
    }
    case 'tcp': {
      if (group) return undefined
      const back = receiveTcp(world, ns, whole.src, payload)
      if (back !== undefined) reply4(world, ns, whole, back, 20)
      return undefined
    }
    case 'nd':
    case 'mld':
    case 'raw':
      break
  }
  return 'NO_SOCKET'
}

function reply4(
  world: World,
  ns: NetnsIp,
  to: Ip4Packet,
  payload: Ip4Packet['payload'],
  length: number,
): void {
  const out = routeOutput4(ns, to.src, to.dst, undefined)
  if (typeof out === 'string') return
  const ttl = ns.conf.ip_default_ttl
  const packet = makeIp4(to.dst, to.src, ttl, to.protocol, payload, length, DONT_FRAGMENT)
  sendLocal4(world, ns, out, packet)
}

const DONT_FRAGMENT = { dontFragment: true }
