/** Who reaches whom by classes is who reaches whom by pings: every pair, with its reason. */
import { expect, test } from 'vitest'
import { fleetPlan } from '../../bench/reach-fleet.ts'
import { ask, forget } from '../../src/explain/ask.ts'
import { quiet } from '../../src/explain/explain.ts'
import { Reach, ReachMemory } from '../../src/explain/reach.ts'
import { classify } from '../../src/explain/reach-classes.ts'
import { type Facts, FactsReader } from '../../src/explain/reach-facts.ts'
import { Words } from '../../src/explain/reach-hash.ts'
import type { Op } from '../../src/fabric/plan.ts'
import type { NetnsSnapshot, Snapshot } from '../../src/fabric/snapshot.ts'
import { openSim, type SimFabric } from '../../src/sim/fabric.ts'
import { Random } from '../../src/sim/random.ts'
import { runUntil } from '../../src/sim/run.ts'
import { takeSnapshot } from '../../src/sim/snapshot.ts'
import { drawWorld } from '../differential/draw.ts'

/** More of them, or others: `REACH_WORLDS=10000 REACH_SEED=1 npx vitest run test/explain/reach`. */
const WORLDS = Number(process.env.REACH_WORLDS ?? 60)
const FIRST = Number(process.env.REACH_SEED ?? 1)
const FLEETS = Math.max(3, Math.floor(WORLDS / 20))
const TOLD_NS = 2_200_000_000

const seeds = (count: number): number[] => Array.from({ length: count }, (_, i) => FIRST + i)

async function made(plan: readonly Op[]): Promise<SimFabric> {
  const fabric = openSim({ seed: 7 })
  fabric.applyNow(plan, { keepGoing: true })
  await fabric.settle()
  return quiet(fabric)
}

const drawn = (seed: number): Promise<SimFabric> =>
  made(drawWorld(seed, '', openSim().world.traits).plan)

const fleet = (seed: number): Promise<SimFabric> =>
  made(fleetPlan({ leaves: 2, hosts: 3, containers: 4, seed }))

/** A verdict in one word. */
const told = (cell: { readonly ok: boolean; readonly code?: string | undefined }): string =>
  cell.ok ? 'ok' : String(cell.code)

/** Every pair pinged in the whole world, from empty tables, beside what its classes say. */
function differences(world: SimFabric, reach: Reach): string[] {
  const out: string[] = []
  for (const from of reach.endpoints) {
    for (const to of reach.endpoints) {
      if (from === to) continue
      const cell = reach.cell(from, to)
      forget(world)
      const pinged = ask(world, reach.question(from, to))
      if (pinged.result.outcome === 'icmp-error') runUntil(world.world, world.world.now + TOLD_NS)
      if (told(cell) === told(pinged)) continue
      out.push(`${from} -> ${to}: ${told(cell)} by classes, ${told(pinged)} by ping`)
    }
  }
  return out
}

function verdicts(reach: Reach): Map<string, string> {
  const out = new Map<string, string>()
  for (const from of reach.endpoints) {
    for (const [to, cell] of reach.row(from, 'from')) out.set(`${from} -> ${to}`, told(cell))
  }
  return out
}

test(`Reach: ${WORLDS} random worlds, every pair as pinged, reasons included`, {
  timeout: 600_000,
}, async () => {
  const bad: string[] = []
  for (const seed of seeds(WORLDS)) {
    const world = await drawn(seed)
    for (const family of [4, 6] as const) {
      const found = differences(world, new Reach(takeSnapshot(world.world), { family }))
      bad.push(...found.map((line) => `seed ${seed} v${family} ${line}`))
    }
  }
  expect(bad).toEqual([])
})

test(`Reach: ${FLEETS} fleets, where most endpoints are like others, every pair as pinged`, {
  timeout: 600_000,
}, async () => {
  const bad: string[] = []
  let fewer = 0
  for (const seed of seeds(FLEETS)) {
    const world = await fleet(seed)
    const reach = new Reach(takeSnapshot(world.world))
    fewer += reach.counts.endpoints / reach.counts.classes
    bad.push(...differences(world, reach).map((line) => `seed ${seed} ${line}`))
  }
  expect(bad).toEqual([])
  // Classes of one member each would keep every promise.
  expect(fewer / FLEETS).toBeGreaterThan(1.5)
})

