/** A lab's report as plain JSON: addresses as text, nothing left out. */
import { formatIp, type Ip } from '../addr/ip.ts'
import { formatPrefix } from '../addr/prefix.ts'
import type { Cell } from './probing.ts'
import type { CombinationReport, LabReport } from './run.ts'
import { nodesOf, type Topology } from './topology.ts'

/** The object `--json` prints. */
export function reportJson(report: LabReport, topologies: readonly Topology[]): object {
  return {
    lab: report.lab,
    title: topologies[0]?.title,
    fabric: report.fabric,
    met: report.met,
    missed: report.missed,
    combinations: report.combinations.map((combination, i) =>
      combinationJson(combination, topologies[i] as Topology),
    ),
  }
}

function combinationJson(report: CombinationReport, topology: Topology): object {
  return {
    variables: report.variables,
    nodes: nodesOf(topology).map((node) => ({
      name: node.name,
      addresses: node.addresses.map((a) => ({ link: a.link, address: formatPrefix(a.prefix) })),
    })),
    commands: report.commands,
    matrices: report.matrices.map((m) => ({ ...m, cells: m.cells.map(cellJson) })),
    expectations: report.expectations,
    steps: report.steps.map((step) => ({ ...step, cells: step.cells.map(cellJson) })),
  }
}

function cellJson(cell: Cell): object {
  const ip = (value: Ip | undefined) => (value === undefined ? undefined : formatIp(value))
  return {
    ...{ ...cell, target: ip(cell.target), source: ip(cell.source) },
    ...(cell.seen === undefined ? {} : { seen: ip(cell.seen) }),
  }
}
