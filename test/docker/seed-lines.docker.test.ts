/** Seed 000, line by line, with this machine's tools and a real dockerd at its node. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeDocker } from '../describe-docker.ts'
import { openKernel } from '../seeds/kernel.ts'
import { playSeed } from '../seeds/play.ts'
import { buildProgram, programWords, removeProgram } from '../support/program.ts'

describeDocker('seed 000 in a lab on this kernel', () => {
  beforeAll(buildProgram)
  afterAll(removeProgram)

  test('prints what the seed printed', async () => {
    const played = await playSeed('000', (lab) => openKernel(lab, programWords()))
    const wrong = played.filter((p) => p.result === 'differs').map((p) => `${p.step.line}${p.why}`)
    expect(wrong).toEqual([])
    const left = played.filter((p) => p.result === 'left out').map((p) => p.step.line)
    expect(left.filter((line) => !/^(?:lsmod|modprobe)\b/.test(line))).toEqual([])
    expect(played.filter((p) => p.step.line.startsWith('docker ')).length).toBe(8)
  }, 600_000)
})
