/** `lanyard lab export`: a lab for other tools. */
import { fittingTopologies } from '../lab/explain.ts'
import { CLAB_IMAGE, exportClab } from '../lab/export-clab.ts'
import { exportSh } from '../lab/export-sh.ts'
import type { Topology } from '../lab/topology.ts'
import { writeText } from './files.ts'
import { loadLab } from './lab-file.ts'

export interface ExportOptions {
  readonly set: Readonly<Record<string, string>>
  readonly write?: string
  /** Of the nodes of containerlab. */
  readonly image?: string
}

const EXPORTS = {
  sh: exportSh,
  clab: (topology, { image }) => exportClab(topology, { image: image ?? CLAB_IMAGE }),
} as const satisfies Record<string, (t: Topology, o: ExportOptions) => string>

export type ExportFormat = keyof typeof EXPORTS

export function labExport(path: string, format: ExportFormat, options: ExportOptions): void {
  const { topologies } = loadLab(path)
  const [first] = fittingTopologies(topologies, options.set, 'lanyard lab export --help')
  if (first !== undefined) writeText(EXPORTS[format](first, options), options.write)
}
