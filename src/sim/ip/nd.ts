/** Neighbour discovery as received (net/ipv6/ndisc.c). */
import type { Ip6 } from '../../addr/ip.ts'
import type { ReasonCode } from '../../fabric/reason.ts'
import type { Ip6Packet, NdMessage } from '../../wire/frame.ts'
import { makeIp6, makeNa } from '../../wire/make.ts'
import { type Device, PACKET_LOOPBACK, type PacketType, type World } from '../model.ts'
import { failDad } from './addrconf.ts'
import { allow, peerOf } from './limit.ts'
import { passOutput, sendToGroup } from './nd-send.ts'
import {
  makeNeighbour,
  sendToNeighbour,
  UPDATE_OVERRIDE,
  UPDATE_WEAK_OVERRIDE,
  updateNeighbour,
} from './neighbour.ts'
import { receiveRa } from './ra.ts'
import { isUsable, learnException } from './route4.ts'
import { addressOn, isLinkLocal6, isMulticast6, linkLocalOn, lookup6 } from './route6.ts'
import {
  type DeviceIp,
  deviceIp,
  type NetnsIp,
  NUD_FAILED,
  NUD_REACHABLE,
  NUD_STALE,
  SECOND,
} from './state.ts'

const ALL_NODES = 0xff020000000000000000000000000001n
/** ff02::1:ff00:0/104 */
const SOLICITED = 0xff0200000000000000000001ffn

/** `ndisc_rcv` @returns why nothing came of it */
export function receiveNd(
  world: World,
  dev: Device,
  packet: Ip6Packet,
  message: NdMessage,
  type: PacketType,
): ReasonCode | undefined {
  const ip = deviceIp(dev)
  if (ip === undefined || packet.hopLimit !== 255) return 'ND_INVALID'
  switch (message.type) {
    case 133:
      return receiveRs(world, dev, ip, packet, message)
    case 134:
      return receiveRa(world, dev, ip, packet, message)
    case 135:
      return receiveNs(world, dev, ip, packet, message)
    case 136:
      return receiveNa(world, dev, ip, packet, message, type)
    case 137:
      return receiveRedirect6(world, dev, ip, packet, message)
    default:
      return 'ND_INVALID'
  }
}

/** `ndisc_recv_ns` */
function receiveNs(
  world: World,
  dev: Device,
  ip: DeviceIp,
  packet: Ip6Packet,
  message: NdMessage,
): ReasonCode | undefined {
  const target = message.target
  const dad = packet.src === 0n
  if (isMulticast6(target)) return 'ND_INVALID'
  if (dad && (packet.dst >> 24n !== SOLICITED || message.linkAddress !== undefined)) {
    return 'ND_INVALID'
  }
  const group = isMulticast6(packet.dst)
  const address = addressOn(dev, target)
  if (address !== undefined && address.tentative) {
    if (!dad) return 'ND_TENTATIVE'
    // Enhanced DAD: our own solicitation, sent back by a hairpin
    if (message.nonce !== undefined && message.nonce === address.dadNonce) return 'ND_LOOPED'
    failDad(world, dev, address)
    return undefined
  }
  if (address === undefined && !isProxied6(ip, target)) return 'ND_NOT_FOR_US'
  const router = ip.conf6.forwarding !== 0
  const own = address !== undefined
  if (dad) {
    const flags = { router, solicited: false, override: own }
    sendToGroup(world, dev, makeNa(target, ALL_NODES, target, dev.mac, flags))
    return undefined
  }
  let n = ip.neighbours6.get(packet.src)
  if (n === undefined && (!group || message.linkAddress !== undefined)) {
    n = makeNeighbour(ip, dev, packet.src)
  }
  if (n === undefined) return 'ND_INVALID'
  const flags = UPDATE_WEAK_OVERRIDE | UPDATE_OVERRIDE
  updateNeighbour(world, n, message.linkAddress, NUD_STALE, flags)
  const tllao = group || ip.conf6.force_tllao !== 0 ? dev.mac : undefined
  const answer = { router, solicited: true, override: own && group }
  const from = own ? target : (linkLocalOn(dev) ?? target)
  const passed = passOutput(world, dev, makeNa(from, packet.src, target, tllao, answer))
  if (passed !== undefined) sendToNeighbour(world, n, passed)
  return undefined
}

