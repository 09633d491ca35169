/**
 * npm run differential -- --count N --seed S [--fabric kernel|uml]
 *                         [--flavour lan|routed|filters|trunks|ipvlan] [--frames]
 *
 * Draws worlds, does each plan on the simulator and on another fabric, and compares. A world that
 * disagrees is shrunk and written to a file that `--replay FILE` does again. With `uml` the same
 * program runs inside User Mode Linux with that one's kernel, a range of seeds a boot.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Fabric } from '../../src/fabric/fabric.ts'
import type { Plan } from '../../src/fabric/plan.ts'
import { detectTraits, type KernelTraits } from '../../src/fabric/traits.ts'
import { printPlan } from '../../src/fabric/print-ip.ts'
import { umlMissing } from '../../src/kernel/uml-boot.ts'
import { openSim } from '../../src/sim/fabric.ts'
import { disagreements } from './compare.ts'
import { drawWorld, type Flavour, isFlavour } from './draw.ts'
import { shrink } from './shrink.ts'
import { differInUml, replayInUml, type Tally } from './uml.ts'
import { scriptOptions, wholeNumber } from '../support/script-options.ts'

const SHRINK_ATTEMPTS = 60
/** Worlds that stand side by side in one guest. */
const UML_JOBS = 5

const USAGE =
  'npm run differential -- [--count N] [--seed S] [--fabric sim|kernel|uml] [--jobs N]\n' +
  '  [--flavour lan|routed|filters|trunks|ipvlan] [--frames] [--no-shrink] [--replay FILE]'
const values = scriptOptions(USAGE, {
  count: { type: 'string', default: '50' },
  seed: { type: 'string', default: '1' },
  fabric: { type: 'string', default: 'sim' },
  jobs: { type: 'string', default: '12' },
  replay: { type: 'string' },
  flavour: { type: 'string' },
  frames: { type: 'boolean', default: false },
  'no-shrink': { type: 'boolean', default: false },
  report: { type: 'string' },
})
const count = wholeNumber(USAGE, 'count', values.count)
const firstSeed = wholeNumber(USAGE, 'seed', values.seed)
const jobs = wholeNumber(USAGE, 'jobs', values.jobs)

/** A fabric to compare with, and what the simulator imitates of it. */
interface Judge {
  readonly fabric: Fabric
  readonly traits: KernelTraits
}

process.exitCode = await main()

async function main(): Promise<number> {
  const { flavour: wanted } = values
  if (wanted !== undefined && !isFlavour(wanted)) {
    process.stderr.write(`differential: there is no flavour "${wanted}"\n`)
    return 2
  }
  if (values.fabric === 'uml') return inUml()
  const other = await openOther()
  if (other === undefined) return 2
  try {
    const traits = await detectTraits(other, `d${process.pid}-traits`)
    const judge = { fabric: other, traits }
    if (values.replay !== undefined) return await replay(judge, values.replay)
    const started = performance.now()
    const tally = await run(judge, firstSeed, count)
    if (values.report !== undefined) writeFileSync(values.report, JSON.stringify(tally))
    else summary(tally, other.kind, (performance.now() - started) / 1000)
    return tally.failed.length === 0 ? 0 : 1
  } finally {
    await other.close()
  }
}

async function inUml(): Promise<number> {
  const missing = umlMissing()
  if (missing !== undefined) {
    process.stderr.write(`differential: --fabric uml: ${missing}\n`)
    return 2
  }
  const program = fileURLToPath(import.meta.url)
  if (values.replay !== undefined) return replayInUml(program, resolve(values.replay))
  const started = performance.now()
  const tally = await differInUml(program, {
    first: firstSeed,
    count,
    args: [
      // A guest has one processor, and what is late there looks like an answer that did not come.
      `--jobs=${Math.min(jobs, UML_JOBS)}`,
      ...(values['no-shrink'] ? ['--no-shrink'] : []),
      ...(values.frames ? ['--frames'] : []),
      ...(values.flavour === undefined ? [] : [`--flavour=${values.flavour}`]),
    ],
  })
  summary(tally, 'uml', (performance.now() - started) / 1000)
  for (const { name, how } of tally.died) process.stdout.write(`${name}: ${how}\n`)
  return tally.failed.length + tally.died.length === 0 ? 0 : 1
}

