/**
 * The two verbs of the link layer, as `dev_queue_xmit` and `__netif_receive_skb_core`
 * (net/core/dev.c): everything a frame does inside one namespace is a call chain of these.
 */
import { isGroupMac, MAC_BROADCAST } from '../addr/mac.ts'
import type { ReasonCode } from '../fabric/reason.ts'
import type { Frame, VlanTag } from '../wire/frame.ts'
import { popTag } from '../wire/make.ts'
import { bodyLength, countGroup, countReceived, HEADER } from './counters.ts'
import {
  type Device,
  EV_NETEM,
  PACKET_BROADCAST,
  PACKET_HOST,
  PACKET_MULTICAST,
  PACKET_OTHERHOST,
  PACKET_OUTGOING,
  type PacketType,
  type World,
} from './model.ts'
import { holdBack, LOST, type NetemState } from './netem.ts'
import { STEP_DELIVER, STEP_DROP, STEP_QUEUE, STEP_RX, STEP_TX } from './trace-ring.ts'

const RECURSION_LIMIT = 10
const ENOBUFS = 105

/**
 * Sends a frame out of a device.
 * @returns 0, or the errno number the sender sees
 */
export function transmit(world: World, dev: Device, frame: Frame): number {
  if (!dev.up) {
    drop(world, dev, frame, 'LINK_DOWN')
    return 0
  }
  if (!dev.carrier) {
    drop(world, dev, frame, 'NO_CARRIER')
    return 0
  }
  return dev.netem === undefined ? send(world, dev, frame) : enqueue(world, dev, dev.netem, frame)
}

/** `netem_enqueue`: what it sends at once goes on, the rest comes back as EV_NETEM. */
function enqueue(world: World, dev: Device, netem: NetemState, frame: Frame): number {
  const bytes = bodyLength(frame) + HEADER
  for (const at of holdBack(netem, world.random, world.now, bytes)) {
    if (at === LOST) {
      netem.dropped++
      drop(world, dev, frame, 'NETEM_LOSS')
    } else if (at > world.now) {
      netem.waiting++
      world.trace.record(world, dev, STEP_QUEUE, -1, frame, 'NETEM_LATE')
      const data: Held = { frame, epoch: dev.netemEpoch }
      world.queue.push(at, EV_NETEM, dev.id, data)
    } else if (at === world.now) {
      countSent(netem, bytes)
      send(world, dev, frame)
    } else {
      netem.dropped++
      drop(world, dev, frame, 'NETEM_LIMIT')
      return ENOBUFS
    }
  }
  return 0
}

/** `qdisc_bstats_update` of `netem_dequeue`. */
function countSent(netem: NetemState, bytes: number): void {
  netem.sentPackets++
  netem.sentBytes += bytes
}

/** A frame that waits in a netem. */
interface Held {
  readonly frame: Frame
  readonly epoch: number
}

/** Handler of EV_NETEM: a frame has waited long enough. */
export function onNetem(world: World, target: number, data: unknown): void {
  const dev = world.devices[target]
  if (dev === undefined) return
  const { frame, epoch } = data as Held
  // The link was taken down or got another discipline meanwhile: dev_deactivate, qdisc_destroy
  if (epoch !== dev.netemEpoch || !dev.up) return drop(world, dev, frame, 'LINK_DOWN')
  if (dev.netem !== undefined) {
    dev.netem.waiting--
    countSent(dev.netem, bodyLength(frame) + HEADER)
  }
  if (!dev.carrier) return drop(world, dev, frame, 'NO_CARRIER')
  send(world, dev, frame)
}

/** `dev_hard_start_xmit`: what comes out of the queueing discipline. */
function send(world: World, dev: Device, frame: Frame): number {
  // dev_queue_xmit_nit comes after the qdisc: what that drops no capture sees
  if (world.taps.size > 0) tap(world, dev, frame, PACKET_OUTGOING, undefined)
  if (world.depth >= RECURSION_LIMIT) {
    dev.txDropped++
    drop(world, dev, frame, 'LOOP')
    return 0
  }
  world.trace.record(world, dev, STEP_TX, -1, frame)
  world.depth++
  const result = dev.ops.transmit(world, dev, frame)
  world.depth--
  return result
}

