/**
 * A thousand macvlan endpoints into a thousand namespaces (link made in its place, address, route,
 * up), beside iproute2 doing the same ops.
 *
 * `ip -batch` cannot change the namespace between two lines, so there are two peers: the same ops
 * in one batch with all endpoints in one namespace (no change of namespace at all: the floor), and
 * what one must do with ip for a thousand namespaces.
 */
import { formatIp } from '../src/addr/ip.ts'
import type { Op } from '../src/fabric/plan.ts'
import { openKernel } from '../src/kernel/fabric.ts'
import { ipBatch, measure, needRoot, timeMs } from './harness.ts'
import { endpoint, PREFIX } from './worlds.ts'

const COUNT = 1000
const PARENT_NETNS = `${PREFIX}parent`
const ONE = `${PREFIX}one`
const GROUP = 7000

// Everybody has a subnet and a route of their own, so that one namespace can hold them all.
const own = (i: number): number => 0x0a400000 + i * 256
const beyond = (i: number): number => 0x64400000 + i * 256
const indexes = Array.from({ length: COUNT }, (_, i) => i)

function attach(i: number, netns = endpoint(i)): Op[] {
  const link = `mv${i}`
  return [
    {
      do: 'link.add',
      netns,
      name: link,
      parentNetns: PARENT_NETNS,
      spec: { kind: 'macvlan', parent: 'p0', macvlan: { mode: 'bridge' } },
      group: GROUP,
    },
    { do: 'address.add', netns, link, address: { address: own(i) + 2, length: 24 } },
    { do: 'link.set', netns, name: link, up: true },
    {
      do: 'route.add',
      netns,
      to: { address: beyond(i), length: 24 },
      via: own(i) + 1,
      link,
    },
  ]
}

const addLine = (i: number, netns: string): string =>
  `link add link p0 name mv${i} netns ${netns} group ${GROUP} type macvlan mode bridge`

const insideLines = (i: number): string[] => [
  `addr add ${formatIp(own(i) + 2)}/24 dev mv${i}`,
  `link set mv${i} up`,
  `route add ${formatIp(beyond(i))}/24 via ${formatIp(own(i) + 1)} dev mv${i}`,
]

const sysctl = (netns: string): Op => ({
  do: 'sysctl.set',
  netns,
  key: 'net.ipv6.conf.default.disable_ipv6',
  value: '1',
})

const PARENT: readonly Op[] = [
  {
    do: 'link.add',
    netns: PARENT_NETNS,
    name: 'p0',
    spec: { kind: 'veth', peer: { name: 'p1' } },
    up: true,
  },
  { do: 'link.set', netns: PARENT_NETNS, name: 'p1', up: true },
]

/** What ip does in one namespace. */
function batchInOne(): void {
  const adds = indexes.map((i) => addLine(i, ONE))
  ipBatch(adds, PARENT_NETNS)
  ipBatch(indexes.flatMap(insideLines), ONE)
}

/** What ip must do for a thousand. */
function batchInEach(): void {
  const adds = indexes.map((i) => addLine(i, endpoint(i)))
  ipBatch(adds, PARENT_NETNS)
  for (const i of indexes) ipBatch(insideLines(i), endpoint(i))
}

await measure('attach', async () => {
  needRoot()
  const kernel = await openKernel()
  const namespaces = [PARENT_NETNS, ONE, ...indexes.map(endpoint)]
  const removal = namespaces.map((netns): Op => ({ do: 'netns.del', netns }))
  await kernel.apply(removal, { keepGoing: true })
  await kernel.apply([
    ...namespaces.map((netns): Op => ({ do: 'netns.add', netns })),
    ...namespaces.map(sysctl),
    ...PARENT,
  ])
  // Every child goes with its parent.
  const reset = async (): Promise<void> => {
    await kernel.apply([{ do: 'link.del', netns: PARENT_NETNS, name: 'p0' }, ...PARENT])
  }
  const plan = indexes.flatMap((i) => attach(i))
  const inOne = indexes.flatMap((i) => attach(i, ONE))
  const timed = async (work: () => unknown): Promise<number> =>
    ((await timeMs(work)) * 1000) / COUNT
  const each = `${COUNT} namespaces`
  return {
    question: `what does it cost to attach one of ${COUNT} macvlan endpoints?`,
    unit: 'us an endpoint',
    better: 'lower',
    rounds: 7,
    contestants: [
      { name: `lanyard, ${each}`, run: () => timed(() => kernel.apply(plan)), reset },
      { name: 'lanyard, one namespace', run: () => timed(() => kernel.apply(inOne)), reset },
      { name: 'ip -batch, one namespace', run: () => timed(batchInOne), reset },
      { name: `ip -batch, ${each}, a process each`, run: () => timed(batchInEach), reset },
    ],
    close: async () => {
      await kernel.apply(removal, { keepGoing: true })
      await kernel.close()
    },
  }
})
