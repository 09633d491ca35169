import { expect, test } from 'vitest'
import { apply, build, cable, deviceOf, netns, pair, sysctl } from '../../../test/sim/ip-world.ts'
import { createWorld } from '../world.ts'
import { readSysctl } from './sysctl.ts'
import type { World } from '../model.ts'
import type { Netns } from '../model.ts'

const read = (world: World, where: string, key: string) =>
  readSysctl(world.netns.get(where) as Netns, key)

test('sysctl.set: an unknown key is ENOENT, a bad value EINVAL, a number out of bounds too', () => {
  const world = pair()
  const set = (key: string, value: string) =>
    apply(world, { do: 'sysctl.set', netns: 'a', key, value })?.errno
  expect(set('net.ipv4.conf.e0.nonsense', '1')).toBe('ENOENT')
  expect(set('net.ipv4.conf.nope.rp_filter', '1')).toBe('ENOENT')
  expect(set('kernel.panic', '1')).toBe('ENOENT')
  expect(set('net.ipv4.conf.e0.rp_filter', 'abc')).toBe('EINVAL')
  expect(set('net.ipv4.ip_default_ttl', '0')).toBe('EINVAL')
  expect(set('net.ipv4.ip_default_ttl', '256')).toBe('EINVAL')
  expect(set('net.ipv4.icmp_echo_ignore_broadcasts', '2')).toBe('EINVAL')
  expect(set('net.ipv4.conf.e0.rp_filter', '7')).toBeUndefined()
  expect(read(world, 'a', 'net.ipv4.conf.e0.rp_filter')).toBe('7')
})

test('sysctl: default reaches links it was not set for, and new links', () => {
  const world = build(createWorld(), netns('a'), cable('a', 'a', 'e0', 'e1'))
  sysctl(world, 'a', 'net.ipv4.conf.e0.rp_filter', 1)
  sysctl(world, 'a', 'net.ipv4.conf.default.rp_filter', 2)
  build(world, cable('a', 'a', 'e2', 'e3'))
  const links = ['e0', 'e1', 'e2'].map((l) => read(world, 'a', `net.ipv4.conf.${l}.rp_filter`))
  expect(links).toEqual(['1', '2', '2'])
})

test('sysctl: ip_forward is all.forwarding, sets every link and turns accept_redirects round', () => {
  const world = pair()
  sysctl(world, 'a', 'net.ipv4.ip_forward', 1)
  expect(read(world, 'a', 'net.ipv4.conf.all.forwarding')).toBe('1')
  expect(read(world, 'a', 'net.ipv4.conf.e0.forwarding')).toBe('1')
  expect(read(world, 'a', 'net.ipv4.conf.default.forwarding')).toBe('1')
  expect(read(world, 'a', 'net.ipv4.conf.all.accept_redirects')).toBe('0')
})

test('sysctl: a new namespace takes IPv4 values of the initial one, IPv6 as built in', () => {
  const world = createWorld()
  sysctl(world, '', 'net.ipv4.ip_forward', 1)
  sysctl(world, '', 'net.ipv6.conf.all.forwarding', 1)
  build(world, netns('a'))
  expect(read(world, 'a', 'net.ipv4.ip_forward')).toBe('1')
  expect(read(world, 'a', 'net.ipv6.conf.all.forwarding')).toBe('0')
  expect(read(world, 'a', 'net.ipv6.conf.lo.accept_dad')).toBe('-1')
})

test('sysctl: a dot inside a link name is written as a slash', () => {
  const world = build(createWorld(), netns('a'), cable('a', 'a', 'e0.5', 'e1'))
  sysctl(world, 'a', 'net.ipv4.conf.e0/5.arp_ignore', 1)
  expect(read(world, 'a', 'net/ipv4/conf/e0.5/arp_ignore')).toBe('1')
})

test('sysctl: disable_ipv6 takes the addresses of a link, enabling brings the link-local one', () => {
  const world = pair()
  const held = () =>
    (deviceOf(world, 'a').ip as { addresses6: { scope: number }[] }).addresses6.length
  expect(held()).toBe(2)
  sysctl(world, 'a', 'net.ipv6.conf.all.disable_ipv6', 1)
  expect(held()).toBe(0)
  sysctl(world, 'a', 'net.ipv6.conf.e0.disable_ipv6', 0)
  expect(held()).toBe(1)
})
