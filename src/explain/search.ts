/**
 * Finds what mends a failure by trying: every candidate is applied to a copy of the world, and the
 * question asked again. Breadth first to two edits: a single one that changes where the exchange
 * ends is a step on the way, and the failure it leads to brings its own candidates.
 */
import type { Plan } from '../fabric/plan.ts'
import { type ReasonCode, REASONS } from '../fabric/reason.ts'
import { undoPlan } from '../fabric/undo.ts'
import type { SimFabric } from '../sim/fabric.ts'
import { runUntil } from '../sim/run.ts'
import { takeSnapshot } from '../sim/snapshot.ts'
import { type Answer, ask, forget } from './ask.ts'
import { modeEdits, parentEdits, shimEdits } from './edit-child.ts'
import { filterEdits } from './edit-filter.ts'
import { addressEdits, forwardEdits, settingEdits } from './edit-ip.ts'
import {
  arpLinkEdits,
  impairEdits,
  macEdits,
  mtuEdits,
  promiscEdits,
  upEdits,
} from './edit-link.ts'
import { barrierEdits, detourEdits, gatewayEdits, onLinkEdits } from './edit-route.ts'
import { portEdits, vlanEdits } from './edit-switch.ts'
import type { Edit, Failure, Maker } from './edit.ts'
import { Pairs } from './effects.ts'
import type { Alike } from './thin.ts'
import { placeOf, visitedBy } from './place.ts'
import type { Question } from './question.ts'
import { Scene } from './scene.ts'
import type { Rejected, Remedy, Search } from './types.ts'

/** Trials of one search. */
const TRIALS = 150
/** Remedies proved; the cheapest are the ones people want. */
const REMEDIES = 6
/** First edits that got further, and are built upon. */
const STEPS = 4
/** Non-fixes told, of each sort. */
const SORTS = [
  ['promisc', 2],
  ['mode', 3],
  ['hairpin', 1],
  ['forward', 1],
] as const
/** What changes of links set off (carrier, spanning tree, duplicate addresses) is over by then. */
const SETTLE_NS = 3_000_000_000

const MAKERS: readonly Maker[] = [
  filterEdits,
  upEdits,
  portEdits,
  vlanEdits,
  modeEdits,
  settingEdits,
  forwardEdits,
  gatewayEdits,
  onLinkEdits,
  shimEdits,
  addressEdits,
  macEdits,
  arpLinkEdits,
  barrierEdits,
  parentEdits,
  detourEdits,
  mtuEdits,
  impairEdits,
  promiscEdits,
]

/** Every candidate for a failure, each plan once. */
export function candidates(failure: Failure): Edit[] {
  const byPlan = new Map<string, Edit>()
  for (const edit of MAKERS.flatMap((make) => make(failure))) {
    const key = planKey(edit.plan)
    if (edit.plan.length > 0 && !byPlan.has(key)) byPlan.set(key, edit)
  }
  return [...byPlan.values()].toSorted((a, b) => a.cost - b.cost)
}

export interface Found {
  readonly remedies: readonly Remedy[]
  readonly rejected: readonly Rejected[]
  readonly search: Search
}

export interface SearchOptions {
  readonly name: (netns: string) => string
  /** Trials at most. */
  readonly trials?: number
  /** Whether to count the pairs each remedy opens and closes; default true. */
  readonly effects?: boolean
  /** Endpoints that stand for others. */
  readonly alike?: Alike
}

/**
 * Searches remedies.
 * @param base the world as it is, tables empty; it is left alone
 */
export function findRemedies(
  base: SimFabric,
  question: Question,
  failed: Failed,
  options: SearchOptions,
): Found {
  return new Searcher(base, question, options).run(failed)
}

/** An answer, and the world it was given in. */
export interface Failed {
  readonly answer: Answer
  readonly world: SimFabric
}

interface Tried {
  readonly edit: Edit
  /** Undefined when the world refuses the plan. */
  readonly answer: Answer | undefined
  /** Kept only of one that may be a step on the way: worlds are large. */
  readonly world: SimFabric | undefined
}

class Searcher {
  readonly #base: SimFabric
  readonly #scene: Scene
  readonly #question: Question
  readonly #options: SearchOptions
  readonly #limit: number
  #tried = 0
  #offered = 0

  constructor(base: SimFabric, question: Question, options: SearchOptions) {
    this.#base = base
    this.#question = question
    this.#options = options
    this.#scene = this.#sceneOf(base)
    this.#limit = options.trials ?? TRIALS
  }

