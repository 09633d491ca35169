import { expect, test } from 'vitest'
import {
  address,
  build,
  capture,
  deviceOf,
  netns,
  pair,
  pass,
  ping,
  sysctl,
  up,
  words,
} from '../../../test/sim/ip-world.ts'
import { parseIp } from '../../addr/ip.ts'
import { makeArp } from '../../wire/make.ts'
import { receive } from '../core.ts'
import type { World } from '../model.ts'
import { createWorld } from '../world.ts'
import { findNeighbour } from './neighbour.ts'
import { runProbes } from './probe.ts'
import { NUD_DELAY, NUD_FAILED, NUD_PROBE, NUD_REACHABLE, NUD_STALE } from './state.ts'

const entry = (world: World, where: string, ip: string) =>
  findNeighbour(deviceOf(world, where), parseIp(ip))
const add = (where: string, ip: string, mac: number, state: 'stale' | 'permanent') => ({
  do: 'neighbour.replace' as const,
  netns: where,
  link: 'e0',
  ip: parseIp(ip),
  mac,
  state,
})

test('a silent address is asked for three times, a second apart, then the own host says so', () => {
  const world = pair()
  const dev = deviceOf(world, 'a')
  let result = ''
  const frames = capture(world, dev, () => {
    result = words(ping(world, 'a', '10.9.0.77', { timeoutMs: 5000 }))
  }).filter((f) => f.frame.packet.kind === 'arp')
  expect(frames.map((f) => f.frame.dst)).toEqual([0xffffffffffff, 0xffffffffffff, 0xffffffffffff])
  const times = frames.map((f) => f.t)
  expect(times[0]).toBeCloseTo(0, 2)
  expect(Math.abs((times[1] ?? 0) - 1.02)).toBeLessThan(0.06)
  expect(Math.abs((times[2] ?? 0) - 2.04)).toBeLessThan(0.06)
  expect(result).toBe('icmp 3/1')
  expect(entry(world, 'a', '10.9.0.77')?.state).toBe(NUD_FAILED)
})

test('without lo nobody hears that a neighbour failed', () => {
  const world = build(pair(), up('a', 'lo', false))
  expect(words(ping(world, 'a', '10.9.0.77', { timeoutMs: 5000 }))).toBe('timeout')
  expect(words(ping(world, 'a', '10.9.0.1'))).toBe('timeout')
})

test('a ping makes the target reachable here and the asker known there', () => {
  const world = pair()
  expect(words(ping(world, 'a', '10.9.0.2'))).toBe('reply ttl=64')
  expect(entry(world, 'a', '10.9.0.2')?.state).toBe(NUD_REACHABLE)
  expect(entry(world, 'b', '10.9.0.1')?.state).toBe(NUD_DELAY)
  const seen = capture(world, deviceOf(world, 'b'), () => pass(world, 6))
  const probe = seen.find((f) => f.frame.packet.kind === 'arp')
  expect(probe?.frame.dst).toBe(deviceOf(world, 'a').mac)
  expect(probe?.t).toBeGreaterThan(5)
  expect(entry(world, 'b', '10.9.0.1')?.state).toBe(NUD_REACHABLE)
  pass(world, 50)
  expect(entry(world, 'a', '10.9.0.2')?.state).toBe(NUD_STALE)
})

test('a stale neighbour that vanished: 5 s of blind sending, 3 unicast probes, failure', () => {
  const world = pair()
  build(world, add('a', '10.9.0.66', 0x020000000066, 'stale'))
  ping(world, 'a', '10.9.0.66', { timeoutMs: 1 })
  expect(entry(world, 'a', '10.9.0.66')?.state).toBe(NUD_DELAY)
  const asked = capture(world, deviceOf(world, 'a'), () => pass(world, 7.4))
  expect(entry(world, 'a', '10.9.0.66')?.state).toBe(NUD_PROBE)
  const arps = asked.filter((f) => f.frame.packet.kind === 'arp')
  expect(arps.map((f) => f.frame.dst)).toEqual(arps.map(() => 0x020000000066))
  pass(world, 2)
  expect(entry(world, 'a', '10.9.0.66')?.state).toBe(NUD_FAILED)
})

test('gratuitous ARP: not believed of strangers, updates the known; arp_accept changes that', () => {
  const world = pair()
  const dev = deviceOf(world, 'b')
  const say = (mac: number) => {
    const ip = parseIp('10.9.0.50') as number
    receive(world, dev, makeArp(0xffffffffffff, mac, 1, mac, ip, 0, ip), 1)
  }
  say(0x020000000050)
  expect(entry(world, 'b', '10.9.0.50')).toBeUndefined()
  sysctl(world, 'b', 'net.ipv4.conf.e0.arp_accept', 1)
  say(0x020000000050)
  expect(entry(world, 'b', '10.9.0.50')?.state).toBe(NUD_STALE)
  say(0x020000000051)
  expect(entry(world, 'b', '10.9.0.50')?.mac).toBe(0x020000000051)
})

