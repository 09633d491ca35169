/**
 * Frames through veth, bridge, veth and macvlan to a container's stack: simulated with the trace
 * on, beside the kernel's own path, fed by an AF_PACKET socket and counted at the child.
 */
import { parseMac } from '../src/addr/mac.ts'
import type { Op } from '../src/fabric/plan.ts'
import { openKernel } from '../src/kernel/fabric.ts'
import { transmit } from '../src/sim/core.ts'
import { openSim } from '../src/sim/fabric.ts'
import { runUntil } from '../src/sim/run.ts'
import { makeFrame } from '../src/wire/make.ts'
import { flood } from './flood.ts'
import { measure, needRoot } from './harness.ts'
import { endpoint, macvlanLan, namespacesOf, PREFIX, SWITCH, withoutLan } from './worlds.ts'

const SIM_FRAMES = 1_000_000
const KERNEL_FRAMES = 200_000
const SOURCE = `${PREFIX}source`
const CHILD = endpoint(0)
const CHILD_MAC = parseMac('02:00:00:00:09:02')
const SOURCE_MAC = parseMac('02:00:00:00:09:01')
/** "Local experimental": nobody's protocol, so the stack ends it without an answer. */
const ETHER_TYPE = 0x88b5

const WORLD: readonly Op[] = [
  ...macvlanLan(1),
  { do: 'link.set', netns: CHILD, name: 'eth0', address: CHILD_MAC },
  { do: 'netns.add', netns: SOURCE },
  {
    do: 'link.add',
    netns: SOURCE,
    name: 'v0',
    spec: { kind: 'veth', peer: { name: 'port2', netns: SWITCH } },
    address: SOURCE_MAC,
    up: true,
  },
  { do: 'link.set', netns: SWITCH, name: 'port2', master: 'br0', up: true },
  // The switch knows where the child is, as after its first word.
  { do: 'fdb.add', netns: SWITCH, link: 'port1', mac: CHILD_MAC, on: 'master', state: 'static' },
]

function simulated(): { readonly name: string; run(): number } {
  const sim = openSim()
  const { world } = sim
  sim.applyNow(WORLD)
  runUntil(world, world.now + 5e9)
  const from = world.netns.get(SOURCE)?.byName.get('v0')
  const child = world.netns.get(CHILD)?.byName.get('eth0')
  if (from === undefined || child === undefined) throw new Error('the world is not whole')
  const payload = { kind: 'raw', bytes: new Uint8Array(46) } as const
  const frame = makeFrame(CHILD_MAC, SOURCE_MAC, ETHER_TYPE, payload, 46)
  return {
    name: 'simulator, trace on',
    run() {
      const before = world.trace.count
      const started = performance.now()
      for (let i = 0; i < SIM_FRAMES; i++) {
        transmit(world, from, frame)
        if ((i & 63) === 63) runUntil(world, world.now + 1e6)
      }
      runUntil(world, world.now + 1e6)
      const seconds = (performance.now() - started) / 1000
      const { steps: last } = world.trace.read(Math.max(0, world.trace.count - 600))
      const arrived = last.filter((s) => s.device === child.id && s.action === 'deliver')
      if ((world.trace.count - before) / SIM_FRAMES < 6 || arrived.length < 64)
        throw new Error('the frames did not arrive')
      return SIM_FRAMES / seconds
    },
  }
}

function kernelPath(): Promise<number> {
  const bytes = new Uint8Array(60)
  const view = new DataView(bytes.buffer)
  for (const [at, mac] of [CHILD_MAC, SOURCE_MAC].entries()) {
    view.setUint16(at * 6, mac / 2 ** 32)
    view.setUint32(at * 6 + 2, mac % 2 ** 32)
  }
  view.setUint16(12, ETHER_TYPE)
  return flood({ netns: SOURCE, link: 'v0' }, CHILD, [bytes], KERNEL_FRAMES)
}

await measure('frames', async () => {
  needRoot()
  const kernel = await openKernel()
  const gone: Op[] = [{ do: 'netns.del', netns: SOURCE }, ...withoutLan(1)]
  await kernel.apply(gone, { keepGoing: true })
  await kernel.apply(WORLD)
  await kernel.settle({ netns: [...namespacesOf(1), SOURCE] })
  return {
    question: 'how many frames a second get through veth, bridge, veth and macvlan?',
    unit: 'frames/s',
    better: 'higher',
    contestants: [
      simulated(),
      { name: 'real kernel, one AF_PACKET send() a frame', run: kernelPath },
    ],
    close: async () => {
      await kernel.apply(gone, { keepGoing: true })
      await kernel.close()
    },
  }
})
