/**
 * One lab, two worlds: every example gives the same matrices in the simulator and on the kernel.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeKernel } from '../describe-kernel.ts'
import { buildProgram, ROOT, removeProgram, runProgram } from '../support/program.ts'

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
  readonly to: string
  readonly target: string
  readonly ok: boolean
  readonly ttl?: number
}

/** One line a ping. */
function pings(report: Report): string[] {
  return report.combinations.flatMap(({ variables, matrices, steps }) => {
    const where = JSON.stringify(variables)
    const text = (name: string) => (cell: Cell) =>
      `${where} ${name} ${cell.from} -> ${cell.to} ${cell.target}: ${cell.ok} ${cell.ttl ?? ''}`
    return [
      ...matrices.flatMap((m) => m.cells.map(text('matrix'))),
      ...steps.flatMap((s) => s.cells.map(text(s.name))),
    ]
  })
}

describeKernel('the simulator and this kernel agree', () => {
  beforeAll(buildProgram)
  afterAll(removeProgram)

  const names = readdirSync(join(ROOT, 'examples'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)

  test.each(names)('on examples/%s', async (name) => {
    const run = async (fabric: string): Promise<Report> => {
      const args = ['lab', 'run', `examples/${name}`, '--json', '--fabric', fabric]
      const { status, stdout, stderr } = await runProgram(...args)
      expect([status, stderr]).toEqual([0, ''])
      return JSON.parse(stdout) as Report
    }
    const [sim, kernel] = [await run('sim'), await run('kernel')]
    expect(pings(sim).length).toBeGreaterThan(10)
    expect(pings(kernel)).toEqual(pings(sim))
    expect([sim.missed, kernel.missed]).toEqual([0, 0])
  })
})
