/** `lanyard lab check`: reads a lab file, looks for what few mean, draws it, runs nothing. */
import { type Finding, lintLab } from '../lab/lint.ts'
import type { Paint } from '../lab/paint.ts'
import { drawLab } from '../lab/picture.ts'
import { formatProblem } from '../lab/source.ts'
import { formatVariables } from '../lab/variables.ts'
import { loadLab } from './lab-file.ts'
import { painter } from './terminal.ts'

export interface LabCheckOptions {
  readonly json?: boolean
  readonly strict?: boolean
}

/** @returns the exit code: 1 when `strict` and there are warnings */
export function labCheck(path: string, { json, strict }: LabCheckOptions): number {
  const { file, topologies, source } = loadLab(path)
  const findings = lintLab(source, topologies)
  const warnings = findings.filter((f) => f.level === 'warning').length
  const expectations = topologies.flatMap((t) => [...t.expect, ...t.steps.flatMap((s) => s.expect)])
  const lines = new Set(expectations.map((e) => `${e.line} ${e.text}`)).size
  if (json === true) {
    const report = { file, combinations: topologies.length, expectations: lines, findings }
    process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`)
  } else {
    const paint = painter(process.stdout)
    const told = findings.map((f) => `${printFinding(f, topologies.length, paint)}\n`).join('')
    const runs = topologies.length === 1 ? '' : `${topologies.length} combinations, `
    const many = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`
    const notes = findings.length - warnings
    const verdict = [
      paint(warnings === 0 ? 'good' : 'bad', warnings === 0 ? 'good' : many(warnings, 'warning')),
      ...(notes === 0 ? [] : [many(notes, 'note')]),
    ].join(', ')
    process.stdout.write(
      `${drawLab(topologies, paint)}\n\n${told}${told === '' ? '' : '\n'}` +
        `${file}: ${verdict}: ${runs}${many(lines, 'expectation')}\n`,
    )
  }
  return strict === true && warnings > 0 ? 1 : 0
}

/** More combinations than these are counted, not named. */
const MOST_NAMED = 2

function printFinding(finding: Finding, combinations: number, paint: Paint): string {
  const { level, rule, mend, where } = finding
  const head = `${paint(level === 'warning' ? 'bad' : 'title', level)}[${rule}]`
  const only =
    where === undefined
      ? ''
      : where.length > MOST_NAMED
        ? `\n  in ${where.length} of ${combinations} combinations`
        : `\n  where ${where.map(formatVariables).join(' or ')}`
  return `${formatProblem(finding)}\n  ${head} mend: ${mend}${only}`
}
