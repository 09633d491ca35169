/**
 * npm run differential -- --count N --seed S [--fabric kernel]
 *
 * Draws worlds, does each plan on the simulator and on another fabric, and compares. A world that
 * disagrees is shrunk and written to a file that `--replay FILE` does again.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { Fabric } from '../../src/fabric/fabric.ts'
import type { Plan } from '../../src/fabric/plan.ts'
import { detectTraits, type KernelTraits } from '../../src/fabric/traits.ts'
import { printPlan } from '../../src/fabric/print-ip.ts'
import { openSim } from '../../src/sim/fabric.ts'
import { disagreements } from './compare.ts'
import { drawWorld } from './draw.ts'
import { shrink } from './shrink.ts'

const SHRINK_ATTEMPTS = 60

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '50' },
    seed: { type: 'string', default: '1' },
    fabric: { type: 'string', default: 'sim' },
    jobs: { type: 'string', default: '12' },
    replay: { type: 'string' },
    'no-shrink': { type: 'boolean', default: false },
  },
})

process.exitCode = await main()

/** The other fabric's, which the simulator imitates. */
let traits: KernelTraits | undefined

async function main(): Promise<number> {
  const other = await openOther()
  if (other === undefined) return 2
  try {
    traits = await detectTraits(other, `d${process.pid}-traits`)
    if (values.replay !== undefined) return await replay(other, values.replay)
    return await run(other, Number(values.seed), Number(values.count))
  } finally {
    await other.close()
  }
}

/** The simulator against itself finds what is not deterministic; a kernel is the judge. */
async function openOther(): Promise<Fabric | undefined> {
  if (values.fabric === 'sim') return openSim({ seed: 1 })
  if (values.fabric === 'kernel') {
    const { openKernel } = await import('../../src/kernel/fabric.ts')
    return openKernel()
  }
  process.stderr.write(`differential: --fabric is sim or kernel, not "${values.fabric}"\n`)
  return undefined
}

async function run(other: Fabric, first: number, count: number): Promise<number> {
  const started = performance.now()
  const failed: number[] = []
  let ops = 0
  let next = first
  const worker = async (): Promise<void> => {
    while (next < first + count) {
      const seed = next++
      const { plan } = drawWorld(seed, `d${process.pid}-${seed}-`)
      ops += plan.length
      const found = await differ(other, plan)
      if (found.length === 0) continue
      failed.push(seed)
      process.stdout.write(`seed ${seed}: ${found.length} differences\n`)
      for (const line of found.slice(0, 40)) process.stdout.write(`  ${line}\n`)
      if (!values['no-shrink'] && failed.length <= 3) await report(other, seed, plan, found)
    }
  }
  await Promise.all(Array.from({ length: Math.min(Number(values.jobs), count) }, worker))
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  process.stdout.write(
    `${count} worlds (seeds ${first}..${first + count - 1}), ${ops} ops, sim against ${other.kind}: ` +
      `${failed.length} differ${failed.length > 0 ? ` (seeds ${failed.sort((x, y) => x - y).join(', ')})` : ''}; ${seconds} s\n`,
  )
  return failed.length === 0 ? 0 : 1
}

/** A fresh simulator each time: a world must not depend on the ones before it. */
async function differ(other: Fabric, plan: Plan): Promise<string[]> {
  const open = (): Fabric =>
    openSim({ seed: 7, ...(traits === undefined ? {} : { kernel: traits }) })
  const sim = open()
  const second = other.kind === 'sim' ? open() : other
  return disagreements(sim, second, plan)
}

async function report(other: Fabric, seed: number, plan: Plan, found: string[]): Promise<void> {
  const wanted = plain(found[0] as string)
  const smallest = await shrink(
    plan,
    async (candidate) => (await differ(other, candidate)).some((line) => plain(line) === wanted),
    SHRINK_ATTEMPTS,
  )
  const file = `differential-${seed}.json`
  writeFileSync(file, encode(smallest))
  process.stdout.write(
    `  smallest world found (${smallest.length} ops), replay with --replay ${file}:\n`,
  )
  for (const line of printPlan(smallest)) process.stdout.write(`    ${line}\n`)
  for (const line of await differ(other, smallest)) process.stdout.write(`  => ${line}\n`)
}

/** A difference without the number of its op, which changes as ops are left out. */
function plain(line: string): string {
  return line.replace(/^op \d+ /, 'op ')
}

async function replay(other: Fabric, file: string): Promise<number> {
  const found = await differ(other, decode(readFileSync(file, 'utf8')))
  for (const line of found) process.stdout.write(`${line}\n`)
  process.stdout.write(`${found.length} differences\n`)
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
