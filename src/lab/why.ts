/**
 * Why a ping failed, read off the simulator's trace: the step at which the last message of the
 * exchange that was new (ARP request, its answer, the echo, its answer, hop after hop) ended.
 *
 * A flooded frame ends in many places that have nothing to do with it; what counts is where it
 * ended for a reason of the path, and only then that somebody was not concerned.
 */
import type { Ip } from '../addr/ip.ts'
import type { SimFabric } from '../sim/fabric.ts'
import type { Device } from '../sim/model.ts'
import type { RawStep } from '../sim/trace-ring.ts'
import type { Frame } from '../wire/frame.ts'
import type { Naming } from './plan.ts'
import { type FindReason, probeOf } from './probing.ts'

/** A node that was not meant, or another's frame: the ordinary end of a flooded copy. */
const NOT_CONCERNED: ReadonlySet<string> = new Set([
  'OTHERHOST',
  'ARP_NOT_FOR_US',
  'GROUP_NOT_JOINED',
  'ND_NOT_FOR_US',
])
/** Messages that travel back. */
const ANSWER = /^(?:arp 2|nd 136|icmp 0|icmp 129) /
/** What follows from an unanswered question: the question is what to look at. */
const CONSEQUENCE: ReadonlySet<string> = new Set(['NEIGHBOUR_FAILED', 'NEIGHBOUR_FLUSHED'])

export function simReason(fabric: SimFabric, naming: Naming): FindReason {
  const { world } = fabric
  return async (pair) => {
    const since = world.trace.count
    await fabric.probe([probeOf(pair, naming)])
    const { steps } = world.trace.read(since)
    const idOf = (node: string | undefined) => world.netns.get(`${naming.prefix}${node}`)?.id
    const end = decidingStep(steps, {
      from: idOf(pair.from),
      to: idOf(pair.to),
      concerns: (device, netns) => concerns(world.devices[device], netns),
    })
    if (end?.reason === undefined) return undefined
    const node = world.netnsById[end.netns]?.name.slice(naming.prefix.length) ?? ''
    const [to, device] = [world.devices[end.to], world.devices[end.device]]
    // A bridge decides port by port: the port it did not send to is the place.
    const link = (to?.netns.id === end.netns ? to : device)?.name
    return { code: end.reason, at: link === undefined ? node : `${node}:${link}` }
  }
}

/** Whether a device is in a namespace, or its cable leads there, children at its end included. */
function concerns(device: Device | undefined, netns: number): boolean {
  const on = (d: Device): boolean => d.netns.id === netns || d.uppers.some(on)
  return (
    device !== undefined && (device.netns.id === netns || (device.peer ? on(device.peer) : false))
  )
}

/** Where a ping begins and should end. */
export interface Path {
  /** Namespace of the pinging node. */
  readonly from: number | undefined
  /** Namespace of the node pinged; undefined for a bare address. */
  readonly to: number | undefined
  /** Whether a device is in a namespace, or its cable leads there. */
  concerns(device: number, netns: number): boolean
}

/** The step that decided. */
export function decidingStep(steps: readonly RawStep[], path: Path): RawStep | undefined {
  const relevant = steps.flatMap((step) => {
    // Waiting for a neighbour is no progress: the packet goes on after the question.
    if (step.action === 'queue' || CONSEQUENCE.has(step.reason ?? '')) return []
    const message = step.frame === undefined ? undefined : messageOf(step.frame)
    return message === undefined ? [] : [{ step, message }]
  })
  const last = [...new Set(relevant.map((r) => r.message))].at(-1)
  const ends = relevant.flatMap(({ step, message }) =>
    message === last && step.reason !== undefined ? [step] : [],
  )
  const goal = last !== undefined && ANSWER.test(last) ? path.from : path.to
  const near = (step: RawStep): boolean =>
    goal !== undefined && path.concerns(step.to < 0 ? step.device : step.to, goal)
  const real = ends.filter((s) => !NOT_CONCERNED.has(s.reason ?? ''))
  const choices = [
    real.filter(near),
    real.filter((s) => s.reason !== 'BRIDGE_NO_HAIRPIN'),
    real,
    ends.filter(near),
    ends,
  ]
  return choices.find((list) => list.length > 0)?.at(-1)
}

/** Names a message of a ping's exchange, so that a repetition is recognised. */
function messageOf({ packet }: Frame): string | undefined {
  const ends = (from: Ip, to: Ip) => `${from}>${to}`
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
  if (payload.kind === 'tcp' || payload.kind === 'udp') {
    const ports = `${payload.srcPort}>${payload.dstPort}`
    return `${payload.kind} ${ends(packet.src, packet.dst)} ${ports}`
  }
  if (payload.kind !== 'icmp') return undefined
  const echo = payload.version === 4 ? [8, 0] : [128, 129]
  return echo.includes(payload.type)
    ? `icmp ${payload.type} ${ends(packet.src, packet.dst)}`
    : undefined
}
