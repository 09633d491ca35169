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
  /** How many packets had been sent at a moment. */
  readonly sentBy: (atMs: number) => number
  /** From the first to the last packet sent, ms. */
  readonly timeMs: number
}

/** The moments packets are sent: all of `count`, or what fits before the deadline. */
function starts(plan: PingPlan): number[] {
  const { count, intervalMs, deadlineMs } = plan
  const n = deadlineMs === undefined ? count : Math.min(count, Math.ceil(deadlineMs / intervalMs))
  const step = sleepMs(intervalMs)
  return Array.from({ length: n }, (_, i) => i * step)
}

/**
 * How long a sleep of the kernel lasts: its timers count in jiffies of 4 ms and round up, the
 * coarser the longer (kernel/time/timer.c): a ping each second comes every 1.024 s, one each 20 ms
 * every 24.
 */
function sleepMs(ms: number): number {
  const jiffies = Math.ceil(ms / 4)
  let grain = 1
  for (const start of [63, 504, 4032]) if (jiffies >= start) grain *= 8
  return (Math.floor(jiffies / grain) + 1) * grain * 4
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
  inOrderOfArrival(events)
  const end = endOf(plan, events, last)
  const step = at[1] ?? 1
  const sentBy = (ms: number) => Math.min(at.length, Math.floor(ms / step) + 1)
  return { events: events.filter((e) => e.atMs <= end), sent: at.length, sentBy, timeMs: last }
}

/** Moments nearer than this say nothing of an order: a real sender is late by as much. */
const SAME_MOMENT_MS = 100

/** What failed together (all that waited for one neighbour) is told in the order it was sent. */
function inOrderOfArrival(events: PingEvent[]): void {
  for (let n = 1; n < events.length; n++) {
    const event = events[n] as PingEvent
    let at = n
    for (; at > 0 && (events[at - 1] as PingEvent).atMs > event.atMs + SAME_MOMENT_MS; at--) {
      events[at] = events[at - 1] as PingEvent
    }
    events[at] = event
  }
}

function tookMs(result: ProbeResult): number {
  return result.outcome === 'reply' || result.outcome === 'icmp-error' ? result.rttNs / 1e6 : 0
}

/** finish of main_loop() and __schedule_exit(): twice the longest answer once there was one. */
function endOf(plan: PingPlan, events: readonly PingEvent[], last: number): number {
  if (plan.deadlineMs !== undefined) return plan.deadlineMs
  const replies = events.filter((e) => e.result.outcome === 'reply' && e.atMs <= last)
  if (replies.length === 0) return last + plan.lingerMs
  const longest = replies.reduce((most, e) => Math.max(most, tookMs(e.result)), 0)
  return last + Math.max(2 * longest, plan.intervalMs)
}

/** What the first sendto() failed with because of the packet filter: busybox dies of it. */
export function refusedErrno(run: PingRun): string | undefined {
  const [first] = run.events
  if (first?.result.outcome === 'errno' && first.result.errno === 'EPERM') return 'EPERM'
  return first?.result.outcome === 'icmp-error' ? first.result.sendErrno : undefined
}

/** Least, mean and greatest: of any number, where arguments of a call are limited. */
export function rangeOf(times: readonly number[]): readonly [number, number, number] {
  let least = Infinity
  let sum = 0
  let most = 0
  for (const time of times) {
    least = Math.min(least, time)
    sum += time
    most = Math.max(most, time)
  }
  return [least, sum / times.length, most]
}

/** The errno every packet met before anything was sent: the tool ends at once. */
export function connectErrno(run: PingRun): string | undefined {
  const first = run.events[0]
  if (first?.sequence !== 1 || first.result.outcome !== 'errno') return undefined
  // These come from sendmsg(), packet by packet; connect() had gone well.
  const { errno } = first.result
  return ['EMSGSIZE', 'ENOBUFS', 'EPERM'].includes(errno) ? undefined : errno
}
