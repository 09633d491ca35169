import { expect, test } from 'vitest'
import {
  address,
  build,
  cable,
  deviceOf,
  netns,
  pair,
  pass,
  ping,
  route,
  routed,
  sysctl,
  up,
  words,
} from '../../../test/sim/ip-world.ts'
import { parseIp } from '../../addr/ip.ts'
import type { Op } from '../../fabric/plan.ts'
import { listen } from './transport.ts'
import { pingSeries, runProbes } from './probe.ts'
import type { Netns, World } from '../model.ts'
import { createWorld } from '../world.ts'

const mtu = (where: string, name: string, value: number): Op => ({
  do: 'link.set',
  netns: where,
  name,
  mtu: value,
})

test('a router forwards with one TTL less, answers for its far address, says when the TTL ends', () => {
  const world = routed()
  expect(words(ping(world, 'h1', '10.2.0.2'))).toBe('reply ttl=63')
  expect(words(ping(world, 'h1', '10.2.0.1'))).toBe('reply ttl=64')
  expect(words(ping(world, 'h1', '10.2.0.2', { ttl: 1 }))).toBe('icmp 11/0')
  expect(words(ping(world, 'h1', '10.2.0.2', { ttl: 2 }))).toBe('reply ttl=63')
  expect(words(ping(world, 'h1', '10.3.0.1'))).toBe('icmp 3/0')
  expect(words(ping(world, 'h1', '10.2.0.77', { timeoutMs: 4000 }))).toBe('icmp 3/1')
})

test('an IPv6 router needs a link-local address past DAD to ask for neighbours', () => {
  const world = routed()
  expect(words(ping(world, 'h1', 'fd02::2'))).toBe('timeout')
  pass(world, 3)
  expect(words(ping(world, 'h1', 'fd02::2'))).toBe('reply ttl=63')
  expect(words(ping(world, 'h1', 'fd02::2', { ttl: 1 }))).toBe('icmp 3/0')
  expect(words(ping(world, 'h1', 'fd03::1'))).toBe('icmp 1/0')
  expect(words(ping(world, 'h1', 'fd02::77', { timeoutMs: 4000 }))).toBe('icmp 1/3')
})

test('forwarding off: dropped in silence; special routes of a router answer as their kind', () => {
  const world = routed()
  build(
    world,
    route('r', '10.70.0.0/24', { type: 'unreachable' }),
    route('r', '10.71.0.0/24', { type: 'blackhole' }),
    route('r', '10.72.0.0/24', { type: 'prohibit' }),
  )
  expect(words(ping(world, 'h1', '10.70.0.1'))).toBe('icmp 3/1')
  expect(words(ping(world, 'h1', '10.71.0.1'))).toBe('timeout')
  expect(words(ping(world, 'h1', '10.72.0.1'))).toBe('icmp 3/13')
  sysctl(world, 'r', 'net.ipv4.ip_forward', 0)
  expect(words(ping(world, 'h1', '10.2.0.2'))).toBe('timeout')
})

test('rp_filter 1 drops what would go back by another link, 2 what has no way back', () => {
  const world = routed()
  build(world, route('r', '10.1.0.2/32', { via: parseIp('10.2.0.2') }))
  expect(words(ping(world, 'h1', '10.2.0.1'))).toBe('timeout')
  sysctl(world, 'r', 'net.ipv4.conf.all.rp_filter', 1)
  const drops = (action: () => void): string[] => {
    const since = world.trace.count
    action()
    return world.trace.read(since).steps.flatMap((s) => (s.reason === undefined ? [] : [s.reason]))
  }
  expect(drops(() => ping(world, 'h1', '10.2.0.1'))).toContain('RP_FILTER')
  sysctl(world, 'r', 'net.ipv4.conf.all.rp_filter', 2)
  expect(drops(() => ping(world, 'h1', '10.2.0.1'))).not.toContain('RP_FILTER')
})

test('DF and a smaller MTU on the way: 3/4 with the MTU, then refused at once', () => {
  const world = routed()
  build(world, mtu('r', 'e2', 1300), mtu('h2', 'e0', 1300))
  const big = (more: object = {}) =>
    ping(world, 'h1', '10.2.0.2', { size: 1400, pmtu: 'do', ...more })
  expect(big()).toMatchObject({ outcome: 'icmp-error', type: 3, code: 4, mtu: 1300 })
  expect(big()).toEqual({ outcome: 'errno', errno: 'EMSGSIZE', mtu: 1300 })
  expect(words(big({ pmtu: 'dont' }))).toBe('reply ttl=63')
  expect(words(big({ pmtu: 'want' }))).toBe('reply ttl=63')
})

test('a ping larger than the MTU is cut and put together again, both families', () => {
  const world = pair()
  expect(words(ping(world, 'a', '10.9.0.2', { size: 5000 }))).toBe('reply ttl=64')
  expect(words(ping(world, 'a', 'fd00::2', { size: 5000 }))).toBe('reply ttl=64')
  expect(ping(world, 'a', '10.9.0.2', { size: 1473, pmtu: 'do' })).toEqual({
    outcome: 'errno',
    errno: 'EMSGSIZE',
    mtu: 1500,
  })
  expect(words(ping(world, 'a', '10.9.0.2', { size: 1472, pmtu: 'do' }))).toBe('reply ttl=64')
})

const errors = (world: World, to: string, count: number, intervalMs: number, ttl?: number) =>
  pingSeries(world, {
    from: 'h1',
    to: parseIp(to),
    count,
    intervalMs,
    timeoutMs: 900,
    ...(ttl === undefined ? {} : { probe: { ttl } }),
  }).flatMap((r, i) => (r.outcome === 'icmp-error' ? [i + 1] : []))

