import { describe, expect, test } from 'vitest'
import { readBridgeOptions } from '../../../test/sim/commands.ts'
import {
  build,
  expected,
  type FrameFile,
  perform,
  readTruth,
  replay,
} from '../../../test/sim/frames.ts'
import type { Op } from '../../fabric/plan.ts'
import type { SimFabric } from '../fabric.ts'

const BASE = 0x020000000000

/** Bridge krnbr in krnsw with four ports, a host behind each in krnk. */
function buildSwitch(file: FrameFile): SimFabric {
  const bridge = (file.bridge_opts ?? '') === '' ? {} : readBridgeOptions(file.bridge_opts ?? '')
  const ops: Op[] = [
    { do: 'netns.add', netns: 'krnsw' },
    { do: 'netns.add', netns: 'krnk' },
    {
      do: 'link.add',
      netns: 'krnsw',
      name: 'krnbr',
      address: BASE + 0x0e00,
      up: true,
      spec: { kind: 'bridge', bridge },
    },
  ]
  for (const n of [1, 2, 3, 4]) {
    const peer = { name: `krne${n}`, netns: 'krnk', address: BASE + 0x0f00 + n }
    ops.push(
      {
        do: 'link.add',
        netns: 'krnsw',
        name: `krnp${n}`,
        address: BASE + 0x0e00 + n,
        master: 'krnbr',
        up: true,
        spec: { kind: 'veth', peer },
      },
      { do: 'link.set', netns: 'krnk', name: `krne${n}`, up: true },
    )
  }
  const sim = build(ops)
  perform(sim, file.setup ?? [])
  return sim
}

const FILES = [
  'ageing',
  'badsrc',
  'basic',
  'flags',
  'groupfwd',
  'hairpin',
  'isolated',
  'move',
  'nohairpin',
  'promisc',
  'stp',
  'tagged-novf',
  'vlanfilter',
  'vlanfilter-defaults',
]

describe('bridge: every frame reaches the stacks it reached on a real kernel', () => {
  for (const name of FILES) {
    const file = readTruth(`frames-bridge-${name}`)
    test(`${name}: ${file.note}`, () => {
      const sim = buildSwitch(file)
      for (const row of file.tests)
        expect(replay(sim, row), JSON.stringify(row.inject)).toEqual(expected(row))
    })
  }
})
