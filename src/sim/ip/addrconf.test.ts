import { expect, test } from 'vitest'
import {
  address,
  build,
  cable,
  capture,
  deviceOf,
  netns,
  pass,
  ping,
  sysctl,
  up,
  words,
} from '../../../test/sim/ip-world.ts'
import { eui64Of, linkLocalOf } from '../../addr/eui64.ts'
import { formatIp, parseIp } from '../../addr/ip.ts'
import { ETH_IP6, type Frame, type NdMessage } from '../../wire/frame.ts'
import { makeFrame, makeIp6, makeNs } from '../../wire/make.ts'
import { receive } from '../core.ts'
import type { World } from '../model.ts'
import { createWorld } from '../world.ts'
import { listAddresses, listRoutes } from './snapshot.ts'

/** Two namespaces on a cable, b up already. */
function cabled(): World {
  return build(createWorld(), netns('a'), netns('b'), cable('a', 'b'), up('b'))
}

const held = (world: World, where: string) =>
  listAddresses(deviceOf(world, where)).map((a) => {
    const flags = [a.tentative ? 'tentative' : '', a.dadFailed ? 'dadfailed' : '']
    const length = a.address.length
    return [`${formatIp(a.address.address)}/${length}`, ...flags.filter(Boolean)].join(' ')
  })

/** What an IPv6 frame says: `SOURCE > DESTINATION kind`. */
function sentence(frame: Frame): string {
  const p = frame.packet
  if (p.kind !== 'ip6') return p.kind
  const kind = p.payload.kind === 'nd' ? `nd ${p.payload.type}` : p.payload.kind
  return `${formatIp(p.src)} > ${formatIp(p.dst)} ${kind}`
}

test('link up: MLD reports from ::, DAD within a second, then the address, reports, RS', () => {
  const world = cabled()
  const dev = deviceOf(world, 'a')
  const own = linkLocalOf(dev.mac)
  const seen = capture(world, dev, () => {
    build(world, up('a'))
    expect(held(world, 'a')).toEqual([`${formatIp(own)}/64 tentative`])
    pass(world, 7)
  }).map(({ t, frame }) => ({ t, what: sentence(frame) }))
  const ns = seen.findIndex((f) => f.what.endsWith('nd 135'))
  expect(seen.slice(0, ns).every((f) => f.what === ':: > ff02::16 mld')).toBe(true)
  expect(seen[ns]?.what.startsWith(':: > ff02::1:ff')).toBe(true)
  expect(seen[ns]?.t).toBeLessThanOrEqual(1)
  const done = seen.findIndex((f) => f.what === `${formatIp(own)} > ff02::2 nd 133`)
  expect((seen[done]?.t ?? 0) - (seen[ns]?.t ?? 0)).toBeCloseTo(1, 3)
  const again = seen.slice(done + 1).find((f) => f.what.endsWith('nd 133'))
  expect((again?.t ?? 0) - (seen[done]?.t ?? 0)).toBeGreaterThan(3.5)
  expect(seen.filter((f) => f.what === `${formatIp(own)} > ff02::16 mld`).length).toBe(2)
  expect(held(world, 'a')).toEqual([`${formatIp(own)}/64`])
})

test('no carrier: addresses stay tentative until it comes', () => {
  const world = build(createWorld(), netns('a'), netns('b'), cable('a', 'b'), up('a'))
  build(world, address('a', 'fd00::1/64'))
  pass(world, 5)
  expect(held(world, 'a')).toEqual(['fd00::1/64 tentative'])
  build(world, up('b'))
  pass(world, 3)
  expect(held(world, 'a')).toContain('fd00::1/64')
})

test('DAD: the second of two equal addresses fails and does not answer for it', () => {
  const world = build(cabled(), up('a'), address('b', 'fd00::1/64', { nodad: true }))
  build(world, address('a', 'fd00::1/64'), address('a', 'fd00::a/64', { nodad: true }))
  pass(world, 3)
  expect(held(world, 'a')).toContain('fd00::1/64 tentative dadfailed')
  expect(words(ping(world, 'b', 'fd00::a'))).toBe('reply ttl=64')
})

