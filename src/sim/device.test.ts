import { describe, expect, test } from 'vitest'
import type { Op } from '../fabric/plan.ts'
import { openSim, type SimFabric } from './fabric.ts'
import type { Device } from './model.ts'

const PAIR: readonly Op[] = [
  { do: 'netns.add', netns: 'h' },
  { do: 'netns.add', netns: 'c' },
  {
    do: 'link.add',
    netns: 'h',
    name: 'eth0',
    up: true,
    address: 0x020000000007,
    spec: { kind: 'veth', peer: { name: 'peer' } },
  },
  { do: 'link.set', netns: 'h', name: 'peer', up: true },
]

const macvlan = (name: string, mode: 'bridge' | 'passthru', netns = 'h'): Op => ({
  do: 'link.add',
  netns,
  parentNetns: 'h',
  name,
  spec: { kind: 'macvlan', parent: 'eth0', macvlan: { mode } },
})

function open(...ops: Op[]): SimFabric {
  const sim = openSim()
  sim.applyNow([...PAIR, ...ops])
  return sim
}

function find(sim: SimFabric, netns: string, name: string): Device {
  const dev = sim.world.netns.get(netns)?.byName.get(name)
  if (dev === undefined) throw new Error(`no ${name} in ${netns}`)
  return dev
}

const names = (sim: SimFabric, netns: string) => [
  ...(sim.world.netns.get(netns)?.byName.keys() ?? []),
]

describe('carrier', () => {
  test('a macvlan follows its parent, and says whose fault it is', () => {
    const sim = open(macvlan('m0', 'bridge'), { do: 'link.set', netns: 'h', name: 'm0', up: true })
    const child = find(sim, 'h', 'm0')
    expect([child.carrier, child.operState]).toEqual([true, 'up'])
    sim.applyNow([{ do: 'link.set', netns: 'h', name: 'peer', up: false }])
    expect([child.carrier, child.operState]).toEqual([false, 'lowerlayerdown'])
    sim.applyNow([{ do: 'link.set', netns: 'h', name: 'peer', up: true }])
    expect([child.carrier, child.operState]).toEqual([true, 'up'])
  })

  test('a bridge has carrier without ports, and with them while one forwards', () => {
    const sim = open({
      do: 'link.add',
      netns: 'h',
      name: 'br0',
      up: true,
      spec: { kind: 'bridge' },
    })
    const bridge = find(sim, 'h', 'br0')
    expect([bridge.carrier, bridge.operState]).toEqual([true, 'unknown'])
    sim.applyNow([{ do: 'link.set', netns: 'h', name: 'eth0', master: 'br0' }])
    expect([bridge.carrier, bridge.operState, bridge.mac]).toEqual([true, 'up', 0x020000000007])
    sim.applyNow([{ do: 'link.set', netns: 'h', name: 'eth0', up: false }])
    expect([bridge.carrier, bridge.operState]).toEqual([false, 'down'])
  })

  test('a parent that goes up takes along a VLAN that never was', () => {
    const sim = open(
      { do: 'link.set', netns: 'h', name: 'eth0', up: false },
      { do: 'link.add', netns: 'h', name: 'v', spec: { kind: 'vlan', parent: 'eth0', id: 5 } },
      { do: 'link.set', netns: 'h', name: 'eth0', up: true },
    )
    expect(find(sim, 'h', 'v').up).toBe(true)
  })
})

describe('promiscuity', () => {
  test('a veth parent is promiscuous while a child is up, once more for a promiscuous child', () => {
    const sim = open(macvlan('m0', 'bridge'))
    const parent = find(sim, 'h', 'eth0')
    const seen = [parent.promiscuity]
    for (const set of [{ up: true }, { promisc: true }, { up: false }]) {
      sim.applyNow([{ do: 'link.set', netns: 'h', name: 'm0', ...set }])
      seen.push(parent.promiscuity)
    }
    expect(seen).toEqual([0, 1, 2, 0])
  })

  test('a passthru child lends its parent a MAC until it goes', () => {
    const sim = open(
      macvlan('m0', 'passthru'),
      { do: 'link.set', netns: 'h', name: 'm0', up: true },
      { do: 'link.set', netns: 'h', name: 'm0', address: 0x020000000099 },
    )
    const parent = find(sim, 'h', 'eth0')
    expect([parent.mac, parent.promiscuity]).toEqual([0x020000000099, 1])
    sim.applyNow([{ do: 'link.del', netns: 'h', name: 'm0' }])
    expect([parent.mac, parent.promiscuity, parent.rxHandler]).toEqual([
      0x020000000007,
      0,
      undefined,
    ])
  })
})

describe('life and death', () => {
  test('what hangs on a link goes with it, wherever it is', () => {
    const sim = open(macvlan('m0', 'bridge', 'c'), {
      do: 'link.add',
      netns: 'c',
      name: 'v',
      spec: { kind: 'vlan', parent: 'm0', id: 5 },
    })
    expect(names(sim, 'c')).toEqual(['lo', 'm0', 'v'])
    sim.applyNow([{ do: 'link.del', netns: 'h', name: 'peer' }])
    expect([names(sim, 'h'), names(sim, 'c')]).toEqual([['lo'], ['lo']])
  })

  test('a namespace destroys its virtual links when it goes', () => {
    const sim = open(macvlan('m0', 'bridge', 'c'), { do: 'netns.del', netns: 'c' })
    expect(names(sim, 'h').sort()).toEqual(['eth0', 'lo', 'peer'])
    expect(find(sim, 'h', 'eth0').rxHandler).toBeUndefined()
  })

  test('a link that moves goes down, leaves its bridge and keeps a free index', () => {
    const sim = open(
      { do: 'link.add', netns: 'h', name: 'br0', up: true, spec: { kind: 'bridge' } },
      { do: 'link.set', netns: 'h', name: 'eth0', master: 'br0' },
      { do: 'link.set', netns: 'h', name: 'eth0', newNetns: 'c' },
    )
    const moved = find(sim, 'c', 'eth0')
    expect([moved.up, moved.index, moved.master]).toEqual([false, 3, undefined])
    sim.applyNow([
      { do: 'link.add', netns: 'h', name: 'x', spec: { kind: 'dummy' } },
      { do: 'link.set', netns: 'c', name: 'eth0', newNetns: 'h' },
    ])
    expect(moved.index).toBe(3)
    expect(
      sim.applyNow([{ do: 'link.set', netns: 'h', name: 'br0', newNetns: 'c' }], {
        keepGoing: true,
      }),
    ).toMatchObject([{ errno: 'EINVAL', extack: 'The interface netns is immutable' }])
  })

  test('a group is deleted in one go', () => {
    const sim = open(
      { ...macvlan('m0', 'bridge'), group: 9 } as Op,
      { ...macvlan('m1', 'bridge'), group: 9 } as Op,
      { do: 'link.del-group', netns: 'h', group: 9 },
    )
    expect(names(sim, 'h').sort()).toEqual(['eth0', 'lo', 'peer'])
  })
})
