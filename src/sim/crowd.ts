/**
 * Group frames on their way to many devices. A broadcast to a hundred siblings is one event and a
 * few trace entries, not hundreds of them: most of those who hear it have nothing to do with it.
 */
import { MAC_BROADCAST } from '../addr/mac.ts'
import { ETH_ARP, type Frame } from '../wire/frame.ts'
import type { Audience } from './audience.ts'
import { receive } from './core.ts'
import {
  type Device,
  EV_CROWD,
  PACKET_BROADCAST,
  PACKET_MULTICAST,
  type PacketType,
  type World,
} from './model.ts'

export function groupType(frame: Frame): PacketType {
  return frame.dst === MAC_BROADCAST ? PACKET_BROADCAST : PACKET_MULTICAST
}

/** Of fewer, each receives what it hears: to know what they are is more than it spares. */
const CROWD = 4

/** What EV_CROWD carries: a frame and who gets it, but for the one who sent it. */
interface Delivery {
  readonly frame: Frame
  readonly audience: Audience<Device>
  readonly from: Device
}

/** Puts a group frame into the backlog of an audience: a `netif_rx` each. */
export function sendToAll(
  world: World,
  audience: Audience<Device>,
  from: Device,
  frame: Frame,
): void {
  const data: Delivery = { frame, audience, from }
  world.queue.pushNow(world.now, EV_CROWD, from.id, data)
}

/** Handler of EV_CROWD. */
export function onCrowd(world: World, _target: number, data: unknown): void {
  const { audience, from, frame } = data as Delivery
  receiveAll(world, audience, from, frame)
}

/** All of an audience but one receive a group frame. */
export function receiveAll(
  world: World,
  audience: Audience<Device>,
  except: Device | undefined,
  frame: Frame,
): void {
  const { devices } = audience
  const type = groupType(frame)
  const worthwhile = devices.length >= CROWD
  const glance =
    worthwhile && frame.etherType === ETH_ARP && frame.tags.length === 0 && world.taps.size === 0
  for (let i = 0; i < devices.length; i++) {
    if (glance) i = world.stack.overhear(world, audience, i, except, frame)
    const dev = devices[i]
    if (dev === undefined || dev === except) continue
    if (world.devices[dev.id] !== undefined) receive(world, dev, frame, type)
  }
}
