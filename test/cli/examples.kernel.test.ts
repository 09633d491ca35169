/**
 * One lab, two worlds: every example gives the same pings in the simulator and on a kernel: this
 * one, or User Mode Linux for those that need what this one lacks.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { detectTraits, type KernelTraits } from '../../src/fabric/traits.ts'
import { openKernel } from '../../src/kernel/fabric.ts'
import { umlMissing } from '../../src/kernel/uml-boot.ts'
import { planLab } from '../../src/lab/plan.ts'
import { readLab } from '../../src/lab/read.ts'
import { LabSource } from '../../src/lab/source.ts'
import { describeKernel } from '../describe-kernel.ts'
import { withGuestSlot } from '../support/guest-slot.ts'
import { buildProgram, ROOT, removeProgram, runProgram } from '../support/program.ts'

/** A guest waits for its turn, boots, and every ping that fails waits half a second. */
const UML_MS = 1_500_000

interface Report {
  readonly missed: number
  readonly combinations: readonly {
    readonly variables: object
    readonly matrices: readonly { readonly cells: readonly Cell[] }[]
    readonly steps: readonly { readonly name: string; readonly cells: readonly Cell[] }[]
  }[]
}
interface Cell {
  readonly from: string
  readonly to?: string
  readonly target: string
  readonly ok: boolean
  readonly ttl?: number
  readonly way?: readonly string[]
  readonly seen?: string
}

/** One line a ping. */
function pings(report: Report): string[] {
  return report.combinations.flatMap(({ variables, matrices, steps }) => {
    const where = JSON.stringify(variables)
    const text = (name: string) => (cell: Cell) =>
      `${where} ${name} ${cell.from} -> ${cell.to} ${cell.target}: ${cell.ok} ${cell.ttl ?? ''} ` +
      `${cell.way?.join() ?? ''} ${cell.seen ?? ''}`
    return [
      ...matrices.flatMap((m) => m.cells.map(text('matrix'))),
      ...steps.flatMap((s) => s.cells.map(text(s.name))),
    ]
  })
}

async function run(name: string, fabric: string): Promise<Report> {
  const args = ['lab', 'run', `examples/${name}`, '--json', '--fabric', fabric]
  const start = () => runProgram(...args)
  const { status, stdout, stderr } = await (fabric === 'uml' ? withGuestSlot(start) : start())
  expect(`${status} ${stderr}`).toBe('0 ')
  return JSON.parse(stdout) as Report
}

async function compare(name: string, fabric: string): Promise<void> {
  const [sim, kernel] = [await run(name, 'sim'), await run(name, fabric)]
  expect(pings(sim).length).toBeGreaterThan(10)
  expect(pings(kernel)).toEqual(pings(sim))
  expect([sim.missed, kernel.missed]).toEqual([0, 0])
}

/** Whether a kernel lacks what an example is made of. */
function lacks(traits: KernelTraits, name: string): boolean {
  const file = join(ROOT, 'examples', name, 'lab.yaml')
  const topologies = readLab(new LabSource(file, readFileSync(file, 'utf8')))
  return topologies.some((topology) =>
    planLab(topology, { prefix: '' }).some((op) => {
      if (op.do === 'qdisc.add') return traits.missingKinds.includes('netem')
      if (op.do !== 'link.add') return false
      if (traits.missingKinds.includes(op.spec.kind)) return true
      const filtering = op.spec.kind === 'bridge' && op.spec.bridge?.vlanFiltering === true
      return filtering && !traits.bridgeVlanFiltering
    }),
  )
}

describeKernel('the simulator and a kernel agree', () => {
  let traits: KernelTraits
  beforeAll(async () => {
    await buildProgram()
    const kernel = await openKernel()
    traits = await detectTraits(kernel, `lanyard-ex-${process.pid}`)
    await kernel.close()
  })
  afterAll(removeProgram)

  const names = readdirSync(join(ROOT, 'examples'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)

  for (const name of names) {
    const run = async (): Promise<void> => {
      await compare(name, lacks(traits, name) && umlMissing() === undefined ? 'uml' : 'kernel')
    }
    test.concurrent(`on examples/${name}`, run, UML_MS)
  }
})
