/**
 * Who reaches whom in a fleet of 10,000 endpoints: from nothing, after one change, and why for a
 * pair. The peers ask with packets: the unreduced simulator, a sample of pairs scaled to all, and
 * every pair of the classes' two members each, which is as far as classes by parent alone go.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { ask, forget } from '../src/explain/ask.ts'
import { Reach, ReachMemory } from '../src/explain/reach.ts'
import type { NetnsSnapshot, Snapshot } from '../src/fabric/snapshot.ts'
import { openSim, type SimFabric } from '../src/sim/fabric.ts'
import { takeSnapshot } from '../src/sim/snapshot.ts'
import { meanMs, measure, timeMs } from './harness.ts'
import { fleetPlan } from './reach-fleet.ts'

/** States a round looks at. */
const TIMES = 10
const changes = (next: () => Snapshot): Snapshot[] => Array.from({ length: TIMES }, next)

/** Pairs pinged in the unreduced network. */
const SAMPLE = 40

/** 5 leaves, 10 hosts each: 50 hosts with 200 containers each. */
const size = { leaves: 5, hosts: 10, containers: 200 }

/** Makes every change one that was never seen. */
let ports = 0

/** The peer has a heap of its own: a network of 10,000 in the simulator is half a gigabyte. */
if (process.send === undefined) await compare()
else await serveSamples(process.send.bind(process))

async function compare(): Promise<void> {
  await measure('reach', async () => {
    const peer = fork(fileURLToPath(import.meta.url))
    await once(peer, 'message')
    const snapshot = takeSnapshot((await wholeNetwork()).world)
    const memory = new ReachMemory()
    const known = new Reach(snapshot, { memory })
    const { endpoints, classes, pairs, questions } = known.counts
    let round = 0
    return {
      question:
        `who reaches whom among ${endpoints} endpoints (${classes} classes, ${questions} questions ` +
        `for ${pairs} pairs)?`,
      unit: 'ms',
      better: 'lower',
      contestants: [
        {
          name: `all pairs, cold, mean of ${TIMES}`,
          run: () => meanMs(TIMES, () => new Reach(snapshot)),
        },
        {
          name: `after one network of one host got another mode, mean of ${TIMES}`,
          run: () => {
            const states = changes(() => withMode(snapshot, `host${round % 50}`, round++))
            return meanMs(TIMES, () => new Reach(states.pop() as Snapshot, { memory }))
          },
        },
        {
          name: `after one port of a switch was isolated or joined, mean of ${TIMES}`,
          run: () => {
            const states = changes(() => withPort(snapshot, `leaf${round % 5}`, `p${round++ % 10}`))
            return meanMs(TIMES, () => new Reach(states.pop() as Snapshot, { memory }))
          },
        },
        { name: 'why, mean of 100 pairs', run: () => whyMs(known) },
        {
          name: `packets in the whole network, ${SAMPLE} pairs scaled to all`,
          run: async () => {
            peer.send('sample')
            const [ms] = (await once(peer, 'message')) as [number]
            return (ms / SAMPLE) * pairs
          },
        },
      ],
      close: () => peer.disconnect(),
    }
  })
}

async function wholeNetwork(): Promise<SimFabric> {
  const world = openSim({ seed: 7 })
  world.applyNow(fleetPlan(size))
  await world.settle()
  return world
}

/** Pings a sample of the pairs whenever it is asked to, and says how long that took. */
async function serveSamples(send: (message: string | number) => void): Promise<void> {
  const world = await wholeNetwork()
  const reach = new Reach(takeSnapshot(world.world))
  const names = reach.endpoints
  let round = 0
  const sample = (): void => {
    for (let i = 0; i < SAMPLE; i++) {
      const from = names[(i * 7919 + round) % names.length] as string
      const to = names[(i * 104_729 + 1 + round) % names.length] as string
      if (from === to) continue
      forget(world)
      const { ok, code } = ask(world, reach.question(from, to))
      const cell = reach.cell(from, to)
      if (ok !== cell.ok || code !== cell.code) throw new Error(`${from} -> ${to} differs`)
    }
    round++
  }
  process.on('message', () => {
    void timeMs(sample).then(send)
  })
  send('ready')
}

function whyMs(reach: Reach): Promise<number> {
  const names = reach.endpoints
  const pairs = Array.from({ length: 100 }, (_, i) => [
    names[(i * 7919) % names.length] as string,
    names[(i * 104_729 + 1) % names.length] as string,
  ])
  return timeMs(() => {
    for (const [from = '', to = ''] of pairs) if (from !== to) reach.why(from, to)
  }).then((ms) => ms / pairs.length)
}

function replaced(snapshot: Snapshot, is: (n: NetnsSnapshot) => NetnsSnapshot): Snapshot {
  return { netns: snapshot.netns.map(is) }
}

function withMode(snapshot: Snapshot, host: string, round: number): Snapshot {
  const queue = 900 + round
  return replaced(snapshot, (netns) => {
    const child = netns.links.find((l) => l.parent?.netns === host && l.parent.name === 'eth0.100')
    if (child?.macvlan === undefined) return netns
    // Never the same twice: nothing of it is known.
    const macvlan = { ...child.macvlan, mode: 'vepa', broadcastQueueLength: queue } as const
    return { ...netns, links: netns.links.map((l) => (l === child ? { ...l, macvlan } : l)) }
  })
}

function withPort(snapshot: Snapshot, leaf: string, name: string): Snapshot {
  return replaced(snapshot, (netns) => {
    if (netns.name !== leaf) return netns
    const links = netns.links.map((l) =>
      l.name === name && l.port !== undefined
        ? { ...l, mtu: l.mtu + ++ports, port: { ...l.port, isolated: !l.port.isolated } }
        : l,
    )
    return { ...netns, links }
  })
}
