/** Random worlds in which somebody does not reach somebody. */
import { ask, forget } from '../../src/explain/ask.ts'
import { explain, quiet } from '../../src/explain/explain.ts'
import type { Question } from '../../src/explain/question.ts'
import { Scene } from '../../src/explain/scene.ts'
import { applies } from '../../src/explain/search.ts'
import type { Explanation } from '../../src/explain/types.ts'
import type { Plan } from '../../src/fabric/plan.ts'
import type { KernelTraits } from '../../src/fabric/traits.ts'
import { openSim, type SimFabric } from '../../src/sim/fabric.ts'
import { takeSnapshot } from '../../src/sim/snapshot.ts'
import { drawWorld } from '../differential/draw.ts'

export interface FailingWorld {
  readonly seed: number
  readonly plan: Plan
  /** Every namespace it has. */
  readonly netns: readonly string[]
  readonly fabric: SimFabric
  readonly question: Question
}

/**
 * The first pair of a drawn world that fails from empty tables, the pairs turned by the seed;
 * undefined when all reach all.
 *
 * @param traits of the kernel that is to judge; default: one that has everything
 * @param shape what is made of its plan
 */
export async function failingIn(
  seed: number,
  prefix = '',
  traits?: KernelTraits,
  shape: (plan: Plan) => Plan = (plan) => plan,
): Promise<FailingWorld | undefined> {
  const fabric = openSim({ seed: 7, ...(traits === undefined ? {} : { kernel: traits }) })
  const { plan: drawn, netns } = drawWorld(seed, prefix, fabric.world.traits)
  const plan = shape(drawn)
  fabric.applyNow(plan, { keepGoing: true })
  await fabric.settle()
  const scene = new Scene(takeSnapshot(fabric.world))
  const ends = scene.snapshot.netns
    .map((n) => n.name)
    .filter((name) => scene.addresses(name, 4).length > 0)
  const pairs = ends.flatMap((from) => ends.filter((to) => to !== from).map((to) => [from, to]))
  const base = quiet(fabric)
  for (let i = 0; i < pairs.length; i++) {
    const [from, to] = pairs[(i + seed) % pairs.length] as [string, string]
    const target = scene.addresses(to, 4)[0]?.address.address as number
    const question: Question = { from, to, target, protocol: 'icmp' }
    forget(base)
    if (!ask(base, question).ok) return { seed, plan, netns, fabric, question }
  }
  return undefined
}

/**
 * Does every remedy of an explanation in copies of its world, and takes it back.
 * @returns what does not hold, in words; empty when all is well
 */
export function brokenPromises({ fabric, question }: FailingWorld, why: Explanation): string[] {
  return why.remedies.flatMap(({ title, plan, undo }): string[] => {
    const trial = quiet(fabric)
    if (!applies(trial, plan)) return [`${title}: it is refused`]
    if (!ask(trial, question).ok) return [`${title}: it does not help`]
    if (trial.applyNow(undo, { keepGoing: true }).some((o) => !o.ok)) {
      return [`undo of ${title}: it is refused`]
    }
    forget(trial)
    return ask(trial, question).ok ? [`undo of ${title}: it works still`] : []
  })
}

/** As random worlds are explained: what others gain is not asked. */
export function explainWorld({ fabric, question }: FailingWorld, trials = 150): Explanation {
  return explain(fabric, question, { trials, effects: false })
}
