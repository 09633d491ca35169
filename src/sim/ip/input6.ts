/**
 * IPv6 packets as they come in: to this namespace, on to another link, or nowhere
 * (net/ipv6/ip6_input.c, route.c, ip6_output.c ip6_forward).
 */
import type { ReasonCode } from '../../fabric/reason.ts'
import type { Frame, Ip6Packet } from '../../wire/frame.ts'
import { makeIp6, makeUdp, withHopLimit6 } from '../../wire/make.ts'
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
import { reassemble6 } from './fragment.ts'
import { hookForward, hookInput, hookPrerouting } from './hooks.ts'
import { receiveIcmp6, sendError6 } from './icmp6.ts'
import { receiveNd, sendRedirect6 } from './nd.ts'
import { mtuOf6, output6, sendLocal6 } from './output6.ts'
import { isLinkLocal6, isMulticast6, lookup6, needsLink, routeOutput6 } from './route6.ts'
import { type DeviceIp, deviceIp, type NetnsIp, type Route } from './state.ts'
import { receiveTcp, receiveUdp } from './transport.ts'

/** Handler of ETH_P_IPV6 frames: `ipv6_rcv`. */
export function receive6(world: World, dev: Device, frame: Frame, type: PacketType): void {
  const ip = deviceIp(dev)
  const packet = frame.packet
  if (ip === undefined || packet.kind !== 'ip6') {
    drop(world, dev, frame, 'MALFORMED')
    return
  }
  if (type === PACKET_OTHERHOST) {
    drop(world, dev, frame, 'OTHERHOST')
    return
  }
  if (ip.conf6.disable_ipv6 !== 0) {
    drop(world, dev, frame, 'IPV6_DISABLED')
    return
  }
  const { ns } = ip
  const nf = ns.netfilter
  const passed = nf === undefined ? packet : hookPrerouting(world, ns, nf, dev, packet)
  if (passed === undefined) return
  const child = findL3sChild(world, dev, passed.dst)
  if (child !== undefined) {
    receiveL3s6(world, ns, dev, child, frame, passed, type)
    return
  }
  const reason = routeInput6(world, ns, dev, ip, frame, passed, type)
  if (reason !== undefined) drop(world, dev, frame, reason)
}

/** `ipvlan_l3_rcv`: routed as the child's, past the INPUT hook of the parent's namespace. */
function receiveL3s6(
  world: World,
  ns: NetnsIp,
  dev: Device,
  child: Device,
  frame: Frame,
  packet: Ip6Packet,
  type: PacketType,
): void {
  const ip = deviceIp(child)
  const nf = ns.netfilter
  const passed = nf === undefined ? packet : hookInput(world, ns, nf, dev, packet)
  if (ip === undefined || passed === undefined) return
  world.trace.record(world, dev, STEP_FORWARD, child.id, frame)
  const reason = routeInput6(world, ip.ns, child, ip, frame, passed, type)
  if (reason !== undefined) drop(world, child, frame, reason)
}

function routeInput6(
  world: World,
  ns: NetnsIp,
  dev: Device,
  ip: DeviceIp,
  frame: Frame,
  packet: Ip6Packet,
  type: PacketType,
): ReasonCode | undefined {
  const { src, dst } = packet
  const loopback = dev.ops.kind === 'loopback' || type === PACKET_LOOPBACK
  if (isMulticast6(src) || (src === 1n && !loopback)) return 'MARTIAN_SOURCE'
  if (dst === 1n && !loopback) return 'MARTIAN_DESTINATION'
  if (isMulticast6(dst)) {
    const joined = ip.groups6.has(dst)
    return joined ? deliver6(world, ns, dev, frame, packet, type) : 'GROUP_NOT_JOINED'
  }
  const strict = needsLink(dst) && dev.ops.kind !== 'loopback'
  const route = lookup6(ns, dst, src, dev, strict ? dev : undefined, strict)
  switch (route?.kind) {
    case 'local':
    case 'anycast':
      return deliver6(world, ns, dev, frame, packet, type)
    case 'blackhole':
      return 'ROUTE_BLACKHOLE'
    case 'prohibit':
      sendError6(world, ns, packet, dev, 1, 1, 0)
      return 'ROUTE_PROHIBIT'
    case undefined:
    case 'unreachable':
    case 'throw':
      sendError6(world, ns, packet, dev, 1, 0, 0)
      return route === undefined ? 'NO_ROUTE' : 'ROUTE_UNREACHABLE'
    case 'multicast':
    case 'broadcast':
      return 'MARTIAN_DESTINATION'
    case 'unicast':
      break
  }
  return forward6(world, ns, dev, frame, packet, type, route)
}

