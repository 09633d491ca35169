import { expect, test } from 'vitest'
import { linkSnapshot, netnsSnapshot } from '../../test/support/snapshots.ts'
import { linkLocalOf } from '../addr/eui64.ts'
import { parseIp } from '../addr/ip.ts'
import { parseMac } from '../addr/mac.ts'
import { parsePrefix } from '../addr/prefix.ts'
import { compareSnapshots, formatDifference } from './compare.ts'
import type { BridgeOptions } from './plan.ts'
import type { NeighbourSnapshot, Snapshot } from './snapshot.ts'

const BRIDGE: Required<BridgeOptions> = {
  vlanFiltering: false,
  vlanDefaultPvid: 1,
  ageingTime: 300,
  forwardDelay: 15,
  stp: false,
  groupForwardMask: 0,
  multicastSnooping: true,
}

/** A bridge of two ports and a VLAN on top, its MACs and indexes made up from a seed. */
function world(seed: number, changes: { readonly mtu?: number; readonly vlanMac?: string } = {}) {
  // Which of the two ports has the lower MAC depends on the seed.
  const p1 = parseMac(`0a:00:00:00:00:0${seed}`)
  const p2 = parseMac(`0a:00:00:00:00:0${9 - seed}`)
  const low = Math.min(p1, p2)
  const vlan = changes.vlanMac === undefined ? low : parseMac(changes.vlanMac)
  const snapshot: Snapshot = {
    netns: [
      netnsSnapshot('sw', {
        links: [
          linkSnapshot('p1', { index: seed + 2, address: p1, master: 'br0', kind: 'veth' }),
          linkSnapshot('p2', { index: seed + 3, address: p2, master: 'br0', kind: 'veth' }),
          linkSnapshot('br0', { index: 9, address: low, kind: 'bridge', bridge: BRIDGE }),
          linkSnapshot('br0.5', {
            address: vlan,
            kind: 'vlan',
            mtu: changes.mtu ?? 1500,
            parent: { index: 9, netns: 'sw', name: 'br0' },
          }),
        ],
        addresses: [
          {
            link: 'br0',
            address: { address: linkLocalOf(low), length: 64 },
            broadcast: undefined,
            scope: 'link',
            secondary: false,
            tentative: false,
            dadFailed: false,
            dynamic: true,
          },
        ],
        fdb: [
          { link: 'p1', mac: p1, vlan: undefined, on: 'master', state: 'permanent' },
          { link: 'p2', mac: p2, vlan: undefined, on: 'master', state: 'permanent' },
          { link: 'p2', mac: seed, vlan: undefined, on: 'master', state: 'dynamic' },
        ],
        sysctls: { 'net.ipv4.ip_forward': '0' },
      }),
    ],
  }
  return snapshot
}

test('compareSnapshots finds nothing between two worlds with other indexes and made-up MACs', () => {
  expect(compareSnapshots(world(1), world(1))).toEqual([])
  expect(compareSnapshots(world(1), world(2))).toEqual([])
})

test('compareSnapshots looks through the lottery for the lowest MAC of a bridge', () => {
  expect(compareSnapshots(world(1), world(8))).toEqual([])
})

test('compareSnapshots sees a field that differs, and says it in one line', () => {
  const differences = compareSnapshots(world(1), world(1, { mtu: 1400 }))
  expect(differences).toEqual([
    { netns: 'sw', table: 'link', key: 'br0.5', field: 'mtu', a: '1500', b: '1400' },
  ])
  expect(differences.map((d) => formatDifference(d, ['sim', 'kernel']))).toEqual([
    'sw: link br0.5: mtu: sim 1500, kernel 1400',
  ])
})

test('compareSnapshots sees that a link has a MAC of its own where it should have taken one', () => {
  const own = world(2, { vlanMac: '0a:ff:00:00:00:05' })
  expect(compareSnapshots(world(1), own)).toEqual([
    expect.objectContaining({ key: 'br0.5', field: 'address', b: 'mac of sw/br0.5' }),
  ])
})

test('compareSnapshots wants MACs that were chosen to be equal', () => {
  const one = {
    netns: [netnsSnapshot('', { links: [linkSnapshot('a', { address: 0x020000000001 })] })],
  }
  const two = {
    netns: [netnsSnapshot('', { links: [linkSnapshot('a', { address: 0x020000000002 })] })],
  }
  expect(compareSnapshots(one, two)).toEqual([])
  const macs = new Set([0x020000000001])
  expect(compareSnapshots(one, two, { macs }).map((d) => formatDifference(d))).toEqual([
    '(own): link a: address: a 02:00:00:00:00:01, b mac of /a',
  ])
})

test('compareSnapshots names rows that only one side has', () => {
  const route = {
    to: parsePrefix('10.0.0.0/8'),
    type: 'unicast',
    via: parseIp('10.0.0.1'),
    link: 'a',
    source: undefined,
    metric: 0,
    table: 254,
    scope: 'global',
    protocol: 'boot',
    linkDown: false,
    onlink: false,
  } as const
  const some = { netns: [netnsSnapshot('ns1', { routes: [route, route] })] }
  const none = { netns: [netnsSnapshot('ns1')] }
  expect(compareSnapshots(none, some).map((d) => formatDifference(d))).toEqual([
    'ns1: route unicast 10.0.0.0/8 table 254 metric 0 via 10.0.0.1 dev a: only in b',
    'ns1: route unicast 10.0.0.0/8 table 254 metric 0 via 10.0.0.1 dev a #2: only in b',
  ])
  expect(compareSnapshots(some, none)[0]?.a).toContain('protocol=boot')
})

test('compareSnapshots leaves learned entries out unless they are asked for', () => {
  const neighbour = (state: NeighbourSnapshot['state']): Snapshot => {
    const mac = 0x020000000007
    const ip = parseIp('10.0.0.7')
    const row = { link: 'a', ip, mac, state, proxy: false, router: false }
    return { netns: [netnsSnapshot('', { neighbours: [row] })] }
  }
  expect(compareSnapshots(neighbour('stale'), neighbour('reachable'))).toEqual([])
  expect(compareSnapshots(neighbour('stale'), neighbour('permanent'))).toHaveLength(1)
  const options = { learnedNeighbours: true }
  expect(compareSnapshots(neighbour('stale'), neighbour('reachable'), options)).toHaveLength(1)
  expect(compareSnapshots(world(1), world(2), { learnedFdb: true })).toHaveLength(2)
})