test('ICMP errors are limited: six at once and one a second, missing routes pay twice', () => {
  expect(errors(routed(), '10.3.0.1', 10, 1000)).toEqual([1, 2, 3, 4])
  expect(errors(routed(), '10.3.0.1', 6, 2000)).toEqual([1, 2, 3, 4, 5, 6])
  expect(errors(routed(), '10.3.0.1', 30, 20)).toEqual([1, 2])
  expect(errors(routed(), '10.2.0.2', 10, 1000, 1)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  expect(errors(routed(), '10.2.0.2', 30, 20, 1)).toEqual([1, 2, 3, 4, 5, 6])
})

/** c1 in 10.9.0.0/24 and c2 in 10.7.0.0/24 on one switch, r is the gateway of both. */
function twoSubnets(): World {
  const world = build(createWorld(), netns('sw'), up('sw', 'lo'))
  build(world, { do: 'link.add', netns: 'sw', name: 'br', spec: { kind: 'bridge' }, up: true })
  for (const [n, name] of ['c1', 'c2', 'r'].entries()) {
    build(
      world,
      netns(name),
      up(name, 'lo'),
      cable(name, 'sw', 'e0', `p${n}`),
      { do: 'link.set', netns: 'sw', name: `p${n}`, master: 'br', up: true },
      up(name),
    )
  }
  sysctl(world, 'r', 'net.ipv4.ip_forward', 1)
  return build(
    world,
    address('c1', '10.9.0.11/24'),
    address('c2', '10.7.0.12/24'),
    address('r', '10.9.0.1/24'),
    address('r', '10.7.0.1/24'),
    route('c1', '0.0.0.0/0', { via: parseIp('10.9.0.1') }),
    route('c2', '0.0.0.0/0', { via: parseIp('10.7.0.1') }),
  )
}

const ttls = (world: World) =>
  pingSeries(world, { from: 'c1', to: parseIp('10.7.0.12'), count: 4 }).map((r) =>
    r.outcome === 'reply' ? r.ttl : r.outcome,
  )

test('redirects: told to the sender, taken once the new hop is known: TTL 63, then 64', () => {
  const world = twoSubnets()
  const [first] = runProbes(world, [{ protocol: 'icmp', from: 'c1', to: parseIp('10.7.0.12') }])
  expect(first).toMatchObject({
    ttl: 63,
    redirects: [{ responder: parseIp('10.9.0.1'), gateway: parseIp('10.7.0.12') }],
  })
  expect(ttls(twoSubnets())).toEqual([63, 64, 64, 64])
})

test('redirects: with accept_redirects=0 all goes through the router', () => {
  const world = twoSubnets()
  for (const where of ['c1', 'c2']) {
    sysctl(world, where, 'net.ipv4.conf.all.accept_redirects', 0)
    sysctl(world, where, 'net.ipv4.conf.e0.accept_redirects', 0)
  }
  expect(ttls(world)).toEqual([63, 63, 63, 63])
})

test('redirects: none are sent with send_redirects=0', () => {
  const world = twoSubnets()
  sysctl(world, 'r', 'net.ipv4.conf.all.send_redirects', 0)
  sysctl(world, 'r', 'net.ipv4.conf.e0.send_redirects', 0)
  expect(ttls(world)).toEqual([63, 63, 63, 63])
})

test('TCP and UDP: refused, accepted, echoed, unreachable', () => {
  const world = pair()
  const b = world.netns.get('b') as Netns
  const at = (protocol: 'tcp' | 'udp', port: number, to = '10.9.0.2') =>
    words(
      runProbes(world, [
        { protocol, port, from: 'a', to: parseIp(to), timeoutMs: 4000 },
      ])[0] as never,
    )
  expect(at('tcp', 80)).toBe('ECONNREFUSED')
  expect(at('udp', 53)).toBe('ECONNREFUSED')
  expect(at('udp', 53, 'fd00::2')).toBe('ECONNREFUSED')
  listen(b, 'tcp', 80)
  listen(b, 'udp', 53, { echo: true })
  listen(b, 'udp', 54)
  expect(at('tcp', 80)).toBe('reply ttl=undefined')
  expect(at('tcp', 80, 'fd00::2')).toBe('reply ttl=undefined')
  expect(at('udp', 53)).toBe('reply ttl=64')
  expect(at('udp', 54)).toBe('timeout')
  expect(at('tcp', 80, '10.9.0.77')).toBe('icmp 3/1')
})

test('broadcast: needs to be asked for, ignored by default, answered when allowed', () => {
  const world = pair()
  expect(words(ping(world, 'a', '10.9.0.255'))).toBe('EACCES')
  expect(words(ping(world, 'a', '10.9.0.255', { broadcast: true }))).toBe('timeout')
  sysctl(world, 'b', 'net.ipv4.icmp_echo_ignore_broadcasts', 0)
  expect(ping(world, 'a', '10.9.0.255', { broadcast: true })).toMatchObject({
    outcome: 'reply',
    responder: parseIp('10.9.0.2'),
  })
})

test('probe: a link or source that is not there', () => {
  const world = pair()
  expect(words(ping(world, 'a', '10.9.0.2', { link: 'nope' }))).toBe('ENODEV')
  expect(words(ping(world, 'a', '10.9.0.2', { source: parseIp('10.9.9.9') }))).toBe('EADDRNOTAVAIL')
  expect(() => ping(world, 'zz', '10.9.0.2')).toThrow('network namespace "zz" does not exist')
  expect(deviceOf(world, 'a').up).toBe(true)
})
