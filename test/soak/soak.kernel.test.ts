/** A quarter of a minute of `npm run soak`. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeKernel } from '../describe-kernel.ts'
import { buildProgram, removeProgram } from '../support/program.ts'
import { TwoHosts } from '../support/two-hosts.ts'
import { soak } from './soak.ts'

describeKernel('two hosts, sandboxes and illnesses at random', () => {
  beforeAll(() => buildProgram())
  afterAll(() => removeProgram())

  test('no address twice; kernel, table and store agree', async () => {
    const { wrong, connects, looks } = await soak({
      seconds: 15,
      seed: 2,
      open: () => TwoHosts.open(1),
    })
    expect(wrong).toEqual([])
    expect(connects).toBeGreaterThan(0)
    expect(looks).toBeGreaterThan(0)
  })
})
