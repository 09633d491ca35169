import { describe, expect, test } from 'vitest'
import {
  build,
  deviceNamed,
  expected,
  type FrameRow,
  readTruth,
  TYPES,
} from '../../../test/sim/frames.ts'
import { parseIp4 } from '../../addr/ip4.ts'
import { parseMac } from '../../addr/mac.ts'
import { parsePrefix } from '../../addr/prefix.ts'
import type { IpvlanFlag, IpvlanMode, Op } from '../../fabric/plan.ts'
import { ETH_ARP, ETH_IP4, type Frame, type Packet } from '../../wire/frame.ts'
import { makeFrame } from '../../wire/make.ts'
import { transmit } from '../core.ts'
import type { SimFabric } from '../fabric.ts'
import { runUntil } from '../run.ts'

const PARENT_MAC = 0x020000000b01
const EXT_MAC = 0x020000000c01
const ADDRESSES: Readonly<Record<string, string>> = {
  i1: '10.9.0.11',
  i2: '10.9.0.12',
  host: '10.9.0.2',
  ext: '10.9.0.10',
}

/** krnwire <veth> krnpar with the host's address, children krni1 and krni2 in krnk. */
function buildParent(mode: IpvlanMode, flag: IpvlanFlag): SimFabric {
  const ops: Op[] = ['krnh', 'krnx', 'krnk'].map((netns) => ({ do: 'netns.add', netns }))
  ops.push(
    {
      do: 'link.add',
      netns: 'krnh',
      name: 'krnpar',
      address: PARENT_MAC,
      up: true,
      spec: { kind: 'veth', peer: { name: 'krnwire', netns: 'krnx' } },
    },
    { do: 'link.set', netns: 'krnx', name: 'krnwire', up: true },
    { do: 'address.add', netns: 'krnh', link: 'krnpar', address: parsePrefix('10.9.0.2/24') },
    {
      do: 'neighbour.add',
      netns: 'krnh',
      link: 'krnpar',
      ip: parseIp4('10.9.0.10'),
      mac: EXT_MAC,
      state: 'permanent',
    },
    {
      do: 'route.add',
      netns: 'krnh',
      to: parsePrefix('10.20.0.0/24'),
      via: parseIp4('10.9.0.10'),
    },
    { do: 'link.set', netns: 'krnh', name: 'lo', up: true },
  )
  for (const n of [1, 2]) {
    ops.push(
      {
        do: 'link.add',
        netns: 'krnk',
        parentNetns: 'krnh',
        name: `krni${n}`,
        spec: { kind: 'ipvlan', parent: 'krnpar', mode, flag },
      },
      {
        do: 'address.add',
        netns: 'krnk',
        link: `krni${n}`,
        address: parsePrefix(`10.9.0.1${n}/24`),
      },
      { do: 'link.set', netns: 'krnk', name: `krni${n}`, up: true },
    )
  }
  return build(ops)
}

/** The frame a row describes in words: `i1 ARP who-has i2`, `wire: ext IPv4 to i1`, ... */
function frameOf({ inject }: FrameRow): Frame {
  const words = (inject.as ?? '').replace('wire: ', '').replace('hairpinned ', '').split(' ')
  const sender = parseIp4(ADDRESSES[words[0] ?? ''] ?? '0.0.0.0')
  const text = words.slice(1).join(' ')
  const name = /(?:who-has|to) (\w+)/.exec(text)?.[1] ?? ''
  const target = parseIp4(
    text.includes('routed')
      ? '10.20.0.5'
      : text.includes('unknown IP')
        ? '10.9.0.99'
        : text.includes('subnet broadcast')
          ? '10.9.0.255'
          : text.includes('multicast')
            ? '224.0.0.9'
            : (ADDRESSES[name] ?? '0.0.0.0'),
  )
  const [src, dst] = [parseMac(inject.src), parseMac(inject.dst)]
  if (text.startsWith('ARP')) {
    const operation = text.includes('who-has') ? 1 : 2
    const packet: Packet = {
      kind: 'arp',
      operation,
      senderMac: src,
      senderIp: sender,
      targetMac: operation === 1 ? 0 : dst,
      targetIp: target,
    }
    return makeFrame(dst, src, ETH_ARP, packet, 28)
  }
  const packet: Packet = {
    kind: 'ip4',
    src: sender,
    dst: target,
    ttl: text.includes('ttl=1') ? 1 : 64,
    protocol: 253,
    tos: 0,
    id: 1,
    dontFragment: true,
    moreFragments: false,
    fragmentOffset: 0,
    length: 40,
    payload: { kind: 'raw', bytes: new Uint8Array(20) },
  }
  return makeFrame(dst, src, ETH_IP4, packet, 40)
}

function replayRow(sim: SimFabric, row: FrameRow): string[] {
  const { world } = sim
  const frame = frameOf(row)
  const since = world.trace.count
  transmit(world, deviceNamed(sim, row.inject.dev), frame)
  runUntil(world, world.now + 50e6)
  return world.trace
    .read(since)
    .steps.filter((step) => step.action === 'deliver' && step.frame?.packet === frame.packet)
    .map((step) => `${world.devices[step.device]?.name} ${TYPES[step.to]}`)
    .sort()
}

describe('ipvlan: every frame reaches the stacks it reached on a real kernel', () => {
  for (const name of ['l2', 'l2-private', 'l3', 'l3-private', 'l3-vepa', 'l3s', 'l3s-vepa']) {
    const file = readTruth(`frames-ipvlan-${name}`)
    test(file.note.split(';')[0] ?? name, () => {
      const [mode, flag = 'bridge'] = name.split('-')
      const sim = buildParent(mode as IpvlanMode, flag as IpvlanFlag)
      for (const row of file.tests) {
        expect(replayRow(sim, row), row.inject.as).toEqual(expected(row))
      }
    })
  }
})
