/**
 * What iputils and busybox ping have in common: packets sent an interval apart, and what came back
 * when. The fabric sends them in one call with staggered starts; here the answers are put in the
 * order of their arrival and cut where the tool would have stopped listening.
 */
import type { Ip } from '../../addr/ip.ts'
import type { Probe, ProbeResult } from '../../fabric/fabric.ts'
import type { Session } from '../session.ts'

export interface PingPlan {
  readonly to: Ip
  readonly count: number
  readonly intervalMs: number
  /** How long to listen after the last packet when nothing came at all, ms. */
  readonly lingerMs: number
  /** Stop after so long whatever happens, ms. */
  readonly deadlineMs: number | undefined
  readonly size: number
  readonly ttl: number | undefined
  readonly link: string | undefined
  readonly source: Ip | undefined
  readonly pmtu: 'do' | 'dont' | 'want' | undefined
  readonly broadcast: boolean
}

/** One thing that happened, with its time from the start. */
export interface PingEvent {
  readonly atMs: number
  /** From 1. */
  readonly sequence: number
  readonly result: ProbeResult
}

export interface PingRun {
  readonly events: readonly PingEvent[]
  readonly sent: number
  /** From the first to the last packet sent, ms. */
  readonly timeMs: number
}

/** The sequence numbers sent and when: all of `count`, or what fits before the deadline. */
function starts(plan: PingPlan): number[] {
  const { count, intervalMs, deadlineMs } = plan
  const n = deadlineMs === undefined ? count : Math.min(count, Math.ceil(deadlineMs / intervalMs))
  return Array.from({ length: n }, (_, i) => i * intervalMs)
}

/** Sends and listens as the plan says. */
export async function runPing(session: Session, plan: PingPlan): Promise<PingRun> {
  const at = starts(plan)
  const last = at.at(-1) ?? 0
  const probes = at.map(
    (startMs, i): Probe => ({
      protocol: 'icmp',
      from: session.netns,
      to: plan.to,
      sequence: i + 1,
      size: plan.size,
      startMs,
      timeoutMs: last - startMs + plan.lingerMs,
      broadcast: plan.broadcast,
      ...(plan.ttl === undefined ? {} : { ttl: plan.ttl }),
      ...(plan.link === undefined ? {} : { link: plan.link }),
      ...(plan.source === undefined ? {} : { source: plan.source }),
      ...(plan.pmtu === undefined ? {} : { pmtu: plan.pmtu }),
    }),
  )
  const results = await session.fabric.probe(probes)
  const events = results
    .map((result, i) => ({ atMs: (at[i] ?? 0) + tookMs(result), sequence: i + 1, result }))
    .filter((e) => e.result.outcome !== 'timeout')
    .sort((a, b) => a.atMs - b.atMs)
  const end = endOf(plan, events, last)
  return { events: events.filter((e) => e.atMs <= end), sent: at.length, timeMs: last }
}

function tookMs(result: ProbeResult): number {
  return result.outcome === 'reply' || result.outcome === 'icmp-error' ? result.rttNs / 1e6 : 0
}

/** finish of main_loop() and __schedule_exit(): twice the longest answer once there was one. */
function endOf(plan: PingPlan, events: readonly PingEvent[], last: number): number {
  if (plan.deadlineMs !== undefined) return plan.deadlineMs
  const replies = events.filter((e) => e.result.outcome === 'reply' && e.atMs <= last)
  if (replies.length === 0) return last + plan.lingerMs
  const longest = Math.max(...replies.map((e) => tookMs(e.result)))
  return last + Math.max(2 * longest, plan.intervalMs)
}

/** The errno every packet met before anything was sent: the tool ends at once. */
export function connectErrno(run: PingRun): string | undefined {
  const first = run.events[0]
  if (first?.sequence !== 1 || first.result.outcome !== 'errno') return undefined
  return first.result.errno === 'EMSGSIZE' ? undefined : first.result.errno
}
