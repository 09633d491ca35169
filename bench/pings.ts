/**
 * Cold pings a second: the simulator, our prober on the real kernel, and one ping(8) after another.
 */
import { execFileSync } from 'node:child_process'
import { formatIp } from '../src/addr/ip.ts'
import type { Fabric } from '../src/fabric/fabric.ts'
import { openKernel } from '../src/kernel/fabric.ts'
import { openSim } from '../src/sim/fabric.ts'
import { measure, needRoot, timeMs } from './harness.ts'
import * as worlds from './worlds.ts'

const PAIRS = 200
const SAMPLE = 50
/** So that a round of ours takes a good part of what one of ping(8) takes. */
const SIM_TIMES = 500

const probes = worlds.eachPair(PAIRS)
const ends = PAIRS * 2

async function pingAndFlush(fabric: Fabric, times: number): Promise<number> {
  let ms = 0
  for (let i = 0; i < times; i++) {
    ms += await timeMs(() => worlds.ping(fabric, probes, ends))
    await worlds.flush(fabric, ends)
  }
  return ((probes.length * times) / ms) * 1000
}

function onePingAfterAnother(): void {
  for (const probe of probes.slice(0, SAMPLE)) {
    const command = ['netns', 'exec', probe.from, 'ping', '-c1', '-W5', formatIp(probe.to)]
    execFileSync('ip', command, { stdio: 'ignore' })
  }
}

await measure('pings', async () => {
  needRoot()
  const sim = openSim()
  const kernel = await openKernel()
  await kernel.apply(worlds.withoutLan(ends), { keepGoing: true })
  for (const fabric of [sim, kernel]) {
    await fabric.apply(worlds.macvlanPairs(PAIRS))
    await fabric.settle({ netns: worlds.namespacesOf(ends) })
  }
  return {
    question: 'how many cold pings (ARP and echo) a second between two macvlan endpoints?',
    unit: 'pings/s',
    better: 'higher',
    contestants: [
      { name: 'simulator', run: () => pingAndFlush(sim, SIM_TIMES) },
      { name: `real kernel, ${PAIRS} in parallel`, run: () => pingAndFlush(kernel, 1) },
      {
        name: `ping(8), one after another (${SAMPLE} sampled)`,
        run: async () => (SAMPLE / (await timeMs(onePingAfterAnother))) * 1000,
        reset: () => worlds.flush(kernel, ends),
      },
    ],
    close: async () => {
      await kernel.apply(worlds.withoutLan(ends), { keepGoing: true })
      await kernel.close()
      await sim.close()
    },
  }
})
