/**
 * The neighbour state machine, one for ARP and neighbour discovery (net/core/neighbour.c).
 *
 * A timer set for later than the one that is waiting is only noted, and the waiting one renews
 * itself.
 */
import type { Ip } from '../../addr/ip.ts'
import type { Mac } from '../../addr/mac.ts'
import { ETH_IP4, ETH_IP6, type Ip4Packet, type Ip6Packet } from '../../wire/frame.ts'
import { makeFrame } from '../../wire/make.ts'
import { transmit } from '../core.ts'
import { type Device, EV_STACK_TIMER, type World } from '../model.ts'
import { STEP_QUEUE } from '../trace-ring.ts'
import type { NeighbourConf } from './conf.ts'
import { solicit4 } from './arp-send.ts'
import { solicit6 } from './nd-send.ts'
import { addTimer, dropTimer, runTick } from './neighbour-timers.ts'
import {
  type DeviceIp,
  deviceIp,
  NUD_CONNECTED,
  NUD_DELAY,
  NUD_FAILED,
  NUD_IN_TIMER,
  NUD_INCOMPLETE,
  NUD_NOARP,
  NUD_PERMANENT,
  NUD_PROBE,
  NUD_REACHABLE,
  NUD_STALE,
  NUD_VALID,
  Neighbour,
  type Tick,
} from './state.ts'
import { wheelTime } from './wheel.ts'
import { dropPacket, traceFrame } from './trace.ts'

const MS = 1_000_000
/** SKB_TRUESIZE of what is queued: the buffer rounded up, and its head. */
const SKB_OVERHEAD = 256

/** An update may put another MAC in the place of a valid one (NEIGH_UPDATE_F_OVERRIDE). */
export const UPDATE_OVERRIDE = 1
/** Without the above: another MAC makes a connected entry stale. */
export const UPDATE_WEAK_OVERRIDE = 2
/** Set by hand. */
export const UPDATE_ADMIN = 4

/** Queued packets that found nobody: what EV_STACK_TIMER carries to the ICMP part. */
export interface LinkFailure {
  readonly what: 'link-failure'
  readonly packets: readonly (Ip4Packet | Ip6Packet)[]
}

export function neighboursOf(ip: DeviceIp, key: Ip): Map<Ip, Neighbour> {
  return typeof key === 'number' ? ip.neighbours4 : ip.neighbours6
}

export function findNeighbour(dev: Device, key: Ip): Neighbour | undefined {
  const ip = deviceIp(dev)
  return ip === undefined ? undefined : neighboursOf(ip, key).get(key)
}

/** `neigh_create`. */
export function makeNeighbour(ip: DeviceIp, dev: Device, key: Ip): Neighbour {
  const made = new Neighbour(dev, key)
  neighboursOf(ip, key).set(key, made)
  ip.news++
  return made
}

/** Whoever remembers what was known of this neighbour must look again. */
function changed(n: Neighbour): void {
  const ip = deviceIp(n.dev)
  if (ip !== undefined) ip.news++
}

function confOf(n: Neighbour): NeighbourConf {
  const ip = deviceIp(n.dev) as DeviceIp
  return typeof n.ip === 'number' ? ip.neighbourConf4 : ip.neighbourConf6
}

/** `neigh_rand_reach_time`: half to one and a half of the base, drawn once a link and family. */
function reachableMs(world: World, n: Neighbour): number {
  const ip = deviceIp(n.dev) as DeviceIp
  const four = typeof n.ip === 'number'
  const known = four ? ip.reachable4 : ip.reachable6
  if (known !== 0) return known
  const base = confOf(n).base_reachable_time_ms
  const drawn = Math.floor(base / 2) + world.random.below(Math.max(1, base))
  if (four) ip.reachable4 = drawn
  else ip.reachable6 = drawn
  return drawn
}

/**
 * What a neighbour remembers of the time is in whole milliseconds, as the kernel's is in jiffies:
 * small integers are quicker to keep and to look up.
 */
export function nowMs(world: World): number {
  return Math.floor(world.now / MS)
}

function setTimer(world: World, n: Neighbour, dueMs: number): void {
  wakeAt(world, n, wheelTime(world.traits, world.now, dueMs * MS) / MS)
}

function wakeAt(world: World, n: Neighbour, atMs: number): void {
  n.timerAt = atMs
  if (n.tick !== undefined) {
    if (n.tick.atMs <= atMs) return
    dropTimer(n)
    n.timerAt = atMs
  }
  addTimer(world, n, atMs)
}

/** Handler of EV_NEIGHBOUR_TIMER: all neighbours whose timers are due at one time. */
export function onNeighbourTimer(world: World, _target: number, data: unknown): void {
  runTick(world, data as Tick, due)
}