/** A frame arrives at a device: taps, VLAN demultiplexer, rx handler, stack. */
export function receive(world: World, dev: Device, frame: Frame, type: PacketType): void {
  if (!dev.up) {
    // enqueue_to_backlog
    dev.rxDropped++
    drop(world, dev, frame, 'LINK_DOWN')
    return
  }
  world.trace.record(world, dev, STEP_RX, -1, frame)
  if (world.taps.size > 0) tap(world, dev, frame, type, undefined)
  if (frame.tags.length > 0 && dev.vlans !== undefined) {
    const tag = frame.tags[0] as VlanTag
    const vlan = dev.vlans.get(tag.protocol * 4096 + tag.id)
    if (vlan !== undefined) {
      if (!vlan.up) return drop(world, vlan, frame, 'VLAN_DOWN')
      const inner = popTag(frame)
      // vlan_do_receive: the VLAN device may have a MAC of its own; what it counts has no header.
      const kind = type === PACKET_OTHERHOST ? packetType(vlan, inner) : type
      const bytes = inner.length + 4 * inner.tags.length
      if (kind === PACKET_MULTICAST) countGroup(vlan, bytes)
      else countReceived(vlan, bytes)
      return receive(world, vlan, inner, kind)
    }
  }
  const handler = dev.rxHandler
  if (handler !== undefined && handler.receive(world, dev, frame, type)) return
  if (frame.tags.length === 0) deliver(world, dev, frame, type)
  else leftover(world, dev, frame, type)
}

/**
 * A tagged frame nobody took (the end of `__netif_receive_skb_core`): a priority tag is ignored,
 * any other makes it somebody else's.
 */
function leftover(world: World, dev: Device, frame: Frame, type: PacketType): void {
  const tag = frame.tags[0] as VlanTag
  if (tag.id === 0) {
    const inner = popTag(frame)
    if (inner.tags.length === 0) deliver(world, dev, inner, type)
    else receive(world, dev, inner, type)
    return
  }
  world.trace.record(world, dev, STEP_DELIVER, PACKET_OTHERHOST, frame)
  if (world.taps.size > 0) tap(world, dev, frame, PACKET_OTHERHOST, frame.etherType)
  // The inner tag makes it of a type nobody takes; a single tag is gone, and its type is known.
  if (frame.tags.length > 1) dev.rxDropped++
  drop(world, dev, frame, 'VLAN_NO_DEVICE')
}

/** Hands a frame to the protocol stack of the device's namespace. */
export function deliver(world: World, dev: Device, frame: Frame, type: PacketType): void {
  world.trace.record(world, dev, STEP_DELIVER, type, frame)
  if (world.taps.size > 0) tap(world, dev, frame, type, frame.etherType)
  world.stack.receive(world, dev, frame, type)
}

/** `eth_type_trans`: how a frame's destination concerns a device. */
export function packetType(dev: Device, frame: Frame): PacketType {
  const dst = frame.dst
  if (dst === dev.mac) return PACKET_HOST
  if (dst === MAC_BROADCAST) return PACKET_BROADCAST
  return isGroupMac(dst) ? PACKET_MULTICAST : PACKET_OTHERHOST
}

export function drop(world: World, dev: Device, frame: Frame, reason: ReasonCode): void {
  world.trace.record(world, dev, STEP_DROP, -1, frame, reason)
}

/** A drop on the way to another device: `to` says where it would have gone. */
export function dropTo(
  world: World,
  dev: Device,
  to: Device,
  frame: Frame,
  reason: ReasonCode,
): void {
  world.trace.record(world, dev, STEP_DROP, to.id, frame, reason)
}

function tap(
  world: World,
  dev: Device,
  frame: Frame,
  type: PacketType,
  etherType: number | undefined,
): void {
  const taps = world.taps.get(dev.id)
  if (taps === undefined) return
  for (const port of taps) if (port.etherType === etherType) port.see(world.now, frame, type)
}
