/**
 * Which step of a trace decided: the step at which the last message of an exchange that was new
 * (ARP request, its answer, the echo, its answer, hop after hop) ended.
 *
 * A flooded frame ends in many places that have nothing to do with it; what counts is where it
 * ended for a reason of the path, and only then that somebody was not concerned.
 */
import type { Ip } from '../addr/ip.ts'
import type { ReasonCode } from '../fabric/reason.ts'
import { bridgeOf } from '../sim/link/bridge-state.ts'
import { type Device, PACKET_HOST, type World } from '../sim/model.ts'
import type { RawStep } from '../sim/trace-ring.ts'
import type { Frame, Payload } from '../wire/frame.ts'

/** A node that was not meant, or another's frame: the ordinary end of a flooded copy. */
const NOT_CONCERNED: ReadonlySet<ReasonCode> = new Set<ReasonCode>([
  'OTHERHOST',
  'ARP_NOT_FOR_US',
  'GROUP_NOT_JOINED',
  'ND_NOT_FOR_US',
])
/** Messages that travel back. */
const ANSWER = /^(?:arp 2|nd 136|icmp 0|icmp 129|tcp back|udp back) /
/** What follows from an unanswered question: the question is what to look at. */
const CONSEQUENCE: ReadonlySet<ReasonCode> = new Set<ReasonCode>([
  'NEIGHBOUR_FAILED',
  'NEIGHBOUR_FLUSHED',
])

/** Where an exchange begins and should end. */
export interface Path {
  /** Namespace that asks. */
  readonly from: number | undefined
  /** Namespace asked; undefined for a bare address. */
  readonly to: number | undefined
  /** The port asked, where there is one: what comes from it is an answer. */
  readonly port?: number
  /** Whether a device is in a namespace, or its cable leads there. */
  concerns(device: number, netns: number): boolean
  /** The namespace that holds an address; undefined where nobody does, or several. */
  holder?(ip: Ip | undefined): number | undefined
  /** Links between a device and a namespace; undefined where nothing joins them. */
  distance?(netns: number): (device: number) => number | undefined
}

/** The step that decided; undefined when nothing ended. */
export function decidingStep(steps: readonly RawStep[], path: Path): RawStep | undefined {
  const relevant = messagesOf(steps, path.port)
  const last = lastProgress(relevant)
  if (last === undefined) return undefined
  const asked = relevant.find(({ message }) => message === last)?.step.frame
  const ends = relevant.flatMap(({ step, message }) =>
    message === last && step.reason !== undefined ? [step] : [],
  )
  const holder = asked === undefined ? undefined : path.holder?.(askedFor(asked))
  if (holder !== undefined && path.distance !== undefined) {
    return closest(ends, holder, path.distance(holder), path)
  }
  const goal = isAnswer(last) ? path.from : path.to
  const near = (step: RawStep): boolean => goal !== undefined && path.concerns(placeOf(step), goal)
  const real = ends.filter((s) => !isReason(NOT_CONCERNED, s))
  const choices = [
    real.filter(near),
    real.filter((s) => s.reason !== 'BRIDGE_NO_HAIRPIN'),
    real,
    ends.filter(near),
    ends,
  ]
  return choices.find((list) => list.length > 0)?.at(-1)
}

/** The device a step leads to, or happened at. */
function placeOf(step: RawStep): number {
  return step.to < 0 ? step.device : step.to
}

/**
 * Of the many ends of a question to all, the one closest to whoever holds the address asked for:
 * what befell the other copies is beside the way.
 */
function closest(
  ends: readonly RawStep[],
  holder: number,
  distance: (device: number) => number | undefined,
  path: Path,
): RawStep | undefined {
  const rank = (step: RawStep): number =>
    path.concerns(placeOf(step), holder) ? 0 : (distance(placeOf(step)) ?? Infinity)
  const ranks = ends.map(rank)
  const least = Math.min(...ranks)
  const best = ends.filter((_, i) => ranks[i] === least)
  const real = best.filter((s) => !isReason(NOT_CONCERNED, s))
  const choices = [real.filter((s) => s.reason !== 'BRIDGE_NO_HAIRPIN'), real, best]
  return choices.find((list) => list.length > 0)?.at(-1)
}

