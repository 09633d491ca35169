import { describe, expect, test } from 'vitest'
import { parsePrefix } from '../addr/prefix.ts'
import type { Op } from '../fabric/plan.ts'
import type { Snapshot } from '../fabric/snapshot.ts'
import { loadSim, openSim, type SimFabric } from './fabric.ts'

/** Links of every kind in four namespaces, behind a switch that filters VLANs. */
const PLAN: readonly Op[] = [
  { do: 'netns.add', netns: 'sw' },
  { do: 'netns.add', netns: 'h1' },
  { do: 'netns.add', netns: 'c1' },
  { do: 'netns.add', netns: 'c2' },
  { do: 'link.set', netns: 'c1', name: 'lo', up: true },
  {
    do: 'link.add',
    netns: 'sw',
    name: 'br0',
    up: true,
    spec: { kind: 'bridge', bridge: { vlanFiltering: true, ageingTime: 60 } },
  },
  {
    do: 'link.add',
    netns: 'sw',
    name: 'p1',
    master: 'br0',
    up: true,
    spec: { kind: 'veth', peer: { name: 'eth0', netns: 'h1' } },
  },
  { do: 'link.set', netns: 'h1', name: 'eth0', up: true, alias: 'uplink', group: 7 },
  { do: 'link.set', netns: 'sw', name: 'p1', port: { hairpin: true } },
  { do: 'bridge-vlan.add', netns: 'sw', link: 'p1', from: 10 },
  {
    do: 'link.add',
    netns: 'h1',
    name: 'eth0.10',
    up: true,
    spec: { kind: 'vlan', parent: 'eth0', id: 10 },
  },
  {
    do: 'link.add',
    netns: 'h1',
    name: 'iv0',
    spec: { kind: 'ipvlan', parent: 'eth0.10', mode: 'l2' },
  },
  ...[1, 2].flatMap((n): Op[] => [
    {
      do: 'link.add',
      netns: `c${n}`,
      parentNetns: 'h1',
      name: 'eth0',
      up: true,
      spec: { kind: 'macvlan', parent: 'eth0', macvlan: { mode: n === 1 ? 'bridge' : 'vepa' } },
    },
    {
      do: 'address.add',
      netns: `c${n}`,
      link: 'eth0',
      address: parsePrefix(`10.9.0.${n}/24`),
    },
  ]),
  {
    do: 'link.add',
    netns: 'h1',
    name: 'src0',
    spec: {
      kind: 'macvlan',
      parent: 'eth0',
      macvlan: { mode: 'source', sources: { change: 'set', macs: [0x020000000005] } },
    },
  },
  { do: 'link.add', netns: 'h1', name: 'd0', up: true, spec: { kind: 'dummy' } },
  { do: 'link.set', netns: 'h1', name: 'd0', promisc: true },
  {
    do: 'fdb.add',
    netns: 'sw',
    link: 'p1',
    mac: 0x020000000007,
    on: 'master',
    vlan: 10,
    state: 'static',
  },
  { do: 'route.add', netns: 'c1', to: parsePrefix('0.0.0.0/0'), via: 0x0a090002 },
]

async function original(): Promise<SimFabric> {
  const sim = openSim()
  sim.applyNow(PLAN)
  await sim.settle()
  return sim
}

const ping = (sim: SimFabric) =>
  sim.probe([{ protocol: 'icmp', from: 'c1', to: parsePrefix('10.9.0.2/32').address }])

/** A snapshot without the order of forwarding entries, which means nothing. */
function plain(snapshot: Snapshot): unknown {
  return snapshot.netns.map((netns) => ({
    ...netns,
    fdb: netns.fdb.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
  }))
}

describe('loadSnapshot', () => {
  test('a world made of a snapshot has that snapshot', async () => {
    const snapshot = await (await original()).snapshot()
    expect(plain(await loadSim(snapshot).snapshot())).toEqual(plain(snapshot))
  })

  test('frames meet in it what they met in the original', async () => {
    const sim = await original()
    const copy = loadSim(await sim.snapshot())
    // A vepa child and a hairpin port: the sibling is reached by way of the switch.
    expect(await ping(sim)).toMatchObject([{ outcome: 'reply', ttl: 64 }])
    expect(await ping(copy)).toMatchObject([{ outcome: 'reply', ttl: 64 }])
    for (const one of [sim, copy]) {
      one.applyNow([{ do: 'link.set', netns: 'sw', name: 'p1', port: { hairpin: false } }])
      one.applyNow([{ do: 'neighbour.flush', netns: 'c1' }])
      expect(await ping(one)).toEqual([{ outcome: 'timeout' }])
    }
  })

  test('what lies outside the snapshot is a link without another side', async () => {
    const snapshot = await (await original()).snapshot({ netns: ['h1', 'c1'] })
    const copy = loadSim(snapshot)
    const again = await copy.snapshot({ netns: ['h1', 'c1'] })
    const links = (one: Snapshot) =>
      one.netns.map(({ name, links: all }) => [
        name,
        all.map((link) => `${link.index} ${link.name} ${link.kind} ${link.operState}`),
      ])
    expect(links(again)).toEqual(links(snapshot))
    const since = copy.traceCount
    await ping(copy)
    expect(copy.trace(since).steps.map((step) => step.reason)).toContain('NO_DATA_PATH')
  })

  test('nothing happens in it by itself', async () => {
    const copy = loadSim(await (await original()).snapshot())
    const since = copy.traceCount
    await copy.clock.sleep(10_000)
    expect(copy.trace(since).steps).toEqual([])
  })
})
