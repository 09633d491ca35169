/**
 * What runs inside a guest: `node main.mjs REPORT SUITE...`, the suites one after another, each
 * with its tests side by side if they allow it; their outcomes go to the report.
 */
import { writeFileSync } from 'node:fs'
import { SUITES } from './suites.ts'
import { type Outcome, runTests } from './vitest.ts'

const [report = '', ...names] = process.argv.slice(2)
const outcomes: Outcome[] = []
for (const name of names) {
  const suite = SUITES[name]
  if (suite === undefined) throw new Error(`no suite ${name}`)
  await suite.load()
  for (const outcome of await runTests(suite.atOnce)) {
    outcomes.push({ ...outcome, name: `${name}: ${outcome.name}` })
    process.stdout.write(`${outcome.outcome} ${(outcome.ms / 1000).toFixed(1)} s ${outcome.name}\n`)
  }
}
writeFileSync(report, JSON.stringify(outcomes))
process.exit(0)
