/** The table at the end, and one line for every row that differs. */
import type { Aspect, FileKind, Row } from './rows.ts'

export interface Replayed {
  readonly file: string
  readonly kind: FileKind
  readonly rows: readonly Row[]
}

const COLUMNS: readonly (readonly [string, Aspect])[] = [
  ['probes', 'probe'],
  ['frames', 'frame'],
  ['refused ops', 'refused'],
  ['texts', 'text'],
  ['state after', 'after'],
]

const count = (rows: readonly Row[], aspect: Aspect, verdict: Row['verdict']): number =>
  rows.filter((r) => r.aspect === aspect && r.verdict === verdict).length

/** agree / differ / not run for every kind of file and of row. */
export function table(done: readonly Replayed[]): string {
  const kinds = [...new Set(done.map((d) => d.kind))]
  const cells = (rows: readonly Row[]) =>
    COLUMNS.map(([, aspect]) =>
      (['agree', 'differ', 'not-run'] as const).map((v) => count(rows, aspect, v)).join(' / '),
    )
  const lines = kinds.map((kind) => {
    const mine = done.filter((d) => d.kind === kind)
    return [`${kind} (${mine.length})`, ...cells(mine.flatMap((d) => d.rows))]
  })
  const all = done.flatMap((d) => d.rows)
  const head = ['agree / differ / not run', ...COLUMNS.map(([name]) => name)]
  return aligned([head, ...lines, ['all', ...cells(all)]])
}

function aligned(lines: readonly (readonly string[])[]): string {
  const widths = (lines[0] ?? []).map((_, n) => Math.max(...lines.map((l) => (l[n] ?? '').length)))
  return lines.map((l) => `${l.map((c, n) => c.padEnd(widths[n] ?? 0)).join('  ').trimEnd()}\n`).join('')
}

/** Why rows were not run, with how many and in which files. */
export function reasons(done: readonly Replayed[]): string {
  const rows = done.flatMap((d) => d.rows).filter((r) => r.verdict === 'not-run')
  const whys = [...new Set(rows.map((r) => r.why ?? ''))].sort()
  return whys
    .map((why) => {
      const mine = rows.filter((r) => r.why === why)
      const files = [...new Set(mine.map((r) => r.file))]
      const names = files.length > 8 ? `${files.length} files` : files.join(', ')
      return `not run: ${why}: ${mine.length} rows in ${names}\n`
    })
    .join('')
}

const flat = (text: string | undefined) => (text ?? '').replaceAll('\n', ' ~ ')

export function differences(done: readonly Replayed[]): string {
  return done
    .flatMap((d) => d.rows)
    .filter((r) => r.verdict === 'differ')
    .map(
      (r) =>
        `DIFFERS ${r.file}#${r.number} ${r.aspect} ${r.kernel} [${flat(r.what)}] ` +
        `expected: ${flat(r.expected)} | got: ${flat(r.got)}\n`,
    )
    .join('')
}
