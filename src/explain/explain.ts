/**
 * Explains: asks a question of a copy of a simulated world, from empty tables, says where and why
 * it ended, and what mends it.
 *
 * The world asked about is left as it is. Which way a flooded copy took, which step decided and
 * whether a remedy works is never guessed: it is read off the simulator's trace.
 */
import { formatIp } from '../addr/ip.ts'
import { ruleWords } from '../fabric/print-iptables.ts'
import { REASONS, type ReasonCode } from '../fabric/reason.ts'
import type { SimFabric } from '../sim/fabric.ts'
import { runUntil } from '../sim/run.ts'
import { takeSnapshot } from '../sim/snapshot.ts'
import { type Answer, ask, forget } from './ask.ts'
import { causeOf } from './cause.ts'
import { type CauseCode, CAUSES } from './causes.ts'
import { ruleOf } from './edit-filter.ts'
import { headlineOf } from './headline.ts'
import { placeOf } from './place.ts'
import { formatProtocol, type Question } from './question.ts'
import { Scene } from './scene.ts'
import { findRemedies, reverseOf } from './search.ts'
import { type Alike, crowdOf } from './thin.ts'
import type { Explanation, Hop, Leg, Origin, Place } from './types.ts'
import { wayOf } from './way.ts'

/** What machines say of themselves (groups, duplicate addresses) is over by then. */
const QUIET_NS = 10_000_000_000
/** Trace entries kept of a question: its flood may pass every port of a large network. */
const KEPT_STEPS = 65_536

export interface ExplainOptions {
  /** A namespace as people call it; default: its name. */
  readonly name?: (netns: string) => string
  /** Where somebody wrote what made it so. */
  readonly origins?: (place: Place, code: ReasonCode) => readonly Origin[]
  /** Whether to look for remedies; default true. */
  readonly remedies?: boolean
  readonly trials?: number
  /** Whether to count what remedies change for others; default true. */
  readonly effects?: boolean
  /** Endpoints that stand for others which are not in the world. */
  readonly alike?: Alike
  /** Gets the whole answer, for captures. */
  readonly onAnswer?: (answer: Answer, world: SimFabric) => void
}

/**
 * Explains why one namespace reaches an address, or does not.
 *
 * @example
 * ```ts
 * const ip = parseIp('10.0.0.2')
 * const why = explain(sim, { from: 'ns1', to: 'ns2', target: ip, protocol: 'icmp' })
 * if (why.verdict === 'fail') say(why.headline, why.remedies)
 * ```
 */
export function explain(
  fabric: SimFabric,
  question: Question,
  options: ExplainOptions = {},
): Explanation {
  const name = options.name ?? ((netns) => netns)
  const base = quiet(fabric)
  const scene = new Scene(takeSnapshot(base.world))
  const cold = base.fork()
  const answer = ask(cold, question)
  options.onAnswer?.(answer, cold)
  const spoken = askAfterOther(base, scene, question)
  const verdict = answer.ok === spoken ? (answer.ok ? 'ok' : 'fail') : 'order'
  const { code } = answer
  const { world } = cold
  const at = answer.end === undefined ? endWithoutFrame(question, code) : placeOf(world, answer.end)
  const cause = code === undefined ? undefined : causeOf(scene, question, code, at)
  const legs = wayOf(world, answer.steps, answer.end, question.port)
  const found =
    code === undefined || answer.open || options.remedies === false
      ? { remedies: [], rejected: [], search: { tried: 0, candidates: 0, bounded: false } }
      : findRemedies(
          base,
          question,
          { answer, world: cold },
          {
            ...options,
            name,
            alike: options.alike ?? takeCrowd(base, scene, question, legs),
          },
        )
  const way =
    code === undefined || answer.end !== undefined ? legs : [failedLeg(question, at, legs)]
  const filter = filterText(scene, question, code, answer, at)
  return {
    question,
    verdict,
    orders: { cold: answer.ok, spoken },
    code,
    cause,
    headline: headlineOf({ question, verdict, code, cause, at, way, name, orders: answer.ok }),
    at,
    way,
    rule: code === undefined ? undefined : { ...ruleText(code, cause), filter },
    origins: code === undefined || at === undefined ? [] : (options.origins?.(at, code) ?? []),
    notes: notesOf(question, answer),
    ...found,
    ttl: answer.result.outcome === 'reply' ? answer.result.ttl : undefined,
    responder: answer.result.outcome === 'reply' ? answer.result.responder : undefined,
  }
}

