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
import { withShims } from './shims.ts'
import { type Resolving, SECTIONS, UNPLUGGED } from './resolving.ts'
import { resolveSwitches } from './resolve-switches.ts'
import { knownKeys, type LabFile, labSchema } from './schema.ts'
import type { LabSource, Path } from './source.ts'
import { didYouMean } from './text.ts'
import type { Topology } from './topology.ts'
import { substitute } from './variables.ts'

/**
 * The topology of one combination, without its steps; undefined when its values do not fit the
 * shape of a lab.
 * @param raw the file as parsed, its variables not yet put in
 * @param running whether it is what a step makes of a lab that runs
 */
export function resolve(
  source: LabSource,
  raw: unknown,
  variables: Variables,
  running = false,
): Topology | undefined {
  const typed = checkShape(source, substitute(source, raw, variables))
  if (typed === undefined) return undefined
  const reading: Resolving = { source, file: present(source, typed, variables), variables, running }
  const switches = resolveSwitches(reading)
  const networks = resolveNetworks(reading)
  const { hosts, ports } = resolveHosts(reading, switches, networks)
  const containers = resolveContainers(reading, networks, hosts, ports)
  const topology: Topology = {
    lab: typed.lab,
    title: typed.title,
    variables,
    switches: ports,
    hosts: withShims(reading, hosts, networks, containers),
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

/**
 * The file as the schema has it, its problems reported. What does not fit is left out, so that the
 * rest can still be checked; undefined when too little is left for that.
 */
export function checkShape(source: LabSource, value: unknown): LabFile | undefined {
  if (value === null || value === undefined) {
    source.problem([], 'the file is empty: a lab begins with "lab: NAME"')
    return undefined
  }
  const issues = reportShape(source, value)
  if (issues.length === 0) return value as LabFile
  return fitting(without(value, issues))
}

/** As often as it may take to climb from a value to the section it stands in. */
const ATTEMPTS = 6

/** What lacks something it needs is left out too, from the inside to the outside. */
function fitting(value: unknown): LabFile | undefined {
  let rest = value
  for (let i = 0; i < ATTEMPTS; i++) {
    // A lab without a good name is still a lab.
    rest = { lab: 'lab', ...(rest as object) }
    const result = labSchema.safeParse(rest)
    if (result.success) return result.data
    const issues = result.error.issues.filter((issue) => issue.code !== 'invalid_key')
    if (issues.length === 0) return rest as LabFile
    rest = without(
      rest,
      issues.map((issue) => issue.path.slice(0, -1) as Path),
    )
  }
  return undefined
}

/** Reports what does not fit; gives the paths of it, badly named things excepted. */
function reportShape(source: LabSource, value: unknown): Path[] {
  const result = labSchema.safeParse(value)
  if (result.success) return []
  const paths: Path[] = [[]]
  for (const issue of result.error.issues) {
    const path = issue.path.map((key) => (typeof key === 'symbol' ? String(key) : key))
    if (issue.code === 'unrecognized_keys') {
      const known = knownKeys(issue.message) ?? []
      for (const key of issue.keys) {
        const say = `unknown key "${key}"${didYouMean(key, known)}: ${issue.message}`
        source.problem([...path, key], say, 'key')
        paths.push([...path, key])
      }
    } else if (issue.code === 'invalid_key') {
      const name = String(path.at(-1))
      source.problem(path, `"${name}" is no name: ${issue.issues[0]?.message ?? ''}`, 'key')
    } else {
      source.problem(path, issue.message)
      paths.push(path)
    }
  }
  return paths
}

/** A copy without the values at these paths. */
function without(value: unknown, paths: readonly Path[], at: Path = []): unknown {
  if (typeof value !== 'object' || value === null) return value
  const gone = (key: string | number) =>
    paths.some((p) => p.length === at.length + 1 && [...at, key].every((k, i) => k === p[i]))
  if (Array.isArray(value)) {
    // What follows is left out too, so that every other item keeps its number.
    const end = value.findIndex((_, i) => gone(i))
    const kept: unknown[] = end < 0 ? value : value.slice(0, end)
    return kept.map((item, i) => without(item, paths, [...at, i]))
  }
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !gone(key))
      .map(([key, item]) => [key, without(item, paths, [...at, key])]),
  )
}

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
