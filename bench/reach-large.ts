/**
 * Who reaches whom among 100,000 endpoints, from nothing. The peer is the same question of a fleet
 * a hundredth its size: what more endpoints cost.
 */
import { Reach } from '../src/explain/reach.ts'
import type { Snapshot } from '../src/fabric/snapshot.ts'
import { openSim } from '../src/sim/fabric.ts'
import { takeSnapshot } from '../src/sim/snapshot.ts'
import { measure, timeMs } from './harness.ts'
import { fleetPlan, multiplied } from './reach-fleet.ts'

await measure('reach-large', async () => {
  const template = await small()
  const large = multiplied(template, 125)
  const { pairs, classes, questions } = new Reach(large).counts
  return {
    question:
      `who reaches whom among ${large.netns.length} namespaces (${classes} classes, ` +
      `${questions} questions for ${pairs} pairs)?`,
    unit: 'ms',
    better: 'lower',
    rounds: 5,
    contestants: [
      { name: 'all pairs, cold', run: () => timeMs(() => new Reach(large)) },
      {
        name: `all pairs of ${template.netns.length} namespaces, cold`,
        run: () => timeMs(() => new Reach(template)),
      },
    ],
  }
})

/** 20 leaves, 200 hosts, four containers each, to be multiplied to 100,000. */
async function small(): Promise<Snapshot> {
  const world = openSim({ seed: 7 })
  world.applyNow(fleetPlan({ leaves: 20, hosts: 10, containers: 4 }))
  await world.settle()
  return takeSnapshot(world.world)
}
