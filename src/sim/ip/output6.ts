/** IPv6 packets on their way out (net/ipv6/ip6_output.c). */
import { groupMacOf } from '../../addr/eui64.ts'
import type { Ip6 } from '../../addr/ip.ts'
import { ETH_IP6, type Ip6Packet } from '../../wire/frame.ts'
import { makeFrame } from '../../wire/make.ts'
import { type Device, PACKET_LOOPBACK, type World } from '../model.ts'
import { fragment6 } from './fragment.ts'
import { hookOutput, hookPostrouting } from './hooks.ts'
import { makeNeighbour, sendFrame, sendToNeighbour } from './neighbour.ts'
import { exceptionOf } from './route4.ts'
import type { Netfilter } from './netfilter/state.ts'
import { isMulticast6, type Output6, routeOutput6 } from './route6.ts'
import { deviceIp, type NetnsIp, type Route } from './state.ts'
import { dropPacket } from './trace.ts'

const EPERM = 1
const ENETUNREACH = 101

/** `ip6_local_out`: a packet made here. @returns 0 or the errno number the sender sees */
export function sendLocal6(world: World, ns: NetnsIp, out: Output6, packet: Ip6Packet): number {
  const nf = ns.netfilter
  if (nf === undefined) return output6(world, ns, out.dev, out.route, packet, true)
  const outer = nf.current
  const result = filterLocal6(world, ns, nf, out, packet)
  nf.current = outer
  return result
}

/** The same through OUTPUT; one sent elsewhere by it is routed again (`ip6_route_me_harder`). */
function filterLocal6(
  world: World,
  ns: NetnsIp,
  nf: Netfilter,
  out: Output6,
  packet: Ip6Packet,
): number {
  const passed = hookOutput(world, ns, nf, out.dev, packet)
  if (passed === undefined) return EPERM
  if (passed.dst === packet.dst) return output6(world, ns, out.dev, out.route, passed, true)
  const other = routeOutput6(ns, passed.dst, passed.src, undefined, world.now)
  if (typeof other === 'string') return ENETUNREACH
  return output6(world, ns, other.dev, other.route, passed, true)
}

/** `ip6_output` */
export function output6(
  world: World,
  ns: NetnsIp,
  dev: Device,
  route: Route | undefined,
  made: Ip6Packet,
  local: boolean,
): number {
  const nf = ns.netfilter
  let packet = made
  if (nf !== undefined) {
    const hop = nextHop6(world, route, made.dst)
    const passed = hookPostrouting(world, ns, nf, dev, made, hop)
    if (passed === undefined) return EPERM
    packet = passed
  }
  const ip = deviceIp(dev)
  if (ip === undefined || ip.conf6.disable_ipv6 !== 0) {
    dropPacket(world, dev, packet, 'IPV6_DISABLED')
    return 0
  }
  if (local && dev !== ns.lo && isMulticast6(packet.dst) && ip.groups6.has(packet.dst)) {
    const frame = makeFrame(dev.mac, dev.mac, ETH_IP6, packet, packet.length)
    world.stack.receive(world, dev, frame, PACKET_LOOPBACK)
  }
  const mtu = mtuOf6(world, dev, route, packet.dst)
  if (packet.length > mtu && dev !== ns.lo && local) {
    ns.ipId = (ns.ipId + 1) & 0xffff
    for (const part of fragment6(packet, mtu, ns.ipId)) finish6(world, dev, route, part)
    return 0
  }
  return finish6(world, dev, route, packet)
}

/** `ip6_finish_output2` */
function finish6(world: World, dev: Device, route: Route | undefined, packet: Ip6Packet): number {
  if (dev.ops.kind === 'loopback') return sendFrame(world, dev, 0, packet)
  if (isMulticast6(packet.dst)) return sendFrame(world, dev, groupMacOf(packet.dst), packet)
  if (!dev.arp) return sendFrame(world, dev, dev.mac, packet)
  const ip = deviceIp(dev)
  if (ip === undefined) return 0
  const hop = nextHop6(world, route, packet.dst)
  const n = ip.neighbours6.get(hop) ?? makeNeighbour(ip, dev, hop)
  return sendToNeighbour(world, n, packet)
}

/** Who a packet is handed to next: the gateway, one learned from a redirect, or the target. */
export function nextHop6(world: World, route: Route | undefined, dst: Ip6): Ip6 {
  if (route === undefined) return dst
  if (route.exceptions !== undefined) {
    const learned = exceptionOf(route, dst, world.now)?.gateway
    if (learned !== undefined) return learned as Ip6
  }
  return (route.via as Ip6 | undefined) ?? dst
}

/** `ip6_mtu` */
export function mtuOf6(world: World, dev: Device, route: Route | undefined, dst: Ip6): number {
  const own = deviceIp(dev)?.conf6.mtu ?? dev.mtu
  const link = Math.min(own, dev.mtu)
  if (route === undefined) return link
  const learned =
    route.exceptions === undefined ? undefined : exceptionOf(route, dst, world.now)?.mtu
  if (learned !== undefined && learned !== 0) return Math.min(learned, link)
  return route.mtu === 0 ? link : Math.min(route.mtu, link)
}