/** The address a question of the link layer is about, or its answer goes to. */
export function askedFor(frame: Frame | undefined): Ip | undefined {
  const packet = frame?.packet
  if (packet?.kind === 'arp') return packet.targetIp
  if (packet?.kind !== 'ip6' || packet.payload.kind !== 'nd') return undefined
  return packet.payload.type === 135 ? packet.payload.target : packet.dst
}

interface Told {
  readonly step: RawStep
  readonly message: string
}

/**
 * The message that got furthest: the last one that was new, or came to a namespace that took it for
 * the first time. A packet waits at a router while the next hop is asked for, and then goes on.
 */
function lastProgress(relevant: readonly Told[]): string | undefined {
  const seen = new Set<string>()
  let last: string | undefined
  for (const { step, message } of relevant) {
    const taken = takes(step, message)
    // Copies of a flooded frame come one after the other.
    if (!taken && message === last) continue
    const place = taken ? `${message} ${step.netns}` : message
    if (seen.has(place)) continue
    seen.add(place).add(message)
    last = message
  }
  return last
}

/** Whether a namespace took a packet (a question to all is heard by many, and late by some). */
function takes(step: RawStep, message: string): boolean {
  const { action, to } = step
  if (action !== 'consume' && (action !== 'deliver' || to !== PACKET_HOST)) return false
  return !message.startsWith('arp') && !message.startsWith('nd')
}

/** Whether a message, by its name, is on the way back. */
export function isAnswer(message: string): boolean {
  return ANSWER.test(message)
}

/** The path of an exchange between two namespaces of a world. */
export function pathIn(
  world: World,
  from: string,
  to: string | undefined,
  port: number | undefined,
): Path {
  return {
    from: world.netns.get(from)?.id,
    to: to === undefined ? undefined : world.netns.get(to)?.id,
    ...(port === undefined ? {} : { port }),
    concerns: (device, netns) => concerns(world.devices[device], netns),
    holder: (ip) =>
      ip === undefined
        ? undefined
        : remembered(foundOf(world).holders, ip, () => holderOf(world, ip)),
    distance: (netns) =>
      remembered(foundOf(world).distances, netns, () => distancesFrom(world, netns)),
  }
}

/** Whether a device is in a namespace, or its cable leads there, children at its end included. */
function concerns(device: Device | undefined, netns: number): boolean {
  const on = (d: Device): boolean => d.netns.id === netns || d.uppers.some(on)
  return (
    device !== undefined && (device.netns.id === netns || (device.peer ? on(device.peer) : false))
  )
}

/** What was found out of a world as it stands; another layout is another world. */
interface Found {
  readonly layout: number
  readonly holders: Map<Ip, number | undefined>
  readonly distances: Map<number, (device: number) => number | undefined>
}
const FOUND = new WeakMap<World, Found>()

function foundOf(world: World): Found {
  const known = FOUND.get(world)
  if (known?.layout === world.layout) return known
  const fresh = { layout: world.layout, holders: new Map(), distances: new Map() }
  FOUND.set(world, fresh)
  return fresh
}

function remembered<K, V>(map: Map<K, V>, key: K, find: () => V): V {
  const known = map.get(key)
  if (known !== undefined || map.has(key)) return known as V
  const value = find()
  map.set(key, value)
  return value
}

function holderOf(world: World, ip: Ip): number | undefined {
  let found: number | undefined
  for (const netns of world.netns.values()) {
    for (const dev of netns.byIndex.values()) {
      if (!world.stack.holds(dev, ip)) continue
      if (found !== undefined && found !== netns.id) return undefined
      found = netns.id
    }
  }
  return found
}

