/** Raw frame ports of the simulated fabric: packet sockets (net/packet/af_packet.c). */
import { LanyardError } from '../errors.ts'
import type { CapturedFrame, FramePort } from '../fabric/fabric.ts'
import { decodeFrame, encodeFrame } from '../wire/codec.ts'
import { transmit } from './core.ts'
import {
  type Device,
  PACKET_BROADCAST,
  PACKET_HOST,
  PACKET_MULTICAST,
  PACKET_OUTGOING,
  type PacketType,
  type Tap,
  type World,
} from './model.ts'

/** The link of a namespace. @throws LanyardError `netns-missing`, `link-missing` */
export function findDevice(world: World, netns: string, link: string): Device {
  const ns = world.netns.get(netns)
  if (ns === undefined) throw new LanyardError('netns-missing', { netns })
  const dev = ns.byName.get(link)
  if (dev === undefined) throw new LanyardError('link-missing', { netns, link })
  return dev
}

function typeName(type: PacketType): CapturedFrame['type'] {
  if (type === PACKET_HOST) return 'host'
  if (type === PACKET_BROADCAST) return 'broadcast'
  if (type === PACKET_MULTICAST) return 'multicast'
  return type === PACKET_OUTGOING ? 'outgoing' : 'otherhost'
}

/**
 * Opens a port on a link; it goes with the link when that moves to another namespace.
 *
 * Its own frames it does not see. On `lo`, where each frame both leaves and enters, it sees the
 * entering one.
 *
 * A frame sent leaves in the same instant of virtual time; what it sets off arrives when time
 * passes (a sleep, a probe).
 */
export function openPort(
  world: World,
  netns: string,
  link: string,
  onFrame: (frame: CapturedFrame) => void,
  etherType: number | undefined,
): FramePort {
  const dev = findDevice(world, netns, link)
  let sending = false
  const tap: Tap = {
    etherType,
    see(timeNs, frame, type) {
      if (type === PACKET_OUTGOING && (sending || dev.ops.kind === 'loopback')) return
      onFrame({ timeNs, type: typeName(type), bytes: encodeFrame(frame), frame })
    },
  }
  const taps = world.taps.get(dev.id)
  if (taps === undefined) world.taps.set(dev.id, [tap])
  else taps.push(tap)
  const send = (bytes: Uint8Array): void => {
    const frame = decodeFrame(bytes)
    if (frame === undefined) return
    sending = true
    transmit(world, dev, frame)
    sending = false
  }
  return {
    send,
    post: send,
    close(): void {
      const rest = (world.taps.get(dev.id) ?? []).filter((other) => other !== tap)
      if (rest.length === 0) world.taps.delete(dev.id)
      else world.taps.set(dev.id, rest)
    },
  }
}
