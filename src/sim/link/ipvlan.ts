/**
 * ipvlan: what a parent and its children do with frames (drivers/net/ipvlan/ipvlan_core.c). All
 * share one MAC, so the child a frame is for is found by the address its packet is about.
 */
import type { Ip } from '../../addr/ip.ts'
import { isGroupMac, MAC_BROADCAST } from '../../addr/mac.ts'
import type { Frame } from '../../wire/frame.ts'
import { drop, dropTo, receive, transmit } from '../core.ts'
import { bodyLength, countGroup, countReceived, countSent, HEADER } from '../counters.ts'
import {
  type Device,
  EV_RECEIVE,
  PACKET_BROADCAST,
  PACKET_MULTICAST,
  type PacketType,
  type RxHandler,
  type World,
} from '../model.ts'
import { STEP_FLOOD, STEP_FORWARD } from '../trace-ring.ts'
import { type IpvlanChild, type IpvlanPort, ipvlanOf, ipvlanPortOf } from './ipvlan-state.ts'

const ENOBUFS = 105
const ETH_PAUSE = 0x8808
const NEIGHBOUR_SOLICITATION = 135

/**
 * `ipvlan_get_L3_hdr` and the choice of `ipvlan_addr_lookup`: the address a frame is about.
 * Of neighbour discovery only the question whether an address is free counts by what it asks for.
 */
function addressOf(frame: Frame, destination: boolean): Ip | undefined {
  const { packet } = frame
  switch (packet.kind) {
    case 'arp':
      return destination ? packet.targetIp : packet.senderIp
    case 'ip4':
      return destination ? packet.dst : packet.src
    case 'ip6': {
      const { payload } = packet
      if (packet.src === 0n && payload.kind === 'nd' && payload.type === NEIGHBOUR_SOLICITATION) {
        return payload.target
      }
      return destination ? packet.dst : packet.src
    }
    case 'raw':
    default:
      return undefined
  }
}

/** `ipvlan_addr_lookup`: the child that is up and holds the address. */
function findChild(
  world: World,
  port: IpvlanPort,
  frame: Frame,
  destination: boolean,
): IpvlanChild | undefined {
  const ip = addressOf(frame, destination)
  if (ip === undefined) return undefined
  return port.children.find((child) => child.dev.up && world.stack.holds(child.dev, ip))
}

/**
 * `ipvlan_skb_to_addr` for a packet the parent's own stack received: in l3s mode the child it is
 * for, whose stack goes on with it.
 */
export function findL3sChild(world: World, dev: Device, ip: Ip): Device | undefined {
  if (dev.rxHandler?.name !== 'ipvlan') return undefined
  const { mode, children } = ipvlanPortOf(dev)
  if (mode !== 'l3s') return undefined
  return children.find((child) => child.dev.up && world.stack.holds(child.dev, ip))?.dev
}

/** `ipvlan_start_xmit`, `ipvlan_queue_xmit` */
export function transmitIpvlan(world: World, dev: Device, frame: Frame): number {
  const { port } = ipvlanOf(dev)
  const result =
    port.mode === 'l2' ? transmitL2(world, dev, port, frame) : transmitL3(world, dev, port, frame)
  if (result === 0) countSent(dev, bodyLength(frame) + HEADER)
  else dev.txDropped++
  return result
}

/** `ipvlan_xmit_mode_l2` */
function transmitL2(world: World, dev: Device, port: IpvlanPort, frame: Frame): number {
  const { lower } = ipvlanOf(dev)
  if (port.flag !== 'vepa' && frame.dst === frame.src) {
    const to = findChild(world, port, frame, true)
    if (to !== undefined) return toSibling(world, dev, port, to, frame)
    // For the parent's own stack: no child has the address, but the MAC is theirs.
    world.trace.record(world, dev, STEP_FORWARD, lower.id, frame)
    world.queue.pushNow(world.now, EV_RECEIVE, lower.id, frame)
    return 0
  }
  if (isGroupMac(frame.dst)) {
    floodChildren(world, port, dev, frame)
    return transmit(world, lower, frame)
  }
  return transmit(world, lower, frame)
}

/** `ipvlan_xmit_mode_l3`: to a sibling, or routed as if the parent's namespace had sent it. */
function transmitL3(world: World, dev: Device, port: IpvlanPort, frame: Frame): number {
  if (port.flag !== 'vepa') {
    const to = findChild(world, port, frame, true)
    if (to !== undefined) return toSibling(world, dev, port, to, frame)
  }
  const { packet } = frame
  if (isGroupMac(frame.dst) || (packet.kind !== 'ip4' && packet.kind !== 'ip6')) {
    drop(world, dev, frame, 'IPVLAN_L3_NO_GROUP')
    return ENOBUFS
  }
  const { lower } = ipvlanOf(dev)
  world.trace.record(world, dev, STEP_FORWARD, lower.id, frame)
  return world.stack.routeOut(world, lower, packet)
}

/** `ipvlan_rcv_frame` of a frame between children. */
function toSibling(
  world: World,
  dev: Device,
  port: IpvlanPort,
  to: IpvlanChild,
  frame: Frame,
): number {
  if (port.flag === 'private') {
    dropTo(world, dev, to.dev, frame, 'IPVLAN_PRIVATE')
    return ENOBUFS
  }
  world.trace.record(world, dev, STEP_FORWARD, to.dev.id, frame)
  // ipvlan_rcv_frame adds a header to a length that has one already.
  countReceived(to.dev, bodyLength(frame) + HEADER + HEADER)
  world.queue.pushNow(world.now, EV_RECEIVE, to.dev.id, frame)
  return 0
}

/** `ipvlan_process_multicast`: to every other child that is up and asked for the group. */
function floodChildren(
  world: World,
  port: IpvlanPort,
  from: Device | undefined,
  frame: Frame,
): void {
  if (frame.etherType === ETH_PAUSE) return
  const at = from ?? port.dev
  const type = frame.dst === MAC_BROADCAST ? PACKET_BROADCAST : PACKET_MULTICAST
  for (const { dev } of port.children) {
    if (dev === from || !dev.up) continue
    const all = dev.promiscuity > 0 || dev.allmulti > 0 || type === PACKET_BROADCAST
    if (!all && !dev.multicast.has(frame.dst)) continue
    world.trace.record(world, at, STEP_FLOOD, dev.id, frame)
    const headers = from === undefined ? HEADER : HEADER + HEADER
    countGroup(dev, bodyLength(frame) + headers)
    if (from === undefined) receive(world, dev, frame, type)
    else world.queue.pushNow(world.now, EV_RECEIVE, dev.id, frame)
  }
}

/** `ipvlan_handle_frame` */
export const IPVLAN_RX: RxHandler = Object.freeze<RxHandler>({
  name: 'ipvlan',
  receive(world: World, dev: Device, frame: Frame, type: PacketType): boolean {
    const port = ipvlanPortOf(dev)
    if (port.mode === 'l3s') return false
    if (port.mode === 'l2' && isGroupMac(frame.dst)) {
      // ipvlan_external_frame: a child's own frame that the switch sent back is for the parent only
      const own = frame.src === dev.mac && findChild(world, port, frame, false) !== undefined
      if (!own) floodChildren(world, port, undefined, frame)
      return false
    }
    const to = findChild(world, port, frame, true)
    if (to === undefined) return false
    world.trace.record(world, dev, STEP_FORWARD, to.dev.id, frame)
    countReceived(to.dev, bodyLength(frame) + HEADER)
    receive(world, to.dev, frame, type)
    return true
  },
})
