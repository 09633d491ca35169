/** Random failing worlds on a real kernel: what was said of them, tried there. */
import type { Fabric } from '../../src/fabric/fabric.ts'
import type { Op } from '../../src/fabric/plan.ts'
import type { KernelTraits } from '../../src/fabric/traits.ts'
import { probeOf, type Question } from '../../src/explain/question.ts'
import { Reach } from '../../src/explain/reach.ts'
import type { Remedy } from '../../src/explain/types.ts'
import { applyInSteps } from '../differential/compare.ts'
import { withDistinctLinks } from './distinct.ts'
import { type FailingWorld, failingIn } from './failing.ts'
import { disagreement, type Told, toldBySimulator } from './hops.ts'
import type { KernelTrace } from './kernel-trace.ts'

/**
 * Makes a world on the kernel, does a remedy there and takes it back.
 * @returns what does not hold, in words; empty when all is well. Nothing of the world is left.
 */
export async function remedyOnKernel(
  kernel: Fabric,
  world: FailingWorld,
  { title, plan, undo }: Remedy,
): Promise<string[]> {
  return inWorld(kernel, world, async (rest) => {
    const works = worksAfter(rest, kernel, world.question)
    if (await works()) return ['the kernel says that it works']
    await kernel.apply(plan)
    if (!(await works())) return [`${title}: it does not help on the kernel`]
    await kernel.apply(undo)
    return (await works()) ? [`undo of ${title}: it works still on the kernel`] : []
  })
}

export interface HopsJudged {
  readonly seed: number
  readonly told: Told
  /** Where the kernel's trace says otherwise. */
  readonly differs: readonly string[]
  /** Frames it traced. */
  readonly seen: number
}

/**
 * The world of a seed, asked in the simulator and on the kernel; what the kernel traced of it
 * beside what the simulator says. Undefined when nothing fails in it, or no frame is sent.
 */
export async function hopsOnKernel(
  kernel: Fabric,
  trace: KernelTrace,
  seed: number,
  traits: KernelTraits,
): Promise<HopsJudged | undefined> {
  const links = `${TRACED}${seed.toString(36)}x`
  const world = await failingIn(seed, `${links}-`, traits, (plan) => withDistinctLinks(plan, links))
  if (world === undefined) return undefined
  const told = toldBySimulator(world.fabric, world.question)
  if (told.passed.size === 0) return undefined
  let seen = 0
  const differs = await inWorld(kernel, world, async (rest) => {
    const works = worksAfter(rest, kernel, world.question)
    if (await works()) return ['the kernel says that it works']
    const real = trace.read(links)
    seen = real.length
    return disagreement(told, real)
  })
  return { seed, told, differs, seen }
}

/** The names of links that are traced begin so. */
export const TRACED = 'lt'

/** Cells of a matrix asked of the kernel, and those it says otherwise of. */
export interface MatrixJudged {
  readonly asked: number
  readonly works: number
  readonly differs: readonly string[]
}

/**
 * Makes a world on the kernel, reads it there, and pings a sample of the pairs of its matrix.
 * Nothing of the world is left.
 */
export async function matrixOnKernel(
  kernel: Fabric,
  world: Pick<FailingWorld, 'plan' | 'netns'>,
  family: 4 | 6,
  sample: number,
): Promise<MatrixJudged> {
  let [asked, works] = [0, 0]
  const { netns } = world
  const differs = await inWorld(kernel, world, async (rest) => {
    await rest()
    const reach = new Reach(await kernel.snapshot({ netns }), { family })
    const ends = reach.endpoints
    const pairs = ends.flatMap((from) => ends.filter((to) => to !== from).map((to) => [from, to]))
    const step = Math.max(1, Math.floor(pairs.length / sample))
    const wrong: string[] = []
    for (let at = 0; at < pairs.length; at += step) {
      const [from, to] = pairs[at] as [string, string]
      const { ok, code = 'ok' } = reach.cell(from, to)
      await rest()
      asked++
      if (ok) works++
      const real = await reached(kernel, reach.question(from, to))
      if (real !== ok) wrong.push(`v${family} ${from} -> ${to}: ${code}, the kernel: ${real}`)
    }
    return wrong
  })
  return { asked, works, differs }
}

/** @param body gets what makes the world come to rest and forget */
async function inWorld(
  kernel: Fabric,
  world: Pick<FailingWorld, 'plan' | 'netns'>,
  body: (rest: () => Promise<void>) => Promise<string[]>,
): Promise<string[]> {
  const { netns } = world
  const flush = flushOf(world)
  try {
    await applyInSteps(kernel, world.plan)
    return await body(async () => {
      await kernel.settle({ netns })
      await kernel.apply(flush, { keepGoing: true })
    })
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)]
  } finally {
    await kernel.apply(
      netns.map((name) => ({ do: 'netns.del', netns: name })),
      { keepGoing: true },
    )
  }
}

function worksAfter(rest: () => Promise<void>, kernel: Fabric, question: Question) {
  return async (): Promise<boolean> => {
    await rest()
    return reached(kernel, question)
  }
}

async function reached(kernel: Fabric, question: Question): Promise<boolean> {
  const [result] = await kernel.probe([{ ...probeOf(question), timeoutMs: 1500 }])
  return result?.outcome === 'reply'
}

/** As the simulator forgets before it is asked. */
function flushOf({ netns, plan }: Pick<FailingWorld, 'plan' | 'netns'>): Op[] {
  const bridges = plan.flatMap((op): Op[] =>
    op.do === 'link.add' && op.spec.kind === 'bridge'
      ? [{ do: 'fdb.flush', netns: op.netns, bridge: op.name }]
      : [],
  )
  return [
    ...netns.flatMap((name): Op[] => [
      { do: 'neighbour.flush', netns: name },
      { do: 'route.flush-cache', netns: name },
    ]),
    ...bridges,
  ]
}
