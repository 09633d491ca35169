/**
 * macvlan: what a parent and its children do with frames (drivers/net/macvlan.c). Who gets a group
 * frame is decided by the exact list of groups, where the kernel looks into a hash of 256 bits and
 * so lets a group through now and then that nobody asked for.
 */
import { isGroupMac, MAC_BROADCAST, type Mac } from '../../addr/mac.ts'
import type { MacvlanMode } from '../../fabric/plan.ts'
import type { ReasonCode } from '../../fabric/reason.ts'
import type { Frame } from '../../wire/frame.ts'
import { Gathering } from '../audience.ts'
import { drop, dropTo, receive, transmit } from '../core.ts'
import { bodyLength, countGroupForAll, countReceived, countSent, HEADER } from '../counters.ts'
import { groupType, receiveAll, sendToAll } from '../crowd.ts'
import {
  type Device,
  EV_MACVLAN_BROADCAST,
  EV_RECEIVE,
  PACKET_HOST,
  PACKET_LOOPBACK,
  type PacketType,
  type RxHandler,
  type World,
} from '../model.ts'
import { STEP_FORWARD, STEP_QUEUE } from '../trace-ring.ts'
import { childOf, type MacvlanChild, type MacvlanPort, macvlanPortOf } from './macvlan-state.ts'

const ETH_PAUSE = 0x8808
/** Room is_skb_forwardable leaves on top of the MTU. */
const TAG_ROOM = 4

/** `macvlan_start_xmit`: what was sent is counted after it went. */
export function transmitMacvlan(world: World, dev: Device, frame: Frame): number {
  const result = queue(world, dev, frame)
  if (result === 0) countSent(dev, bodyLength(frame) + HEADER)
  else dev.txDropped++
  return result === NOT_FORWARDED ? 0 : result
}

/** What `queue` returns when a sibling could not have it: the sender sees nothing of that. */
const NOT_FORWARDED = -1

/** `macvlan_queue_xmit`: bridge children speak to each other, everything else goes to the wire. */
function queue(world: World, dev: Device, frame: Frame): number {
  const child = childOf(dev)
  const { lower, port } = child
  if (child.mode === 'bridge') {
    if (isGroupMac(frame.dst)) floodSiblings(world, port, child, frame)
    else {
      const to = port.byMac.get(frame.dst)
      if (to !== undefined && to.mode === 'bridge') {
        // Through the parent's receive path, for the sake of its taps (dev_forward_skb).
        if (!lower.up || frame.length > lower.mtu + TAG_ROOM) {
          lower.rxDropped++
          drop(world, lower, frame, lower.up ? 'MTU_EXCEEDED' : 'LINK_DOWN')
          return NOT_FORWARDED
        }
        world.trace.record(world, dev, STEP_FORWARD, to.dev.id, frame)
        world.queue.pushNow(world.now, EV_RECEIVE, lower.id, frame)
        return 0
      }
    }
  }
  return transmit(world, lower, frame)
}

/** `macvlan_broadcast` for bridge mode: copies to siblings, by way of their backlog. */
function floodSiblings(world: World, port: MacvlanPort, from: MacvlanChild, frame: Frame): void {
  if (frame.etherType === ETH_PAUSE) return
  const broadcast = frame.dst === MAC_BROADCAST
  // As long as nobody comes, goes or changes, what is short enough goes to the same ones.
  const known = broadcast && port.siblingsAt === world.layout && frame.length <= port.siblingsRoom
  if (!known) gatherSiblings(world, port, from, frame, broadcast)
  if (port.siblings.devices.length < 2) return
  world.trace.recordFlood(world, from.dev, port.siblings, from.dev, frame)
  // macvlan_broadcast adds a header to a length that has one already.
  countGroupForAll(port.siblings.devices, from.dev, bodyLength(frame) + HEADER + HEADER)
  sendToAll(world, port.siblings, from.dev, frame)
}

function gatherSiblings(
  world: World,
  port: MacvlanPort,
  from: MacvlanChild,
  frame: Frame,
  broadcast: boolean,
): void {
  const { children } = port
  let room = Infinity
  const gathering = new Gathering(port.siblings)
  for (let i = 0; i < children.length; i++) {
    const to = children[i] as MacvlanChild
    const { dev } = to
    if (to.mode === 'bridge' && dev.up) room = Math.min(room, dev.mtu + TAG_ROOM)
    // With its sender, whoever that is, the audience stays the same.
    if (to === from) gathering.add(dev)
    else if (to.mode === 'bridge' && dev.up && isSubscribed(dev, frame.dst)) {
      if (frame.length <= dev.mtu + TAG_ROOM) gathering.add(dev)
      else dropTo(world, from.dev, dev, frame, 'MTU_EXCEEDED')
    }
  }
  port.siblings = gathering.finish()
  port.siblingsAt = broadcast ? world.layout : -1
  port.siblingsRoom = room
}

/** Whether a device asked for a group: `macvlan_compute_filter`, exact. */
function isSubscribed(dev: Device, group: Mac): boolean {
  return (
    group === MAC_BROADCAST || dev.multicast.has(group) || dev.promiscuity > 0 || dev.allmulti > 0
  )
}

function record(world: World, at: Device, step: number, to: Device, frame: Frame): void {
  world.trace.record(world, at, step, to.id, frame)
}

