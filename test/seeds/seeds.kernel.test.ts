/** Seed 001 with the machine's own tools: what they print is what the seed printed. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeKernel } from '../describe-kernel.ts'
import { buildProgram, programWords, removeProgram } from '../support/program.ts'
import { openKernel } from './kernel.ts'
import { playSeed } from './play.ts'

describeKernel('the seeds on this kernel', () => {
  beforeAll(buildProgram)
  afterAll(removeProgram)

  test('001: bridge, private and vepa in two namespaces', async () => {
    const played = await playSeed('001', (lab) => openKernel(lab, programWords()))
    const wrong = played.filter((p) => p.result === 'differs').map((p) => `${p.step.line}${p.why}`)
    expect(wrong).toEqual([])
    const left = played.filter((p) => p.result === 'left out').map((p) => p.step.line)
    expect(left.filter((line) => !/^(?:yum|apt) install /.test(line))).toEqual([])
  }, 600_000)
})