function due(world: World, n: Neighbour): void {
  if (n.timerAt === 0) return
  if (n.timerAt * MS > world.now) wakeAt(world, n, n.timerAt)
  else fire(world, n)
}

/** `neigh_timer_handler`. */
function fire(world: World, n: Neighbour): void {
  const now = nowMs(world)
  n.timerAt = 0
  if ((n.state & NUD_IN_TIMER) === 0) return
  const conf = confOf(n)
  const delay = conf.delay_first_probe_time * 1000
  let next = now + Math.max(conf.retrans_time_ms, 10)
  if (n.state === NUD_REACHABLE) {
    const until = n.confirmed + reachableMs(world, n)
    if (now < until) next = until
    else if (now <= n.used + delay) {
      n.state = NUD_DELAY
      n.updated = now
      next = now + delay
    } else {
      n.state = NUD_STALE
      n.updated = now
      return
    }
  } else if (n.state === NUD_DELAY) {
    if (now < n.confirmed + delay) {
      n.state = NUD_REACHABLE
      n.updated = now
      next = n.confirmed + reachableMs(world, n)
    } else {
      n.state = NUD_PROBE
      n.updated = now
      n.probes = 0
    }
  }
  if ((n.state & (NUD_PROBE | NUD_INCOMPLETE)) !== 0 && n.probes >= maxProbes(n, conf)) {
    n.state = NUD_FAILED
    n.updated = now
    changed(n)
    invalidate(world, n)
    return
  }
  setTimer(world, n, next)
  if ((n.state & (NUD_PROBE | NUD_INCOMPLETE)) !== 0) probe(world, n)
}

/** `neigh_max_probes`. */
function maxProbes(n: Neighbour, conf: NeighbourConf): number {
  const group = n.state === NUD_PROBE ? conf.mcast_resolicit : conf.mcast_solicit
  return conf.ucast_solicit + conf.app_solicit + group
}

/** `neigh_probe`: asks, for the packet queued last. */
function probe(world: World, n: Neighbour): void {
  const queue = n.queue
  const last = queue === undefined ? undefined : queue[queue.length - 1]
  const asked = n.probes
  n.probes++
  if (typeof n.ip === 'number') solicit4(world, n, asked, last?.kind === 'ip4' ? last : undefined)
  else solicit6(world, n, asked, last?.kind === 'ip6' ? last : undefined)
}

/** `neigh_invalidate`: who waited hears of it. */
function invalidate(world: World, n: Neighbour): void {
  const packets = n.queue
  n.queue = undefined
  n.queuedBytes = 0
  if (packets === undefined || packets.length === 0) return
  for (const packet of packets) dropPacket(world, n.dev, packet, 'NEIGHBOUR_FAILED')
  const data: LinkFailure = { what: 'link-failure', packets }
  world.queue.pushNow(world.now, EV_STACK_TIMER, n.dev.netns.id, data)
}

/** Sends a packet to a resolved or resolvable neighbour: `neigh_output`, `neigh_resolve_output`. */
export function sendToNeighbour(world: World, n: Neighbour, packet: Ip4Packet | Ip6Packet): number {
  if ((n.state & NUD_CONNECTED) === 0 && eventSend(world, n, packet)) return 0
  return sendFrame(world, n.dev, n.mac, packet)
}

export function sendFrame(
  world: World,
  dev: Device,
  dst: Mac,
  packet: Ip4Packet | Ip6Packet,
): number {
  const type = packet.kind === 'ip4' ? ETH_IP4 : ETH_IP6
  return transmit(world, dev, makeFrame(dst, dev.mac, type, packet, packet.length))
}

/**
 * `neigh_event_send`: the entry is about to be used.
 * @returns true when the packet was queued (or there was none to queue) and must not be sent now
 */
export function eventSend(
  world: World,
  n: Neighbour,
  packet: Ip4Packet | Ip6Packet | undefined,
): boolean {
  const now = nowMs(world)
  n.used = now
  if ((n.state & (NUD_CONNECTED | NUD_DELAY | NUD_PROBE)) !== 0) return false
  const conf = confOf(n)
  let immediately = false
  if ((n.state & (NUD_STALE | NUD_INCOMPLETE)) === 0) {
    if (conf.mcast_solicit + conf.app_solicit === 0) {
      n.state = NUD_FAILED
      n.updated = now
      return true
    }
    n.probes = conf.ucast_solicit
    n.state = NUD_INCOMPLETE
    n.updated = now
    setTimer(world, n, now + Math.max(conf.retrans_time_ms, 10))
    immediately = true
  } else if (n.state === NUD_STALE) {
    n.state = NUD_DELAY
    n.updated = now
    setTimer(world, n, now + conf.delay_first_probe_time * 1000)
  }
  if (n.state !== NUD_INCOMPLETE) return false
  if (packet !== undefined) enqueue(world, n, packet, conf)
  if (immediately) probe(world, n)
  return true
}

