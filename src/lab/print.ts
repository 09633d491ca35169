/** A lab's report as text: matrices, expectations met and missed, steps. */
import { whyText } from './judge.ts'
import type { Judged } from './judge.ts'
import type { Paint } from './paint.ts'
import type { Cell } from './probing.ts'
import type { CombinationReport, CommandReport, LabReport, MatrixReport } from './run.ts'
import { formatVariables } from './variables.ts'
import { padEnd, padStart, widthOf, wrap } from './width.ts'

export function printCombination(report: CombinationReport, paint: Paint): string {
  const title = formatVariables(report.variables)
  const parts = [
    title === '' ? '' : paint('title', title),
    ...report.commands.map((c) => commandText(c, paint)),
    ...report.matrices.map((m) => printMatrix(m, report.matrices.length > 1, paint)),
    ...report.expectations.map((e) => printJudged(e, paint)),
    ...report.steps.map((step) =>
      [
        `\n${paint('title', step.name)}`,
        ...step.commands.map((c) => commandText(c, paint)),
        ...step.expectations.map((e) => printJudged(e, paint)),
      ].join('\n'),
    ),
  ]
  return parts.filter((p) => p !== '').join('\n')
}

/**
 * The last line: what came out.
 * @param kernel what it ran on, unless simulated
 */
export function printSummary(report: LabReport, paint: Paint, kernel = 'this kernel'): string {
  const { combinations, met, missed } = report
  const runs = combinations.length > 1 ? `${combinations.length} combinations, ` : ''
  const where = report.fabric === 'sim' ? 'simulated' : `on ${kernel}`
  const count = `${met} ${met === 1 ? 'expectation' : 'expectations'} met`
  if (met + missed === 0) return `${runs}nothing was expected (${where})`
  const bad = missed > 0 ? paint('bad', `${missed} missed`) : '0 missed'
  return `${runs}${missed === 0 ? paint('good', count) : count}, ${bad} (${where})`
}

/** What stands in a matrix: rows ping columns. */
export interface MatrixGrid {
  /** A ttl, `ok`, or ✗ with the letter of a reason; undefined: nobody asked. */
  at(from: string, to: string): { readonly ok: boolean; readonly text: string } | undefined
  /** Reasons by their letter. */
  readonly legend: readonly (readonly [mark: string, why: string])[]
}

export function matrixGrid({ cells }: MatrixReport): MatrixGrid {
  const letters = new Map<string, string>()
  for (const cell of cells) {
    if (!cell.ok && !letters.has(whyText(cell))) letters.set(whyText(cell), letter(letters.size))
  }
  const byEnds = new Map(cells.map((cell) => [`${cell.from} ${cell.to}`, cell]))
  const text = (cell: Cell): string =>
    cell.ok ? String(cell.ttl ?? 'ok') : `✗${letters.get(whyText(cell))}`
  return {
    at: (from, to) => {
      const cell = byEnds.get(`${from} ${to}`)
      return cell === undefined ? undefined : { ok: cell.ok, text: text(cell) }
    },
    legend: [...letters].map(([why, mark]) => [`✗${mark}`, why]),
  }
}

/** Who reaches whom: rows ping columns; a number is the ttl of the answer. */
export function printMatrix(matrix: MatrixReport, named: boolean, paint: Paint): string {
  const { nodes } = matrix
  const grid = matrixGrid(matrix)
  const text = (from: string, to: string): string => grid.at(from, to)?.text ?? '·'
  const family = named ? `IPv${matrix.family}` : ''
  const first = Math.max(widthOf(family), ...nodes.map(widthOf))
  const widths = nodes.map((to) =>
    Math.max(widthOf(to), ...nodes.map((from) => widthOf(text(from, to)))),
  )
  const head = nodes.map((to, i) => padStart(to, widths[i] ?? 0)).join('  ')
  const rows = nodes.map((from) => {
    const row = nodes.map((to, i) => {
      const cell = grid.at(from, to)
      const style = cell === undefined ? 'dim' : cell.ok ? 'good' : 'bad'
      return paint(style, padStart(text(from, to), widths[i] ?? 0))
    })
    return `  ${padEnd(from, first)}  ${row.join('  ')}`
  })
  const legend = grid.legend.map(([mark, why]) => {
    const lines = wrap(why, LEGEND_WIDTH).join(`\n${' '.repeat(5)}`)
    return `  ${paint('bad', mark)} ${lines}`
  })
  return [`  ${padEnd(family, first)}  ${paint('dim', head)}`, ...rows, ...legend].join('\n')
}

const LEGEND_WIDTH = 90

/** a, b, ..., z, aa, ab, ... */
function letter(n: number): string {
  const own = String.fromCharCode(97 + (n % 26))
  return n < 26 ? own : letter(Math.floor(n / 26) - 1) + own
}

/** An expectation, met or missed. */
export function printJudged(judged: Judged, paint: Paint): string {
  const mark = judged.met ? paint('good', '✓') : paint('bad', '✗')
  const line = paint('dim', `line ${judged.line}:`)
  const misses = judged.misses.map((miss) => `      ${paint('bad', miss)}`)
  return [`  ${mark} ${line} ${judged.text}`, ...misses].join('\n')
}

function commandText(command: CommandReport, paint: Paint): string {
  // vconfig begins with an empty line.
  const output = `${command.stdout}${command.stderr}`.trimEnd().replace(/^\n+/, '')
  const prompt = `  ${paint('dim', `${command.node} #`)} ${command.command}`
  return output === '' ? prompt : `${prompt}\n${output.replace(/^(?=.)/gm, '    ')}`
}
