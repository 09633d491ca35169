import { expect, test } from 'vitest'
import { parseIp } from '../addr/ip.ts'
import { parsePrefix } from '../addr/prefix.ts'
import type { Netem } from '../fabric/netem.ts'
import type { Op } from '../fabric/plan.ts'
import { loadSim, openSim, type SimFabric } from './fabric.ts'

const A = { netns: 'a', link: 'eth0' }
const TO_B = { protocol: 'icmp', from: 'a', to: parseIp('10.0.0.2') } as const

/** Two hosts on one cable, which know each other. */
async function pair(seed = 1): Promise<SimFabric> {
  const sim = openSim({ seed })
  const host = (netns: string, address: string): Op[] => [
    { do: 'address.add', netns, link: 'eth0', address: parsePrefix(address) },
    { do: 'link.set', netns, name: 'eth0', up: true },
  ]
  await sim.apply([
    { do: 'netns.add', netns: 'a' },
    { do: 'netns.add', netns: 'b' },
    {
      do: 'link.add',
      netns: 'a',
      name: 'eth0',
      spec: { kind: 'veth', peer: { name: 'eth0', netns: 'b' } },
    },
    ...host('a', '10.0.0.1/24'),
    ...host('b', '10.0.0.2/24'),
  ])
  await sim.settle()
  await sim.probe([TO_B])
  return sim
}

async function impaired(netem: Netem, seed = 1): Promise<SimFabric> {
  const sim = await pair(seed)
  await sim.apply([{ do: 'qdisc.add', ...A, netem }])
  return sim
}

async function rttMs(sim: SimFabric): Promise<number | string> {
  const [result] = await sim.probe([TO_B])
  return result?.outcome === 'reply' ? result.rttNs / 1e6 : (result?.outcome ?? '')
}

test('a delay is added in one direction', async () => {
  const sim = await impaired({ delayNs: 50_000_000 })
  const one = await rttMs(sim)
  expect(one).toBeGreaterThanOrEqual(50)
  expect(one).toBeLessThan(51)
  await sim.apply([{ do: 'qdisc.del', ...A }])
  expect(await rttMs(sim)).toBeLessThan(1)
})

test('loss of everything loses everything, and says where', async () => {
  const sim = await impaired({ lossPercent: 100 })
  const since = sim.world.trace.count
  expect(await rttMs(sim)).toBe('timeout')
  const { steps } = sim.trace(since)
  expect(steps.filter((s) => s.reason === 'NETEM_LOSS').map((s) => [s.netns, s.link])).toEqual(
    expect.arrayContaining([['a', 'eth0']]),
  )
})

/** Echo requests that came to b for as many sent. */
async function arrivedOf(sim: SimFabric, sent: number): Promise<number[]> {
  const seen: number[] = []
  const port = await sim.openPort('b', 'eth0', ({ frame }) => {
    const packet = frame?.packet
    if (packet?.kind !== 'ip4' || packet.payload.kind !== 'icmp') return
    if (packet.payload.type === 8) seen.push(sim.world.now)
  })
  await sim.probe(Array.from({ length: sent }, (_, i) => ({ ...TO_B, sequence: i, startMs: i })))
  port.close()
  return seen
}

test('all are doubled, and a half lost is about a half, the same with the same seed', async () => {
  expect(await arrivedOf(await impaired({ duplicatePercent: 100 }), 5)).toHaveLength(10)
  const half = await arrivedOf(await impaired({ lossPercent: 50 }, 7), 200)
  expect(half.length).toBeGreaterThan(60)
  expect(half.length).toBeLessThan(140)
  expect(await arrivedOf(await impaired({ lossPercent: 50 }, 7), 200)).toEqual(half)
})

test('a rate lets frames wait for each other', async () => {
  // 98 bytes at 49,000 bytes per second: two milliseconds each, and one is sent every millisecond
  const seen = await arrivedOf(await impaired({ rateBits: 392_000 }), 5)
  expect(seen.slice(1).map((ns, i) => ns - (seen[i] ?? 0))).toEqual([2e6, 2e6, 2e6, 2e6])
})

test('what is reordered leaves before what waits, and a full queue takes no more', async () => {
  const all = await impaired({ delayNs: 50_000_000, reorderPercent: 100 })
  expect(await rttMs(all)).toBeLessThan(1)
  const full = await impaired({ delayNs: 50_000_000, limit: 1 })
  const results = await full.probe([TO_B, { ...TO_B, sequence: 2 }])
  expect(results.filter((r) => r.outcome === 'reply')).toHaveLength(1)
})

test('a link that goes down throws away what waits', async () => {
  const sim = await impaired({ delayNs: 500_000_000 })
  const pending = sim.probe([{ ...TO_B, timeoutMs: 10 }])
  await pending
  await sim.apply([
    { do: 'link.set', netns: 'a', name: 'eth0', up: false },
    { do: 'link.set', netns: 'a', name: 'eth0', up: true },
  ])
  const since = sim.world.trace.count
  await sim.clock.sleep(600)
  const ended = sim.trace(since).steps.filter((s) => s.action === 'drop')
  expect(ended.map((s) => s.reason)).toContain('LINK_DOWN')
})

test('add, change and delete are refused as the kernel refuses them', async () => {
  const sim = await pair()
  const refusal = async (op: Op): Promise<string> => {
    const [one] = await sim.apply([op], { keepGoing: true })
    return one?.ok === false ? `${one.errno} ${one.extack ?? '-'}` : 'ok'
  }
  const netem = { lossPercent: 1 }
  expect(await refusal({ do: 'qdisc.del', ...A })).toMatch(/^ENOENT /)
  expect(await refusal({ do: 'qdisc.change', ...A, netem })).toMatch(/^ENOENT /)
  expect(await refusal({ do: 'qdisc.add', ...A, netem })).toBe('ok')
  expect(await refusal({ do: 'qdisc.add', ...A, netem })).toMatch(/^EEXIST /)
  expect(await refusal({ do: 'qdisc.add', netns: 'a', link: 'none', netem })).toMatch(/^ENODEV /)
  expect(await refusal({ do: 'qdisc.replace', ...A, netem: { rateBits: 8000 } })).toBe('ok')
  // netem_change: a rate that is not named stays
  expect(await refusal({ do: 'qdisc.change', ...A, netem: { lossPercent: 2 } })).toBe('ok')
  const { netns } = await sim.snapshot({ netns: ['a'] })
  const link = netns[0]?.links.find((l) => l.name === 'eth0')
  expect([link?.qdisc, link?.netem]).toEqual(['netem', { rateBits: 8000, lossPercent: 2 }])
})

test('a world loaded from a snapshot is impaired alike', async () => {
  const sim = await impaired({ lossPercent: 100 })
  const copy = loadSim(await sim.snapshot())
  expect(await rttMs(copy)).toBe('timeout')
})
