/**
 * Two stand for many while remedies are looked for: what is found, and what it changes for how many
 * others, is as without that.
 */
import { expect, test } from 'vitest'
import { fleetPlan } from '../../bench/reach-fleet.ts'
import { explain } from '../../src/explain/explain.ts'
import { Reach } from '../../src/explain/reach.ts'
import { NONE_ALIKE } from '../../src/explain/thin.ts'
import type { Explanation } from '../../src/explain/types.ts'
import { openSim } from '../../src/sim/fabric.ts'
import { takeSnapshot } from '../../src/sim/snapshot.ts'
import { openLab } from './labs.ts'

/** Nine children on each of three hosts, and three bare ones. */
function crowd(mode: string, port: string): string {
  const hosts = [1, 2, 3].map(
    (h) => `  h${h}: {nics: {eth0: {to: sw:p${h}, addr: 10.9.0.${h}/24}}}\n`,
  )
  const children = Array.from({ length: 27 }, (_, i) => {
    const host = (i % 3) + 1
    return `  c${i}: {host: h${host}, net: lan=10.9.0.${100 + i}}\n`
  })
  return `lab: crowd
switches:
  sw: {ports: {p1: ${port}, p2: {}, p3: {}}}
hosts:
${hosts.join('')}networks:
  lan: {driver: macvlan, parent: eth0, mode: ${mode}, subnet: 10.9.0.0/24}
containers:
${children.join('')}`
}

const gist = ({ code, cause, remedies, rejected }: Explanation) => ({
  code,
  cause,
  rejected,
  remedies: remedies.map(({ title, cost, bothWays, effects: { opened, closed } }) => {
    return `${title}: ${cost} ${bothWays} +${opened} -${closed}`
  }),
})

test.each([
  ['private', '{}', 'c0', 'c3'],
  ['bridge', '{}', 'h1', 'c0'],
  ['bridge', '{up: false}', 'c0', 'c1'],
  ['bridge', '{learning: false, flood: false}', 'c0', 'h2'],
])('explain: mode %s, port %s, %s -> %s', async (mode, port, from, to) => {
  const { world } = await openLab(crowd(mode, port))
  const at = (name: string) => Number(name.slice(1)) + (name.startsWith('c') ? 100 : 0)
  const target = 0x0a090000 + at(to)
  const question = { from, to, target, protocol: 'icmp' } as const
  const thin = explain(world, question)
  expect(thin.verdict).not.toBe('ok')
  expect(thin.remedies).not.toEqual([])
  expect(gist(thin)).toEqual(gist(explain(world, question, { alike: NONE_ALIKE })))
})

test('explain: what mends a pair of a fleet with VLANs and routers is the same', async () => {
  const world = openSim({ seed: 7 })
  world.applyNow(fleetPlan({ leaves: 2, hosts: 1, containers: 9, seed: 3 }), { keepGoing: true })
  await world.settle()
  const reach = new Reach(takeSnapshot(world.world))
  const seen = new Set<string>()
  for (const { cell, example } of reach.kinds()) {
    if (cell.ok || seen.size === 2 || seen.has(String(cell.code))) continue
    seen.add(String(cell.code))
    const question = reach.question(...example)
    const whole = explain(world, question, { alike: NONE_ALIKE, trials: 15 })
    expect(gist(explain(world, question, { trials: 15 })), example.join(' ')).toEqual(gist(whole))
  }
  expect(seen.size).toBeGreaterThan(1)
})
