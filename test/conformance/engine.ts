/** Networks on one host: what the engine promises, on every fabric. */
import { expect } from 'vitest'
import { HOST_MAC, PEER_MAC } from '../engine/world.ts'
import { formatMac } from '../../src/addr/mac.ts'
import { decodeFrame, encodeFrame } from '../../src/wire/codec.ts'
import { makeArp } from '../../src/wire/make.ts'
import { LAN4, LAN6 } from '../lan.ts'
import { engines } from './engine-case.ts'

engines(
  'two sandboxes reach each other, gateway, peer and host, and are reached',
  async (world) => {
    await world.sandboxes('a', 'b')
    const engine = await world.open()
    await engine.createNetwork(world.network())
    const a = await engine.connect(world.request('a'))
    const b = await engine.connect(world.request('b'))
    const [ipA, ipB] = [a.addresses[0]?.address ?? 0, b.addresses[0]?.address ?? 0]
    expect(ipA).not.toBe(ipB)
    await engine.idle()
    for (const to of [ipB, LAN4 + 1, LAN4 + 2, LAN4 + 9]) expect(await world.ping('a', to)).toBe(64)
    for (const from of ['host', 'peer', 'gw', 'b']) expect(await world.ping(from, ipA)).toBe(64)
    expect(world.events.filter((event) => event.what === 'drift')).toEqual([])
    expect(await engine.status()).toEqual([])
  },
)

engines('the same in IPv6, host included', async (world) => {
  await world.sandboxes('a', 'b')
  const engine = await world.open()
  await engine.createNetwork(world.dual())
  const a = await engine.connect(world.request('a'))
  const b = await engine.connect(world.request('b'))
  const [six, other] = [a.addresses[1]?.address ?? 0n, b.addresses[1]?.address ?? 0n]
  await world.settle('host', 'a', 'b')
  await engine.idle()
  for (const to of [other, LAN6 + 1n, LAN6 + 9n]) expect(await world.ping('a', to)).toBe(64)
  for (const from of ['host', 'peer']) expect(await world.ping(from, six)).toBe(64)
  // Its knowledge of the host is permanent: a flush of the tables leaves it.
  expect(await world.ping('a', LAN6 + 2n)).toBe(64)
  expect(world.events.filter((event) => event.what === 'drift')).toEqual([])
})

engines('host access takes no address, and the LAN sees one MAC of the host', async (world) => {
  await world.sandboxes('a')
  const engine = await world.open()
  await engine.createNetwork(world.network())
  const before = (await world.snapshot('host')).addresses.filter((a) => a.scope === 'global')
  const a = await engine.connect(world.request('a'))
  await engine.idle()
  const after = (await world.snapshot('host')).addresses.filter((one) => one.scope === 'global')
  expect(after).toEqual(before)
  expect(await world.ping('host', a.addresses[0]?.address ?? 0)).toBe(64)
  const heard: number[] = []
  const port = await world.fabric.openPort(
    world.ns('peer'),
    'eth0',
    ({ bytes }) => {
      const packet = decodeFrame(bytes)?.packet
      if (packet?.kind === 'arp' && packet.operation === 2) heard.push(packet.senderMac)
    },
    { etherType: 0x0806 },
  )
  for (let i = 0; i < 10; i++) {
    const ask = makeArp(0xffffffffffff, PEER_MAC, 1, PEER_MAC, LAN4 + 9, 0, LAN4 + 2)
    port.send(encodeFrame(ask))
    await world.fabric.clock.sleep(30)
  }
  port.close()
  expect(heard.length).toBeGreaterThanOrEqual(10)
  expect([...new Set(heard)].map(formatMac)).toEqual([formatMac(HOST_MAC)])
})

