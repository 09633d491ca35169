/** Asks one question of a simulated world and finds where it ended. */
import type { ProbeResult } from '../fabric/fabric.ts'
import type { ReasonCode } from '../fabric/reason.ts'
import type { SimFabric } from '../sim/fabric.ts'
import { runProbes } from '../sim/ip/probe.ts'
import { runUntil } from '../sim/run.ts'
import { flushNeighbours } from '../sim/ip/neighbour.ts'
import { deviceIp } from '../sim/ip/state.ts'
import { bridgeOf } from '../sim/link/bridge-state.ts'
import type { Device, World } from '../sim/model.ts'
import type { RawStep } from '../sim/trace-ring.ts'
import { applyOp } from '../sim/world.ts'
import { decidingStep, longestWait, pathIn } from './decide.ts'
import { probeOf, type Question } from './question.ts'

/** Frames on their way when the answer is there (a broadcast's other copies) get so long. */
const LINGER_NS = 100_000

/** What became of a question. */
export interface Answer {
  readonly ok: boolean
  readonly result: ProbeResult
  /** Everything any frame met meanwhile. */
  readonly steps: readonly RawStep[]
  /** The step that ended it; undefined when it worked, or ended before any frame was made. */
  readonly end: RawStep | undefined
  /** Why it ended; undefined when it worked. */
  readonly code: ReasonCode | undefined
  /** Whether the way there and back is open, if only for the answer that nobody listens. */
  readonly open: boolean
}

/**
 * Asks a question of the world as it is; time passes in it.
 * @param wanted whether the steps are, if it works
 */
export function ask(fabric: SimFabric, question: Question, wanted = true): Answer {
  const { world } = fabric
  const since = world.trace.count
  const [result] = runProbes(world, [probeOf(question)]) as [ProbeResult]
  runUntil(world, world.now + LINGER_NS)
  const ok = result.outcome === 'reply'
  if (ok && !wanted) {
    return { ok, open: ok, result, steps: [], end: undefined, code: undefined }
  }
  const { steps } = world.trace.read(since)
  if (ok) return { ok, open: ok, result, steps, end: undefined, code: undefined }
  const closed = closedAt(world, question, steps)
  const path = pathIn(world, question.from, question.to, question.port)
  const end = closed ?? lateOr(decidingStep(steps, path), steps)
  const ended = reasonOf(end) ?? codeOf(world, question, result)
  const code = closed === undefined ? ended : 'PORT_CLOSED'
  return { ok, open: closed !== undefined, result, steps, end, code }
}

/**
 * A neighbour solicitation that found no owner is that, whether a bystander's group filter refused
 * it or, its group being the last 24 bits of an address, let it in to somebody with like bits
 * (RFC 4291, 2.7.1): chance of numbers, not of the network.
 */
function reasonOf(end: RawStep | undefined): ReasonCode | undefined {
  const packet = end?.frame?.packet
  const asks = packet?.kind === 'ip6' && packet.payload.kind === 'nd' && packet.payload.type === 135
  return asks && end?.reason === 'GROUP_NOT_JOINED' ? 'ND_NOT_FOR_US' : end?.reason
}

/** An answer for which nobody waited any more came late, where a cable held it back. */
function lateOr(end: RawStep | undefined, steps: readonly RawStep[]): RawStep | undefined {
  return end === undefined || end.reason === 'NO_SOCKET' ? (longestWait(steps) ?? end) : end
}

/** Whether it works, and no more: for counting. */
export function reaches({ world }: SimFabric, question: Question): boolean {
  return runProbes(world, [probeOf(question)])[0]?.outcome === 'reply'
}

/** Makes everybody forget whom they have met. */
export function forget({ world }: SimFabric): void {
  for (const netns of world.netns.values()) {
    let met = false
    for (const dev of netns.byIndex.values()) {
      if (dev.ops.kind === 'bridge') forgetMacs(world, dev)
      const ip = deviceIp(dev)
      if (ip === undefined || (ip.neighbours4.size === 0 && ip.neighbours6.size === 0)) continue
      met = true
      // Not as a user flushes: who still waits is told nothing, so nothing is under way then.
      flushNeighbours(world, dev, undefined, true)
    }
    if (met) applyOp(world, { do: 'route.flush-cache', netns: netns.name })
  }
}

function forgetMacs(world: World, bridge: Device): void {
  for (const entries of bridgeOf(bridge).fdb.values()) {
    for (const entry of entries.values()) {
      if (entry.static || entry.local) continue
      applyOp(world, { do: 'fdb.flush', netns: bridge.netns.name, bridge: bridge.name })
      return
    }
  }
}

/**
 * A port nobody listens on answers (RST, port unreachable): the way there and back is open. A rule
 * that rejects answers alike, but not from there.
 */
function closedAt(
  world: World,
  question: Question,
  steps: readonly RawStep[],
): RawStep | undefined {
  const from = world.netns.get(question.from)?.id
  const at = steps.findIndex((s) => s.reason === 'PORT_CLOSED' && s.netns !== from)
  const back = steps.slice(at + 1).some((s) => s.action === 'consume' && s.netns === from)
  if (at >= 0) return back ? steps[at] : undefined
  return refusedBy(steps, from)
}

/** Where a SYN was taken and answered with a reset, by the machine and not by its filter. */
function refusedBy(steps: readonly RawStep[], from: number | undefined): RawStep | undefined {
  if (steps.some((s) => s.reason?.startsWith('NETFILTER') === true)) return undefined
  const reset = steps.find((s) => s.action === 'consume' && s.netns === from && isTcp(s, 4))
  if (reset === undefined) return undefined
  return steps.findLast((s) => s.action === 'consume' && s.netns !== from && isTcp(s, 2))
}

function isTcp({ frame }: RawStep, flag: number): boolean {
  const packet = frame?.packet
  if (packet?.kind !== 'ip4' && packet?.kind !== 'ip6') return false
  return packet.payload.kind === 'tcp' && (packet.payload.flags & flag) !== 0
}

/** What a failure means that left no frame behind. */
const ERRNO_CODES: Readonly<Record<string, ReasonCode>> = {
  ENETUNREACH: 'NO_ROUTE',
  EADDRNOTAVAIL: 'NO_ROUTE',
  EHOSTUNREACH: 'ROUTE_UNREACHABLE',
  EACCES: 'ROUTE_PROHIBIT',
  EPERM: 'NETFILTER_OUTPUT',
  EINVAL: 'ROUTE_BLACKHOLE',
  EMSGSIZE: 'MTU_TOO_SMALL',
  ENETDOWN: 'LINK_DOWN',
}

function codeOf(world: World, question: Question, result: ProbeResult): ReasonCode {
  if (result.outcome !== 'errno') return 'NEIGHBOUR_FAILED'
  const devices = [...(world.netns.get(question.from)?.byIndex.values() ?? [])]
  const links = devices.filter((dev) => dev.ops.kind !== 'loopback')
  // A link that is down has no routes: the route is not what is missing.
  const down = result.errno === 'ENETUNREACH' && links.length > 0 && links.every((dev) => !dev.up)
  return down ? 'LINK_DOWN' : (ERRNO_CODES[result.errno] ?? 'NO_ROUTE')
}
