import { expect, test } from 'vitest'
import {
  build,
  netns,
  pass,
  ping,
  route,
  routed,
  sysctl,
  words,
} from '../../../test/sim/ip-world.ts'
import { parseIp } from '../../addr/ip.ts'
import { parsePrefix } from '../../addr/prefix.ts'
import { loadSnapshot } from '../load.ts'
import { takeSnapshot } from '../snapshot.ts'

test('a world loaded from its snapshot is in the same state and reaches the same', () => {
  const world = routed()
  build(world, netns('other'), route('r', '10.70.0.0/24', { type: 'prohibit', metric: 7 }))
  build(world, {
    do: 'rule.add',
    netns: 'h1',
    family: 4,
    priority: 9,
    from: parsePrefix('10.1.0.2/32'),
    table: 100,
  })
  build(world, {
    do: 'neighbour.add',
    netns: 'h1',
    link: 'e0',
    ip: parseIp('10.1.0.9'),
    mac: 0x020000000009,
  })
  sysctl(world, 'h2', 'net.ipv4.conf.e0.rp_filter', 2)
  pass(world, 3)
  const before = takeSnapshot(world)
  const loaded = loadSnapshot(before)
  expect(takeSnapshot(loaded)).toEqual(before)
  expect(words(ping(loaded, 'h1', '10.2.0.2'))).toBe('reply ttl=63')
  expect(words(ping(loaded, 'h1', 'fd02::2'))).toBe('reply ttl=63')
})

test('a link keeps what it is set to beside what is set for all', () => {
  const world = routed()
  sysctl(world, 'h1', 'net.ipv4.ip_forward', 1)
  sysctl(world, 'h1', 'net.ipv4.conf.e0.forwarding', 0)
  sysctl(world, 'h1', 'net.ipv4.conf.all.accept_redirects', 1)
  sysctl(world, 'h2', 'net.ipv6.conf.all.disable_ipv6', 1)
  sysctl(world, 'h2', 'net.ipv6.conf.e0.disable_ipv6', 0)
  sysctl(world, 'h2', 'net.ipv6.conf.default.disable_ipv6', 0)
  pass(world, 3)
  const before = takeSnapshot(world)
  const set = before.netns.find(({ name }) => name === 'h1')?.sysctls
  expect(set?.['net.ipv4.conf.all.forwarding']).toBe('1')
  expect(set?.['net.ipv4.conf.e0.forwarding']).toBe('0')
  // Read elsewhere, it is another record with the same in it.
  const copy = structuredClone(before)
  expect(takeSnapshot(loadSnapshot(before))).toEqual(before)
  expect(takeSnapshot(loadSnapshot(copy))).toEqual(before)
})
