/**
 * Docker inside User Mode Linux, whose kernel has VLANs, ipvlan and dummies, and which takes its
 * time: not part of the gate but `npm run docker:guests`. `SUITE='docker walkthroughs'` runs one.
 */
import { writeSync } from 'node:fs'
import { expect, test } from 'vitest'
import { umlMissing } from '../../src/kernel/uml-boot.ts'
import type { Outcome } from '../uml/inside/vitest.ts'
import { dockerInGuests } from './guests.ts'
import { whyNoDocker } from './world.ts'

const SUITES = process.env['SUITE']?.split(',') ?? [
  'docker moby macvlan',
  'docker moby ipvlan',
  'docker walkthroughs',
]
const TIMEOUT_MS = 3_600_000
/** The runner keeps what is written until the end; what a guest says is wanted at once. */
const tell = (text: string): void => {
  writeSync(2, text)
}

const missing = whyNoDocker() ?? umlMissing()

if (missing === undefined) {
  for (const one of await dockerInGuests(SUITES, TIMEOUT_MS, tell))
    if ('died' in one) test(`a guest runs ${one.name}`, () => expect.fail(one.died))
    else for (const outcome of one.report) addTest(outcome)
} else test.skip(`Docker inside User Mode Linux (skipped: ${missing})`, () => undefined)

function addTest({ name, outcome, message }: Outcome): void {
  test.skipIf(outcome === 'skipped')(`in User Mode Linux, ${name}`, () => {
    if (outcome === 'failed') expect.fail(message)
  })
}
