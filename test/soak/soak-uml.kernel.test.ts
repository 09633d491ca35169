/** A quarter of a minute of `npm run soak -- --fabric uml`: two hosts with a kernel each. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { umlMissing } from '../../src/kernel/uml-boot.ts'
import { describeKernel } from '../describe-kernel.ts'
import { withGuestSlot } from '../support/guest-slot.ts'
import { buildProgramAnd, removeProgram } from '../support/program.ts'
import { soak } from './soak.ts'
import { UML_PROGRAMS, UmlHosts } from './uml-hosts.ts'

const missing = umlMissing()
const TIMEOUT_MS = 900_000

describeKernel('two kernels, sandboxes and illnesses at random', () => {
  beforeAll(() => buildProgramAnd(UML_PROGRAMS))
  afterAll(() => removeProgram())

  test.skipIf(missing !== undefined)(
    `no address twice; kernels, table and store agree${missing === undefined ? '' : ` (skipped: ${missing})`}`,
    async () => {
      const open = () => UmlHosts.open(1, TIMEOUT_MS)
      const options = { seconds: 15, seed: 2, open }
      const { wrong, connects, looks } = await withGuestSlot(() => soak(options))
      expect(wrong).toEqual([])
      expect(connects).toBeGreaterThan(0)
      expect(looks).toBeGreaterThan(0)
    },
    TIMEOUT_MS,
  )
})
