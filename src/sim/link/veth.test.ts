import { expect, test } from 'vitest'
import { ETH_ARP, type Frame, NO_TAGS } from '../../wire/frame.ts'
import { transmit } from '../core.ts'
import { openSim } from '../fabric.ts'
import type { Device } from '../model.ts'
import { runUntil } from '../run.ts'

const FRAME: Frame = {
  dst: 0xffffffffffff,
  src: 0x020000000001,
  tags: NO_TAGS,
  etherType: ETH_ARP,
  packet: { kind: 'raw', bytes: new Uint8Array(46) },
  length: 46,
}

function pair() {
  const sim = openSim()
  sim.applyNow([
    { do: 'netns.add', netns: 'a' },
    { do: 'netns.add', netns: 'b' },
    {
      do: 'link.add',
      netns: 'a',
      name: 'eth0',
      up: true,
      spec: { kind: 'veth', peer: { name: 'eth0', netns: 'b' } },
    },
  ])
  const find = (netns: string) => sim.world.netns.get(netns)?.byName.get('eth0') as Device
  return { sim, a: find('a'), b: find('b') }
}

test('veth: carrier is there while both ends are up', () => {
  const { sim, a, b } = pair()
  expect([a.up, a.carrier, b.up]).toEqual([true, false, false])
  sim.applyNow([{ do: 'link.set', netns: 'b', name: 'eth0', up: true }])
  expect([a.carrier, a.operState, b.carrier, b.operState]).toEqual([true, 'up', true, 'up'])
  sim.applyNow([{ do: 'link.set', netns: 'b', name: 'eth0', up: false }])
  expect([a.carrier, a.operState]).toEqual([false, 'down'])
})

test('veth: a frame sent at one end is received at the other', () => {
  const { sim, a, b } = pair()
  sim.applyNow([{ do: 'link.set', netns: 'b', name: 'eth0', up: true }])
  transmit(sim.world, a, FRAME)
  runUntil(sim.world, sim.world.now + 1e6)
  const steps = sim.world.trace.read(0).steps.filter((s) => s.frame === FRAME)
  expect(steps.map((s) => [s.device, s.action])).toEqual([
    [a.id, 'tx'],
    [b.id, 'rx'],
    [b.id, 'deliver'],
    [b.id, 'drop'],
  ])
})

test('veth: deleting one end or its namespace deletes the other', () => {
  const { sim } = pair()
  sim.applyNow([{ do: 'netns.del', netns: 'b' }])
  expect([...(sim.world.netns.get('a')?.byName.keys() ?? [])]).toEqual(['lo'])
})
