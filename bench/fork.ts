/**
 * A world to try something on: a fork of a laboratory of 30 endpoints that has been pinged through,
 * beside the other way to a second world: a snapshot of it, loaded into a new one.
 */
import { loadSim, openSim } from '../src/sim/fabric.ts'
import { measure, timeMs } from './harness.ts'
import { allPairs, macvlanLan, ping } from './worlds.ts'

const COUNT = 30
const TIMES = 20

await measure('fork', async () => {
  const sim = openSim()
  await sim.apply(macvlanLan(COUNT))
  await sim.settle()
  await ping(sim, allPairs(COUNT), COUNT)
  const known = (await sim.snapshot()).netns.flatMap((netns) => netns.neighbours).length
  const each = async (work: () => unknown): Promise<number> => {
    let ms = 0
    for (let i = 0; i < TIMES; i++) ms += await timeMs(work)
    return ms / TIMES
  }
  return {
    question: `what does a trial world of ${COUNT} endpoints with ${known} neighbours cost?`,
    unit: 'ms',
    better: 'lower',
    rounds: 15,
    contestants: [
      { name: 'fork', run: () => each(() => sim.fork()) },
      { name: 'snapshot, loaded', run: () => each(async () => loadSim(await sim.snapshot())) },
    ],
    close: () => sim.close(),
  }
})
