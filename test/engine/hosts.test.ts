/** Two hosts of one LAN on one store: networks, leases, conflicts, and a store that goes away. */
import { expect } from 'vitest'
import { formatIp } from '../../src/addr/ip.ts'
import { openMemoryStore } from '../../src/store/memory.ts'
import { isUp, onHosts, refusal } from './on-hosts.ts'

onHosts(
  'a network made on one host is joined on the other by connecting',
  async ({ world, a, b }) => {
    await a.createNetwork(world.network())
    const one = await a.connect(world.request('a'))
    const two = await b.connect(world.request('b'))
    expect(one.addresses).not.toEqual(two.addresses)
    expect(await world.ping('a', two.addresses[0]?.address ?? 0)).toBe(64)
    expect((await a.endpoints()).map((e) => e.name)).toEqual(['a'])
    expect((await b.endpoints()).map((e) => e.name)).toEqual(['b'])
    const leases = (await a.leases()).map((l) => `${l.holder} on ${l.host}`)
    expect(leases.toSorted()).toEqual(['a on alpha', 'b on beta'])
    expect(await a.status()).toEqual([])
    expect(await b.status()).toEqual([])
    expect(await a.reconcile()).toEqual([])
    expect(await world.ping('a', two.addresses[0]?.address ?? 0)).toBe(64)
  },
)

onHosts('of two that make one network at once the second joins what is there', async (hosts) => {
  const { world, open, b } = hosts
  let made = false
  const at = async (step: string): Promise<void> => {
    if (step !== 'create:3-links' || made) return
    made = true
    await b.createNetwork(world.network())
  }
  const a = await open('host', {}, { faults: { at } })
  await a.createNetwork(world.network())
  expect((await a.network('lan')).id).toBe((await b.network('lan')).id)
  const one = await a.connect(world.request('a'))
  const two = await b.connect(world.request('b'))
  expect(one.addresses).not.toEqual(two.addresses)
  expect(await a.status()).toEqual([])
})

onHosts('one that fails to make a network leaves the pools to who makes it', async (hosts) => {
  const { world, open, b } = hosts
  const at = async (step: string): Promise<void> => {
    if (step !== 'create:3-links') return
    await b.createNetwork(world.network())
    throw new Error('no')
  }
  const a = await open('host', {}, { faults: { at } })
  expect(await refusal(a.createNetwork(world.network()))).toBe('no')
  expect((await b.connect(world.request('b'))).addresses).toHaveLength(1)
})

onHosts(
  'an address, a name and an endpoint of another host are refused, naming it',
  async (hosts) => {
    const { world, a, b } = hosts
    await a.createNetwork(world.network())
    const one = await a.connect(world.request('a'))
    const ip = one.addresses[0]?.address ?? 0
    expect(await refusal(b.connect(world.request('b', { addresses: [ip] })))).toBe(
      `Address already in use: ${formatIp(ip)} is held by endpoint "a" on host alpha of "lan"`,
    )
    const elsewhere = 'endpoint with name a already exists in network lan: it is on host alpha'
    expect(await refusal(b.connect(world.request('a', { sandbox: 'b' })))).toBe(elsewhere)
    expect(await refusal(b.disconnect('lan', 'a'))).toBe(elsewhere)
    expect(await refusal(b.removeNetwork('lan'))).toContain(
      'has active endpoints (a on host alpha)',
    )
  },
)

onHosts(
  'a network goes with the endpoints of this host, never with those of another',
  async (hosts) => {
    const { world, a, b } = hosts
    await a.createNetwork(world.network())
    await a.connect(world.request('a'))
    await b.connect(world.request('b'))
    const removed = () => a.removeNetwork('lan', { disconnect: true })
    expect(await refusal(removed())).toContain('has active endpoints (b on host beta)')
    await b.disconnect('lan', 'b')
    await removed()
    for (const engine of [a, b]) {
      expect(await engine.networks()).toEqual([])
      expect(await engine.endpoints()).toEqual([])
      expect((await engine.leases()).filter((one) => one.kind !== 'cooldown')).toEqual([])
      await engine.reconcile()
      expect(await engine.status()).toEqual([])
    }
    await a.createNetwork(world.network())
    expect((await a.connect(world.request('a'))).addresses).toHaveLength(1)
  },
)

