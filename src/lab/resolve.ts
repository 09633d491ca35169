/**
 * Resolve: a lab file as typed becomes one {@link Topology} per combination of its variables.
 *
 * Nothing stops at the first mistake: every problem is reported to the source, and the caller ends
 * with `source.check()`.
 */
import { evaluate, truth, type Variables } from './expression.ts'
import { resolveExpectations } from './expectation.ts'
import { resolveContainers, resolveNetworks } from './resolve-networks.ts'
import { resolveHosts } from './resolve-hosts.ts'
import { resolveSwitches } from './resolve-switches.ts'
import { knownKeys, type LabFile, labSchema } from './schema.ts'
import type { LabSource, Path } from './source.ts'
import { resolveSteps } from './steps.ts'
import { didYouMean, listed } from './text.ts'
import type { Topology } from './topology.ts'
import { substitute, wantedCombinations } from './variables.ts'

/** What the resolving functions share. */
export interface Resolving {
  readonly source: LabSource
  readonly file: LabFile
  readonly variables: Variables
}

/**
 * Reads a lab file.
 *
 * @returns one topology per combination, the last variable of the matrix turning fastest
 * @throws LanyardError `lab-invalid` with every problem of the file
 * @example
 * ```ts
 * const [lab] = resolveLab(new LabSource('lab.yaml', text))
 * ```
 */
export function resolveLab(source: LabSource): Topology[] {
  source.check()
  const typed = checkShape(source, source.value)
  source.check()
  const file = typed as LabFile
  const topologies = wantedCombinations(source, file).map((variables) =>
    resolveCombination(source, source.value, variables),
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
export function resolveCombination(
  source: LabSource,
  raw: unknown,
  variables: Variables,
): Topology | undefined {
  const topology = resolveOnce(source, raw, variables)
  if (topology === undefined) return undefined
  const file = substitute(source, raw, variables) as LabFile
  const steps = resolveSteps({ source, file, variables }, raw, topology)
  return { ...topology, steps }
}

/** As {@link resolveCombination}, without the steps. */
export function resolveOnce(
  source: LabSource,
  raw: unknown,
  variables: Variables,
): Topology | undefined {
  const typed = checkShape(source, substitute(source, raw, variables))
  if (typed === undefined) return undefined
  const reading: Resolving = { source, file: present(source, typed, variables), variables }
  const switches = resolveSwitches(reading)
  const networks = resolveNetworks(reading)
  const { hosts, ports } = resolveHosts(reading, switches, networks)
  const containers = resolveContainers(reading, networks, hosts)
  const topology: Topology = {
    lab: typed.lab,
    title: typed.title,
    variables,
    switches: ports,
    hosts,
    networks,
    containers,
    expect: [],
    steps: [],
  }
  checkNodeNames(reading)
  return {
    ...topology,
    expect: resolveExpectations(reading, topology, typed.expect ?? [], ['expect']),
  }
}

/** The file as the schema has it; undefined, with problems reported, when it does not fit. */
function checkShape(source: LabSource, value: unknown): LabFile | undefined {
  if (value === null || value === undefined) {
    source.problem([], 'is empty: a lab begins with "lab: NAME"')
    return undefined
  }
  const result = labSchema.safeParse(value)
  if (result.success) return result.data
  for (const issue of result.error.issues) {
    const path = issue.path.map((key) => (typeof key === 'symbol' ? String(key) : key))
    if (issue.code === 'unrecognized_keys') {
      const known = knownKeys(issue.message) ?? []
      for (const key of issue.keys) {
        const say = `unknown key "${key}"${didYouMean(key, known)}: ${issue.message}`
        source.problem([...path, key], say, 'key')
      }
    } else if (issue.code === 'invalid_key') {
      const name = String(path.at(-1))
      source.problem(path, `"${name}" is no name: ${issue.issues[0]?.message ?? ''}`, 'key')
    } else source.problem(path, issue.message)
  }
  return undefined
}

const SECTIONS = ['switches', 'hosts', 'networks', 'containers'] as const

/** The file without what its `when` takes out of this combination. */
function present(source: LabSource, file: LabFile, variables: Variables): LabFile {
  const copy: Record<string, unknown> = { ...file }
  for (const section of SECTIONS) {
    const entries = Object.entries(file[section] ?? {}).filter(([name, thing]) => {
      if (thing.when === undefined) return true
      const result = evaluate(thing.when, variables)
      if (!result.ok) source.problem([section, name, 'when'], result.sentence)
      return result.ok && truth(result.value)
    })
    copy[section] = Object.fromEntries(entries)
  }
  return copy as LabFile
}

/** Switches, hosts and containers are namespaces: one name each. */
function checkNodeNames({ source, file }: Resolving): void {
  const kinds = { switches: 'a switch', hosts: 'a host', containers: 'a container' } as const
  const taken = new Map<string, string>()
  for (const section of ['switches', 'hosts', 'containers'] as const) {
    for (const name of Object.keys(file[section] ?? {})) {
      const other = taken.get(name)
      if (other !== undefined) {
        source.problem([section, name], `the name "${name}" is taken by ${other}`, 'key')
      }
      if (name === UNPLUGGED)
        source.problem([section, name], 'this name is kept for cables without an end', 'key')
      taken.set(name, kinds[section])
    }
  }
}

/** The namespace that holds the far ends of nics without a cable. */
export const UNPLUGGED = 'unplugged'

/** Reports an unknown name with what there is and the near miss. */
export function unknownName(
  source: LabSource,
  path: Path,
  what: string,
  name: string,
  names: Iterable<string>,
): void {
  const all = [...names]
  const have =
    all.length === 0 ? 'there is none' : `there ${all.length === 1 ? 'is' : 'are'} ${listed(all)}`
  source.problem(path, `there is no ${what} "${name}"${didYouMean(name, all)}: ${have}`)
}