test('a second reply within the locktime of a second does not take the entry over', () => {
  const world = pair()
  ping(world, 'a', '10.9.0.2')
  const dev = deviceOf(world, 'a')
  const reply = (mac: number) => {
    const [from, to] = [parseIp('10.9.0.2') as number, parseIp('10.9.0.1') as number]
    receive(world, dev, makeArp(dev.mac, mac, 2, mac, from, dev.mac, to), 0)
  }
  const first = entry(world, 'a', '10.9.0.2')?.mac
  reply(0x0200000000ff)
  expect(entry(world, 'a', '10.9.0.2')?.mac).toBe(first)
  pass(world, 1.1)
  reply(0x0200000000ff)
  expect(entry(world, 'a', '10.9.0.2')?.mac).toBe(0x0200000000ff)
})

test('arp_ignore: 0 answers for any address, 1 for those of the link, 8 never', () => {
  const world = build(pair(), { ...address('b', '10.9.0.77/32'), link: 'lo' } as never)
  const arp = (ip: string) =>
    runProbes(world, [
      { protocol: 'arp', from: 'a', link: 'e0', to: parseIp(ip), source: parseIp('10.9.0.1') },
    ])[0]?.outcome
  expect([arp('10.9.0.77'), arp('10.9.0.2')]).toEqual(['reply', 'reply'])
  sysctl(world, 'b', 'net.ipv4.conf.all.arp_ignore', 1)
  expect([arp('10.9.0.77'), arp('10.9.0.2')]).toEqual(['timeout', 'reply'])
  sysctl(world, 'b', 'net.ipv4.conf.e0.arp_ignore', 8)
  expect([arp('10.9.0.77'), arp('10.9.0.2')]).toEqual(['timeout', 'timeout'])
})

test('arp_notify: one request about itself at link up and MAC change, none for a new address', () => {
  const world = pair()
  sysctl(world, 'a', 'net.ipv4.conf.e0.arp_notify', 1)
  const dev = deviceOf(world, 'a')
  const arps = (action: () => void) =>
    capture(world, dev, action).filter((f) => f.frame.packet.kind === 'arp').length
  expect(arps(() => build(world, up('a', 'e0', false), up('a')))).toBe(1)
  expect(
    arps(() => build(world, { do: 'link.set', netns: 'a', name: 'e0', address: 0x02aa })),
  ).toBe(1)
  expect(arps(() => build(world, address('a', '10.9.0.9/24')))).toBe(0)
})

test('carrier loss forgets neighbours, but not permanent ones; down forgets all', () => {
  const world = pair()
  ping(world, 'a', '10.9.0.2')
  build(world, add('a', '10.9.0.9', 0x020000000009, 'permanent'))
  build(world, up('b', 'e0', false))
  expect(entry(world, 'a', '10.9.0.2')).toBeUndefined()
  expect(entry(world, 'a', '10.9.0.9')).toBeDefined()
  build(world, up('a', 'e0', false))
  expect(entry(world, 'a', '10.9.0.9')).toBeUndefined()
})

test('too many packets for a silent neighbour push the oldest out', () => {
  const world = pair()
  const probes = Array.from({ length: 400 }, () => ({
    protocol: 'icmp' as const,
    from: 'a',
    to: parseIp('10.9.0.77'),
    timeoutMs: 5000,
  }))
  const results = runProbes(world, probes)
  expect(results.filter((r) => r.outcome === 'timeout').length).toBeGreaterThan(100)
  expect(results.at(-1)?.outcome).toBe('icmp-error')
})

test('a world without addresses has no ARP to answer', () => {
  const world = build(createWorld(), netns('a'))
  expect(words(ping(world, 'a', '10.9.0.1'))).toBe('ENETUNREACH')
})

test('a neighbour forgotten leaves its timer, others of the same tick keep theirs', () => {
  const world = pair()
  ping(world, 'a', '10.9.0.2')
  const mine = entry(world, 'a', '10.9.0.2')
  const theirs = entry(world, 'b', '10.9.0.1')
  expect([mine?.tick, theirs?.tick].includes(undefined)).toBe(false)
  build(world, { do: 'neighbour.flush', netns: 'a', link: 'e0' })
  expect([mine?.tick, mine?.timerAt, mine?.before, mine?.after]).toEqual([
    undefined,
    0,
    undefined,
    undefined,
  ])
  expect(theirs?.state).toBe(NUD_DELAY)
  pass(world, 6000)
  expect(theirs?.state).toBe(NUD_STALE)
})
