/** `lanyard lab graph`: a lab as a picture. */
import { fittingTopologies } from '../lab/explain.ts'
import { drawMermaid } from '../lab/graph-mermaid.ts'
import { drawSvg } from '../lab/graph-svg.ts'
import { drawLab } from '../lab/picture.ts'
import type { Topology } from '../lab/topology.ts'
import { plain } from '../lab/paint.ts'
import { loadLab } from './lab-file.ts'
import { painter } from './terminal.ts'
import { writeText } from './files.ts'

export interface GraphOptions {
  readonly svg?: boolean
  readonly mermaid?: boolean
  readonly set: Readonly<Record<string, string>>
  readonly write?: string
}

export function labGraph(path: string, options: GraphOptions): void {
  const { topologies } = loadLab(path)
  const shown = fittingTopologies(topologies, options.set, 'lanyard lab graph --help')
  writeText(draw(shown, options), options.write)
}

function draw(topologies: readonly Topology[], options: GraphOptions): string {
  if (options.svg === true) return drawSvg(topologies)
  if (options.mermaid === true) return drawMermaid(topologies)
  const paint = options.write === undefined ? painter(process.stdout) : plain
  return `${drawLab(topologies, paint)}\n`
}
