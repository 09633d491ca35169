/** An endpoint given to a network, each in a sandbox of its own: all the engine does, or `ip`. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openEngine } from '../src/engine/engine.ts'
import type { NetworkSpec } from '../src/engine/types.ts'
import type { Fabric } from '../src/fabric/fabric.ts'
import type { Op } from '../src/fabric/plan.ts'
import { openKernel } from '../src/kernel/fabric.ts'
import { openLmdbStore } from '../src/store/lmdb.ts'
import { type Contestant, ipBatch, measure, needRoot } from './harness.ts'
import { parentOn, PREFIX } from './worlds.ts'

/** Endpoints a round; more of them (`ENDPOINTS=4000`) show whether the last are as quick. */
const COUNT = Number(process.env.ENDPOINTS ?? 100)
const HOST = `${PREFIX}connect`
const boxes = Array.from({ length: COUNT }, (_, i) => `${HOST}-${i}`)
const SUBNET = 0x0a640000

const spec: NetworkSpec = {
  name: 'lan',
  kind: 'macvlan',
  parent: 'p0',
  pools: [{ subnet: { address: SUBNET, length: 16 }, gateway: SUBNET + 1, exclude: [] }],
  hostAccess: true,
  internal: false,
  // A question to the LAN takes a fifth of a second by itself; `ip` asks nobody.
  check: 'never',
  attach: 'child',
  labels: {},
}

/** Middle of the figures. */
const median = (figures: readonly number[]): number =>
  figures.toSorted((a, b) => a - b)[Math.floor(figures.length / 2)] ?? Number.NaN

/** What one must do with ip for endpoints in namespaces of their own. */
function iproute2(kernel: Fabric): Contestant {
  return {
    name: 'ip -batch, the same links, addresses and routes',
    run: () => {
      const start = performance.now()
      ipBatch(
        boxes.flatMap((box, i) => [
          `link add link p0 name e${i} netns ${box} type macvlan mode bridge`,
        ]),
        HOST,
      )
      for (const [i, box] of boxes.entries()) {
        const ip = `10.100.${100 + (i >> 8)}.${i & 255}`
        ipBatch(
          [
            `link set e${i} name eth0`,
            `addr add ${ip}/16 dev eth0`,
            'link set eth0 up',
            'route replace default via 10.100.0.1 dev eth0',
          ],
          box,
        )
      }
      return (performance.now() - start) / COUNT
    },
    reset: async () => {
      await kernel.apply(
        boxes.map((netns): Op => ({ do: 'link.del', netns, name: 'eth0' })),
        { keepGoing: true },
      )
    },
  }
}

await measure('connect', async () => {
  needRoot()
  const kernel = await openKernel()
  const folder = mkdtempSync(join(tmpdir(), 'lanyard-bench-'))
  const store = await openLmdbStore(join(folder, 'store'))
  const clean = async () => {
    const all = [HOST, ...boxes].map((netns): Op => ({ do: 'netns.del', netns }))
    await kernel.apply(all, { keepGoing: true })
  }
  await clean()
  await kernel.apply([
    ...[HOST, ...boxes].map((netns): Op => ({ do: 'netns.add', netns })),
    ...parentOn(HOST, SUBNET + 2),
  ])
  const engine = await openEngine({
    fabric: kernel,
    store,
    host: HOST,
    random: (count) => randomBytes(count),
    now: () => Date.now(),
  })
  await engine.createNetwork(spec)
  return {
    question: `how long does one of ${COUNT} endpoints take to come? (median; lease durable on disk)`,
    unit: 'ms',
    better: 'lower',
    rounds: COUNT > 500 ? 1 : 3,
    contestants: [
      {
        name: 'lanyard engine',
        run: async () => {
          const each: number[] = []
          for (const sandbox of boxes) {
            const start = performance.now()
            await engine.connect({ network: 'lan', endpoint: sandbox, sandbox })
            each.push(performance.now() - start)
          }
          const [first, last] = [median(each.slice(0, 100)), median(each.slice(-100))]
          process.stderr.write(`first 100: ${first.toFixed(2)} ms, last: ${last.toFixed(2)} ms\n`)
          return median(each)
        },
        reset: async () => {
          for (const box of boxes) await engine.disconnect('lan', box)
        },
      },
      iproute2(kernel),
    ],
    close: async () => {
      await engine.close()
      await store.close()
      await clean()
      await kernel.close()
      rmSync(folder, { recursive: true })
    },
  }
})