onHosts(
  'what another host removed leaves no link behind, as soon as the host says it lives',
  async (hosts) => {
    const { world, sim, a, b } = hosts
    const links = async (): Promise<string[]> =>
      ((await sim.snapshot({ netns: ['peer'] })).netns[0]?.links ?? []).map((one) => one.name)
    const before = await links()
    await b.createNetwork(world.network())
    await b.connect(world.request('b'))
    await b.disconnect('lan', 'b')
    expect(await links()).not.toEqual(before)
    await a.removeNetwork('lan')
    await b.beat()
    expect(await links()).toEqual(before)
    expect(await b.status()).toEqual([])
  },
)

onHosts('the parent has another name on the other host', async ({ world, sim, a, b }) => {
  await sim.apply([
    { do: 'link.set', netns: 'peer', name: 'eth0', up: false },
    { do: 'link.set', netns: 'peer', name: 'eth0', newName: 'eno1' },
    { do: 'link.set', netns: 'peer', name: 'eno1', up: true },
  ])
  await a.createNetwork(world.network())
  expect(await refusal(b.connect(world.request('b')))).toBe(
    'network lan hangs on eth0 where it was made, and this host has no such link',
  )
  const here = await b.createNetwork(world.network({ parent: 'eno1' }))
  expect(here).toMatchObject({ parentLink: 'eno1', segment: 'eth0' })
  expect((await a.network('lan')).parentLink).toBe('eth0')
  const [one, two] = [await a.connect(world.request('a')), await b.connect(world.request('b'))]
  expect(one.addresses).not.toEqual(two.addresses)
  // Another network with the same subnet: whether it is the same LAN must be said.
  await sim.apply([
    { do: 'link.add', netns: 'peer', name: 'eth9', spec: { kind: 'dummy' }, up: true },
  ])
  const other = world.network({ name: 'other', parent: 'eth9' })
  expect(await refusal(b.createNetwork(other))).toContain(
    "is network lan's, too, on segment eth0: whether eth9 is on the same LAN cannot be seen",
  )
  const apart = await b.createNetwork({ ...other, segment: 'lab' })
  expect(apart.segment).toBe('lab')
})

onHosts('a parent by MAC', async ({ world, a }) => {
  const mac = (await world.snapshot('host')).links.find((l) => l.name === 'eth0')?.address ?? 0
  const text = mac.toString(16).padStart(12, '0').match(/../g)?.join(':') ?? ''
  const made = await a.createNetwork(world.network({ parent: `mac=${text}` }))
  expect(made.parentLink).toBe('eth0')
  expect(await refusal(a.createNetwork(world.network({ name: 'x', parent: 'label=lan' })))).toBe(
    'no link of this host is meant by parent label=lan',
  )
})

onHosts('a network that another host removed leaves nothing here', async ({ world, a, b }) => {
  await a.createNetwork(world.network())
  await b.connect(world.request('b'))
  await b.disconnect('lan', 'b')
  await a.removeNetwork('lan')
  await b.reconcile()
  const names = (await world.snapshot('peer')).links.map((link) => link.name)
  expect(names).toEqual(['lo', 'eth0'])
  expect(await b.networks()).toEqual([])
})

