/** Every familiar refusal: our code, the text people search for, and what mends it. */
import { expect, test } from 'vitest'
import { openEngine } from '../../src/engine/engine.ts'
import type { NetworkSpec } from '../../src/engine/types.ts'
import { openSim } from '../../src/sim/fabric.ts'
import { openMemoryStore } from '../../src/store/memory.ts'
import { failureOf, host, lan } from './refused.ts'

const foo = { macvlanMode: 'foo' } as unknown as Partial<NetworkSpec>
const ipvlan = { kind: 'ipvlan', ipvlanMode: 'l2' } as const

/** Networks there before, the one asked for, and what is answered. */
const CREATE: readonly (readonly [
  text: string,
  code: string,
  wish: Partial<NetworkSpec>,
  before?: readonly Partial<NetworkSpec>[],
])[] = [
  [
    "requested macvlan mode 'foo' is not valid, 'bridge' mode is the macvlan driver default",
    'mode-invalid',
    foo,
  ],
  [
    "requested ipvlan mode 'foo' is not valid, 'l2' mode is the ipvlan driver default",
    'mode-invalid',
    { kind: 'ipvlan', ipvlanMode: 'foo' } as unknown as Partial<NetworkSpec>,
  ],
  [
    "requested ipvlan flag 'x' is not valid, 'bridge' is the ipvlan driver default",
    'flag-invalid',
    { kind: 'ipvlan', ipvlanFlag: 'x' } as unknown as Partial<NetworkSpec>,
  ],
  [
    'plugin "mcvlan" not found',
    'network-invalid',
    { kind: 'mcvlan' } as unknown as Partial<NetworkSpec>,
  ],
  ['loopback interface is not a valid macvlan parent link', 'parent-loopback', { parent: 'lo' }],
  ['-o parent interface was not found on the host: en0', 'parent-missing', { parent: 'en0' }],
  [
    '-o parent interface was not found on the host: nosuch',
    'parent-missing',
    { parent: 'nosuch.10' },
  ],
  ['vlan id must be between 1-4094, received: 4095', 'vlan-invalid', { parent: 'eth0.4095' }],
  [
    'unable to parse a valid vlan id from: abc (ex. eth0.10 for vlan 10)',
    'vlan-invalid',
    { parent: 'eth0.abc' },
  ],
  [
    'required interface name format is: name.vlan_id, ex. eth0.10 for vlan 10, instead received eth0.10.20',
    'parent-name-invalid',
    { parent: 'eth0.10.20' },
  ],
  [
    'cannot use mode passthru, macvlan network one is already using parent interface eth0',
    'parent-in-use',
    { macvlanMode: 'passthru' },
    [{ name: 'one' }],
  ],
  [
    'macvlan network one is already using parent interface eth0 in mode passthru',
    'parent-in-use',
    {},
    [{ name: 'one', macvlanMode: 'passthru' }],
  ],
  [
    'failed to create the ipvlan port: device or resource busy: network one is already using parent interface eth0 for macvlan',
    'parent-kind',
    ipvlan,
    [{ name: 'one' }],
  ],
  [
    'network one is already using parent interface eth0 as ipvlan l2 bridge',
    'parent-mode',
    { kind: 'ipvlan', ipvlanMode: 'l3' },
    [{ ...ipvlan, name: 'one' }],
  ],
  [
    'failed to create the macvlan port: device or resource busy: parent eth1 is taken, it is a port of br0',
    'parent-busy',
    { parent: 'eth1' },
  ],
  ['ipv4 pool is empty', 'network-invalid', { pools: [] }],
  [
    'network with name lan already exists',
    'network-exists',
    { macvlanMode: 'vepa' },
    [{ name: 'lan' }],
  ],
  ['RTNETLINK answers: Invalid argument', 'mtu-too-big', { mtu: 9000 }],
]

for (const [text, code, wish, before = []] of CREATE) {
  test(`createNetwork refuses: ${text}`, async () => {
    const { engine } = await host()
    for (const one of before) await engine.createNetwork(lan(one))
    const there = await engine.networks()
    const refused = await failureOf(engine.createNetwork(lan(wish)))
    expect(refused).toMatchObject({ code })
    expect(refused.message).toContain(text)
    expect(await engine.networks()).toEqual(there)
    expect(await engine.status()).toEqual([])
  })
}

test('createNetwork names the missing module of a kernel', async () => {
  const { engine, sim } = await host(['vlan', 'dummy'])
  const refused = await failureOf(engine.createNetwork(lan({ parent: 'eth0.50' })))
  expect(refused.code).toBe('kind-missing')
  expect(refused.message).toBe('failed to create eth0.50 vlan link: operation not supported')
  expect(refused.mend).toContain('modprobe 8021q')
  const internal = await failureOf(engine.createNetwork(lan({ parent: undefined })))
  expect(internal.mend).toContain('modprobe dummy')
  expect((await sim.snapshot({ netns: [''] })).netns[0]?.links.map((l) => l.name)).not.toContain(
    'eth0.50',
  )
})