engines(
  'an address that a foreign host has is refused with its MAC, and never drawn',
  async (world) => {
    await world.sandboxes('a', 'b')
    const engine = await world.open()
    const pools = world.network().pools.map((pool) => ({
      ...pool,
      range: { first: LAN4 + 9, last: LAN4 + 12 },
    }))
    await engine.createNetwork(world.network({ pools }))
    const wish = world.request('a', { addresses: [LAN4 + 9] })
    await expect(engine.connect(wish)).rejects.toMatchObject({
      code: 'address-on-lan',
      detail: { mac: formatMac(PEER_MAC), address: '10.9.0.9' },
    })
    expect(await engine.leases()).not.toContainEqual(expect.objectContaining({ kind: 'endpoint' }))
    const b = await engine.connect(world.request('b'))
    expect(b.addresses[0]?.address).toBe(LAN4 + 10)
    expect((await engine.whoHas(LAN4 + 9)).answeredBy).toBe(PEER_MAC)
    const mine = engine.connect(world.request('a', { addresses: [LAN4 + 2] }))
    await expect(mine).rejects.toMatchObject({ code: 'address-of-host' })
  },
)

engines('an address whose former link still answers is waited for', async (world) => {
  await world.sandboxes('a', 'b', 'ghost')
  const engine = await world.open()
  await engine.createNetwork(world.network())
  const { mac, addresses } = await engine.connect(world.request('a'))
  const [held = { address: 0, length: 24 }] = addresses
  await engine.disconnect('lan', 'a')
  // As a namespace that ended while a process was still in it.
  const netns = world.ns('ghost')
  const spec = { kind: 'macvlan', parent: 'eth0', macvlan: { mode: 'bridge' } } as const
  await world.fabric.apply([
    { do: 'link.add', netns, name: 'm0', parentNetns: world.host, address: mac, spec },
    { do: 'address.add', netns, link: 'm0', address: held },
    { do: 'link.set', netns, name: 'm0', up: true },
  ])
  await world.settle('ghost')
  const wish = world.request('b', { addresses: [held.address] })
  await expect(engine.connect(wish)).rejects.toMatchObject({
    code: 'address-lingers',
    detail: { mac: formatMac(mac), holder: 'endpoint "a"' },
  })
  const [later] = await Promise.all([
    engine.connect(wish),
    world.fabric.clock
      .sleep(400)
      .then(() => world.fabric.apply([{ do: 'link.del', netns, name: 'm0' }])),
  ])
  expect(later.addresses).toEqual([held])
  expect(world.events.filter((event) => event.what === 'conflict')).toEqual([])
})

engines('the same request twice at once is answered the same, once done', async (world) => {
  await world.sandboxes('a')
  const engine = await world.open()
  const spec = world.network()
  const [one, two] = await Promise.all([engine.createNetwork(spec), engine.createNetwork(spec)])
  expect(two).toEqual(one)
  const [first, second] = await Promise.all([
    engine.connect(world.request('a')),
    engine.connect(world.request('a')),
  ])
  expect(second).toEqual(first)
  expect((await world.snapshot('a')).links.map((link) => link.name)).toEqual(['lo', 'eth0'])
  await Promise.all([engine.disconnect('lan', 'a'), engine.disconnect('lan', 'a')])
  await engine.disconnect('lan', 'a')
  expect((await world.snapshot('a')).links.map((link) => link.name)).toEqual(['lo'])
  await engine.removeNetwork('lan')
  const links = (await world.snapshot('host')).links.map((link) => link.name)
  expect(links).toEqual(['lo', 'eth0'])
})

engines('MAC and address stay with the name', async (world) => {
  await world.sandboxes('a', 'b')
  const engine = await world.open()
  await engine.createNetwork(world.network())
  const first = await engine.connect(world.request('a'))
  await engine.disconnect('lan', 'a')
  const again = await engine.connect(world.request('a'))
  expect(world.events.filter((event) => event.what === 'conflict')).toEqual([])
  expect(again.mac).toBe(first.mac)
  expect(again.addresses).toEqual(first.addresses)
})