onHosts('a store that lost everything is told again; who came later stands back', async (hosts) => {
  const { world, memory, a, b, open } = hosts
  await a.createNetwork(world.network({ check: 'never' }))
  const one = await a.connect(world.request('a'))
  await b.connect(world.request('b'))
  await a.close()
  await b.close()
  for (const [key] of [...memory.range('', '\x7f', 1e9)]) memory.remove(key)
  // Beta comes first, and hands out what alpha has: alpha cannot be asked.
  const beta = await open('peer')
  expect((await beta.endpoints()).map((e) => e.name)).toEqual(['b'])
  await beta.connect(world.request('c', { addresses: one.addresses.map((x) => x.address) }))
  const alpha = await open('host')
  expect(await isUp(world, 'a')).toBe(false)
  expect((await alpha.reconcile()).map((drift) => drift.what)).toEqual([
    `its addresses have no lease: Address already in use: ${formatIp(one.addresses[0]?.address ?? 0)} is held by endpoint "c" on host beta of "lan"`,
  ])
  expect(await isUp(world, 'a')).toBe(false)
  expect(await isUp(world, 'c')).toBe(true)
  await beta.disconnect('lan', 'c')
  await alpha.reconcile()
  expect(await isUp(world, 'a')).toBe(true)
})

onHosts(
  'a store put back from a backup knows its hosts, and is told what came after it',
  async (hosts) => {
    const { world, memory, a, b, open } = hosts
    await a.createNetwork(world.network({ check: 'never' }))
    await b.connect(world.request('b'))
    const store = openMemoryStore({ memory })
    const entry = await store.get('host/peer-id')
    const drained = JSON.stringify({ ...(JSON.parse(entry?.value ?? '') as object), drained: true })
    await store.transact({ when: [], then: [{ put: 'host/peer-id', value: drained }] })
    const backup = (await store.range('')).entries
    const later = await a.connect(world.request('a'))
    await a.close()
    await b.close()
    // As `lanyard store restore` does it.
    for (const [key] of [...memory.range('', '\x7f', 1e9)]) memory.remove(key)
    for (const { key, value } of backup)
      if (!key.startsWith('host-epoch/'))
        await store.transact({ when: [], then: [{ put: key, value }] })
    const [alpha, beta] = [await open('host'), await open('peer')]
    expect((await alpha.endpoints()).map((e) => e.name)).toEqual(['a'])
    expect((await beta.endpoints()).map((e) => e.name)).toEqual(['b'])
    const ip = later.addresses[0]?.address ?? 0
    expect(await refusal(alpha.connect(world.request('c', { addresses: [ip] })))).toContain(
      'is held by endpoint "a"',
    )
    expect(await refusal(beta.connect(world.request('d')))).toBe(
      'host beta is drained: it takes no new endpoints',
    )
  },
)

onHosts('a store put back to an older state is told before a host judges by it', async (hosts) => {
  const { world, memory, a, open } = hosts
  await a.createNetwork(world.network({ check: 'never' }))
  await a.idle()
  const old = [...memory.range('', '\x7f', 1e9)]
  const one = await a.connect(world.request('a'))
  await a.idle()
  await a.close()
  // All of it, as a snapshot has it: it knows the host and its boot.
  for (const [key] of [...memory.range('', '\x7f', 1e9)]) memory.remove(key)
  for (const [key, value] of old) memory.put(key, value)
  const alpha = await open('host')
  expect(await alpha.endpoints()).toEqual([one])
  expect(await isUp(world, 'a')).toBe(true)
  expect(world.events.filter((event) => event.detail.includes('belongs to nothing'))).toEqual([])
  expect(await alpha.status()).toEqual([])
})

onHosts(
  'a store put back to an older state is noticed though others wrote more since',
  async (hosts) => {
    const { world, memory, a, b } = hosts
    await a.createNetwork(world.network({ check: 'never' }))
    await b.connect(world.request('b'))
    for (const one of [a, b]) await one.idle()
    const old = [...memory.range('', '\x7f', 1e9)]
    const one = await a.connect(world.request('a'))
    await a.idle()
    for (const [key] of [...memory.range('', '\x7f', 1e9)]) memory.remove(key)
    for (const [key, value] of old) memory.put(key, value)
    const others = openMemoryStore({ memory })
    for (let n = 0; n < 50; n++)
      await others.transact({ when: [], then: [{ put: 'others', value: `${n}` }] })
    await a.beat()
    await a.idle()
    expect(await a.endpoints()).toEqual([one])
    expect(await isUp(world, 'a')).toBe(true)
    const addresses = one.addresses.map((prefix) => prefix.address)
    expect(await refusal(b.connect(world.request('c', { addresses })))).toContain(
      'is held by endpoint "a" on host alpha',
    )
    // Once only: it is as it was.
    const told = world.events.filter(({ detail }) => detail.includes('were said again')).length
    await a.beat()
    expect(world.events.filter(({ detail }) => detail.includes('were said again')).length).toBe(
      told,
    )
    expect([await a.status(), await b.status()]).toEqual([[], []])
  },
)