/** The simulator against itself finds what is not deterministic; a kernel is the judge. */
async function openOther(): Promise<Fabric | undefined> {
  if (values.fabric === 'sim') return openSim({ seed: 1 })
  if (values.fabric === 'kernel') {
    const { openKernel } = await import('../../src/kernel/fabric.ts')
    return openKernel()
  }
  process.stderr.write(`differential: --fabric is sim, kernel or uml, not "${values.fabric}"\n`)
  return undefined
}

function flavour(): Flavour | undefined {
  return values.flavour !== undefined && isFlavour(values.flavour) ? values.flavour : undefined
}

async function run(judge: Judge, first: number, count: number): Promise<Tally> {
  const failed: number[] = []
  let ops = 0
  let next = first
  const worker = async (): Promise<void> => {
    while (next < first + count) {
      const seed = next++
      const { plan } = drawWorld(seed, `d${process.pid}-${seed}-`, judge.traits, flavour())
      ops += plan.length
      const found = await differ(judge, plan)
      if (found.length === 0) continue
      failed.push(seed)
      process.stdout.write(`seed ${seed}: ${found.length} differences\n`)
      for (const line of found.slice(0, 40)) process.stdout.write(`  ${line}\n`)
      if (!values['no-shrink'] && failed.length <= 3) await report(judge, seed, plan, found)
    }
  }
  await Promise.all(Array.from({ length: Math.min(jobs, count) }, worker))
  return { first, count, ops, failed }
}

function summary({ first, count, ops, failed }: Tally, other: string, seconds: number): void {
  const seeds = failed.toSorted((x, y) => x - y).join(', ')
  process.stdout.write(
    `${count} worlds (seeds ${first}..${first + count - 1}), ${ops} ops, sim against ${other}: ` +
      `${failed.length} differ${failed.length > 0 ? ` (seeds ${seeds})` : ''}; ` +
      `${seconds.toFixed(1)} s\n`,
  )
}

/** A fresh simulator each time: a world must not depend on the ones before it. */
async function differ({ fabric, traits }: Judge, plan: Plan): Promise<string[]> {
  const open = (): Fabric => openSim({ seed: 7, kernel: traits })
  const { frames } = values
  return disagreements(open(), fabric.kind === 'sim' ? open() : fabric, plan, { frames })
}

async function report(judge: Judge, seed: number, plan: Plan, found: string[]): Promise<void> {
  const wanted = plain(found[0] as string)
  const smallest = await shrink(
    plan,
    async (candidate) => (await differ(judge, candidate)).some((line) => plain(line) === wanted),
    SHRINK_ATTEMPTS,
  )
  const file = `differential-${seed}.json`
  writeFileSync(file, encode(smallest))
  process.stdout.write(
    `  smallest world found (${smallest.length} ops), replay with --replay ${file}:\n`,
  )
  for (const line of printPlan(smallest)) process.stdout.write(`    ${line}\n`)
  for (const line of await differ(judge, smallest)) process.stdout.write(`  => ${line}\n`)
}

/** A difference without the number of its op, which changes as ops are left out. */
function plain(line: string): string {
  return line.replace(/^op \d+ /, 'op ')
}

async function replay(judge: Judge, file: string): Promise<number> {
  const found = await differ(judge, decode(readFileSync(file, 'utf8')))
  for (const line of found) process.stdout.write(`${line}\n`)
  process.stdout.write(`${found.length} differences\n`)
  if (values.report !== undefined)
    writeFileSync(values.report, JSON.stringify({ differences: found.length }))
  return found.length === 0 ? 0 : 1
}

/** JSON has no bigint: an IPv6 address is written `{"ip6": "hex"}`. */
function encode(plan: Plan): string {
  return `${JSON.stringify(plan, (_, value: unknown) => (typeof value === 'bigint' ? { ip6: value.toString(16) } : value), 1)}\n`
}

function decode(text: string): Plan {
  return JSON.parse(text, (_, value: unknown) =>
    typeof value === 'object' && value !== null && 'ip6' in value
      ? BigInt(`0x${value.ip6 as string}`)
      : value,
  ) as Plan
}
