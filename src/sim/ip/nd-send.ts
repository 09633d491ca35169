/** Neighbour discovery messages out of a link (net/ipv6/ndisc.c). */
import { groupMacOf, solicitedNodeOf } from '../../addr/eui64.ts'
import type { Ip6 } from '../../addr/ip.ts'
import type { Mac } from '../../addr/mac.ts'
import { ETH_IP6, type Ip6Packet } from '../../wire/frame.ts'
import { makeFrame, makeNs, makeRs } from '../../wire/make.ts'
import { transmit } from '../core.ts'
import type { Device, World } from '../model.ts'
import { hookOutput } from './hooks.ts'
import { addressOn, linkLocalOn } from './route6.ts'
import { deviceIp, type Neighbour } from './state.ts'

/** `ndisc_send_skb`, `mld_sendpack`: OUTPUT as for anything else. @returns undefined: dropped */
export function passOutput(world: World, dev: Device, packet: Ip6Packet): Ip6Packet | undefined {
  const ns = deviceIp(dev)?.ns
  const nf = ns?.netfilter
  if (ns === undefined || nf === undefined) return packet
  const outer = nf.current
  const passed = hookOutput(world, ns, nf, dev, packet)
  nf.current = outer
  return passed
}

/** Sends a packet of the link's own to a MAC: no neighbour is asked. */
export function sendDirect(world: World, dev: Device, dst: Mac, packet: Ip6Packet): void {
  const passed = passOutput(world, dev, packet)
  if (passed === undefined) return
  transmit(world, dev, makeFrame(dst, dev.mac, ETH_IP6, passed, passed.length))
}

/** Sends a packet of the link's own to a group. */
export function sendToGroup(world: World, dev: Device, packet: Ip6Packet): void {
  sendDirect(world, dev, groupMacOf(packet.dst), packet)
}

/**
 * `ndisc_solicit`: asks for a neighbour, first ones of a known MAC unicast. Without a link-local
 * address past DAD nothing is asked, unless the packet to be sent is from an address of the link.
 */
export function solicit6(
  world: World,
  n: Neighbour,
  asked: number,
  packet: Ip6Packet | undefined,
): void {
  const dev = n.dev
  const ip = deviceIp(dev)
  if (ip === undefined || !dev.arp) return
  const own = packet === undefined ? undefined : addressOn(dev, packet.src)
  const source = own !== undefined && !own.tentative ? own.ip : linkLocalOn(dev)
  if (source === undefined) return
  const target = n.ip as Ip6
  if (asked < ip.neighbourConf6.ucast_solicit) {
    sendDirect(world, dev, n.mac, makeNs(source, target, target, dev.mac, undefined))
  } else {
    sendToGroup(world, dev, makeNs(source, solicitedNodeOf(target), target, dev.mac, undefined))
  }
}

/** The NS of duplicate address detection: from ::, with a nonce. */
export function sendDadNs(world: World, dev: Device, target: Ip6, nonce: number | undefined): void {
  sendToGroup(world, dev, makeNs(0n, solicitedNodeOf(target), target, undefined, nonce))
}

/** `ndisc_send_rs` */
export function sendRs(world: World, dev: Device, source: Ip6): void {
  sendToGroup(world, dev, makeRs(source, dev.mac))
}