  #sceneOf({ world }: SimFabric): Scene {
    return new Scene(takeSnapshot(world), this.#options.alike?.addresses)
  }

  run(failed: Failed): Found {
    const failure = this.#failure(failed.world, this.#scene, failed.answer)
    const was = endKey(failed.world, failed.answer)
    const first = this.#tryAll(candidates(failure), [], was)
    const works = first.filter((t) => t.answer?.open === true).map((t) => t.edit)
    const pairs = [...works, ...(works.length < REMEDIES ? this.#second(first, works) : [])]
    const remedies = this.#prove(pairs)
    const search = {
      tried: this.#tried,
      candidates: this.#offered,
      bounded: this.#tried < this.#offered,
    }
    return { remedies, rejected: this.#rejected(failed.answer, first), search }
  }

  #failure(world: SimFabric, scene: Scene, answer: Answer): Failure {
    const { end } = answer
    return {
      scene,
      question: this.#question,
      family: typeof this.#question.target === 'bigint' ? 6 : 4,
      code: answer.code ?? 'NEIGHBOUR_FAILED',
      at: end === undefined ? undefined : placeOf(world.world, end),
      rule: end?.note,
      visited: visitedBy(world.world, answer, this.#question),
      name: this.#options.name,
    }
  }

  #tryAll(edits: readonly Edit[], known: readonly Edit[], was?: string): Tried[] {
    this.#offered += edits.length
    return edits.flatMap((edit) => {
      if (this.#tried >= this.#limit) return []
      // What holds a remedy already is no new one.
      if (known.some((k) => includes(edit.plan, k.plan))) {
        this.#offered--
        return []
      }
      return [this.#try(edit, was)]
    })
  }

  /** @param was where it ended before, when a trial may be a step on the way */
  #try(edit: Edit, was: string | undefined): Tried {
    this.#tried++
    const world = this.#base.fork()
    if (!applies(world, edit.plan)) return { edit, answer: undefined, world: undefined }
    const answer = ask(world, this.#question)
    const stays = was === undefined || answer.open || isDetour(edit)
    return { edit, answer, world: stays || endKey(world, answer) === was ? undefined : world }
  }

  /** Two edits: the first moved the end elsewhere, the second is made for what came then. */
  #second(first: readonly Tried[], works: readonly Edit[]): Edit[] {
    const further = first
      .filter((t) => t.world !== undefined)
      .toSorted((a, b) => progress(b) - progress(a) || a.edit.cost - b.edit.cost)
      .slice(0, STEPS)
    const found: Edit[] = []
    for (const step of further) {
      const { world } = step
      if (world === undefined) continue
      const scene = this.#sceneOf(world)
      const failure = this.#failure(world, scene, step.answer as Answer)
      const next = candidates(failure)
        .filter((second) => !undoes(second.plan, step.edit.plan))
        .map((second) => this.#join(step.edit, second))
      for (const { edit, answer } of this.#tryAll(next, [...works, ...found])) {
        if (answer?.open === true) found.push(edit)
      }
    }
    return found
  }

  /** Asks once more in a fresh copy, both ways, in both orders, and looks at the others. */
  #prove(edits: readonly Edit[]): Remedy[] {
    const pairs = new Pairs(
      this.#scene,
      this.#family,
      this.#base.fork(),
      this.#options.name,
      this.#options.alike,
    )
    const { from, to } = this.#question
    const ends = [from, ...(to === undefined ? [] : [to])]
    const proved = edits
      .toSorted((a, b) => a.cost - b.cost)
      .slice(0, REMEDIES * 2)
      .flatMap((edit): Remedy[] => {
        const world = this.#base.fork()
        if (!applies(world, edit.plan)) return []
        const back = reverseOf(this.#scene, this.#question)
        const works = this.#both(world, back)
        if (works === undefined) return []
        const effects =
          this.#options.effects === false
            ? { opened: 0, closed: 0, openedPairs: [], closedPairs: [] }
            : pairs.effects(world, edit.plan, ends)
        const undo = this.#undo(edit)
        // What cannot be taken back is no advice.
        if (!applies(world, undo) || ask(world, this.#question).open) return []
        const { title, plan, cost } = edit
        return [{ title, plan, undo, cost, bothWays: works, effects }]
      })
    const disturbs = (r: Remedy): number => r.effects.opened + r.effects.closed
    return proved
      .toSorted(
        (a, b) =>
          Number(b.bothWays) - Number(a.bothWays) || a.cost - b.cost || disturbs(a) - disturbs(b),
      )
      .slice(0, REMEDIES)
  }

  #join(first: Edit, second: Edit): Edit {
    const own = first.undo !== undefined || second.undo !== undefined
    return {
      title: `${first.title}, ${second.title}`,
      cost: first.cost + second.cost,
      plan: [...first.plan, ...second.plan],
      ...(own ? { undo: [...this.#undo(second), ...this.#undo(first)] } : {}),
    }
  }

  #undo(edit: Edit): Plan {
    return edit.undo ?? undoPlan(edit.plan, this.#scene.snapshot).plan
  }

  /** @returns undefined when it does not work after all, else whether the way back does, too */
  #both(world: SimFabric, back: Question | undefined): boolean | undefined {
    forget(world)
    if (!ask(world, this.#question).open) return undefined
    if (back === undefined) return true
    forget(world)
    const ok = ask(world, back).ok
    // The other end has just spoken.
    return ask(world, this.#question).open ? ok : undefined
  }

  get #family(): 4 | 6 {
    return typeof this.#question.target === 'bigint' ? 6 : 4
  }

  #rejected(failed: Answer, tried: readonly Tried[]): Rejected[] {
    const same = failed.code
    const failedToo = tried.filter((t) => t.answer?.open === false)
    const shown = SORTS.flatMap(([sort, most]) =>
      failedToo.filter((t) => t.edit.popular === sort).slice(0, most),
    ).map(({ edit, answer }) => {
      const code = answer?.code
      const says = code === undefined ? 'still no answer' : REASONS[code].says
      return { title: edit.title, code, why: code === same ? 'changes nothing' : says }
    })
    const promisc = failedToo.some((t) => t.edit.popular === 'promisc')
    return [...(promisc ? [] : this.#promiscuous(same)), ...shown]
  }

  /** What people try first may be on already. */
  #promiscuous(code: ReasonCode | undefined): Rejected[] {
    const { from, to } = this.#question
    const on = [from, to].flatMap((netns) =>
      (this.#scene.netns(netns)?.links ?? [])
        .filter((l) => l.promisc)
        .map((l) => `${this.#options.name(netns ?? '')}:${l.name}`),
    )
    if (on.length === 0) return []
    return [{ title: `promiscuous mode at ${on.join(' and ')}`, code, why: 'is on already' }]
  }
}

/** Does a plan and lets what it sets off happen. */
export function applies(world: SimFabric, plan: Plan): boolean {
  const outcomes = world.applyNow(plan, { keepGoing: true })
  if (outcomes.some((o) => !o.ok)) return false
  runUntil(world.world, world.world.now + SETTLE_NS)
  forget(world)
  return true
}

/** The question from the other end; undefined for a bare address. */
export function reverseOf(scene: Scene, question: Question): Question | undefined {
  const { from, to, target, source } = question
  if (to === undefined || to === from) return undefined
  const own = source ?? scene.addressTowards(from, target)?.address.address
  if (own === undefined) return undefined
  return { from: to, to: from, target: own, protocol: 'icmp' }
}

/** Answers under way count as further than questions. */
function progress({ answer }: Tried): number {
  return (answer?.steps ?? []).filter((s) => s.action === 'consume').length
}

function endKey(world: SimFabric, answer: Answer): string {
  const { end } = answer
  if (end === undefined) return String(answer.code)
  const place = placeOf(world.world, end)
  return `${answer.code} ${place.netns} ${place.link} ${place.toLink}`
}

function isDetour(edit: Edit): boolean {
  return edit.cost > 2
}

function planKey(plan: Plan): string {
  return JSON.stringify(plan, (_, value: unknown) =>
    typeof value === 'bigint' ? `${value}n` : value,
  )
}

function includes(plan: Plan, part: Plan): boolean {
  const all = new Set(plan.map((op) => planKey([op])))
  return part.every((op) => all.has(planKey([op])))
}

/** A second edit that sets again what the first one set. */
function undoes(second: Plan, first: Plan): boolean {
  const subject = (plan: Plan): string[] =>
    plan.map((op) => {
      const name = 'name' in op ? op.name : 'link' in op ? op.link : 'key' in op ? op.key : ''
      const what = op.do === 'link.set' ? Object.keys(op).sort().join() : op.do
      return `${op.netns} ${name} ${what}`
    })
  const before = new Set(subject(first))
  return subject(second).some((s) => before.has(s) && !s.includes('route.add'))
}