/** A copy in which nobody knows anybody and nothing moves by itself. */
export function quiet(fabric: SimFabric): SimFabric {
  const copy = fabric.fork()
  copy.world.trace = copy.world.trace.forkWithRoom(KEPT_STEPS)
  runUntil(copy.world, copy.world.now + QUIET_NS)
  forget(copy)
  return copy
}

/** Takes those that others stand for out of a world: every trial of the search is a copy of it. */
function takeCrowd(
  fabric: SimFabric,
  scene: Scene,
  { from, to, target }: Question,
  way: readonly Leg[],
): Alike {
  const holders = scene.owners(target).map((owner) => owner.netns)
  const passed = way.flatMap((leg) => leg.hops.map((hop) => hop.netns))
  const { alike, gone } = crowdOf(scene, [from, to, ...holders, ...passed])
  fabric.applyNow([...gone].map((netns) => ({ do: 'netns.del', netns })))
  return alike
}

/** Whether it works once the other end has spoken first. */
function askAfterOther(base: SimFabric, scene: Scene, question: Question): boolean {
  const world = base.fork()
  const back = reverseOf(scene, question)
  if (back !== undefined) ask(world, back)
  return ask(world, question).ok
}

/** A failure of the socket call itself happens in the namespace that asked. */
function endWithoutFrame(question: Question, code: ReasonCode | undefined): Place | undefined {
  if (code === undefined) return undefined
  return { netns: question.from, link: question.link, toLink: undefined, frame: undefined }
}

function failedLeg(question: Question, at: Place | undefined, legs: readonly Leg[]): Leg {
  const hop: Hop = {
    timeNs: legs[0]?.hops[0]?.timeNs ?? 0,
    netns: question.from,
    links: at?.link === undefined ? [] : [at.link],
    action: 'drop',
    copies: 0,
    frame: undefined,
    decisive: true,
  }
  return { message: formatProtocol(question), back: false, arrived: false, hops: [hop] }
}

function ruleText(
  code: ReasonCode,
  cause: CauseCode | undefined,
): { readonly text: string; readonly kernel: string } {
  const reason = REASONS[code]
  if (cause === undefined) return { text: reason.says, kernel: reason.kernel }
  return { text: CAUSES[cause].says, kernel: reason.kernel }
}

/** The rule of the packet filter, as `iptables -S` would print it. */
function filterText(
  scene: Scene,
  question: Question,
  code: ReasonCode | undefined,
  answer: Answer,
  at: Place | undefined,
): string | undefined {
  const rule = answer.end?.note
  if (rule === undefined || code === undefined) return undefined
  const family = typeof question.target === 'bigint' ? 6 : 4
  const name = (netns: string): string => netns
  const found = ruleOf({ scene, question, family, code, at, rule, visited: [], name })
  const words = found?.at === undefined ? undefined : found.chain.rules[found.at - 1]
  if (found === undefined || words === undefined) return rule
  return `-A ${found.chain.chain} ${ruleWords(words, family).join(' ')}`
}

function notesOf(question: Question, { ok, open, result, code }: Answer): string[] {
  const notes: string[] = []
  if (open && !ok) {
    notes.push(`the way there and back is open: nobody listens on ${formatProtocol(question)}`)
  }
  if (result.outcome === 'icmp-error' && code !== undefined && !open) {
    notes.push(
      `the sender is told: ICMP type ${result.type} code ${result.code} from ${formatIp(result.responder)}`,
    )
  }
  if (result.outcome === 'errno') notes.push(`the sender is told at once: ${result.errno}`)
  return notes
}
