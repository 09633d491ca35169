/** ARP as received (net/ipv4/arp.c arp_rcv, arp_process). */
import type { Ip4 } from '../../addr/ip.ts'
import { isMulticastIp } from '../../addr/ip.ts'
import type { ReasonCode } from '../../fabric/reason.ts'
import type { ArpPacket, Frame } from '../../wire/frame.ts'
import { drop } from '../core.ts'
import {
  type Device,
  PACKET_HOST,
  PACKET_LOOPBACK,
  PACKET_OTHERHOST,
  type PacketType,
  type World,
} from '../model.ts'
import { STEP_CONSUME } from '../trace-ring.ts'
import { ARP_REPLY, ARP_REQUEST, sendArp } from './arp-send.ts'
import { heardFrom, makeNeighbour, nowMs, UPDATE_OVERRIDE, updateNeighbour } from './neighbour.ts'
import {
  addressKind4,
  isUsable,
  localnetAllowed,
  lookup4,
  routeOutput4,
  SOURCE_RP_FILTER,
  validateSource4,
} from './route4.ts'
import { finish } from './socket.ts'
import {
  type DeviceIp,
  deviceIp,
  holds4,
  NUD_REACHABLE,
  NUD_STALE,
  type NetnsIp,
  type Route,
  SCOPE_HOST,
  SCOPE_LINK,
} from './state.ts'

/** Handler of ETH_P_ARP frames. */
export function receiveArp(world: World, dev: Device, frame: Frame, type: PacketType): void {
  const ip = deviceIp(dev)
  const packet = frame.packet
  if (ip === undefined || packet.kind !== 'arp') {
    drop(world, dev, frame, 'MALFORMED')
    return
  }
  if (ip.arpSockets.length > 0) answerProbes(world, ip, packet, type)
  if (type === PACKET_OTHERHOST || type === PACKET_LOOPBACK) {
    drop(world, dev, frame, 'OTHERHOST')
    return
  }
  if (!dev.arp || dev.ops.kind === 'loopback') {
    drop(world, dev, frame, 'NOARP_LINK')
    return
  }
  const reason = process(world, dev, ip, packet, type)
  if (reason === undefined) {
    world.trace.record(world, dev, STEP_CONSUME, -1, frame)
  } else drop(world, dev, frame, reason)
}

function answerProbes(world: World, ip: DeviceIp, packet: ArpPacket, type: PacketType): void {
  if (packet.operation !== ARP_REPLY || type === PACKET_OTHERHOST) return
  for (const socket of ip.arpSockets) {
    if (socket.to !== packet.senderIp) continue
    const rttNs = world.now - socket.sentAt
    finish(socket, world.now, {
      outcome: 'reply',
      ttl: undefined,
      rttNs,
      responder: packet.senderIp,
    })
  }
}

/** @returns why nothing came of it, undefined when an answer went out or a table took it */
function process(
  world: World,
  dev: Device,
  ip: DeviceIp,
  packet: ArpPacket,
  type: PacketType,
): ReasonCode | undefined {
  const ns = ip.ns
  const { senderIp: sip, targetIp: tip, operation } = packet
  const request = operation === ARP_REQUEST
  if (isMulticastIp(tip)) return 'ARP_MARTIAN'
  if (tip >>> 24 === 127 && !localnetAllowed(ns, dev)) return 'ARP_MARTIAN'
  if (sip === 0) return processDad(world, dev, ip, packet)
  let why: ReasonCode = 'ARP_NOT_FOR_US'
  // Most requests a link hears are for others: not to forward means nothing to look up for them.
  const concerns = ip.conf4.forwarding !== 0 || ns.localPrefixes || holds4(ns, tip)
  if (request && concerns) {
    const answer = answerRequest(world, dev, ip, packet, type)
    if (answer !== 'go-on') return answer
    if (holds4(ns, tip)) why = 'RP_FILTER'
  }
  return learn(world, dev, ip, packet, type) ? undefined : why
}

/** A request from 0.0.0.0 asks whether the address is taken (RFC 5227). */
function processDad(
  world: World,
  dev: Device,
  ip: DeviceIp,
  packet: ArpPacket,
): ReasonCode | undefined {
  const tip = packet.targetIp
  if (packet.operation !== ARP_REQUEST) return 'ARP_NOT_FOR_US'
  if (addressKind4(ip.ns, tip, dev) !== 'local') return 'ARP_NOT_FOR_US'
  if (isIgnored(ip, 0, tip)) return 'ARP_IGNORED'
  sendArp(world, dev, ARP_REPLY, packet.senderMac, tip, packet.senderMac, 0)
  return undefined
}

