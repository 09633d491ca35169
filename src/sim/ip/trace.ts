/** Steps of the protocol stack in the trace. */
import type { ReasonCode } from '../../fabric/reason.ts'
import { ETH_IP4, ETH_IP6, type Frame, type Ip4Packet, type Ip6Packet } from '../../wire/frame.ts'
import { makeFrame } from '../../wire/make.ts'
import type { Device, World } from '../model.ts'
import { STEP_DROP } from '../trace-ring.ts'

/** A packet that has no frame yet, as the trace shows it: without a destination MAC. */
export function traceFrame(dev: Device, packet: Ip4Packet | Ip6Packet): Frame {
  const type = packet.kind === 'ip4' ? ETH_IP4 : ETH_IP6
  return makeFrame(0, dev.mac, type, packet, packet.length)
}

/** A packet on its way out of the stack ends here. */
export function dropPacket(
  world: World,
  dev: Device,
  packet: Ip4Packet | Ip6Packet,
  reason: ReasonCode,
): void {
  const frame = traceFrame(dev, packet)
  world.trace.record(world, dev, STEP_DROP, -1, frame, reason)
}
