/** Reads a lab file: text to one topology per combination, or every problem it has. */
import type { Variables } from './expression.ts'
import { checkShape, resolve } from './resolve.ts'
import type { LabFile } from './schema.ts'
import type { LabSource } from './source.ts'
import { resolveSteps } from './steps.ts'
import type { Topology } from './topology.ts'
import { substitute, wantedCombinations } from './variables.ts'

/**
 * Reads a lab file.
 *
 * @returns one topology per combination, the last variable of the matrix turning fastest
 * @throws LanyardError `lab-invalid` with every problem of the file
 * @example
 * ```ts
 * const [lab] = readLab(new LabSource('lab.yaml', text))
 * ```
 */
export function readLab(source: LabSource): Topology[] {
  source.check()
  const file = checkShape(source, source.value)
  if (file === undefined) source.check()
  const topologies = wantedCombinations(source, file as LabFile).map((variables) =>
    readCombination(source, source.value, variables),
  )
  source.check()
  if (topologies.length === 0)
    source.problem(['unless'], 'leaves no combination of the matrix over', 'key')
  source.check()
  return topologies.filter((t) => t !== undefined)
}

/**
 * The topology of one combination; undefined when its values do not fit the shape of a lab.
 * @param raw the file as parsed, its variables not yet put in
 */
function readCombination(
  source: LabSource,
  raw: unknown,
  variables: Variables,
): Topology | undefined {
  const topology = resolve(source, raw, variables)
  if (topology === undefined) return undefined
  const file = checkShape(source, substitute(source, raw, variables))
  if (file === undefined) return undefined
  const steps = resolveSteps({ source, file, variables }, raw, topology)
  return { ...topology, steps }
}
