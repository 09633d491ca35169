/**
 * The kernel tests once more, inside User Mode Linux: one test here for each test there. Those that
 * need 8021q, ipvlan, dummy or VLAN filtering run nowhere else if this machine's kernel lacks them.
 */
import { expect, test } from 'vitest'
import { umlMissing } from '../../src/kernel/uml-boot.ts'
import { inGuests } from './guests.ts'
import type { Outcome } from './inside/vitest.ts'
import { buildInside, removeInside } from './program.ts'

/** Guests, two at a time. */
const BATCHES: readonly (readonly string[])[] = [
  ['conformance'],
  ['engine', 'link kinds', 'snapshots'],
  ['live hosts'],
]
const TIMEOUT_MS = 1_500_000

const missing = umlMissing()

if (missing === undefined) {
  try {
    const program = await buildInside()
    const batches = BATCHES.map((suites) => ({
      name: suites.join(', '),
      args: ['REPORT', ...suites],
    }))
    const came = await inGuests<Outcome[]>(batches, { program, timeoutMs: TIMEOUT_MS })
    for (const one of came)
      if ('died' in one) test(`a guest runs ${one.name}`, () => expect.fail(one.died))
      else for (const outcome of one.report) addTest(outcome)
  } finally {
    removeInside()
  }
} else test.skip(`the kernel tests inside User Mode Linux (skipped: ${missing})`, () => undefined)

function addTest({ name, outcome, message }: Outcome): void {
  test.skipIf(outcome === 'skipped')(`in User Mode Linux, ${name}`, () => {
    if (outcome === 'failed') expect.fail(message)
  })
}
