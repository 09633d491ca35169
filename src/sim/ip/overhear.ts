/**
 * ARP requests for others, as most devices of a segment hear most requests: what `arp_process`
 * comes to when nothing is to be done, told at a glance and for many devices at once. In doubt it
 * says nothing, and the frame is received as any other is.
 */
import { isMulticastIp, type Ip4 } from '../../addr/ip.ts'
import { MAC_BROADCAST, type Mac } from '../../addr/mac.ts'
import type { Frame } from '../../wire/frame.ts'
import type { Audience } from '../audience.ts'
import type { Device, World } from '../model.ts'
import { ARP_REQUEST } from './arp-send.ts'
import { deviceIp, NUD_VALID } from './state.ts'

/** Must be received properly. */
const LOOK = 0
/** Dropped: it is for others, and nothing is known of the sender. */
const IGNORED = 1
/** Taken as news of a neighbour, of whom it says nothing new. */
const KNOWN = 2

/**
 * Lets those of an audience hear a frame whom it plainly does not concern.
 *
 * @param from index of the first to hear it
 * @returns index of the first who must receive it properly; the length when there is none
 */
export function overhear(
  world: World,
  audience: Audience<Device>,
  from: number,
  except: Device | undefined,
  frame: Frame,
): number {
  const { packet } = frame
  if (packet.kind !== 'arp' || packet.operation !== ARP_REQUEST) return from
  if (frame.dst !== MAC_BROADCAST) return from
  const { senderIp, targetIp, senderMac } = packet
  if (senderIp === 0 || senderIp === targetIp) return from
  if (isMulticastIp(targetIp) || targetIp >>> 24 === 127) return from
  const { devices } = audience
  const { trace } = world
  let begun = from
  let fate = LOOK
  let i = from
  for (; i < devices.length; i++) {
    const dev = devices[i] as Device
    if (dev === except) continue
    const own = glance(dev, senderIp, targetIp, senderMac)
    if (own === LOOK) break
    if (own === fate) continue
    if (fate !== LOOK) trace.recordOverheard(world, audience, begun, i, except, frame, why(fate))
    begun = i
    fate = own
  }
  if (fate !== LOOK) trace.recordOverheard(world, audience, begun, i, except, frame, why(fate))
  return i
}

function why(fate: number): 'ARP_NOT_FOR_US' | undefined {
  return fate === IGNORED ? 'ARP_NOT_FOR_US' : undefined
}

/** What becomes of a request at a device, if that can be said at once: see arp.ts `process`. */
function glance(dev: Device, senderIp: Ip4, targetIp: Ip4, senderMac: Mac): number {
  const ip = deviceIp(dev)
  if (!dev.up || !dev.arp || dev.rxHandler !== undefined || ip === undefined) return LOOK
  const { ns, conf4 } = ip
  if (conf4.forwarding !== 0 || ns.localPrefixes || ns.local4.has(targetIp)) return LOOK
  if (ip.arpSockets.length > 0) return LOOK
  const n = ip.neighbours4.get(senderIp)
  // Another MAC, or an entry that waits for one: that is news
  if (n !== undefined) return n.mac === senderMac && (n.state & NUD_VALID) !== 0 ? KNOWN : LOOK
  return conf4.arp_accept === 0 && ns.conf4All.arp_accept === 0 ? IGNORED : LOOK
}