test('enhanced DAD: the own solicitation coming back is no conflict', () => {
  const world = build(cabled(), up('a'), address('a', 'fd00::1/64'))
  const dev = deviceOf(world, 'a')
  const seen = capture(world, dev, () => pass(world, 1.01))
  const ns = seen.find(({ frame: { packet: p } }) => {
    return p.kind === 'ip6' && p.payload.kind === 'nd' && p.payload.target === parseIp('fd00::1')
  })
  if (ns === undefined) throw new Error('no NS')
  receive(world, dev, ns.frame, 2)
  pass(world, 2)
  expect(held(world, 'a')).toContain('fd00::1/64')
})

test('a foreign DAD probe for a tentative address makes it fail', () => {
  const world = build(cabled(), up('a'), address('a', 'fd00::1/64'))
  const target = parseIp('fd00::1') as bigint
  const packet = makeNs(0n, parseIp('ff02::1:ff00:1') as bigint, target, undefined, 12345)
  receive(
    world,
    deviceOf(world, 'a'),
    makeFrame(0x3333ff000001, 0x02aa, ETH_IP6, packet, packet.length),
    2,
  )
  pass(world, 3)
  expect(held(world, 'a')).toContain('fd00::1/64 tentative dadfailed')
})

test('down takes IPv6 addresses and routes; keep_addr_on_down keeps the global ones', () => {
  const world = build(cabled(), up('a'), address('a', 'fd00::1/64', { nodad: true }))
  pass(world, 3)
  build(world, up('a', 'e0', false))
  expect(held(world, 'a')).toEqual([])
  expect(listRoutes(deviceOf(world, 'a').netns)).toEqual([])
  sysctl(world, 'a', 'net.ipv6.conf.e0.keep_addr_on_down', 1)
  build(world, up('a'), address('a', 'fd00::1/64', { nodad: true }), up('a', 'e0', false))
  expect(held(world, 'a')).toEqual(['fd00::1/64'])
})

function advertise(world: World, lifetime: number): void {
  const message: NdMessage = {
    kind: 'nd',
    type: 134,
    target: 0n,
    destination: 0n,
    linkAddress: 0x020000000001,
    router: false,
    solicited: false,
    override: false,
    nonce: undefined,
    advert: {
      hopLimit: 64,
      managed: false,
      other: false,
      lifetime,
      mtu: undefined,
      prefixes: [
        {
          prefix: parseIp('fd07::') as bigint,
          length: 64,
          onLink: true,
          autonomous: true,
          validLifetime: 100,
          preferredLifetime: 50,
        },
      ],
    },
  }
  const packet = makeIp6(
    parseIp('fe80::1') as bigint,
    parseIp('ff02::1') as bigint,
    255,
    58,
    message,
    56,
  )
  const frame = makeFrame(0x333300000001, 0x020000000001, ETH_IP6, packet, packet.length)
  receive(world, deviceOf(world, 'a'), frame, 2)
}

test('a router advertisement gives a default route and an address; both end in time', () => {
  const world = build(cabled(), up('a'))
  pass(world, 3)
  advertise(world, 30)
  pass(world, 3)
  const own = formatIp((parseIp('fd07::') as bigint) | eui64Of(deviceOf(world, 'a').mac))
  expect(held(world, 'a')).toContain(`${own}/64`)
  const defaults = () => listRoutes(deviceOf(world, 'a').netns).filter((r) => r.to.length === 0)
  expect(defaults().map((r) => [r.protocol, r.via])).toEqual([['ra', parseIp('fe80::1')]])
  pass(world, 30)
  expect(defaults()).toEqual([])
  pass(world, 70)
  expect(held(world, 'a')).not.toContain(`${own}/64`)
})

test('a router does not take advertisements, unless accept_ra is 2', () => {
  const world = build(cabled(), up('a'))
  sysctl(world, 'a', 'net.ipv6.conf.all.forwarding', 1)
  pass(world, 3)
  advertise(world, 30)
  expect(listRoutes(deviceOf(world, 'a').netns).filter((r) => r.protocol === 'ra')).toEqual([])
  sysctl(world, 'a', 'net.ipv6.conf.e0.accept_ra', 2)
  advertise(world, 30)
  expect(listRoutes(deviceOf(world, 'a').netns).filter((r) => r.protocol === 'ra').length).toBe(1)
})

test('all nodes answer a ping to ff02::1', () => {
  const world = build(cabled(), up('a'))
  pass(world, 3)
  expect(words(ping(world, 'a', 'ff02::1', { link: 'e0' }))).toBe('reply ttl=64')
})