test('a name that nothing may have is refused where it is given, and nobody elsewhere', async () => {
  const { engine } = await host()
  for (const name of ['a b', '', 'a/b', 'ä', '-a', 'x'.repeat(129)]) {
    const made = await failureOf(engine.createNetwork(lan({ name })))
    expect(made).toMatchObject({ code: 'endpoint-invalid' })
    expect(made.message).toContain(`invalid name: ${name}`)
    const at = { network: name, endpoint: 'c1', sandbox: 'box1' }
    for (const asked of [
      engine.removeNetwork(name),
      engine.network(name),
      engine.connect(at),
      engine.disconnect(name, 'c1'),
      engine.nextFree(name),
    ])
      expect(await failureOf(asked)).toMatchObject({ code: 'network-missing' })
  }
  await engine.createNetwork(lan())
  await engine.disconnect('lan', 'a b')
})

test('connect refuses what Docker refuses, in its words, and undoes all of it', async () => {
  const { engine, sim } = await host()
  await engine.createNetwork(lan())
  await engine.createNetwork(lan({ ...ipvlan, name: 'il2', parent: 'eth0.7', segment: 'other' }))
  const at = { network: 'lan', endpoint: 'c1', sandbox: 'box1' }
  const mac = 0x0242aabbcc01
  await engine.connect({ ...at, mac })
  const rows = [
    [{ ...at, network: 'nosuch' }, 'network-missing', 'network nosuch not found'],
    [{ ...at, sandbox: 'nobox', endpoint: 'c2' }, 'netns-missing', 'nobox'],
    [
      { ...at, sandbox: 'box2' },
      'endpoint-exists',
      'endpoint with name c1 already exists in network lan',
    ],
    [
      { ...at, network: 'il2', endpoint: 'c3', mac },
      'mac-refused',
      'failed to create endpoint c3 on network il2: ipvlan interfaces do not support custom mac address assignment',
    ],
    [
      { ...at, endpoint: 'c2', link: 'eth0' },
      'link-taken',
      'error renaming interface to "eth0": file exists',
    ],
    [{ ...at, endpoint: 'a b' }, 'endpoint-invalid', 'invalid name: a b'],
    [{ ...at, endpoint: 'c2', mac: 0 }, 'mac-invalid', 'is not a valid mac address'],
  ] as const
  const before = await engine.leases()
  for (const [request, code, text] of rows) {
    const refused = await failureOf(engine.connect(request))
    expect(refused).toMatchObject({ code })
    expect(refused.message).toContain(text)
  }
  const inUse = await failureOf(engine.removeNetwork('lan'))
  expect(inUse).toMatchObject({ code: 'network-in-use' })
  expect(inUse.message).toContain('network lan has active endpoints (c1)')
  expect(await engine.leases()).toEqual(before)
  expect(await engine.status()).toEqual([])
  const { links } = (await sim.snapshot({ netns: ['box2'] })).netns[0] ?? { links: [] }
  expect(links.map((link) => link.name)).toEqual(['lo'])
})

test('connect names who holds a MAC, and who is in the way of the parent', async () => {
  const { engine, sim } = await host()
  await engine.createNetwork(lan())
  await engine.createNetwork(lan({ name: 'pass', parent: 'eth0x', macvlanMode: 'passthru' }))
  const mac = 0x0242aabbcc01
  await sim.apply([
    {
      do: 'link.add',
      netns: 'box2',
      name: 'mine',
      parentNetns: '',
      spec: { kind: 'macvlan', parent: 'eth0', macvlan: { mode: 'bridge' } },
      address: mac,
      up: true,
    },
  ])
  const taken = await failureOf(
    engine.connect({ network: 'lan', endpoint: 'c1', sandbox: 'box1', mac }),
  )
  expect(taken.code).toBe('mac-taken')
  expect(taken.message).toBe(
    'MAC 02:42:aa:bb:cc:01 on parent eth0: address already in use by link mine in namespace box2',
  )
  await engine.connect({ network: 'pass', endpoint: 'one', sandbox: 'box1' })
  const second = await failureOf(
    engine.connect({ network: 'pass', endpoint: 'two', sandbox: 'box2' }),
  )
  expect(second.code).toBe('parent-in-use')
  expect(second.message).toContain('endpoint pass/one')
  await sim.apply([{ do: 'link.del', netns: '', name: 'eth0' }])
  const gone = await failureOf(engine.connect({ network: 'lan', endpoint: 'c1', sandbox: 'box1' }))
  expect(gone.code).toBe('parent-gone')
  expect(gone.message).toContain('the requested parent interface eth0 was not found on the host')
})

test('a record that cannot be read is named, and not written over', async () => {
  const store = openMemoryStore()
  const fabric = openSim()
  await store.transact({ when: [], then: [{ put: 'network/lan', value: '{ half' }] })
  const opening = openEngine({
    fabric,
    store,
    random: (count) => new Uint8Array(count),
    now: () => 0,
  })
  expect(await failureOf(opening)).toMatchObject({
    code: 'record-broken',
    detail: { key: 'network/lan' },
  })
  expect((await store.get('network/lan'))?.value).toBe('{ half')
})