test('Reach: what was known of a world and is asked again after a change is as if asked afresh', {
  timeout: 600_000,
}, async () => {
  for (const seed of seeds(FLEETS)) {
    const world = await fleet(seed)
    const random = new Random(seed)
    const memory = new ReachMemory()
    let before = takeSnapshot(world.world)
    expect(new Reach(before, { memory }).counts.asked).toBeGreaterThan(0)
    for (let change = 0; change < 6; change++) {
      const op = edit(random)
      world.applyNow([op], { keepGoing: true })
      await world.settle()
      forget(world)
      before = updated(before, takeSnapshot(world.world))
      const again = new Reach(before, { memory })
      expect(verdicts(again), JSON.stringify(op)).toEqual(verdicts(new Reach(before)))
    }
    expect(differences(world, new Reach(before, { memory }))).toEqual([])
  }
})

/**
 * In these a member's address shares its solicited-node group (its last 24 bits) with that of a
 * bystander, and the other members' do not: who refuses is another, and the answer is the same.
 */
test.each([197, 531])('Reach: world %i, where a bystander joined the group asked', async (seed) => {
  const world = await drawn(seed)
  expect(differences(world, new Reach(takeSnapshot(world.world), { family: 6 }))).toEqual([])
})

/** Namespaces in which nothing changed are the same objects as before. */
test('classes after a change are those found from nothing, named alike', async () => {
  let renamed = 0
  for (const seed of seeds(WORLDS)) {
    const random = new Random(seed)
    const world = seed % 4 === 0 ? await fleet(seed) : await drawn(seed)
    const words = new Words()
    const reader = new FactsReader(words)
    let snapshot = takeSnapshot(world.world)
    let before = classify(factsOf(snapshot), reader, words)
    for (let change = 0; change < 10; change++) {
      const at = random.below(snapshot.netns.length)
      const other = snapshot.netns.map((one, i) => (i === at ? changedLink(one, random) : one))
      snapshot = { netns: other }
      const again = classify(factsOf(snapshot), reader, words, before)
      const afresh = classify(factsOf(snapshot), reader, words)
      expect(again.print, `seed ${seed}, change ${change}`).toEqual(afresh.print)
      expect(again.context).toBe(afresh.context)
      if (again.forest.parent === before.forest.parent) renamed++
      before = again
    }

    function factsOf({ netns }: Snapshot): readonly Facts[] {
      return netns.map((one) => reader.of(one))
    }
  }
  expect(renamed).toBeGreaterThan(5 * WORLDS)
})

/** A link or an address of it is another: now and then in what others look at, too. */
function changedLink(netns: NetnsSnapshot, random: Random): NetnsSnapshot {
  const at = random.below(netns.links.length)
  const [name, kind] = [netns.links[at]?.name, random.below(6)]
  const links = netns.links.map((link, i) => {
    if (i !== at) return link
    const { port, mtu } = link
    if (port !== undefined && kind < 2) return { ...link, port: { ...port, hairpin: kind === 0 } }
    return { ...link, mtu: mtu - random.below(100) }
  })
  const addresses = netns.addresses.map((one) =>
    one.link === name && kind > 3
      ? { ...one, address: { ...one.address, length: one.address.length + 4 - kind } }
      : one,
  )
  return { ...netns, links, addresses }
}

function updated(before: Snapshot, after: Snapshot): Snapshot {
  const known = new Map(before.netns.map((n) => [n.name, n]))
  const text = (value: unknown): string => JSON.stringify(value)
  return {
    netns: after.netns.map((n) => {
      const old = known.get(n.name)
      return old !== undefined && text(old) === text(n) ? old : n
    }),
  }
}