/** The part of `arp_process` that needs a valid route from sender to target. */
function answerRequest(
  world: World,
  dev: Device,
  ip: DeviceIp,
  packet: ArpPacket,
  type: PacketType,
): ReasonCode | undefined | 'go-on' {
  const ns = ip.ns
  const { senderIp: sip, targetIp: tip, senderMac } = packet
  const route = lookup4(ns, tip, sip, dev, undefined)
  if (!isUsable(route)) return 'go-on'
  if (route.kind === 'local') {
    const valid = validateSource4(ns, dev, ip, sip, tip, undefined)
    if (valid === SOURCE_RP_FILTER) return learnOr(world, dev, ip, packet, type, 'RP_FILTER')
    if (valid < 0) return learnOr(world, dev, ip, packet, type, 'MARTIAN_SOURCE')
    if (isIgnored(ip, sip, tip)) return 'ARP_IGNORED'
    if (isFiltered(ns, dev, ip, sip, tip)) return 'ARP_FILTERED'
    heardFrom(world, dev, sip, senderMac)
    sendArp(world, dev, ARP_REPLY, senderMac, tip, senderMac, sip)
    return undefined
  }
  if (ip.conf4.forwarding === 0 || route.kind !== 'unicast') return 'go-on'
  if (validateSource4(ns, dev, ip, sip, tip, route.dev) < 0) return 'go-on'
  if (!isProxied(ns, dev, ip, route, tip)) return 'go-on'
  heardFrom(world, dev, sip, senderMac)
  // proxy_delay spreads answers to broadcasts over up to 0.8 s; unicast ones go at once
  sendArp(world, dev, ARP_REPLY, senderMac, tip, senderMac, sip)
  return undefined
}

function learnOr(
  world: World,
  dev: Device,
  ip: DeviceIp,
  packet: ArpPacket,
  type: PacketType,
  why: ReasonCode,
): ReasonCode | undefined {
  learn(world, dev, ip, packet, type)
  return why
}

/** `arp_fwd_proxy`, `arp_fwd_pvlan`, and the targets named by hand. */
function isProxied(ns: NetnsIp, dev: Device, ip: DeviceIp, route: Route, tip: Ip4): boolean {
  const pvlan = ip.conf4.proxy_arp_pvlan !== 0
  if (route.dev === dev) return pvlan
  if (ns.conf4All.proxy_arp !== 0 || ip.conf4.proxy_arp !== 0) return true
  return ip.proxies4.has(tip)
}

/** `arp_ignore`. */
function isIgnored(ip: DeviceIp, sip: Ip4, tip: Ip4): boolean {
  const ns = ip.ns
  switch (Math.max(ns.conf4All.arp_ignore, ip.conf4.arp_ignore)) {
    case 0:
      return false
    case 1:
      return !confirms(ip, 0, tip, SCOPE_HOST)
    case 2:
      return !confirms(ip, sip, tip, SCOPE_HOST)
    case 3: {
      for (const other of ns.netns.byIndex.values()) {
        const there = deviceIp(other)
        if (there !== undefined && confirms(there, 0, tip, SCOPE_LINK)) return false
      }
      return true
    }
    case 8:
      return true
    default:
      return false
  }
}

/** `confirm_addr_indev`. */
function confirms(ip: DeviceIp, near: Ip4, local: Ip4, scope: number): boolean {
  let found = false
  let same = near === 0
  for (const address of ip.addresses4) {
    if (address.ip === local && Math.min(address.scope, SCOPE_LINK) <= scope) found = true
    if (!same && ((near ^ address.ip) & address.mask) === 0) {
      if (((local ^ address.ip) & address.mask) === 0) same = true
    }
  }
  return found && same
}

/** `arp_filter`: answer only where a packet to the sender would leave. */
function isFiltered(ns: NetnsIp, dev: Device, ip: DeviceIp, sip: Ip4, tip: Ip4): boolean {
  if (ns.conf4All.arp_filter === 0 && ip.conf4.arp_filter === 0) return false
  const out = routeOutput4(ns, sip, tip, undefined)
  return typeof out === 'string' || out.dev !== dev
}

/** The table keeping of `arp_process`; whether an entry was there or made. */
function learn(
  world: World,
  dev: Device,
  ip: DeviceIp,
  packet: ArpPacket,
  type: PacketType,
): boolean {
  const ns = ip.ns
  const { senderIp: sip, targetIp: tip, senderMac, operation } = packet
  let n = ip.neighbours4.get(sip)
  const accept = Math.max(ns.conf4All.arp_accept, ip.conf4.arp_accept)
  if (n === undefined && accept === 0) return false
  const reply = operation === ARP_REPLY
  // arp_is_garp; an ARP reply with equal addresses counts only with the target MAC repeated
  const gratuitous =
    tip === sip &&
    (!reply || packet.targetMac === senderMac) &&
    addressKind4(ns, sip, dev) === 'unicast'
  if (n === undefined) {
    if (accept === 2 && !ip.addresses4.some((a) => ((sip ^ a.ip) & a.mask) === 0)) return false
    if (!gratuitous && !(reply && addressKind4(ns, sip, dev) === 'unicast')) return false
    n = makeNeighbour(ip, dev, sip)
  }
  const locktime = ip.neighbourConf4.locktime * 10
  const override = nowMs(world) > n.updated + locktime || gratuitous || n.state === 0
  const state = !reply || type !== PACKET_HOST ? NUD_STALE : NUD_REACHABLE
  updateNeighbour(world, n, senderMac, state, override ? UPDATE_OVERRIDE : 0)
  return true
}
