/** A share of the crash cycles; `npm run docker:crashes -- --cycles 200` runs them all. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeDocker } from '../describe-docker.ts'
import { buildProgram, removeProgram } from '../support/program.ts'
import { clearAll, crash, leftOver, NOTHING_LEFT } from './crashes.ts'
import { DockerWorld } from './world.ts'

const CYCLES = 10
const SEED = 1
/** A cycle restarts one of the two, and Docker waits a quarter of a minute for a plugin. */
const TIMEOUT_MS = 120_000 + CYCLES * 60_000

describeDocker('docker on lanyard, killed at random', () => {
  const world = new DockerWorld()
  beforeAll(async () => {
    await buildProgram()
    await world.open()
    await world.startLanyard()
    await world.startDockerd({ liveRestore: true })
    world.importImage()
  })
  afterAll(async () => {
    await world.close()
    removeProgram()
  })

  test(`${CYCLES} cycles, seed ${SEED}`, { timeout: TIMEOUT_MS }, async () => {
    await crash(world, { cycles: CYCLES, seed: SEED })
    await clearAll(world)
    expect(await leftOver(world)).toEqual(NOTHING_LEFT)
  })
})
