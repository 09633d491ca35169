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
