/**
 * A lab's report as JUnit XML, as CI systems read it: a test suite for each combination and each
 * of its steps, a test case for each expectation. Commands of a step are its `system-out`.
 */
import type { Judged } from './judge.ts'
import { escapeMarkup } from './markup.ts'
import type { CommandReport, LabReport } from './run.ts'
import { formatVariables } from './variables.ts'

interface Suite {
  readonly name: string
  readonly expectations: readonly Judged[]
  readonly commands: readonly CommandReport[]
}

/**
 * @param file the lab file, as the reader knows it
 * @example
 * ```ts
 * writeFileSync('lab.xml', reportJunit(report, 'examples/seed-001/lab.yaml'))
 * ```
 */
export function reportJunit(report: LabReport, file: string): string {
  const suites = suitesOf(report)
  const all = suites.flatMap((s) => s.expectations)
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name=${attribute(report.lab)} ${counts(all)}>`,
    ...suites.flatMap((suite) => suiteLines(suite, file)),
    '</testsuites>',
  ]
  return `${lines.join('\n')}\n`
}

function suitesOf({ lab, combinations }: LabReport): Suite[] {
  return combinations.flatMap(({ variables, expectations, commands, steps }) => {
    const name = [lab, formatVariables(variables)].filter((t) => t !== '').join(' ')
    return [
      { name, expectations, commands },
      ...steps.map((step) => ({ ...step, name: `${name}: ${step.name}` })),
    ]
  })
}

function suiteLines({ name, expectations, commands }: Suite, file: string): string[] {
  const output = commands.map((c) => `${c.node} # ${c.command}\n${c.stdout}${c.stderr}`).join('')
  return [
    `  <testsuite name=${attribute(name)} ${counts(expectations)}>`,
    ...expectations.flatMap((judged) => caseLines(judged, name, file)),
    ...(output === '' ? [] : [`    <system-out>${escapeMarkup(output)}</system-out>`]),
    '  </testsuite>',
  ]
}

function caseLines({ text, line, met, misses }: Judged, suite: string, file: string): string[] {
  const head =
    `    <testcase name=${attribute(text)} classname=${attribute(suite)} ` +
    `file=${attribute(file)} line="${line}"`
  if (met) return [`${head}/>`]
  const [first = 'missed'] = misses
  const all = escapeMarkup([`${file}:${line}`, ...misses].join('\n'))
  return [
    `${head}>`,
    `      <failure message=${attribute(first)}>${all}</failure>`,
    '    </testcase>',
  ]
}

function counts(expectations: readonly Judged[]): string {
  const failures = expectations.filter((e) => !e.met).length
  return `tests="${expectations.length}" failures="${failures}" errors="0"`
}

const attribute = (text: string): string => `"${escapeMarkup(text).replaceAll('\n', '&#10;')}"`