/** How far every device is from a namespace, by cables, bridges and what sits on what. */
function distancesFrom(world: World, netns: number): (device: number) => number | undefined {
  const found = new Map<number, number>()
  let ring = [...(world.netnsById[netns]?.byIndex.values() ?? [])]
  for (const { id } of ring) found.set(id, 0)
  for (let far = 1; ring.length > 0; far++) {
    const next: Device[] = []
    for (const dev of ring) {
      for (const other of besides(dev)) {
        if (found.has(other.id)) continue
        found.set(other.id, far)
        next.push(other)
      }
    }
    ring = next
  }
  return (device) => found.get(device)
}

function besides(dev: Device): Device[] {
  const ports = dev.ops.kind === 'bridge' ? bridgeOf(dev).ports.map((port) => port.dev) : []
  const ends = [dev.peer, dev.lower, dev.master].filter((d) => d !== undefined)
  return [...ends, ...dev.uppers, ...ports]
}

/** The steps of an exchange, each with the name of its message; its waiting is left out. */
export function messagesOf(steps: readonly RawStep[], port: number | undefined): Told[] {
  const told: Told[] = []
  const held = heldSteps(steps)
  // Copies of a flooded frame are one frame: it is named once.
  const names = new Map<Frame, string | undefined>()
  let last: Frame | undefined
  let message: string | undefined
  for (const step of steps) {
    const { frame } = step
    // Waiting for a neighbour is no progress: the packet goes on after the question.
    // Nor is waiting in an impaired cable, unless nobody saw the end of it.
    const waits = step.action === 'queue' && held.get(step) !== Infinity
    if (frame === undefined || waits || isReason(CONSEQUENCE, step)) continue
    if (frame !== last) message = remembered(names, frame, () => messageOf(frame, port))
    last = frame
    if (message !== undefined) told.push({ step, message })
  }
  return told
}

/** Steps at which a frame began to wait in an impaired cable, and for how long it did, ns. */
function heldSteps(steps: readonly RawStep[]): Map<RawStep, number> {
  const held = new Map<RawStep, number>()
  for (const [at, step] of steps.entries()) {
    if (step.reason !== 'NETEM_LATE') continue
    const on = steps.find((s, i) => i > at && s.frame === step.frame && s.device === step.device)
    held.set(step, on === undefined ? Infinity : on.timeNs - step.timeNs)
  }
  return held
}

/** Where a frame waited longest, when an answer came after everybody had stopped waiting. */
export function longestWait(steps: readonly RawStep[]): RawStep | undefined {
  return [...heldSteps(steps)].toSorted(([, a], [, b]) => b - a)[0]?.[0]
}

function isReason(set: ReadonlySet<ReasonCode>, step: RawStep): boolean {
  return step.reason !== undefined && set.has(step.reason)
}

/** Names a message of an exchange, so that a repetition is recognised. */
function messageOf({ packet }: Frame, port: number | undefined): string | undefined {
  if (packet.kind === 'arp') {
    return `arp ${packet.operation} ${ends(packet.senderIp, packet.targetIp)}`
  }
  if (packet.kind !== 'ip4' && packet.kind !== 'ip6') return undefined
  const { payload } = packet
  if (payload.kind === 'nd') {
    // Solicitation and advertisement of one address; router and address discovery are background.
    const asks = payload.type === 135 || payload.type === 136
    return asks && packet.src !== 0n ? `nd ${payload.type} ${payload.target}` : undefined
  }
  const what = whatOf(payload, port)
  return what === undefined ? undefined : `${what} ${ends(packet.src, packet.dst)}`
}

function whatOf(payload: Payload, port: number | undefined): string | undefined {
  if (payload.kind === 'icmp') {
    const echo = payload.version === 4 ? [8, 0] : [128, 129]
    return echo.includes(payload.type) ? `icmp ${payload.type}` : undefined
  }
  if (payload.kind !== 'tcp' && payload.kind !== 'udp') return undefined
  return `${payload.kind} ${payload.srcPort === port ? 'back' : 'forth'}`
}

function ends(from: Ip, to: Ip): string {
  return `${from}>${to}`
}
