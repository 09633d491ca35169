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
import { type DeviceIp, deviceIp, NUD_VALID } from './state.ts'

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
  const { quiet, owners, last } = listenersOf(world, audience)
  if (last.ip !== senderIp || last.mac !== senderMac) {
    last.ip = senderIp
    last.mac = senderMac
    last.news.fill(-1)
  }
  const end = firstAsked(owners.get(targetIp), devices, from, except)
  let begun = from
  let fate = LOOK
  let i = from
  for (; i < end; i++) {
    if (devices[i] === except) continue
    const ip = quiet[i]
    if (ip === undefined) break
    let own = last.fates[i] as number
    if (last.news[i] !== ip.news) {
      own = glance(ip, senderIp, senderMac)
      last.fates[i] = own
      last.news[i] = ip.news
    }
    if (own === LOOK) break
    if (own === fate) continue
    if (fate !== LOOK) trace.recordOverheard(world, audience, begun, i, except, frame, why(fate))
    begun = i
    fate = own
  }
  if (fate !== LOOK) trace.recordOverheard(world, audience, begun, i, except, frame, why(fate))
  return i
}

/** The first place from `from` on of somebody who is asked; the end of the list if nobody is. */
function firstAsked(
  asked: readonly number[] | undefined,
  devices: readonly Device[],
  from: number,
  except: Device | undefined,
): number {
  let end = devices.length
  for (const at of asked ?? NOBODY) {
    if (at >= from && at < end && devices[at] !== except) end = at
  }
  return end
}

const NOBODY: readonly number[] = []

function why(fate: number): 'ARP_NOT_FOR_US' | undefined {
  return fate === IGNORED ? 'ARP_NOT_FOR_US' : undefined
}

/** What each listener made of the sender heard last: many ask again and again. */
interface LastSender {
  ip: Ip4
  mac: Mac
  readonly fates: Uint8Array
  /** `DeviceIp.news` when it was so. */
  readonly news: Int32Array
}

/** What is known of an audience as long as the layout of the world is the same. */
interface Listeners {
  readonly layout: number
  /** Of those who do nothing with a request for others; undefined: in doubt. */
  readonly quiet: readonly (DeviceIp | undefined)[]
  /** Who holds an address: places in the audience. */
  readonly owners: ReadonlyMap<Ip4, readonly number[]>
  readonly last: LastSender
}

function listenersOf(world: World, audience: Audience<Device>): Listeners {
  const known = audience.known as Listeners | undefined
  if (known?.layout === world.layout) return known
  const quiet = audience.devices.map((dev) => {
    const ip = deviceIp(dev)
    return ip !== undefined && isQuiet(dev, ip) ? ip : undefined
  })
  const owners = new Map<Ip4, number[]>()
  for (let i = 0; i < quiet.length; i++) {
    for (const ip of quiet[i]?.ns.local4.keys() ?? []) {
      const places = owners.get(ip)
      if (places === undefined) owners.set(ip, [i])
      else places.push(i)
    }
  }
  const last: LastSender = {
    ip: 0,
    mac: 0,
    fates: new Uint8Array(quiet.length),
    news: new Int32Array(quiet.length),
  }
  const found: Listeners = { layout: world.layout, quiet, owners, last }
  audience.known = found
  return found
}

/** See arp.ts `process`. */
function isQuiet(dev: Device, { ns, conf4 }: DeviceIp): boolean {
  if (!dev.up || !dev.arp || dev.rxHandler !== undefined) return false
  if (conf4.forwarding !== 0 || ns.localPrefixes) return false
  return conf4.arp_accept === 0 && ns.conf4All.arp_accept === 0
}

/** What becomes of a request for another at a quiet device, if that can be said at once. */
function glance(ip: DeviceIp, senderIp: Ip4, senderMac: Mac): number {
  if (ip.arpSockets.length > 0) return LOOK
  const n = ip.neighbours4.get(senderIp)
  if (n === undefined) return IGNORED
  // Another MAC, or an entry that waits for one: that is news
  return n.mac === senderMac && (n.state & NUD_VALID) !== 0 ? KNOWN : LOOK
}