function enqueue(
  world: World,
  n: Neighbour,
  packet: Ip4Packet | Ip6Packet,
  conf: NeighbourConf,
): void {
  const size = trueSize(packet.length)
  while (n.queuedBytes + size > conf.unres_qlen_bytes) {
    const oldest = n.queue?.shift()
    if (oldest === undefined) break
    n.queuedBytes -= trueSize(oldest.length)
    dropPacket(world, n.dev, oldest, 'NEIGHBOUR_QUEUE_FULL')
  }
  // Room for the one packet that most wait with, not for the 17 of a list that grows.
  if (n.queue === undefined) n.queue = [packet]
  else n.queue.push(packet)
  n.queuedBytes += size
  const dev = n.dev
  world.trace.record(world, dev, STEP_QUEUE, -1, traceFrame(dev, packet))
}

function trueSize(length: number): number {
  let buffer = 512
  while (buffer < length + 64 + 320) buffer *= 2
  return buffer + SKB_OVERHEAD
}

/**
 * `neigh_update`: news of a neighbour.
 * @param mac undefined when the news does not say
 * @returns false when it was refused
 */
export function updateNeighbour(
  world: World,
  n: Neighbour,
  mac: Mac | undefined,
  state: number,
  flags: number,
): boolean {
  const now = nowMs(world)
  const old = n.state
  const admin = (flags & UPDATE_ADMIN) !== 0
  if (!admin && (old & (NUD_NOARP | NUD_PERMANENT)) !== 0) return false
  changed(n)
  if ((state & NUD_VALID) === 0) {
    n.timerAt = 0
    n.state = state
    if ((old & (NUD_INCOMPLETE | NUD_PROBE)) !== 0 && (state & NUD_FAILED) !== 0) {
      invalidate(world, n)
    }
    return true
  }
  let next = state
  let address = mac ?? n.mac
  if (mac === undefined && (old & NUD_VALID) === 0) return false
  if ((next & NUD_CONNECTED) !== 0) n.confirmed = now
  if ((old & NUD_VALID) !== 0) {
    if (address !== n.mac && (flags & UPDATE_OVERRIDE) === 0) {
      if ((flags & UPDATE_WEAK_OVERRIDE) === 0 || (old & NUD_CONNECTED) === 0) return false
      address = n.mac
      next = NUD_STALE
    } else if (address === n.mac && next === NUD_STALE && !admin) next = old
  }
  if (next !== old || address !== n.mac) n.updated = now
  if (next !== old) {
    n.timerAt = 0
    if ((next & NUD_PROBE) !== 0) n.probes = 0
    n.state = next
    if ((next & NUD_IN_TIMER) !== 0) {
      setTimer(world, n, now + ((next & NUD_REACHABLE) !== 0 ? reachableMs(world, n) : 0))
    }
  }
  if (address !== n.mac) {
    n.mac = address
    if ((next & NUD_CONNECTED) === 0) n.confirmed = now - confOf(n).base_reachable_time_ms * 2
  }
  if (next !== old && (old & NUD_VALID) === 0) sendQueued(world, n)
  return true
}

function sendQueued(world: World, n: Neighbour): void {
  const packets = n.queue
  n.queue = undefined
  n.queuedBytes = 0
  if (packets === undefined) return
  for (const packet of packets) sendToNeighbour(world, n, packet)
}

/** `neigh_event_ns`: somebody spoke to us from that address. */
export function heardFrom(world: World, dev: Device, key: Ip, mac: Mac): Neighbour | undefined {
  const ip = deviceIp(dev)
  if (ip === undefined) return undefined
  const n = neighboursOf(ip, key).get(key) ?? makeNeighbour(ip, dev, key)
  updateNeighbour(world, n, mac, NUD_STALE, UPDATE_OVERRIDE)
  return n
}

/**
 * `neigh_flush_dev`: forgets the neighbours of a link, permanent ones too unless `keepPermanent`.
 */
export function flushNeighbours(
  world: World,
  dev: Device,
  family: 4 | 6 | undefined,
  keepPermanent: boolean,
): void {
  const ip = deviceIp(dev)
  if (ip === undefined) return
  ip.news++
  if (family !== 6) flushMap(world, ip.neighbours4, keepPermanent)
  if (family !== 4) flushMap(world, ip.neighbours6, keepPermanent)
}

function flushMap<K extends Ip>(
  world: World,
  map: Map<K, Neighbour>,
  keepPermanent: boolean,
): void {
  if (map.size === 0) return
  for (const n of map.values()) {
    if (keepPermanent && (n.state & NUD_PERMANENT) !== 0) continue
    map.delete(n.ip as K)
    dropTimer(n)
    for (const packet of n.queue ?? []) dropPacket(world, n.dev, packet, 'NEIGHBOUR_FLUSHED')
  }
}