/** `pndisc_is_router`: a target answered for by hand. */
function isProxied6(ip: DeviceIp, target: Ip6): boolean {
  if (ip.conf6.forwarding === 0) return false
  if (ip.conf6.proxy_ndp === 0 && ip.ns.conf6All.proxy_ndp === 0) return false
  return ip.proxies6.has(target)
}

/** `ndisc_recv_na` */
function receiveNa(
  world: World,
  dev: Device,
  ip: DeviceIp,
  packet: Ip6Packet,
  message: NdMessage,
  type: PacketType,
): ReasonCode | undefined {
  const target = message.target
  if (isMulticast6(target) || (isMulticast6(packet.dst) && message.solicited)) return 'ND_INVALID'
  const address = addressOn(dev, target)
  if (address !== undefined) {
    if (type === PACKET_LOOPBACK || !address.tentative) return 'ND_OWN_ADDRESS'
    failDad(world, dev, address)
    return undefined
  }
  const n = ip.neighbours6.get(target)
  if (n === undefined || (n.state & NUD_FAILED) !== 0) return 'ND_NOT_FOR_US'
  const flags = UPDATE_WEAK_OVERRIDE | (message.override ? UPDATE_OVERRIDE : 0)
  const state = message.solicited ? NUD_REACHABLE : NUD_STALE
  if (updateNeighbour(world, n, message.linkAddress, state, flags)) n.router = message.router
  return undefined
}

/** `ndisc_recv_rs`: routers note who asks. */
function receiveRs(
  world: World,
  dev: Device,
  ip: DeviceIp,
  packet: Ip6Packet,
  message: NdMessage,
): ReasonCode | undefined {
  if (ip.conf6.forwarding === 0) return 'ND_NOT_FOR_US'
  if (packet.src === 0n || message.linkAddress === undefined) return 'ND_INVALID'
  const n = ip.neighbours6.get(packet.src) ?? makeNeighbour(ip, dev, packet.src)
  updateNeighbour(world, n, message.linkAddress, NUD_STALE, UPDATE_WEAK_OVERRIDE | UPDATE_OVERRIDE)
  return undefined
}

/** `ndisc_redirect_rcv`, `rt6_do_redirect`: believed only from the gateway in use. */
function receiveRedirect6(
  world: World,
  dev: Device,
  ip: DeviceIp,
  packet: Ip6Packet,
  message: NdMessage,
): ReasonCode | undefined {
  if (!isLinkLocal6(packet.src) || isMulticast6(message.destination)) return 'ND_INVALID'
  if (ip.conf6.forwarding !== 0 || ip.conf6.accept_redirects === 0) return 'REDIRECT_IGNORED'
  const route = lookup6(ip.ns, message.destination, 0n, undefined, undefined, false)
  if (!isUsable(route) || route.dev !== dev) return 'REDIRECT_IGNORED'
  if (route.via !== packet.src) return 'REDIRECT_IGNORED'
  const n = ip.neighbours6.get(message.target) ?? makeNeighbour(ip, dev, message.target)
  updateNeighbour(world, n, message.linkAddress, NUD_STALE, UPDATE_WEAK_OVERRIDE | UPDATE_OVERRIDE)
  learnException(route, message.destination, message.target, 0, world.now + 300 * SECOND)
  return undefined
}

/** `ndisc_send_redirect` */
export function sendRedirect6(
  world: World,
  ns: NetnsIp,
  dev: Device,
  packet: Ip6Packet,
  target: Ip6,
): void {
  const ip = deviceIp(dev)
  const source = linkLocalOn(dev)
  if (ip === undefined || source === undefined) return
  if (!allow(world, peerOf(world, ns, packet.dst), SECOND)) return
  const n = ip.neighbours6.get(packet.src)
  if (n === undefined) return
  const known = ip.neighbours6.get(target)
  const message: NdMessage = {
    kind: 'nd',
    type: 137,
    target,
    destination: packet.dst,
    linkAddress: known === undefined || known.mac === 0 ? undefined : known.mac,
    router: false,
    solicited: false,
    override: false,
    nonce: undefined,
    advert: undefined,
  }
  const length = message.linkAddress === undefined ? 40 : 48
  sendToNeighbour(world, n, makeIp6(source, packet.src, 255, 58, message, length))
}
