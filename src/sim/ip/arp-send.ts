/** ARP out of a link (net/ipv4/arp.c arp_send, arp_solicit). */
import type { Ip4 } from '../../addr/ip.ts'
import { MAC_BROADCAST, type Mac } from '../../addr/mac.ts'
import type { Ip4Packet } from '../../wire/frame.ts'
import { makeArp } from '../../wire/make.ts'
import { transmit } from '../core.ts'
import type { Device, World } from '../model.ts'
import { addressKind4, selectAddress4 } from './route4.ts'
import {
  type DeviceIp,
  deviceIp,
  holds4,
  NUD_VALID,
  type Neighbour,
  type NetnsIp,
  SCOPE_LINK,
} from './state.ts'

export const ARP_REQUEST = 1
export const ARP_REPLY = 2

/** `arp_send`: nothing leaves a link without ARP. */
export function sendArp(
  world: World,
  dev: Device,
  operation: number,
  dst: Mac,
  senderIp: Ip4,
  targetMac: Mac,
  targetIp: Ip4,
): void {
  if (!dev.arp || dev.ops.kind === 'loopback') return
  transmit(world, dev, makeArp(dst, dev.mac, operation, dev.mac, senderIp, targetMac, targetIp))
}

/** `arp_solicit`: `asked` requests went out before; the first ones of a known MAC are unicast. */
export function solicit4(
  world: World,
  n: Neighbour,
  asked: number,
  packet: Ip4Packet | undefined,
): void {
  const dev = n.dev
  const ip = deviceIp(dev)
  if (ip === undefined) return
  const target = n.ip as Ip4
  const source = senderOf(ip.ns, dev, ip, target, packet)
  const unicast = asked < ip.neighbourConf4.ucast_solicit
  if (!unicast) sendArp(world, dev, ARP_REQUEST, MAC_BROADCAST, source, 0, target)
  else if ((n.state & NUD_VALID) !== 0) {
    sendArp(world, dev, ARP_REQUEST, n.mac, source, 0, target)
  }
}

/** The sender address of a request, by `arp_announce`. */
function senderOf(
  ns: NetnsIp,
  dev: Device,
  ip: DeviceIp,
  target: Ip4,
  packet: Ip4Packet | undefined,
): Ip4 {
  const announce = Math.max(ns.conf4All.arp_announce, ip.conf4.arp_announce)
  if (packet !== undefined && announce < 2) {
    const local = holds4(ns, packet.src) || addressKind4(ns, packet.src) === 'local'
    if (local && (announce === 0 || onLink4(ip, target, packet.src))) return packet.src
  }
  return selectAddress4(ns, dev, target, SCOPE_LINK)
}

/** `inet_addr_onlink`: both addresses in one subnet of the link. */
export function onLink4(ip: DeviceIp, a: Ip4, b: Ip4): boolean {
  for (const address of ip.addresses4) {
    if (address.secondary || ((a ^ address.ip) & address.mask) !== 0) continue
    if (b === 0 || ((b ^ address.ip) & address.mask) === 0) return true
  }
  return false
}