/** Why a child's own group frame, sent back by the switch, reaches nobody. */
const REFLECTED: { readonly [M in MacvlanMode]?: ReasonCode } = {
  private: 'MACVLAN_SRC_PRIVATE',
  passthru: 'MACVLAN_SRC_PASSTHRU',
  source: 'MACVLAN_SRC_SOURCE',
}

/** `macvlan_handle_frame`: the rx handler of a parent. */
export const MACVLAN_RX: RxHandler = Object.freeze<RxHandler>({
  name: 'macvlan',
  receive(world: World, dev: Device, frame: Frame, type: PacketType): boolean {
    if (type === PACKET_LOOPBACK) return false
    const port = macvlanPortOf(dev)
    if (port.bySource.size > 0 && forwardSource(world, port, frame, type)) {
      drop(world, dev, frame, 'MACVLAN_NODST')
      return true
    }
    if (isGroupMac(frame.dst)) return receiveGroup(world, port, frame)
    const child = port.passthru ? port.children[0] : port.byMac.get(frame.dst)
    if (child === undefined || child.mode === 'source') return false
    if (!child.dev.up) {
      drop(world, child.dev, frame, 'LINK_DOWN')
      return true
    }
    record(world, dev, STEP_FORWARD, child.dev, frame)
    countReceived(child.dev, bodyLength(frame) + HEADER)
    receive(world, child.dev, frame, PACKET_HOST)
    return true
  },
})

/**
 * `macvlan_forward_source`: copies to the source-mode children that list the sender.
 * @returns whether one of them wants nobody else to get the frame
 */
function forwardSource(world: World, port: MacvlanPort, frame: Frame, type: PacketType): boolean {
  const listeners = port.bySource.get(frame.src)
  if (listeners === undefined) return false
  let alone = false
  for (const child of listeners) {
    if (child.nodst) alone = true
    if (!child.dev.up) continue
    record(world, port.dev, STEP_FORWARD, child.dev, frame)
    countReceived(child.dev, bodyLength(frame) + HEADER)
    // The clone keeps the type it had for the parent, unless it is for the child itself.
    receive(world, child.dev, frame, frame.dst === child.dev.mac ? PACKET_HOST : type)
  }
  return alone
}

/** The group half of `macvlan_handle_frame`. */
function receiveGroup(world: World, port: MacvlanPort, frame: Frame): boolean {
  const { dev } = port
  const from = port.byMac.get(frame.src)
  const reflected = from === undefined ? undefined : REFLECTED[from.mode]
  if (from !== undefined && reflected !== undefined) {
    // Back to the child that sent it, to nobody else: not even to the parent.
    dropTo(world, dev, from.dev, frame, reflected)
    // Counted as a frame of no bytes: nobody has measured it yet.
    countReceived(from.dev, 0)
    receive(world, from.dev, frame, groupType(frame))
    return true
  }
  if (needsQueue(port, frame.dst)) enqueue(world, port, frame, from)
  else floodChildren(world, port, frame, from)
  return false
}

/** `port->bc_filter`: more than one child wants the group, or the parent listens to all of them. */
function needsQueue(port: MacvlanPort, group: Mac): boolean {
  const { dev } = port
  if (group === MAC_BROADCAST || dev.promiscuity > 0 || dev.allmulti > 0) return true
  let wanted = 0
  for (const child of port.children) if (child.synced.multicast.has(group)) wanted++
  return wanted > 1
}

/** `macvlan_broadcast_enqueue` */
function enqueue(
  world: World,
  port: MacvlanPort,
  frame: Frame,
  from: MacvlanChild | undefined,
): void {
  const { dev } = port
  if (port.queue.length >= port.queueLength) {
    dev.rxDropped++
    drop(world, dev, frame, 'MACVLAN_QUEUE_FULL')
    return
  }
  if (port.queue.length === 0)
    world.queue.pushNow(world.now, EV_MACVLAN_BROADCAST, dev.id, undefined)
  port.queue.push({ frame, from })
  world.trace.record(world, dev, STEP_QUEUE, -1, frame)
}

/** Handler of EV_MACVLAN_BROADCAST: `macvlan_process_broadcast`. */
export function onMacvlanBroadcast(world: World, target: number): void {
  const dev = world.devices[target]
  if (dev === undefined || dev.rxHandler?.name !== 'macvlan') return
  const port = macvlanPortOf(dev)
  const waiting = port.queue
  port.queue = []
  for (const { frame, from } of waiting) floodChildren(world, port, frame, from)
}

/**
 * `macvlan_multicast_rx`: a frame from outside goes to all but source children; one of a vepa child
 * came back from the switch and goes to vepa and bridge children; one of a bridge child only to
 * vepa children, bridge children saw it on its way out.
 */
function floodChildren(
  world: World,
  port: MacvlanPort,
  frame: Frame,
  from: MacvlanChild | undefined,
): void {
  if (frame.etherType === ETH_PAUSE) return
  const gathering = new Gathering(port.hearers)
  for (const to of port.children) {
    if (to === from || !to.dev.up || to.mode === 'source') continue
    if (from !== undefined) {
      if (to.mode !== 'vepa' && !(to.mode === 'bridge' && from.mode === 'vepa')) continue
    }
    if (isSubscribed(to.dev, frame.dst)) gathering.add(to.dev)
  }
  const audience = gathering.finish()
  port.hearers = audience
  if (audience.devices.length === 0) return
  world.trace.recordFlood(world, port.dev, audience, undefined, frame)
  countGroupForAll(audience.devices, undefined, bodyLength(frame) + HEADER)
  receiveAll(world, audience, undefined, frame)
}
