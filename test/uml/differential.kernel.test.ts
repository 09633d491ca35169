/** Some drawn worlds on the simulator and inside User Mode Linux: they must agree. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { umlMissing } from '../../src/kernel/uml-boot.ts'

const ROOT = join(import.meta.dirname, '../..')
const WORDS = ['--fabric=uml', '--seed=1', '--count=40', '--jobs=20', '--no-shrink']
const TIMEOUT_MS = 1_500_000

const missing = umlMissing()

test.skipIf(missing !== undefined)(
  `40 drawn worlds agree${missing === undefined ? '' : ` (skipped: ${missing})`}`,
  async () => {
    const program = ['scripts/run.mjs', 'test/differential/main.ts', ...WORDS]
    const { stdout } = await promisify(execFile)(process.execPath, program, { cwd: ROOT })
    expect(stdout).toMatch(/^40 worlds .* sim against uml: 0 differ; [\d.]+ s$/m)
  },
  TIMEOUT_MS,
)
