/** All pairs of 100 macvlan endpoints, cold: the simulator beside the real kernel. */
import { openKernel } from '../src/kernel/fabric.ts'
import { openSim } from '../src/sim/fabric.ts'
import { measure, needRoot, timeMs } from './harness.ts'
import { allPairs, flush, macvlanLan, namespacesOf, ping, withoutLan } from './worlds.ts'

const COUNT = 100
/** So that a round takes both about as long. */
const SIM_TIMES = 40

await measure('matrix', async () => {
  needRoot()
  const sim = openSim()
  const kernel = await openKernel()
  await sim.apply(macvlanLan(COUNT))
  await kernel.apply(withoutLan(COUNT), { keepGoing: true })
  await kernel.apply(macvlanLan(COUNT))
  await sim.settle()
  await kernel.settle({ netns: namespacesOf(COUNT) })
  const probes = allPairs(COUNT)
  const oneOf = async (times: number): Promise<number> => {
    let ms = 0
    for (let i = 0; i < times; i++) {
      ms += await timeMs(() => ping(sim, probes, COUNT))
      await flush(sim, COUNT)
    }
    return ms / times
  }
  return {
    question: `who reaches whom among ${COUNT} macvlan endpoints: ${probes.length} cold pings`,
    unit: 'ms',
    better: 'lower',
    warmUps: 3,
    contestants: [
      {
        name: `simulator, mean of ${SIM_TIMES}`,
        run: () => oneOf(SIM_TIMES),
      },
      {
        name: 'real kernel, 500 at a time from one process',
        run: () => timeMs(() => ping(kernel, probes, COUNT)),
        reset: () => flush(kernel, COUNT),
      },
    ],
    close: async () => {
      await kernel.apply(withoutLan(COUNT), { keepGoing: true })
      await kernel.close()
      await sim.close()
    },
  }
})
