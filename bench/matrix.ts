/** All pairs of 100 macvlan endpoints, cold: the simulator beside the real kernel. */
import { openKernel } from '../src/kernel/fabric.ts'
import { openSim } from '../src/sim/fabric.ts'
import { measure, needRoot, timeMs } from './harness.ts'
import { allPairs, flush, macvlanLan, ping, withoutLan } from './worlds.ts'

const COUNT = 100

await measure('matrix', async () => {
  needRoot()
  const sim = openSim()
  const kernel = await openKernel()
  await sim.apply(macvlanLan(COUNT))
  await kernel.apply(withoutLan(COUNT), { keepGoing: true })
  await kernel.apply(macvlanLan(COUNT))
  await sim.settle()
  await kernel.settle()
  const probes = allPairs(COUNT)
  return {
    question: `who reaches whom among ${COUNT} macvlan endpoints: ${probes.length} cold pings`,
    unit: 'ms',
    better: 'lower',
    contestants: [
      {
        name: 'simulator',
        run: () => timeMs(() => ping(sim, probes, COUNT)),
        reset: () => flush(sim, COUNT),
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