/** `ip6_forward` */
function forward6(
  world: World,
  ns: NetnsIp,
  dev: Device,
  frame: Frame,
  packet: Ip6Packet,
  type: PacketType,
  route: Route,
): ReasonCode | undefined {
  const out = route.dev
  if (ns.conf6All.forwarding === 0) return 'IP_FORWARD_OFF'
  if (out === undefined) return 'NO_ROUTE'
  if (type !== PACKET_HOST) return 'NOT_FOR_FORWARDING'
  if (packet.hopLimit <= 1) {
    sendError6(world, ns, packet, dev, 3, 0, 0)
    return 'TTL_EXPIRED'
  }
  if (out === dev) {
    sendRedirect6(world, ns, dev, packet, (route.via as bigint | undefined) ?? packet.dst)
  } else {
    if (packet.src === 0n || packet.src === 1n) return 'MARTIAN_SOURCE'
    if (isLinkLocal6(packet.src)) {
      sendError6(world, ns, packet, dev, 1, 2, 0)
      return 'MARTIAN_SOURCE'
    }
  }
  const mtu = Math.max(1280, mtuOf6(world, out, route.mtu === 0 ? undefined : route, packet.dst))
  if (packet.length > mtu) {
    sendError6(world, ns, packet, dev, 2, 0, mtu)
    return 'MTU_TOO_SMALL'
  }
  const older = withHopLimit6(packet, packet.hopLimit - 1)
  const nf = ns.netfilter
  const passed = nf === undefined ? older : hookForward(world, ns, nf, dev, out, older)
  if (passed === undefined) return undefined
  world.trace.record(world, dev, STEP_ROUTE, out.id, frame)
  output6(world, ns, out, route, passed, false)
  return undefined
}

/** `ip6_input_finish` */
function deliver6(
  world: World,
  ns: NetnsIp,
  dev: Device,
  frame: Frame,
  packet: Ip6Packet,
  type: PacketType,
): ReasonCode | undefined {
  world.trace.record(world, dev, STEP_CONSUME, -1, frame)
  const made = packet.fragment === undefined ? packet : reassemble6(world, ns, packet)
  if (made === undefined) return undefined
  const nf = ns.netfilter
  const whole = nf === undefined ? made : hookInput(world, ns, nf, dev, made)
  if (whole === undefined) return undefined
  const payload = whole.payload
  switch (payload.kind) {
    case 'nd':
      return receiveNd(world, dev, whole, payload, type)
    case 'mld':
      return undefined
    case 'icmp':
      return receiveIcmp6(world, ns, dev, whole, payload)
    case 'udp': {
      const fate = receiveUdp(world, ns, whole.src, whole.hopLimit, payload)
      if (fate === 'echo') {
        const back = makeUdp(payload.dstPort, payload.srcPort, payload.data)
        reply6(world, ns, dev, whole, back, 8 + payload.data.length)
      }
      if (fate !== 'refused' || isMulticast6(whole.dst)) return undefined
      sendError6(world, ns, whole, dev, 1, 4, 0)
      return 'PORT_CLOSED'
    }
    case 'tcp': {
      if (isMulticast6(whole.dst)) return undefined
      const back = receiveTcp(world, ns, whole.src, payload)
      if (back !== undefined) reply6(world, ns, dev, whole, back, 20)
      return undefined
    }
    case 'raw':
      break
  }
  return 'NO_SOCKET'
}

function reply6(
  world: World,
  ns: NetnsIp,
  dev: Device,
  to: Ip6Packet,
  payload: Ip6Packet['payload'],
  length: number,
): void {
  const oif = isLinkLocal6(to.src) ? dev : undefined
  const out = routeOutput6(ns, to.src, to.dst, oif, world.now)
  if (typeof out === 'string') return
  const hops = deviceIp(out.dev)?.conf6.hop_limit ?? 64
  sendLocal6(world, ns, out, makeIp6(to.dst, to.src, hops, to.nextHeader, payload, length))
}
