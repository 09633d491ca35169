import { expect, test } from 'vitest'
import { parseIp } from '../../addr/ip.ts'
import { parsePrefix } from '../../addr/prefix.ts'
import type { Op } from '../../fabric/plan.ts'
import type { World } from '../model.ts'
import { runUntil } from '../run.ts'
import { applyOp, createWorld } from '../world.ts'
import { runProbes } from './probe.ts'

function build(world: World, ops: readonly Op[]): void {
  for (const op of ops) {
    const refusal = applyOp(world, op)
    if (refusal !== undefined)
      throw new Error(
        `${JSON.stringify(op, (_k, v) => (typeof v === 'bigint' ? String(v) : v))}: ${JSON.stringify(refusal)}`,
      )
    runUntil(world, world.now)
  }
}

test('two hosts on a veth ping each other', () => {
  const world = createWorld()
  build(world, [
    { do: 'netns.add', netns: 'a' },
    { do: 'netns.add', netns: 'b' },
    {
      do: 'link.add',
      netns: 'a',
      name: 'e0',
      spec: { kind: 'veth', peer: { name: 'e0', netns: 'b' } },
    },
    { do: 'address.add', netns: 'a', link: 'e0', address: parsePrefix('10.9.0.1/24') },
    { do: 'address.add', netns: 'b', link: 'e0', address: parsePrefix('10.9.0.2/24') },
    { do: 'address.add', netns: 'a', link: 'e0', address: parsePrefix('fd00::1/64'), nodad: true },
    { do: 'address.add', netns: 'b', link: 'e0', address: parsePrefix('fd00::2/64'), nodad: true },
    { do: 'link.set', netns: 'a', name: 'e0', up: true },
    { do: 'link.set', netns: 'b', name: 'e0', up: true },
  ])
  const results = runProbes(world, [
    { protocol: 'icmp', from: 'a', to: parseIp('10.9.0.2') },
    { protocol: 'icmp', from: 'a', to: parseIp('fd00::2') },
  ])
  expect(results).toMatchObject([
    { outcome: 'reply', ttl: 64 },
    { outcome: 'reply', ttl: 64 },
  ])
})

test('more pings in one run than there are identifiers', () => {
  const world = createWorld()
  build(world, [
    { do: 'netns.add', netns: 'a' },
    { do: 'link.set', netns: 'a', name: 'lo', up: true },
  ])
  const to = parseIp('127.0.0.1')
  const results = runProbes(
    world,
    Array.from({ length: 70_000 }, (_, n) => ({ protocol: 'icmp', from: 'a', to, startMs: n })),
  )
  expect(results.filter((r) => r.outcome === 'reply')).toHaveLength(70_000)
})
