/** `--fix N`: the remedy done in the simulated lab, and the matrix before and after. */
import { applies } from '../explain/search.ts'
import type { Remedy } from '../explain/types.ts'
import { printPlan } from '../fabric/print-ip.ts'
import { matrixNodes, matrixPairs } from '../lab/judge.ts'
import type { Paint } from '../lab/paint.ts'
import { printMatrix } from '../lab/print.ts'
import { type Cell, Prober } from '../lab/probing.ts'
import type { Topology } from '../lab/topology.ts'
import { simReason } from '../lab/why.ts'
import type { SimFabric } from '../sim/fabric.ts'

const BARE = { prefix: '' }

/** Text of what a remedy changes, cell by cell. */
export async function showFix(
  world: SimFabric,
  topology: Topology,
  remedy: Remedy,
  paint: Paint,
): Promise<string> {
  const before = await matrixOf(world.fork(), topology)
  const fixed = world.fork()
  applies(fixed, remedy.plan)
  const after = await matrixOf(fixed, topology)
  const parts = after.map(({ family, nodes, cells }) => {
    const old = before.find((m) => m.family === family)?.cells ?? []
    const changed = cells.filter((c, i) => c.ok !== old[i]?.ok)
    const lines = changed.map(
      (c) => `  ${c.ok ? paint('good', '+') : paint('bad', '-')} ${c.from} -> ${c.to ?? ''}`,
    )
    const count =
      changed.length === 0
        ? 'no pair changes'
        : `${changed.length} ordered ${changed.length === 1 ? 'pair' : 'pairs'} changed:`
    return [printMatrix({ family, nodes, cells }, after.length > 1, paint), count, ...lines].join(
      '\n',
    )
  })
  const done = printPlan(remedy.plan).map((line) => `  ${line}`)
  const file = remedy.edit === undefined ? [] : [`in the lab file: ${remedy.edit}`]
  return [paint('title', `with ${remedy.title}`), ...done, ...parts, ...file].join('\n')
}

async function matrixOf(
  world: SimFabric,
  topology: Topology,
): Promise<{ family: 4 | 6; nodes: string[]; cells: Cell[] }[]> {
  const prober = new Prober(world, BARE, topology, simReason(world, BARE))
  const found = []
  for (const family of [4, 6] as const) {
    const nodes = matrixNodes(topology, family).map((n) => n.name)
    if (nodes.length < 2) continue
    const cells = await prober.cells(matrixPairs(topology, family), () => Promise.resolve())
    found.push({ family, nodes, cells })
  }
  return found
}
