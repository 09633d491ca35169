/** Remedies done on the real kernel: what failed works, and fails again once they are undone. */
import { expect, test } from 'vitest'
import { explain } from '../../src/explain/explain.ts'
import { probeOf, type Question } from '../../src/explain/question.ts'
import type { Fabric } from '../../src/fabric/fabric.ts'
import { openKernel } from '../../src/kernel/fabric.ts'
import { namespacesOf, planDown, planLab } from '../../src/lab/plan.ts'
import { flushPlan } from '../../src/lab/probing.ts'
import { readLab } from '../../src/lab/read.ts'
import { LabSource } from '../../src/lab/source.ts'
import type { Topology } from '../../src/lab/topology.ts'
import { parseIp } from '../../src/addr/ip.ts'
import { openSim } from '../../src/sim/fabric.ts'
import { describeKernel } from '../describe-kernel.ts'
import { onOneParent } from './labs.ts'

const naming = { prefix: `explain${process.pid}-` }
const CASES = [
  ['bridge', 'centos18', 'ns1', '10.211.55.101'],
  ['bridge', 'ns1', 'centos18', '10.211.55.18'],
  ['vepa', 'ns1', 'ns2', '10.211.55.102'],
  ['private', 'ns2', 'ns1', '10.211.55.101'],
] as const

describeKernel('remedies on the kernel', () => {
  for (const [mode, from, to, ip] of CASES) {
    test(`explain: what mends ${from} -> ${to} in mode ${mode} does so on a kernel`, async () => {
      const [topology] = readLab(new LabSource('lab.yaml', onOneParent(mode)))
      if (topology === undefined) throw new Error('no lab')
      const question: Question = {
        from: naming.prefix + from,
        to: naming.prefix + to,
        target: parseIp(ip),
        protocol: 'icmp',
      }
      const sim = openSim()
      sim.applyNow(planLab(topology, naming))
      await sim.settle()
      const { remedies } = explain(sim, question)
      expect(remedies.length).toBeGreaterThan(1)
      const kernel = await openKernel()
      const made = namespacesOf(topology).map((node) => naming.prefix + node)
      try {
        await kernel.apply(planLab(topology, naming))
        await kernel.settle({ netns: made })
        expect(await works(kernel, topology, question)).toBe(false)
        for (const { title, plan, undo } of remedies) {
          await kernel.apply(plan)
          await kernel.settle({ netns: made })
          expect(await works(kernel, topology, question), title).toBe(true)
          await kernel.apply(undo)
          await kernel.settle({ netns: made })
          expect(await works(kernel, topology, question), `undo of ${title}`).toBe(false)
        }
      } finally {
        await kernel.apply(planDown(made), { keepGoing: true })
        await kernel.close()
      }
    })
  }
})

async function works(kernel: Fabric, topology: Topology, question: Question): Promise<boolean> {
  await kernel.apply([
    ...flushPlan(topology, naming),
    // A redirect of the router outlives the neighbours it spoke of.
    ...topology.hosts.map(
      ({ name }) => ({ do: 'route.flush-cache', netns: naming.prefix + name }) as const,
    ),
  ])
  const [result] = await kernel.probe([probeOf(question)])
  return result?.outcome === 'reply'
}
