/** What two snapshots disagree about, after what must differ was taken out (normalise.ts). */
import { idOf, normalise, type NormaliseOptions, type Row, type Table } from './normalise.ts'
import type { Snapshot } from './snapshot.ts'

/** One disagreement: a row only one of the two has, or a field of a row that both have. */
export interface Difference {
  readonly netns: string
  readonly table: Table
  readonly key: string
  /** Undefined when the row as a whole is missing on one side. */
  readonly field: string | undefined
  /** The value (of a whole row: its fields) on each side; undefined where it is missing. */
  readonly a: string | undefined
  readonly b: string | undefined
}

/**
 * Compares two worlds that did the same plan; none are equal to the eye of the plan.
 *
 * @example
 * ```ts
 * const differences = compareSnapshots(await sim.snapshot(), await kernel.snapshot(), {
 *   macs: macsOf(plan),
 * })
 * for (const d of differences) print(formatDifference(d))
 * ```
 */
export function compareSnapshots(
  a: Snapshot,
  b: Snapshot,
  options?: NormaliseOptions,
): Difference[] {
  const others = new Map(normalise(b, options).map((row) => [idOf(row), row]))
  const differences: Difference[] = []
  for (const row of normalise(a, options)) {
    const other = others.get(idOf(row))
    if (other === undefined) differences.push(whole(row, 'a'))
    else differences.push(...compareRows(row, other))
    others.delete(idOf(row))
  }
  for (const row of others.values()) differences.push(whole(row, 'b'))
  return differences
}

function compareRows(a: Row, b: Row): Difference[] {
  const { netns, table, key } = a
  const fields = new Set([...Object.keys(a.fields), ...Object.keys(b.fields)])
  return [...fields]
    .filter((field) => a.fields[field] !== b.fields[field])
    .map((field) => ({ netns, table, key, field, a: a.fields[field], b: b.fields[field] }))
}

function whole(row: Row, side: 'a' | 'b'): Difference {
  const { netns, table, key } = row
  const text = Object.entries(row.fields)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ')
  const a = side === 'a' ? text : undefined
  const b = side === 'b' ? text : undefined
  return { netns, table, key, field: undefined, a, b }
}

/**
 * A difference in one line: `ns1: link eth0: mtu: 1500 / 1400`, with the two sides' names in place
 * of the slash when they are given.
 */
export function formatDifference(
  difference: Difference,
  sides: readonly [a: string, b: string] = ['a', 'b'],
): string {
  const { netns, table, key, field, a, b } = difference
  const what = `${netns === '' ? '(own)' : netns}: ${table} ${key}`
  if (field === undefined) return `${what}: only in ${a === undefined ? sides[1] : sides[0]}`
  return `${what}: ${field}: ${sides[0]} ${a ?? '-'}, ${sides[1]} ${b ?? '-'}`
}
