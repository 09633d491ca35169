/** Steps of an experiment: change the running lab, type commands, expect something else. */
import { changes } from './changes.ts'
import { parseTcTime } from '../fabric/netem.ts'
import { resolveExpectations } from './expectation.ts'
import { parsePort } from './phrases.ts'
import { resolve } from './resolve.ts'
import type { Resolving } from './resolving.ts'
import { each } from './resolve-hosts.ts'
import { formatPath, LabSource, type Path } from './source.ts'
import { didYouMean, listed } from './text.ts'
import { nodesOf, type RunLine, type Step, type Topology } from './topology.ts'

/**
 * @param raw the file as parsed, its variables not yet put in
 * @param start the lab as the steps find it
 */
export function resolveSteps(reading: Resolving, raw: unknown, start: Topology): Step[] {
  const { source, file } = reading
  let now = start
  let value = raw
  let lastMs = 0
  return (file.steps ?? []).map((step, i) => {
    const path: Path = ['steps', i]
    let becomes: Topology | undefined
    const atMs =
      step.at === undefined ? undefined : timeOf(source, [...path, 'at'], step.at, lastMs)
    lastMs = atMs ?? lastMs
    for (const [key, set] of Object.entries(step.set ?? {})) {
      const next = assign(value, key.split('.'), set)
      if (typeof next === 'string') source.problem([...path, 'set', key], next, 'key')
      else value = next
    }
    if (step.set !== undefined) {
      const after = resolveChanged(reading, value, [...path, 'set'])
      const change = after === undefined ? undefined : changes(now, after)
      if (change?.ok === false) source.problem([...path, 'set'], change.sentence)
      else if (after !== undefined) {
        becomes = after
        now = after
      }
    }
    return {
      name: step.name,
      line: source.lineOf(path),
      atMs,
      becomes,
      run: runLines(reading, now, step.run ?? {}, [...path, 'run']),
      expect: resolveExpectations(reading, now, step.expect ?? [], [...path, 'expect']),
    }
  })
}

/** Long enough for any experiment, and no typing mistake of minutes on a real kernel. */
const AT_MAX_MS = 600_000

/** `2s` in milliseconds; steps come in the order of their times. */
function timeOf(source: LabSource, path: Path, typed: string, afterMs: number): number | undefined {
  const ns = /[a-z]$/i.test(typed) ? parseTcTime(typed) : undefined
  const ms = ns === undefined ? Number.NaN : ns / 1e6
  if (!(ms <= AT_MAX_MS)) {
    source.problem(path, `"${typed}" is no time: write one up to 600s, as 2s or 500ms`)
    return undefined
  }
  if (ms < afterMs) {
    source.problem(path, `${typed} is before the step above, which begins at ${afterMs}ms`)
    return undefined
  }
  return ms
}

/** The lab with a step's values in place; its problems are reported at the step that set them. */
function resolveChanged(reading: Resolving, value: unknown, path: Path): Topology | undefined {
  const scratch = new LabSource(reading.source.file, '')
  scratch.value = { ...(value as object), steps: [], expect: [] }
  const topology = resolve(scratch, scratch.value, reading.variables, true)
  const known = new Set(reading.source.problems.map((p) => `${p.path}: ${p.sentence}`))
  const own = scratch.problems.filter((p) => !known.has(`${p.path}: ${p.sentence}`))
  for (const problem of own) {
    const where = problem.path === '' ? '' : `${problem.path}: `
    reading.source.problem(path, `${where}${problem.sentence}`)
  }
  return scratch.problems.length > 0 ? undefined : topology
}

/** A copy of the file with one value replaced; names on the path may have dots in them. */
function assign(value: unknown, keys: readonly string[], set: unknown, done: Path = []): unknown {
  if (keys.length === 0) return set
  if (typeof value === 'string' && done[0] === 'switches') {
    // The short form says what else the port is.
    const parsed = parsePort(value)
    return assign(parsed.ok ? parsed.value : {}, keys, set, done)
  }
  if (typeof value === 'string' && done[2] === 'nics') return assign({ to: value }, keys, set, done)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return `${formatPath(done)} is no mapping: nothing can be set in it`
  }
  const record = value as Record<string, unknown>
  for (let n = keys.length; n >= 1; n--) {
    const name = keys.slice(0, n).join('.')
    if (!Object.hasOwn(record, name) && n !== 1 && !isSysctl(done)) continue
    if (!Object.hasOwn(record, name) && done.length < 2) {
      return `there is no ${formatPath([...done, name])}${didYouMean(name, Object.keys(record))}: there is ${listed(Object.keys(record))}`
    }
    const inner = assign(record[name] ?? (n === keys.length ? undefined : {}), keys.slice(n), set, [
      ...done,
      name,
    ])
    return typeof inner === 'string' && n !== keys.length ? inner : { ...record, [name]: inner }
  }
  return record
}

function isSysctl(done: Path): boolean {
  return done.at(-1) === 'sysctl'
}

function runLines(
  { source }: Resolving,
  topology: Topology,
  run: Readonly<Record<string, string | readonly string[]>>,
  path: Path,
): RunLine[] {
  const nodes = [...topology.switches.map((s) => s.name), ...nodesOf(topology).map((n) => n.name)]
  return Object.entries(run).flatMap(([node, lines]) => {
    if (!nodes.includes(node)) {
      source.problem(
        [...path, node],
        `there is no node "${node}"${didYouMean(node, nodes)}: there is ${listed(nodes)}`,
        'key',
      )
      return []
    }
    return each(lines).map(({ text, sub }) => ({
      node,
      text,
      line: source.lineOf([...path, node, ...sub]),
    }))
  })
}