onHosts('a disconnect while the store is away is told when it is back', async (hosts) => {
  const { world, a, b, cut } = hosts
  await a.createNetwork(world.network({ check: 'never' }))
  const one = await a.connect(world.request('a'))
  await a.idle()
  cut('host', true)
  expect(await refusal(a.connect(world.request('b')))).toContain('does not answer: cut off')
  await a.disconnect('lan', 'a')
  expect((await world.snapshot('a')).links.map((link) => link.name)).toEqual(['lo'])
  // Held until the store has heard of it.
  const ip = one.addresses[0]?.address ?? 0
  expect(await refusal(b.connect(world.request('b', { addresses: [ip] })))).toContain('is held by')
  cut('host', false)
  expect(await a.reconcile()).toEqual([])
  expect(await a.endpoints()).toEqual([])
  await b.connect(world.request('b', { addresses: [ip] }))
  expect(await a.status()).toEqual([])
})

onHosts('a lease without an endpoint is given up by its owner, seen twice', async (hosts) => {
  const { world, memory, a, b } = hosts
  await a.createNetwork(world.network({ check: 'never' }))
  await a.connect(world.request('a'))
  for (const [key] of [...memory.range('', '\x7f', 1e9)])
    if (key === 'eendpoint/lan/a' || key === 'ehere/host-id/lan/a') memory.remove(key)
  await world.fabric.apply([{ do: 'link.del', netns: 'a', name: 'eth0' }])
  const held = async () => (await b.leases()).filter((l) => l.kind === 'endpoint').length
  await b.reconcile()
  await a.reconcile()
  expect(await held()).toBe(1)
  // Beta never does, alpha a minute later.
  await world.fabric.clock.sleep(61_000)
  await b.reconcile()
  expect(await held()).toBe(1)
  await a.reconcile()
  expect(await held()).toBe(0)
})

onHosts(
  'two hosts with one machine-id are refused, and a drained one takes nothing',
  async (hosts) => {
    const { world, memory, a, open } = hosts
    await a.beat()
    const twin = { id: 'host-id', boot: 'boot-2' }
    // Between two looks the other machine has time to say that it lives.
    const clock = { nowNs: () => 0, sleep: () => new Promise<void>((done) => setTimeout(done, 5)) }
    const beating = new AbortController()
    const beats = async (): Promise<void> => {
      while (!beating.signal.aborted) {
        await a.beat()
        await new Promise(setImmediate)
      }
    }
    const all = beats()
    try {
      expect(await refusal(open('peer', twin, { clock }))).toBe(
        'two hosts have the machine-id host-id: this one (beta), and alpha, which is alive',
      )
    } finally {
      beating.abort()
      await all
    }
    await a.createNetwork(world.network())
    const store = openMemoryStore({ memory })
    const entry = await store.get('host/host-id')
    const drained = { ...(JSON.parse(entry?.value ?? '') as object), drained: true }
    await store.transact({
      when: [],
      then: [{ put: 'host/host-id', value: JSON.stringify(drained) }],
    })
    expect(await refusal(a.connect(world.request('a')))).toBe(
      'host alpha is drained: it takes no new endpoints',
    )
    await store.transact({ when: [], then: [{ delete: 'host-epoch/host-id' }] })
    expect(await refusal(a.connect(world.request('a')))).toContain('does not know host alpha')
  },
)
