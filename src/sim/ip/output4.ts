/** IPv4 packets on their way out (net/ipv4/ip_output.c). */
import { groupMacOf } from '../../addr/eui64.ts'
import type { Ip, Ip4 } from '../../addr/ip.ts'
import { MAC_BROADCAST } from '../../addr/mac.ts'
import { ETH_IP4, type Ip4Packet } from '../../wire/frame.ts'
import { makeFrame } from '../../wire/make.ts'
import { type Device, PACKET_LOOPBACK, type World } from '../model.ts'
import { fragment4 } from './fragment.ts'
import { hookOutput, hookPostrouting } from './hooks.ts'
import { makeNeighbour, sendFrame, sendToNeighbour } from './neighbour.ts'
import type { Netfilter } from './netfilter/state.ts'
import { exceptionOf, routeOutput4 } from './route4.ts'
import { deviceIp, type NetnsIp, type Output4, type Route } from './state.ts'
import { dropPacket } from './trace.ts'

const EPERM = 1
const ENETUNREACH = 101
const EHOSTUNREACH = 113

/** `ip_local_out`: a packet made here. @returns 0 or the errno number the sender sees */
export function sendLocal4(world: World, ns: NetnsIp, out: Output4, packet: Ip4Packet): number {
  const nf = ns.netfilter
  if (nf === undefined) return output4(world, ns, out.dev, out.kind, out.route, packet)
  const outer = nf.current
  const result = filterLocal4(world, ns, nf, out, packet)
  nf.current = outer
  return result
}

/** The same through OUTPUT; one sent elsewhere by it is routed again (`ip_route_me_harder`). */
function filterLocal4(
  world: World,
  ns: NetnsIp,
  nf: Netfilter,
  out: Output4,
  packet: Ip4Packet,
): number {
  const passed = hookOutput(world, ns, nf, out.dev, packet)
  if (passed === undefined) return EPERM
  if (passed.dst === packet.dst) return output4(world, ns, out.dev, out.kind, out.route, passed)
  const other = routeOutput4(ns, passed.dst, passed.src, undefined, true)
  if (typeof other === 'string') return other === 'EHOSTUNREACH' ? EHOSTUNREACH : ENETUNREACH
  return output4(world, ns, other.dev, other.kind, other.route, passed)
}

/** `ip_output`, `ip_mc_output`: after POSTROUTING out of a link. */
export function output4(
  world: World,
  ns: NetnsIp,
  dev: Device,
  kind: Output4['kind'],
  route: Route | undefined,
  made: Ip4Packet,
): number {
  const nf = ns.netfilter
  let packet = made
  if (nf !== undefined) {
    const hop = nextHop4(world, route, made.dst)
    const passed = hookPostrouting(world, ns, nf, dev, made, hop)
    if (passed === undefined) return EPERM
    packet = passed
  }
  const group = kind === 'broadcast' || kind === 'multicast'
  if (group && dev !== ns.lo) loopBack(world, dev, packet, kind === 'multicast')
  const mtu = mtuOf4(world, dev, route, packet.dst)
  if (packet.length > mtu && dev !== ns.lo) {
    if (packet.dontFragment) {
      dropPacket(world, dev, packet, 'MTU_TOO_SMALL')
      return 90
    }
    let result = 0
    for (const part of fragment4(packet, mtu)) result = finish4(world, dev, kind, route, part)
    return result
  }
  return finish4(world, dev, kind, route, packet)
}

/** `dev_loopback_xmit`: who sends to a group he may be in gets a copy. */
function loopBack(world: World, dev: Device, packet: Ip4Packet, multicast: boolean): void {
  if (multicast && packet.ttl === 0) return
  const frame = makeFrame(dev.mac, dev.mac, ETH_IP4, packet, packet.length)
  world.stack.receive(world, dev, frame, PACKET_LOOPBACK)
}

/** `ip_finish_output2`: the next hop's MAC in front of it. */
function finish4(
  world: World,
  dev: Device,
  kind: Output4['kind'],
  route: Route | undefined,
  packet: Ip4Packet,
): number {
  if (dev.ops.kind === 'loopback') return sendFrame(world, dev, 0, packet)
  if (kind === 'broadcast') return sendFrame(world, dev, MAC_BROADCAST, packet)
  if (kind === 'multicast') return sendFrame(world, dev, groupMacOf(packet.dst), packet)
  // a link without ARP: its own address stands for everybody's (arp_constructor)
  if (!dev.arp) return sendFrame(world, dev, dev.mac, packet)
  const ip = deviceIp(dev)
  if (ip === undefined) return 0
  const hop = nextHop4(world, route, packet.dst)
  const known = typeof hop === 'number' ? ip.neighbours4.get(hop) : ip.neighbours6.get(hop)
  return sendToNeighbour(world, known ?? makeNeighbour(ip, dev, hop), packet)
}

/**
 * Who a packet is handed to next: the gateway (it may be an IPv6 one), one learned from a redirect,
 * or the target.
 */
export function nextHop4(world: World, route: Route | undefined, dst: Ip4): Ip {
  if (route === undefined) return dst
  if (route.exceptions !== undefined) {
    const learned = exceptionOf(route, dst, world.now)?.gateway
    if (learned !== undefined) return learned
  }
  return route.via ?? dst
}

/** `ip_dst_mtu_maybe_forward`, for packets made here. */
export function mtuOf4(world: World, dev: Device, route: Route | undefined, dst: Ip4): number {
  if (route === undefined) return dev.mtu
  const learned =
    route.exceptions === undefined ? undefined : exceptionOf(route, dst, world.now)?.mtu
  if (learned !== undefined && learned !== 0) return Math.min(learned, dev.mtu)
  return route.mtu === 0 ? dev.mtu : Math.min(route.mtu, 65_535)
}