function edit(random: Random): Op {
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)] as T
  const leaf = pick(['leaf0', 'leaf1'])
  const port = `p${random.below(3)}`
  return pick<() => Op>([
    () => ({ do: 'link.set', netns: leaf, name: port, port: { hairpin: random.next() < 0.5 } }),
    () => ({ do: 'link.set', netns: leaf, name: port, port: { isolated: random.next() < 0.5 } }),
    () => ({ do: 'bridge-vlan.del', netns: leaf, link: port, from: pick([100, 200, 300]) }),
    () => ({ do: 'link.set', netns: leaf, name: 'up0', up: random.next() < 0.5 }),
    () => ({
      do: 'sysctl.set',
      netns: 'router',
      key: 'net.ipv4.ip_forward',
      value: pick(['0', '1']),
    }),
    () => ({
      do: 'link.set',
      netns: `c${random.below(24)}`,
      name: 'eth0',
      macvlan: { mode: pick(['bridge', 'private', 'vepa']) },
    }),
    () => ({ do: 'link.set', netns: `host${random.below(6)}`, name: 'eth0.100', up: false }),
  ])()
}

test('Reach: members of a class can be swapped, and somebody who joins changes nothing for others', async () => {
  const world = await fleet(FIRST)
  const snapshot = takeSnapshot(world.world)
  const reach = new Reach(snapshot)
  for (const { members } of reach.classes) {
    const [a, b] = members
    if (a === undefined || b === undefined) continue
    for (const other of reach.endpoints) {
      if (other === a || other === b || reach.classOf(other) === reach.classOf(a)) continue
      // Only where both hang under the same namespace do they meet everybody at the same place.
      if (parentOf(snapshot, a) !== parentOf(snapshot, b)) continue
      expect(told(reach.cell(a, other))).toBe(told(reach.cell(b, other)))
      expect(told(reach.cell(other, a))).toBe(told(reach.cell(other, b)))
    }
  }
  const before = verdicts(reach)
  const joined = world.fork()
  joined.applyNow(newcomer())
  await joined.settle()
  forget(joined)
  const after = verdicts(new Reach(takeSnapshot(joined.world)))
  for (const [pair, verdict] of before) expect([pair, after.get(pair)]).toEqual([pair, verdict])
  expect(after.size).toBeGreaterThan(before.size)
})

function parentOf(snapshot: Snapshot, name: string): string | undefined {
  return snapshot.netns.find((n) => n.name === name)?.links.find((l) => l.name === 'eth0')?.parent
    ?.netns
}

function newcomer(): Op[] {
  return [
    { do: 'netns.add', netns: 'newcomer' },
    {
      do: 'link.add',
      netns: 'newcomer',
      name: 'eth0',
      parentNetns: 'host0',
      spec: { kind: 'macvlan', parent: 'eth0.100', macvlan: { mode: 'bridge' } },
    },
    {
      do: 'address.add',
      netns: 'newcomer',
      link: 'eth0',
      address: { address: 0x0a0aff01, length: 16 },
    },
    { do: 'link.set', netns: 'newcomer', name: 'eth0', up: true },
  ]
}

test('Reach: hairpin on at a port takes nothing away', async () => {
  const world = await fleet(FIRST)
  const before = verdicts(new Reach(takeSnapshot(world.world)))
  world.applyNow([
    { do: 'link.set', netns: 'leaf0', name: 'p0', port: { hairpin: true } },
    { do: 'link.set', netns: 'leaf1', name: 'p1', port: { hairpin: true } },
  ])
  forget(world)
  const after = verdicts(new Reach(takeSnapshot(world.world)))
  for (const [pair, verdict] of before) {
    if (verdict === 'ok') expect([pair, after.get(pair)]).toEqual([pair, 'ok'])
  }
})

test('why explains a cell with the places of the two that were asked about', async () => {
  const world = await fleet(FIRST)
  const reach = new Reach(takeSnapshot(world.world))
  let failures = 0
  for (const from of ['c3', 'c11', 'host2']) {
    for (const [to, cell] of reach.row(from, 'from')) {
      const why = reach.why(from, to)
      expect(`${from} ${to} ${why.orders.cold ? 'ok' : why.code}`).toBe(
        `${from} ${to} ${told(cell)}`,
      )
      expect(why.headline).toContain(from)
      if (!cell.ok) failures++
    }
  }
  expect(failures).toBeGreaterThan(10)
})

test('Reach says which name is no endpoint', async () => {
  const reach = new Reach(takeSnapshot((await fleet(FIRST)).world))
  expect(() => reach.cell('spine', 'c0')).toThrow('spine has no IPv4 address')
  expect(() => reach.cell('c0', 'c0')).toThrow('c0 reaches itself')
})
