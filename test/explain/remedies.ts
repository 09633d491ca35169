/**
 * `npm run remedies -- --count 1000 --seed 1`: random worlds in which somebody does not reach
 * somebody are explained, and every remedy printed is done: in the simulator, or with --fabric
 * kernel one of each world on this kernel. With --hops the step that decided is held beside the
 * kernel's own trace events.
 */
import type { Explanation } from '../../src/explain/types.ts'
import { detectTraits } from '../../src/fabric/traits.ts'
import { openKernel } from '../../src/kernel/fabric.ts'
import { brokenPromises, explainWorld, type FailingWorld, failingIn } from './failing.ts'
import { KernelTrace } from './kernel-trace.ts'
import { hopsOnKernel, remedyOnKernel, TRACED } from './on-kernel.ts'
import { refuseScript, scriptOptions, wholeNumber } from '../support/script-options.ts'

const USAGE =
  'npm run remedies -- [--count NUMBER] [--seed NUMBER] [--fabric sim|kernel] [--jobs NUMBER] [--hops]'
const values = scriptOptions(USAGE, {
  count: { type: 'string', default: '1000' },
  seed: { type: 'string', default: '1' },
  fabric: { type: 'string', default: 'sim' },
  jobs: { type: 'string', default: '8' },
  hops: { type: 'boolean', default: false },
})

interface Tally {
  worlds: number
  mended: number
  remedies: number
  codes: Map<string, number>
  broken: string[]
}

const tally: Tally = { worlds: 0, mended: 0, remedies: 0, codes: new Map(), broken: [] }
const count = wholeNumber(USAGE, 'count', values.count)
let next = wholeNumber(USAGE, 'seed', values.seed)
const jobs = wholeNumber(USAGE, 'jobs', values.jobs)
const started = performance.now()

if (!['sim', 'kernel'].includes(values.fabric)) {
  refuseScript(USAGE, `--fabric is sim or kernel, not "${values.fabric}"`)
}
if ((values.hops || values.fabric === 'kernel') && process.getuid?.() !== 0) {
  refuseScript(USAGE, 'a kernel is asked as root, on Linux')
}
if (values.hops) {
  await hops()
  process.exit()
}
if (values.fabric === 'sim') await inSimulator()
else await onKernel()
report()
process.exitCode = tally.broken.length === 0 ? 0 : 1

function note(world: FailingWorld, why: Explanation, broken: readonly string[]): void {
  tally.worlds++
  tally.codes.set(why.code ?? 'none', (tally.codes.get(why.code ?? 'none') ?? 0) + 1)
  const { from, to } = world.question
  for (const what of broken) {
    const line = `seed ${world.seed} ${from} -> ${to} (${why.code}): ${what}`
    tally.broken.push(line)
    process.stdout.write(`${line}\n`)
  }
}

async function inSimulator(): Promise<void> {
  while (tally.worlds < count) {
    const world = await failingIn(next++)
    if (world === undefined) continue
    const why = explainWorld(world)
    tally.remedies += why.remedies.length
    if (why.remedies.length > 0) tally.mended++
    note(world, why, brokenPromises(world, why))
  }
}

/** One remedy of each world, side by side: they wait more than they work. */
async function onKernel(): Promise<void> {
  const kernel = await openKernel()
  const traits = await detectTraits(kernel, `r${process.pid}-traits`)
  const worker = async (): Promise<void> => {
    while (tally.worlds < count) {
      const seed = next++
      const world = await failingIn(seed, `r${process.pid}-${seed}-`, traits)
      const why = world === undefined ? undefined : explainWorld(world)
      const remedy = why?.remedies[seed % Math.max(why.remedies.length, 1)]
      if (world === undefined || why === undefined || remedy === undefined) continue
      if (tally.worlds >= count) return
      tally.remedies++
      tally.mended++
      note(world, why, await remedyOnKernel(kernel, world, remedy))
    }
  }
  try {
    await Promise.all(Array.from({ length: jobs }, worker))
  } finally {
    await kernel.close()
  }
}

async function hops(): Promise<void> {
  const kernel = await openKernel()
  const trace = new KernelTrace(TRACED)
  const traits = await detectTraits(kernel, `r${process.pid}-traits`)
  const differ: string[] = []
  let judged = 0
  let frames = 0
  let steps = 0
  const worker = async (): Promise<void> => {
    while (judged < count) {
      const found = await hopsOnKernel(kernel, trace, next++, traits)
      if (found === undefined) continue
      judged++
      frames += found.seen
      if (found.told.decided !== undefined) steps++
      if (found.differs.length === 0) continue
      const { seed, told } = found
      differ.push(`seed ${seed} (${told.answer.code}): ${found.differs.join('; ')}`)
    }
  }
  try {
    await Promise.all(Array.from({ length: jobs }, worker))
  } finally {
    trace.close()
    await kernel.close()
  }
  for (const line of differ) process.stdout.write(`${line}\n`)
  const share = ((100 * (judged - differ.length)) / judged).toFixed(1)
  process.stdout.write(
    `${judged} failing worlds with frames (${frames} events traced), the step that decided seen in ` +
      `${steps}: the kernel's trace agrees in ${share} %\n`,
  )
  process.exitCode = judged - differ.length < 0.95 * judged ? 1 : 0
}

function report(): void {
  const seconds = (performance.now() - started) / 1000
  const codes = [...tally.codes].toSorted(([, a], [, b]) => b - a).map(([c, n]) => `${c} ${n}`)
  process.stdout.write(
    `${tally.worlds} failing worlds (seeds ${values.seed}..${next - 1}), ${tally.mended} with a remedy, ` +
      `${tally.remedies} remedies done on ${values.fabric}: ${tally.broken.length} broken promises; ` +
      `${seconds.toFixed(1)} s\nreasons: ${codes.join(', ')}\n`,
  )
}
