/**
 * One failing pair of a lab with 30 endpoints, explained: where, why, what mends it and what that
 * changes for the others. The peer answers less: pings on the real kernel, which say only that it
 * fails, for the pair and for each remedy as it is tried.
 */
import { parseIp } from '../src/addr/ip.ts'
import { explain } from '../src/explain/explain.ts'
import type { Question } from '../src/explain/question.ts'
import type { Fabric, Probe } from '../src/fabric/fabric.ts'
import type { Op, Plan } from '../src/fabric/plan.ts'
import { openKernel } from '../src/kernel/fabric.ts'
import { openSim } from '../src/sim/fabric.ts'
import { meanMs, measure, needRoot, timeMs } from './harness.ts'

const PREFIX = 'lanbench-'
/** Explanations of a round. */
const TIMES = 20
const HOSTS = 3
const CHILDREN = 9
const ns = (name: string): string => `${PREFIX}${name}`
const NAMES = [
  'sw',
  ...Array.from({ length: HOSTS }, (_, h) => `h${h}`),
  ...Array.from({ length: HOSTS * CHILDREN }, (_, i) => `c${i}`),
]

/** Three hosts on a switch, nine private children on each: 30 endpoints. */
function lan(): Plan {
  const silent = (netns: string): Op => ({
    do: 'sysctl.set',
    netns,
    key: 'net.ipv6.conf.default.disable_ipv6',
    value: '1',
  })
  const ops: Op[] = NAMES.flatMap((name): Op[] => [
    { do: 'netns.add', netns: ns(name) },
    silent(ns(name)),
  ])
  ops.push({ do: 'link.add', netns: ns('sw'), name: 'br0', spec: { kind: 'bridge' }, up: true })
  for (let h = 0; h < HOSTS; h++) {
    const netns = ns(`h${h}`)
    const peer = { name: `p${h}`, netns: ns('sw') }
    ops.push(
      { do: 'link.add', netns, name: 'eth0', spec: { kind: 'veth', peer }, up: true },
      { do: 'link.set', netns: ns('sw'), name: `p${h}`, master: 'br0', up: true },
      { do: 'address.add', netns, link: 'eth0', address: address(h + 1) },
    )
  }
  for (let i = 0; i < HOSTS * CHILDREN; i++) {
    const netns = ns(`c${i}`)
    ops.push(
      {
        do: 'link.add',
        netns,
        name: 'eth0',
        parentNetns: ns(`h${i % HOSTS}`),
        spec: { kind: 'macvlan', parent: 'eth0', macvlan: { mode: 'private' } },
        up: true,
      },
      { do: 'address.add', netns, link: 'eth0', address: address(100 + i) },
    )
  }
  return ops
}

function address(last: number): { address: number; length: number } {
  return { address: (parseIp('10.9.0.0') as number) + last, length: 24 }
}

const question: Question = {
  from: ns('c0'),
  to: ns(`c${HOSTS}`),
  target: address(100 + HOSTS).address,
  protocol: 'icmp',
}

/** The pair and its way back; each failure waits as long as `ping -W 1` does. */
async function ask(fabric: Fabric): Promise<void> {
  const probes: Probe[] = [
    { protocol: 'icmp', from: question.from, to: question.target },
    { protocol: 'icmp', from: ns(`c${HOSTS}`), to: address(100).address },
  ]
  await fabric.probe(probes)
  for (const { from } of probes) await fabric.apply([{ do: 'neighbour.flush', netns: from }])
}

const down: Plan = NAMES.map((name) => ({ do: 'netns.del', netns: ns(name) }))

await measure('explain', async () => {
  needRoot()
  const sim = openSim()
  const kernel = await openKernel()
  await kernel.apply(down, { keepGoing: true })
  for (const fabric of [sim, kernel]) {
    await fabric.apply(lan())
    await fabric.settle()
  }
  const { remedies, search } = explain(sim, question)
  if (remedies.length === 0) throw new Error('nothing mends it: the bench asks the wrong question')
  return {
    question: `why does one of 30 endpoints not reach another, and what mends it (${search.tried} changes tried)?`,
    unit: 'ms',
    better: 'lower',
    contestants: [
      {
        name: `explain, with remedies and what they change, mean of ${TIMES}`,
        run: () => meanMs(TIMES, () => explain(sim, question)),
      },
      {
        name: `explain, without remedies, mean of ${TIMES}`,
        run: () => meanMs(TIMES, () => explain(sim, question, { remedies: false })),
      },
      {
        name: 'pings on the kernel: the pair and its way back, once',
        run: () => timeMs(() => ask(kernel)),
      },
    ],
    close: async () => {
      await kernel.apply(down, { keepGoing: true })
      await kernel.close()
    },
  }
})
