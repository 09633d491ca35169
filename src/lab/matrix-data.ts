/** Who reaches whom for programs: JSON by classes, CSV by pairs. */
import { type Change, changedPairs } from '../explain/reach-change.ts'
import type { Reach, ReachCell } from '../explain/reach.ts'
import type { Snapshot } from '../fabric/snapshot.ts'
import { kindOf } from './matrix-print.ts'

/** Changed pairs named in JSON; the counts are those of all. */
const CHANGES = 1000

export interface MatrixSelection {
  readonly from: string | undefined
  readonly to: string | undefined
}

interface Named {
  readonly reach: Reach
  readonly snapshot: Snapshot
  readonly name: (netns: string) => string
}

/** The object `lanyard matrix --json` prints. */
export function matrixJson(
  { reach, snapshot, name }: Named,
  selection: MatrixSelection,
  change: Change | undefined,
): object {
  const { endpoints, pairs, ok } = reach.counts
  return {
    family: reach.family,
    endpoints,
    pairs,
    ok,
    classes: reach.classes.map((c) => ({
      id: c.number,
      kind: kindOf(snapshot, c, name),
      members: c.members.map(name),
    })),
    verdicts: reach.kinds().map(({ from, to, count, cell, example }) => ({
      from,
      to,
      pairs: count,
      ...cellJson(cell),
      example: example.map(name),
    })),
    ...(selection.from === undefined && selection.to === undefined
      ? {}
      : { cells: [...selected(reach, selection)].map((c) => selectedJson(c, name)) }),
    ...(change === undefined ? {} : { change: changeJson(change, name) }),
  }
}

function cellJson({ ok, code, ttl }: ReachCell): object {
  return { ok, code: code ?? null, ttl: ttl ?? null }
}

interface Selected {
  readonly from: string
  readonly to: string
  readonly cell: ReachCell
}

function selectedJson({ from, to, cell }: Selected, name: Named['name']): object {
  return { from: name(from), to: name(to), ...cellJson(cell) }
}

function changeJson(change: Change, name: Named['name']): object {
  const { opened, closed, otherwise, gone, fresh } = change
  const pairs = changedPairs(change, CHANGES).map(({ from, to, before, after }) => ({
    from: name(from),
    to: name(to),
    before: cellJson(before),
    after: cellJson(after),
  }))
  return { opened, closed, otherwise, gone: gone.map(name), new: fresh.map(name), pairs }
}

/** The cells asked for: one, a row, a column, or all. */
function* selected(reach: Reach, { from, to }: MatrixSelection): Generator<Selected> {
  if (from !== undefined && to !== undefined) {
    yield { from, to, cell: reach.cell(from, to) }
  } else if (to !== undefined) {
    for (const [other, cell] of reach.row(to, 'to')) yield { from: other, to, cell }
  } else {
    const rows = from === undefined ? reach.endpoints : [from]
    for (const one of rows) {
      for (const [other, cell] of reach.row(one, 'from')) yield { from: one, to: other, cell }
    }
  }
}

/** Lines of `lanyard matrix --csv`: a head, then a pair each. */
export function* matrixCsv({ reach, name }: Named, selection: MatrixSelection): Generator<string> {
  yield 'from,to,ok,code,ttl'
  for (const { from, to, cell } of selected(reach, selection)) {
    const { ok, code = '', ttl = '' } = cell
    yield `${field(name(from))},${field(name(to))},${ok},${code},${ttl}`
  }
}

/** Lines of the pairs a plan changes. */
export function* changeCsv(change: Change, name: Named['name']): Generator<string> {
  yield 'from,to,before,after'
  const word = ({ ok, code }: ReachCell): string => (ok ? 'ok' : String(code))
  for (const kind of change.kinds) {
    for (const [from, to] of kind.pairs()) {
      yield `${field(name(from))},${field(name(to))},${word(kind.before)},${word(kind.after)}`
    }
  }
}

function field(text: string): string {
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
