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
  const came = await runTests(suite.atOnce, ({ outcome, ms, name: test }) => {
    process.stdout.write(`${outcome} ${(ms / 1000).toFixed(1)} s ${test}\n`)
  })
  outcomes.push(...came.map((outcome) => ({ ...outcome, name: `${name}: ${outcome.name}` })))
}
writeFileSync(report, JSON.stringify(outcomes))
process.exit(0)
