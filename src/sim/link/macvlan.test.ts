import { describe, expect, test } from 'vitest'
import {
  build,
  deviceNamed,
  expected,
  type FrameFile,
  perform,
  readTruth,
  replay,
  TYPES,
} from '../../../test/sim/frames.ts'
import { parseMac } from '../../addr/mac.ts'
import type { MacvlanMode, MacvlanOptions, Op } from '../../fabric/plan.ts'
import type { SimFabric } from '../fabric.ts'

const ALL_HOSTS = 0x01005e000001

interface Child {
  readonly mac: string
  readonly mode: string
  readonly queue?: number
}

/** krnwire <veth> krnpar with children in krnk, all up; every child has joined 224.0.0.1. */
function buildParent(children: Readonly<Record<string, Child>>): SimFabric {
  const ops: Op[] = [
    { do: 'netns.add', netns: 'krnh' },
    { do: 'netns.add', netns: 'krnx' },
    { do: 'netns.add', netns: 'krnk' },
    {
      do: 'link.add',
      netns: 'krnh',
      name: 'krnpar',
      address: 0x020000000b01,
      up: true,
      spec: { kind: 'veth', peer: { name: 'krnwire', netns: 'krnx' } },
    },
    { do: 'link.set', netns: 'krnx', name: 'krnwire', up: true },
  ]
  for (const [name, child] of Object.entries(children)) {
    const [mode, flag] = child.mode.split(' ')
    const macvlan: MacvlanOptions = {
      mode: mode as MacvlanMode,
      ...(flag === 'nopromisc' ? { nopromisc: true } : {}),
      ...(child.queue === undefined ? {} : { broadcastQueueLength: child.queue }),
    }
    ops.push({
      do: 'link.add',
      netns: 'krnk',
      parentNetns: 'krnh',
      name,
      address: parseMac(child.mac),
      up: true,
      spec: { kind: 'macvlan', parent: 'krnpar', macvlan },
    })
    ops.push({ do: 'multicast.add', netns: 'krnk', link: name, mac: ALL_HOSTS })
  }
  return build(ops)
}

function childrenOf(file: FrameFile): Record<string, Child> {
  const children: Record<string, Child> = {}
  for (const [name, { mac, mode }] of Object.entries(file.macs ?? {})) {
    if (mode !== undefined) children[name] = { mac, mode }
  }
  return children
}

const FILES = [
  'bridge-vepa',
  'child-down',
  'child-promisc',
  'mixed',
  'parent-promisc',
  'passthru',
  'passthru-nopromisc',
]

describe('macvlan: every frame reaches the stacks it reached on a real kernel', () => {
  for (const name of FILES) {
    const file = readTruth(`frames-macvlan-${name}`)
    test(`${name}: ${file.note}`, () => {
      const sim = buildParent(childrenOf(file))
      perform(sim, file.extra ?? [])
      for (const row of file.tests) {
        expect(replay(sim, row), JSON.stringify(row.inject)).toEqual(expected(row))
      }
    })
  }
})

describe('macvlan: the broadcast queue of the parent', () => {
  const queues: Record<string, readonly [number, number]> = {
    'bcq-default': [1000, 1000],
    'bcq-0': [0, 0],
    'bcq-0-one': [0, 1000],
  }
  for (const [name, [first, second]] of Object.entries(queues)) {
    const file = readTruth(name)
    test(`${name}: ${file.note}`, () => {
      const sim = buildParent({
        krnb1: { mac: '02:00:00:00:0a:01', mode: 'bridge', queue: first },
        krnb2: { mac: '02:00:00:00:0a:02', mode: 'bridge', queue: second },
      })
      perform(sim, file.extra ?? [])
      for (const row of file.tests) {
        expect(replay(sim, row), JSON.stringify(row.inject)).toEqual(expected(row))
      }
    })
  }
})

test('macvlan: taps see what tcpdump saw on a real kernel', () => {
  const sim = buildParent({
    krnb1: { mac: '02:00:00:00:0a:01', mode: 'bridge' },
    krnb2: { mac: '02:00:00:00:0a:02', mode: 'bridge' },
    krnv1: { mac: '02:00:00:00:0a:03', mode: 'vepa' },
    krnp1: { mac: '02:00:00:00:0a:05', mode: 'private' },
  })
  const seen: string[] = []
  for (const name of ['krnb1', 'krnb2', 'krnv1', 'krnp1', 'krnpar', 'krnwire']) {
    sim.world.taps.set(deviceNamed(sim, name).id, [
      {
        etherType: undefined,
        see: (_time, _frame, type) => seen.push(`${name} ${TYPES[type]}`),
      },
    ])
  }
  for (const row of readTruth('taps-macvlan').tests) {
    seen.length = 0
    replay(sim, row)
    expect(seen.sort(), row.inject.as).toEqual(expected(row))
  }
})
