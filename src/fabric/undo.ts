/**
 * The way back from a plan. What the plan made is removed, what it changed gets its former value
 * from a snapshot taken before; things that hang on something the plan made go with it and are
 * not undone one by one.
 *
 * The way back of `plan.slice(0, n)` is that of a plan that stopped after `n` ops.
 */
import type { LinkAdd, LinkSet, Op, Plan } from './plan.ts'
import { type Former, formerOf } from './undo-former.ts'
import { restoreLink } from './undo-link.ts'
import { isEntryOp, undoEntry } from './undo-entry.ts'
import type { Snapshot } from './snapshot.ts'

/** The way back, and what it leaves as the plan made it. */
export interface Undo {
  readonly plan: Plan
  /** Ops whose former state nobody knows (or can make again), in the order of the plan. */
  readonly kept: readonly Op[]
}

/**
 * Derives the way back of a plan, in reverse order.
 *
 * Without a snapshot from before the plan, changes to things that were there already stay and are
 * listed in `kept`. So are deletions of links and namespaces with one, too: what hung on them is
 * more than a plan can say. Emptied caches (learned neighbours, forwarding entries) fill again by
 * themselves and are nobody's loss.
 *
 * What the kernel did of itself on the way stays: a bridge port that was free for a while with
 * carrier keeps the link-local address it got; a link that was down for a while has lost its routes
 * and its IPv6 addresses.
 *
 * @example
 * ```ts
 * undoPlan([{ do: 'netns.add', netns: 'ns1' }]).plan // [{ do: 'netns.del', netns: 'ns1' }]
 * ```
 */
export function undoPlan(plan: Plan, snapshot?: Snapshot): Undo {
  const walk = new Walk(formerOf(snapshot))
  for (const op of plan) walk.take(op)
  return walk.finish()
}

/** One step of the plan and what takes it back. */
interface Step {
  readonly op: Op
  back: readonly Op[]
  kept: boolean
}

const key = (netns: string, name: string) => `${netns}\0${name}`

/** Goes through a plan forwards, keeping book of what it made and what became of old names. */
class Walk {
  readonly #former: Former
  readonly #steps: Step[] = []
  /** Namespaces the plan made, with the step that did. */
  readonly #netns = new Map<string, Step>()
  /** Links the plan made, by where they are now; both ends of a veth lead to one step. */
  readonly #made = new Map<string, Step>()
  /** Links that were there before and have another name or namespace now: what they were. */
  readonly #moved = new Map<string, { readonly netns: string; readonly name: string }>()

  constructor(former: Former) {
    this.#former = former
  }

  take(op: Op): void {
    const step: Step = { op, back: [], kept: false }
    this.#steps.push(step)
    if (op.do === 'netns.add') {
      this.#netns.set(op.netns, step)
      step.back = [{ do: 'netns.del', netns: op.netns }]
    } else if (op.do === 'netns.del') this.#forget(this.#netns, op.netns, step)
    else if (op.do === 'link.add') this.#takeLinkAdd(op, step)
    else if (op.do === 'link.del') this.#forget(this.#made, key(op.netns, op.name), step)
    else if (op.do === 'link.set') this.#takeLinkSet(op, step)
    else if (!isEntryOp(op)) step.kept = true
    else if (!this.#goesWithMade(op)) {
      const back = undoEntry(op, this.#former)
      if (back === undefined) step.kept = true
      else step.back = back
    }
  }

  finish(): Undo {
    return {
      plan: this.#steps.toReversed().flatMap((step) => step.back),
      kept: this.#steps.filter((step) => step.kept).map((step) => step.op),
    }
  }

  /** A deletion: of what the plan made there is nothing left to take back. */
  #forget(made: Map<string, Step>, name: string, step: Step): void {
    const maker = made.get(name)
    if (maker === undefined) {
      step.kept = true
      return
    }
    maker.back = []
    for (const [other, at] of made) if (at === maker) made.delete(other)
  }

  #takeLinkAdd(op: LinkAdd, step: Step): void {
    this.#made.set(key(op.netns, op.name), step)
    if (op.spec.kind === 'veth') {
      const { peer } = op.spec
      this.#made.set(key(peer.netns ?? op.netns, peer.name), step)
    }
    step.back = [{ do: 'link.del', netns: op.netns, name: op.name }]
  }

  #takeLinkSet(op: LinkSet, step: Step): void {
    const from = key(op.netns, op.name)
    const place = { netns: op.newNetns ?? op.netns, name: op.newName ?? op.name }
    const to = key(place.netns, place.name)
    const maker = this.#made.get(from)
    if (maker !== undefined) {
      this.#made.delete(from)
      this.#made.set(to, maker)
      this.#follow(maker, op, place)
      return
    }
    // What a new namespace came with (its loopback) goes with it.
    if (this.#netns.has(op.netns) && !this.#moved.has(from)) return
    const origin = this.#moved.get(from) ?? { netns: op.netns, name: op.name }
    const { attributes, complete } = restoreLink(op, this.#former.link(origin.netns, origin.name))
    step.kept = !complete
    const home: LinkSet = { do: 'link.set', netns: op.netns, name: op.name, ...attributes }
    if (from === to) {
      step.back = Object.keys(attributes).length === 0 ? [] : [home]
      return
    }
    this.#moved.delete(from)
    this.#moved.set(to, origin)
    const back: LinkSet = {
      do: 'link.set',
      ...place,
      ...(op.newName === undefined ? {} : { newName: op.name }),
      ...(op.newNetns === undefined ? {} : { newNetns: op.netns }),
    }
    step.back = Object.keys(attributes).length === 0 ? [back] : [back, home]
  }

  /** A link the plan made is removed where it is at the end. */
  #follow(
    maker: Step,
    op: LinkSet,
    place: { readonly netns: string; readonly name: string },
  ): void {
    const del = maker.back[0]
    if (del?.do === 'link.del' && del.netns === op.netns && del.name === op.name) {
      maker.back = [{ do: 'link.del', ...place }]
    }
  }

  /** Whether the thing an op is about lives and dies with a namespace or link of the plan. */
  #goesWithMade(op: Op): boolean {
    if (this.#netns.has(op.netns)) return true
    const link = linkOf(op)
    return link !== undefined && this.#made.has(key(op.netns, link))
  }
}

/** The link an op's entry hangs on. */
function linkOf(op: Op): string | undefined {
  if ('link' in op) return op.link
  if ('bridge' in op && typeof op.bridge === 'string') return op.bridge
  if (op.do !== 'sysctl.set') return undefined
  const [net, , table, name] = op.key.split('.')
  if (net !== 'net' || (table !== 'conf' && table !== 'neigh')) return undefined
  return name?.replaceAll('/', '.')
}
