/**
 * Why a ping failed, read off the simulator's trace: the step at which the last message of the
 * exchange that was new (ARP request, its answer, the echo, its answer, hop after hop) ended.
 *
 * A flooded frame ends in many places that have nothing to do with it; what counts is where it
 * ended for a reason of the path, and only then that somebody was not concerned.
 */
import type { Ip } from '../addr/ip.ts'
import type { Fabric } from '../fabric/fabric.ts'
import type { ReasonCode } from '../fabric/reason.ts'
import type { SimFabric } from '../sim/fabric.ts'
import type { RawStep } from '../sim/trace-ring.ts'
import type { Frame } from '../wire/frame.ts'
import type { Naming } from './plan.ts'
import { type FindReason, TIMEOUT_MS } from './probing.ts'

/** A node that was not meant, or another's frame: the ordinary end of a flooded copy. */
const NOT_CONCERNED: ReadonlySet<string> = new Set([
  'OTHERHOST',
  'ARP_NOT_FOR_US',
  'GROUP_NOT_JOINED',
  'ND_NOT_FOR_US',
])
/** What follows from an unanswered question: the question is what to look at. */
const CONSEQUENCE: ReadonlySet<string> = new Set(['NEIGHBOUR_FAILED', 'NEIGHBOUR_FLUSHED'])

export function simReason(fabric: SimFabric & Pick<Fabric, 'probe'>, naming: Naming): FindReason {
  return async (pair) => {
    const { world } = fabric
    const since = world.trace.count
    await fabric.probe([
      {
        protocol: 'icmp',
        timeoutMs: TIMEOUT_MS,
        from: `${naming.prefix}${pair.from}`,
        to: pair.target,
        ...(pair.source === undefined ? {} : { source: pair.source }),
      },
    ])
    const { steps } = world.trace.read(since)
    const target = world.netns.get(`${naming.prefix}${pair.to}`)?.id
    return decidingReason(steps, target)
  }
}

/**
 * The reason that decided.
 * @param target namespace of the node pinged; undefined for a bare address
 */
export function decidingReason(
  steps: readonly RawStep[],
  target: number | undefined,
): ReasonCode | undefined {
  const relevant = steps.flatMap((step) => {
    if (step.reason !== undefined && CONSEQUENCE.has(step.reason)) return []
    const message = step.frame === undefined ? undefined : messageOf(step.frame)
    return message === undefined ? [] : [{ step, message }]
  })
  const last = [...new Set(relevant.map((r) => r.message))].at(-1)
  const ends = relevant.filter((r) => r.message === last && r.step.reason !== undefined)
  const real = ends.filter((r) => !NOT_CONCERNED.has(r.step.reason as string))
  const here = (list: typeof ends) => list.filter((r) => r.step.netns === target)
  const choice = [here(real), real, here(ends), ends].find((list) => list.length > 0)
  return choice?.at(-1)?.step.reason
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
  if (payload.kind !== 'icmp') return undefined
  const echo = payload.version === 4 ? [8, 0] : [128, 129]
  return echo.includes(payload.type)
    ? `icmp ${payload.type} ${ends(packet.src, packet.dst)}`
    : undefined
}