engines('a parent deleted under endpoints and brought back is healed', async (world) => {
  await world.sandboxes('a')
  const engine = await world.open()
  await engine.createNetwork(world.network())
  const a = await engine.connect(world.request('a'))
  const ip = a.addresses[0]?.address ?? 0
  await engine.idle()
  await world.fabric.apply([{ do: 'link.del', netns: world.host, name: 'eth0' }])
  await world.waitFor(() => world.events.some((event) => event.what === 'parent-lost'))
  await engine.idle()
  expect((await world.snapshot('a')).links.map((link) => link.name)).toEqual(['lo'])
  expect((await engine.status())[0]?.what).toContain('parent eth0 is missing')
  await world.plugIn(engine)
  await world.settle('sw', 'host', 'a')
  expect(await engine.reconcile()).toEqual([])
  for (const from of ['host', 'peer']) expect(await world.ping(from, ip)).toBe(64)
})

engines('a parent that was renamed is found by its MAC', async (world) => {
  await world.sandboxes('a')
  const engine = await world.open()
  await engine.createNetwork(world.network())
  const a = await engine.connect(world.request('a'))
  await engine.close()
  await world.fabric.apply([
    { do: 'link.set', netns: world.host, name: 'eth0', up: false },
    { do: 'link.set', netns: world.host, name: 'eth0', newName: 'lan0' },
    { do: 'link.set', netns: world.host, name: 'lan0', up: true },
  ])
  await world.settle('host', 'a')
  const second = await world.open()
  expect((await second.network('lan')).parentLink).toBe('lan0')
  expect(await second.status()).toEqual([])
  await second.idle()
  expect(await world.ping('host', a.addresses[0]?.address ?? 0)).toBe(64)
})

engines('after a reboot an endpoint is back as soon as its sandbox is', async (world) => {
  await world.sandboxes('a')
  const engine = await world.open()
  await engine.createNetwork(world.network())
  const before = await engine.connect(world.request('a'))
  await engine.close()
  await world.fabric.apply([
    { do: 'netns.del', netns: world.ns('a') },
    { do: 'link.del', netns: world.host, name: 'ly-eth0' },
  ])
  const second = await world.open()
  expect((await second.status()).map((drift) => drift.what)).toEqual([
    `its sandbox ${world.ns('a')} is gone; its addresses are kept`,
  ])
  await world.sandboxes('a')
  expect(await second.reconcile()).toEqual([])
  expect((await second.endpoints())[0]).toEqual(before)
  await second.idle()
  expect(await world.ping('peer', before.addresses[0]?.address ?? 0)).toBe(64)
})

engines('passthru has its parent alone', async (world) => {
  const engine = await world.open()
  await engine.createNetwork(world.network())
  const wish = world.network({ name: 'alone', macvlanMode: 'passthru', hostAccess: false })
  await expect(engine.createNetwork(wish)).rejects.toMatchObject({
    code: 'parent-in-use',
    message: expect.stringContaining('macvlan network lan is already using parent') as string,
  })
  await engine.removeNetwork('lan')
  await engine.createNetwork(wish)
  const other = engine.createNetwork(world.network())
  await expect(other).rejects.toMatchObject({ code: 'parent-in-use' })
})

engines('one default route, by priority; the next takes over', async (world) => {
  await world.sandboxes('a')
  const engine = await world.open()
  await engine.createNetwork(world.network())
  const pools = [{ subnet: { address: 0x0a140000, length: 24 }, gateway: 0x0a140001, exclude: [] }]
  await engine.createNetwork(world.network({ name: 'two', pools }))
  const sandbox = world.ns('a')
  const defaults = async () =>
    (await world.snapshot('a')).routes.filter((route) => route.to.length === 0).map((r) => r.link)
  await engine.connect({ network: 'two', endpoint: 'a', sandbox })
  expect(await defaults()).toEqual(['eth0'])
  await engine.connect({ network: 'lan', endpoint: 'a', sandbox, gatewayPriority: 5 })
  expect(await defaults()).toEqual(['eth1'])
  await engine.disconnect('lan', 'a')
  expect(await defaults()).toEqual(['eth0'])
})
