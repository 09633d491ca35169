import { expect, test } from 'vitest'
import {
  address,
  apply,
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
import { parsePrefix } from '../../addr/prefix.ts'
import type { Op } from '../../fabric/plan.ts'
import type { Refusal } from '../model.ts'
import { createWorld } from '../world.ts'
import { lookup4, routeOutput4, selectAddress4 } from './route4.ts'
import { routeOutput6 } from './route6.ts'
import { listRoutes } from './snapshot.ts'
import { netnsIp } from './state.ts'

const said = (r: Refusal | undefined) => (r === undefined ? 'ok' : `${r.errno} ${r.extack ?? '-'}`)

/** A namespace with two cables that end in it: e0-e1 and e2-e3, the first up. */
function lonely(version: '6.18' | '6.1' = '6.18') {
  return build(
    createWorld({ kernel: { version } }),
    netns('a'),
    cable('a', 'a', 'e0', 'e1'),
    up('a', 'e0'),
    up('a', 'e1'),
    cable('a', 'a', 'e2', 'e3'),
  )
}

test('address.add: errnos and texts as kernel 6.18 gives them', () => {
  const world = lonely()
  const add = (text: string, more: object = {}) => said(apply(world, address('a', text, more)))
  expect(add('10.9.0.1/24')).toBe('ok')
  expect(add('10.9.0.1/24')).toBe('EEXIST ipv4: Address already assigned')
  expect(add('10.9.0.1/16')).toBe('ok')
  expect(add('10.9.0.5/24', { scope: 'link' })).toBe('EINVAL ipv4: Invalid scope value')
  expect(add('10.9.0.1/24', { link: 'nope' })).toBe('ENODEV -')
  expect(add('fd00::1/64')).toBe('ok')
  expect(add('fd00::1/48')).toBe('EEXIST ipv6: address already assigned')
  expect(add('::1/128')).toBe('EADDRNOTAVAIL ipv6: Cannot assign loopback address on this device')
  expect(add('ff02::5/64')).toMatch(/^EADDRNOTAVAIL ipv6: Cannot assign multicast address/)
  sysctl(world, 'a', 'net.ipv6.conf.e1.disable_ipv6', 1)
  expect(add('fd00::9/64', { link: 'e1' })).toBe('EACCES ipv6: IPv6 is disabled on this device')
})

test('address.add: kernel 6.1 gives the errno only', () => {
  const world = build(lonely('6.1'), address('a', '10.9.0.1/24'))
  expect(said(apply(world, address('a', '10.9.0.1/24')))).toBe('EEXIST -')
  sysctl(world, 'a', 'net.ipv6.conf.e1.disable_ipv6', 1)
  expect(said(apply(world, address('a', 'fd00::9/64', { link: 'e1' })))).toBe('EACCES -')
})

test('route.add: what makes a next hop invalid', () => {
  const world = build(
    lonely(),
    address('a', '10.9.0.1/24'),
    address('a', 'fd00::1/64', { nodad: true }),
  )
  const add = (to: string, more: object) => said(apply(world, route('a', to, more)))
  const via = (text: string, more: object = {}) => ({ via: parseIp(text), ...more })
  expect(add('0.0.0.0/0', via('10.8.0.1'))).toBe('ENETUNREACH Nexthop has invalid gateway')
  expect(add('10.5.0.0/24', via('10.9.0.255'))).toBe('EINVAL Nexthop has invalid gateway')
  expect(add('10.5.0.1/24', { link: 'e0' })).toBe('EINVAL Invalid prefix for given prefix length')
  expect(add('10.5.0.0/24', {})).toBe('ENODEV -')
  expect(add('10.5.0.0/24', { link: 'e2' })).toBe('ENETDOWN Device for nexthop is not up')
  expect(add('10.5.0.0/24', via('10.9.0.2', { source: parseIp('10.9.0.77') }))).toBe(
    'EINVAL Invalid prefsrc address',
  )
  expect(add('10.6.0.0/24', via('10.8.0.7', { link: 'e0', onlink: true }))).toBe('ok')
  expect(add('10.7.0.0/24', via('10.8.0.7', { onlink: true }))).toBe(
    'ENODEV Nexthop device required for onlink',
  )
  expect(add('10.7.0.0/24', via('10.8.0.7', { link: 'e2', onlink: true }))).toBe(
    'ENETDOWN Nexthop device is not up',
  )
  expect(add('10.5.0.0/24', via('10.9.0.1'))).toBe('ok')
  expect(add('10.5.0.0/24', via('10.9.0.3'))).toBe('EEXIST -')
  expect(add('10.5.0.0/24', via('10.9.0.3', { metric: 5 }))).toBe('ok')
  expect(add('fd01::/64', via('fd77::3'))).toBe('EHOSTUNREACH -')
  expect(add('fd01::/64', via('fe80::1'))).toBe('EINVAL Egress device not specified')
  expect(add('fd01::/64', via('fd00::1'))).toBe('EINVAL Gateway can not be a local address')
  expect(add('fd01::/64', via('ff02::1', { link: 'e0' }))).toBe('EINVAL Invalid gateway address')
  expect(add('fd01::/64', { link: 'e2' })).toBe('ENETDOWN Nexthop device is not up')
  expect(add('fd01::/64', via('fd00::2'))).toBe('ok')
})

test('route.del: ESRCH, with a text while the table was never made', () => {
  const world = lonely()
  const del = (to: string, more: object = {}) =>
    said(apply(world, { ...route('a', to, more), do: 'route.del' } as Op))
  expect(del('0.0.0.0/0')).toBe('ESRCH FIB table does not exist')
  build(world, address('a', '10.9.0.1/24'))
  expect(del('0.0.0.0/0')).toBe('ESRCH -')
  expect(del('10.9.0.0/24', { table: 77 })).toBe('ESRCH FIB table does not exist')
  expect(del('10.9.0.0/24')).toBe('ok')
})

test('lookup4: longest prefix, then lowest metric, then the oldest', () => {
  const world = build(
    lonely(),
    address('a', '10.9.0.1/24'),
    up('a', 'e2'),
    up('a', 'e3'),
    { ...address('a', '10.9.0.2/24'), link: 'e2' } as Op,
    route('a', '10.0.0.0/8', { link: 'e2', metric: 9 }),
    route('a', '10.0.0.0/8', { link: 'e0', metric: 20 }),
  )
  const ns = netnsIp(deviceOf(world, 'a').netns)
  const out = (text: string) =>
    lookup4(ns, parseIp(text) as number, 0, undefined, undefined)?.dev?.name
  expect(out('10.9.0.7')).toBe('e0')
  expect(out('10.8.0.7')).toBe('e2')
})

test('a link going down takes its routes, not its addresses; up brings connected routes only', () => {
  const world = build(lonely(), address('a', '10.9.0.1/24'))
  build(world, route('a', '0.0.0.0/0', { via: parseIp('10.9.0.2') }))
  const routes = () =>
    listRoutes(deviceOf(world, 'a').netns).filter((r) => typeof r.to.address === 'number')
  expect(routes().map((r) => r.to.length)).toEqual([0, 24])
  build(world, up('a', 'e0', false))
  expect(routes()).toEqual([])
  build(world, up('a', 'e0', true))
  expect(routes().map((r) => r.to.length)).toEqual([24])
})

test('a route without carrier stays, as linkdown, unless ignore_routes_with_linkdown', () => {
  const world = pair()
  build(world, up('b', 'e0', false))
  const shown = listRoutes(deviceOf(world, 'a').netns).find((r) => r.to.length === 24)
  expect(shown?.linkDown).toBe(true)
  expect(words(ping(world, 'a', '10.9.0.2', { timeoutMs: 4000 }))).toBe('icmp 3/1')
  sysctl(world, 'a', 'net.ipv4.conf.all.ignore_routes_with_linkdown', 1)
  expect(words(ping(world, 'a', '10.9.0.2'))).toBe('ENETUNREACH')
})

test('routes of special types refuse the sender with their errno', () => {
  const world = pair()
  const nets = { unreachable: '10.60', blackhole: '10.61', prohibit: '10.62' } as const
  for (const type of ['unreachable', 'blackhole', 'prohibit'] as const) {
    build(world, route('a', `${nets[type]}.0.0/16`, { type }))
  }
  expect(words(ping(world, 'a', '10.60.0.1'))).toBe('EHOSTUNREACH')
  expect(words(ping(world, 'a', '10.61.0.1'))).toBe('EINVAL')
  expect(words(ping(world, 'a', '10.62.0.1'))).toBe('EACCES')
  expect(words(ping(world, 'a', '10.63.0.1'))).toBe('ENETUNREACH')
})

test('rules by source choose the table; throw goes on with the next rule', () => {
  const world = build(pair(), address('a', '10.9.0.9/24'))
  build(world, {
    do: 'rule.add',
    netns: 'a',
    family: 4,
    priority: 5,
    from: parsePrefix('10.9.0.9/32'),
    table: 100,
  })
  build(world, route('a', '10.77.0.0/16', { type: 'prohibit', table: 100 }))
  build(world, route('a', '10.9.0.0/24', { type: 'throw', table: 100 }))
  const from = (source: string, to: string) =>
    words(ping(world, 'a', to, { source: parseIp(source) }))
  expect(from('10.9.0.9', '10.77.0.1')).toBe('EACCES')
  expect(from('10.9.0.1', '10.77.0.1')).toBe('ENETUNREACH')
  expect(from('10.9.0.9', '10.9.0.2')).toBe('reply ttl=64')
})

test('source address: the primary in the gateway subnet, or one of another link', () => {
  const world = routed()
  build(world, address('h1', '10.1.0.3/24'))
  const ns = netnsIp(deviceOf(world, 'h1').netns)
  const out = routeOutput4(ns, parseIp('10.2.0.2') as number, 0, undefined)
  expect(typeof out === 'string' ? out : out.source).toBe(parseIp('10.1.0.2'))
  expect(selectAddress4(ns, ns.lo, 0, 0)).toBe(parseIp('10.1.0.2'))
})

test('IPv6 source address: same scope and longest common prefix, newest of equals', () => {
  const world = build(
    pair(),
    address('a', 'fd00:5::1/64', { nodad: true }),
    address('a', 'fd00::9/64', { nodad: true }),
  )
  const ns = netnsIp(deviceOf(world, 'a').netns)
  const source = (to: string) => {
    const out = routeOutput6(ns, parseIp(to) as bigint, 0n, undefined)
    return typeof out === 'string' ? out : out.source
  }
  expect(source('fd00:5::7')).toBe(parseIp('fd00:5::1'))
  expect(source('fd00::7')).toBe(parseIp('fd00::9'))
})

test('an IPv4 route may go by an IPv6 gateway', () => {
  const world = pair()
  build(world, { ...address('b', '10.80.0.1/32'), link: 'lo' } as Op)
  build(world, route('a', '10.80.0.0/16', { via: parseIp('fd00::2'), link: 'e0' }))
  // the packet's own source is no IPv6 address: asking takes the link-local one, past its DAD
  pass(world, 3)
  expect(words(ping(world, 'a', '10.80.0.1'))).toBe('reply ttl=64')
  expect(said(apply(world, route('a', '10.81.0.0/16', { via: parseIp('fd77::2') })))).toMatch(
    /^EHOSTUNREACH/,
  )
})
