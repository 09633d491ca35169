/**
 * A lab of 100 macvlan nodes, up on this kernel: the plan alone and the whole of `lab up` (Node's
 * start, a mount namespace for each node), beside iproute2 with the lines that the plan prints, a
 * batch for each namespace: within one it cannot change.
 * In the simulator: bench/lab-replay.ts has it within a process, here is the command.
 */
import { printPlan } from '../src/fabric/print-ip.ts'
import { openKernel } from '../src/kernel/fabric.ts'
import { namespacesOf, planLab } from '../src/lab/plan.ts'
import { readLab } from '../src/lab/read.ts'
import { LabSource } from '../src/lab/source.ts'
import type { Topology } from '../src/lab/topology.ts'
import { ipBatch, measure, needRoot, openLabs, timeMs } from './harness.ts'
import { PREFIX } from './worlds.ts'

const NODES = 100
const rows = Array.from(
  { length: NODES },
  (_, n) => `  c${n}: {host: h, net: lan=10.0.0.${n + 10}}`,
)
const LAB = `lab: bench-up
switches: {sw: {ports: {p0: {}, p1: {}}}}
hosts:
  h: {nics: {eth0: {to: sw:p0, addr: 10.0.0.1/24}}}
  x: {nics: {eth0: {to: sw:p1, addr: 10.0.0.2/24}}}
networks:
  lan: {driver: macvlan, parent: eth0, subnet: 10.0.0.0/24, gateway: 10.0.0.2}
containers:
${rows.join('\n')}
`

/**
 * Lines of `ip` as batches: one a namespace, in the order in which namespaces are met. That is the
 * fewest there can be, and each finds what it needs: switches come before hosts, they before
 * containers.
 */
function batchesOf(lines: readonly string[]): Map<string, string[]> {
  const batches = new Map<string, string[]>()
  for (const line of lines) {
    const [, netns = '', rest = ''] = /^ip (?:-n (\S+) )?(.*)$/.exec(line) ?? []
    if (rest === '') throw new Error(`no line of ip: ${line}`)
    batches.set(netns, [...(batches.get(netns) ?? []), rest])
  }
  return batches
}

await measure('lab-up', async () => {
  needRoot()
  const { file, lab, close } = openLabs(LAB)
  const [topology] = readLab(new LabSource('lab.yaml', LAB)) as [Topology]
  const naming = { prefix: `${PREFIX}up-` }
  const plan = planLab(topology, naming)
  const batches = batchesOf(printPlan(plan))
  const kernel = await openKernel()
  const remove = async (): Promise<void> => {
    const names = namespacesOf(topology).map((node) => `${naming.prefix}${node}`)
    await kernel.apply(names.map((netns) => ({ do: 'netns.del', netns })))
  }
  const down = (): void => lab('down', 'bench-up')
  return {
    question: `how long until a lab of ${NODES} macvlan nodes is up?`,
    unit: 'ms',
    better: 'lower',
    rounds: 3,
    contestants: [
      {
        name: 'lanyard lab up --fabric kernel',
        run: () => timeMs(() => lab('up', file, '-q', '--fabric', 'kernel')),
        reset: down,
      },
      {
        name: 'the same, and one command in it: what moved is waited for there',
        run: () =>
          timeMs(() => {
            lab('up', file, '-q', '--fabric', 'kernel')
            lab('exec', 'c0', '--', 'true')
          }),
        reset: down,
      },
      {
        name: `its plan by ip -batch, ${batches.size} of them`,
        run: () =>
          timeMs(() => {
            for (const [netns, lines] of batches) ipBatch(lines, netns === '' ? undefined : netns)
          }),
        reset: remove,
      },
      {
        name: 'its plan, on this kernel',
        run: () => timeMs(() => kernel.apply(plan)),
        reset: remove,
      },
      { name: 'lanyard lab up', run: () => timeMs(() => lab('up', file, '-q')), reset: down },
    ],
    close: async () => {
      await kernel.close()
      close()
    },
  }
})
