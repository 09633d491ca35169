/**
 * Where an exchange went, in the simulator and by the kernel's own trace events: which links gave
 * which sort of frames to their drivers, and whether the one we say decided had it.
 */
import { type Answer, ask } from '../../src/explain/ask.ts'
import { quiet } from '../../src/explain/explain.ts'
import type { SimFabric } from '../../src/sim/fabric.ts'
import type { Question } from '../../src/explain/question.ts'
import type { RawStep } from '../../src/sim/trace-ring.ts'
import type { Seen } from './kernel-trace.ts'

const IPV4 = 0x0800
const IPV6 = 0x86dd
/** A bridge that comes up tells of its groups (IGMP) for some seconds; a ping is longer. */
const SHORTEST_PING = 60

export interface Told {
  readonly answer: Answer
  /** `tx 806 eth0`: which sort of frame was sent and received where. */
  readonly passed: ReadonlySet<string>
  /** That of the decisive step, where the kernel must have seen it too. */
  readonly decided: string | undefined
}

export function toldBySimulator(fabric: SimFabric, question: Question): Told {
  const base = quiet(fabric)
  const answer = ask(base, question)
  const { world } = base
  const passed = new Set<string>()
  const nameOf = ({ action, device, frame }: RawStep): string | undefined => {
    const link = world.devices[device]
    if (frame === undefined || link === undefined || frame.etherType === IPV6) return undefined
    if (link.ops.kind === 'loopback' || (action !== 'tx' && action !== 'rx')) return undefined
    return `${action} ${frame.etherType.toString(16)} ${link.name}`
  }
  for (const step of answer.steps) {
    const name = nameOf(step)
    if (name !== undefined) passed.add(name)
  }
  // What a frame to one MAC is handed to by a macvlan below is not an event of its own.
  const { end } = answer
  const before = answer.steps.findLast(
    (s) => s.frame === end?.frame && s.device === end?.device && nameOf(s) !== undefined,
  )
  const group = ((end?.frame?.dst ?? 0) / 2 ** 40) % 2 >= 1
  const seen =
    before === undefined || !(group || before.action === 'tx') ? undefined : nameOf(before)
  return { answer, passed, decided: seen }
}

/** Where the kernel saw otherwise; empty when it agrees. */
export function disagreement(told: Told, seen: readonly Seen[]): string[] {
  const real = new Set(
    seen
      .filter((s) => s.etherType !== IPV6)
      .filter((s) => s.etherType !== IPV4 || s.length >= SHORTEST_PING)
      .map((s) => `${s.what} ${s.etherType.toString(16)} ${s.link}`),
  )
  const out: string[] = []
  for (const one of told.passed)
    if (one.startsWith('tx') && !real.has(one)) out.push(`only simulated: ${one}`)
  for (const one of real) if (!told.passed.has(one)) out.push(`only on the kernel: ${one}`)
  if (told.decided !== undefined && !real.has(told.decided)) out.push(`never at ${told.decided}`)
  return out
}
