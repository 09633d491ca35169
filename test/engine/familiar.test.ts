/**
 * The texts people know from Docker, `ip` and the rest, row by row: how each is met here, that the
 * familiar words are quoted, who is in the way, and what mends it. Rows that do not concern
 * networks on one host say in a word why.
 */
import { expect, test } from 'vitest'
import type { HostEngine } from '../../src/engine/engine.ts'
import type { NetworkSpec } from '../../src/engine/types.ts'
import type { ErrorCode } from '../../src/errors.ts'
import type { SimFabric } from '../../src/sim/fabric.ts'
import type { Store } from '../../src/store/store.ts'
import { LAN4 } from '../lan.ts'
import { failureOf, host, lan, openOn } from './refused.ts'

interface Met {
  readonly engine: HostEngine
  readonly sim: SimFabric
  readonly store: Store
}

/** What is refused, and what its sentence and its mend must say. */
interface Refused {
  readonly code: ErrorCode
  /** The familiar words, as far as the one that is met has them. */
  readonly quotes: string
  /** Who is in the way. */
  readonly owner?: string
  readonly mend: RegExp
  readonly kinds?: readonly string[]
  readonly by: (met: Met) => Promise<unknown>
}

/** A familiar text, where it comes from, and what becomes of it here. */
type Row = readonly [
  text: string,
  here: Refused | { readonly works: (met: Met) => Promise<unknown> } | { readonly not: string },
]

const words = (wish: Readonly<Record<string, string>>) => wish as Partial<NetworkSpec>
const create =
  (wish: Partial<NetworkSpec>, ...before: readonly Partial<NetworkSpec>[]) =>
  async ({ engine }: Met) => {
    for (const one of before) await engine.createNetwork(lan(one))
    return await engine.createNetwork(lan(wish))
  }
const at = { network: 'lan', endpoint: 'c1', sandbox: 'box1' } as const
const MAC = 0x0242aabbcc01
const elsewhere = (last: number): NetworkSpec['pools'] => [
  { subnet: { address: 0x0a140000, length: last }, exclude: [] },
]

/** Docker's own refusals, as it says them when a network is made or a container starts. */
const DOCKER: readonly Row[] = [
  [
    "requested macvlan mode 'foo' is not valid, 'bridge' mode is the macvlan driver default",
    {
      code: 'mode-invalid',
      quotes:
        "requested macvlan mode 'foo' is not valid, 'bridge' mode is the macvlan driver default",
      mend: /bridge, private, vepa, passthru, source/,
      by: create(words({ macvlanMode: 'foo' })),
    },
  ],
  [
    "requested ipvlan mode 'foo' is not valid, 'l2' mode is the ipvlan driver default",
    {
      code: 'mode-invalid',
      quotes: "requested ipvlan mode 'foo' is not valid, 'l2' mode is the ipvlan driver default",
      mend: /l2, l3, l3s/,
      by: create(words({ kind: 'ipvlan', ipvlanMode: 'foo' })),
    },
  ],
  [
    "requested ipvlan flag 'x' is not valid, 'bridge' is the ipvlan driver default",
    {
      code: 'flag-invalid',
      quotes: "requested ipvlan flag 'x' is not valid, 'bridge' is the ipvlan driver default",
      mend: /bridge, private, vepa/,
      by: create(words({ kind: 'ipvlan', ipvlanFlag: 'x' })),
    },
  ],
  [
    'loopback interface is not a valid macvlan parent link',
    {
      code: 'parent-loopback',
      quotes: 'loopback interface is not a valid macvlan parent link',
      owner: 'lo',
      mend: /name the network card/,
      by: create({ parent: 'lo' }),
    },
  ],
  [
    'invalid subinterface vlan name nosuch, example formatting is eth0.10',
    {
      code: 'parent-missing',
      quotes: '-o parent interface was not found on the host: nosuch',
      mend: /name one of: .*eth0.*; a VLAN is written eth0\.10/,
      by: create({ parent: 'nosuch' }),
    },
  ],
  [
    '-o parent interface was not found on the host: nosuch',
    {
      code: 'parent-missing',
      quotes: '-o parent interface was not found on the host: nosuch',
      mend: /name one of: .*eth0/,
      by: create({ parent: 'nosuch.10' }),
    },
  ],
  [
    'vlan id must be between 1-4094, received: 4095',
    {
      code: 'vlan-invalid',
      quotes: 'vlan id must be between 1-4094, received: 4095',
      mend: /eth0\.10/,
      by: create({ parent: 'eth0.4095' }),
    },
  ],
  [
    'unable to parse a valid vlan id from: abc (ex. eth0.10 for vlan 10)',
    {
      code: 'vlan-invalid',
      quotes: 'unable to parse a valid vlan id from: abc (ex. eth0.10 for vlan 10)',
      mend: /eth0\.10/,
      by: create({ parent: 'eth0.abc' }),
    },
  ],
  [
    'required interface name format is: name.vlan_id, ex. eth0.10 for vlan 10, instead received dkr1.10.20',
    {
      code: 'parent-name-invalid',
      quotes:
        'required interface name format is: name.vlan_id, ex. eth0.10 for vlan 10, instead received eth0.10.20',
      mend: /make a VLAN in a VLAN by hand/,
      by: create({ parent: 'eth0.10.20' }),
    },
  ],
  [
    'failed to create dkr1.50 vlan link: operation not supported',
    {
      code: 'kind-missing',
      quotes: 'failed to create eth0.50 vlan link: operation not supported',
      mend: /modprobe 8021q/,
      kinds: ['vlan'],
      by: create({ parent: 'eth0.50' }),
    },
  ],
  [
    'operation not supported (no dummy)',
    {
      code: 'kind-missing',
      quotes: 'dummy link: operation not supported',
      mend: /modprobe dummy/,
      kinds: ['dummy'],
      by: create({ parent: undefined }),
    },
  ],
  [
    'network dm-1d34c56c6448 is already using parent interface dkr0',
    { works: create({ name: 'two', pools: elsewhere(24) }, { name: 'one' }) },
  ],
  [
    'cannot use mode passthru, macvlan network <id> is already using parent interface P',
    {
      code: 'parent-in-use',
      quotes:
        'cannot use mode passthru, macvlan network one is already using parent interface eth0',
      owner: 'network one',
      mend: /remove network one, or use another parent/,
      by: create({ macvlanMode: 'passthru' }, { name: 'one' }),
    },
  ],
  [
    'macvlan network <id> is already using parent interface P in mode passthru',
    {
      code: 'parent-in-use',
      quotes: 'macvlan network one is already using parent interface eth0 in mode passthru',
      owner: 'network one',
      mend: /remove network one, or use another parent/,
      by: create({}, { name: 'one', macvlanMode: 'passthru' }),
    },
  ],
  [
    'ipv4 pool is empty',
    {
      code: 'network-invalid',
      quotes: 'ipv4 pool is empty',
      mend: /--subnet/,
      by: create({ pools: [] }),
    },
  ],
  ['ipv6 pool is empty', { not: 'a network may be of IPv4 alone, and nothing asks for IPv6' }],
  [
    'the requested parent interface dkr3 was not found on the Docker host',
    {
      code: 'parent-gone',
      quotes: 'the requested parent interface eth0 was not found on the host',
      owner: 'network lan',
      mend: /bring eth0 back; the network heals by itself/,
      by: async ({ engine, sim }) => {
        await engine.createNetwork(lan())
        await sim.apply([{ do: 'link.del', netns: '', name: 'eth0' }])
        await engine.connect(at)
      },
    },
  ],
  [
    'failed to create endpoint c3 on network il2: ipvlan interfaces do not support custom mac address assignment',
    {
      code: 'mac-refused',
      quotes:
        'failed to create endpoint c1 on network lan: ipvlan interfaces do not support custom mac address assignment',
      mend: /use macvlan/,
      by: async ({ engine }) => {
        await engine.createNetwork(lan({ kind: 'ipvlan' }))
        await engine.connect({ ...at, mac: MAC })
      },
    },
  ],
  [
    'kernel version failed to meet the minimum ipvlan kernel requirement of 4.2, found ..',
    { not: 'a kernel without ipvlan answers for itself (kind-missing), whatever its number' },
  ],
  [
    'failed to create the macvlan port: device or resource busy',
    {
      code: 'parent-kind',
      quotes: 'failed to create the macvlan port: device or resource busy',
      owner: 'network one is already using parent interface eth0 for ipvlan',
      mend: /make this one ipvlan, too/,
      by: create({}, { name: 'one', kind: 'ipvlan' }),
    },
  ],
  [
    'failed to create the macvlan port: invalid argument (a second in passthru)',
    {
      code: 'parent-in-use',
      quotes: 'is already using parent interface eth0x in mode passthru',
      owner: 'endpoint lan/c1',
      mend: /passthru has its parent alone/,
      by: async ({ engine }) => {
        await engine.createNetwork(lan({ parent: 'eth0x', macvlanMode: 'passthru' }))
        await engine.connect(at)
        await engine.connect({ ...at, endpoint: 'c2', sandbox: 'box2' })
      },
    },
  ],
  [
    'error setting interface "veth120cf65" MAC to "02:42:aa:bb:cc:01": address already in use',
    {
      code: 'mac-in-use',
      quotes: 'MAC address 02:42:aa:bb:cc:01: address already in use',
      owner: 'endpoint "c1" of "lan"',
      mend: /take another, or leave it out/,
      by: async ({ engine }) => {
        await engine.createNetwork(lan())
        await engine.connect({ ...at, mac: MAC })
        await engine.connect({ ...at, endpoint: 'c2', sandbox: 'box2', mac: MAC })
      },
    },
  ],
]

/** What users paste into search engines. */
const USERS: readonly Row[] = [
  [
    'network dm-1d34c56c6448 is already using parent interface enp0s3',
    { works: create({ name: 'two' }, { name: 'one' }) },
  ],
  [
    'Pool overlaps with other one on this address space (another parent)',
    { works: create({ name: 'two', parent: 'eth0x' }, { name: 'one' }) },
  ],
  [
    'Pool overlaps with other one on this address space (one broadcast domain)',
    {
      code: 'pool-overlap',
      quotes: 'Pool overlaps with other one on this address space',
      owner: 'of network "one"',
      mend: /take exactly 10\.20\.0\.0\/24/,
      by: create({ pools: elsewhere(16) }, { name: 'one', pools: elsewhere(24) }),
    },
  ],
  [
    'failed to allocate gateway (192.168.34.1): Address already in use',
    { works: create({ name: 'two' }, { name: 'one' }) },
  ],
  [
    'Address already in use (--ip GATEWAY)',
    {
      code: 'address-not-usable',
      quotes: 'Invalid address 10.9.0.1',
      owner: 'gateway',
      mend: /without --gateway/,
      by: async ({ engine }) => {
        await engine.createNetwork(lan())
        await engine.connect({ ...at, addresses: [LAN4 + 1] })
      },
    },
  ],
  [
    'Address already in use (--ip of another container)',
    {
      code: 'address-in-use',
      quotes: 'Address already in use',
      owner: 'endpoint "c1" of "lan"',
      mend: /take another address/,
      by: async ({ engine }) => {
        await engine.createNetwork(lan())
        await engine.connect({ ...at, addresses: [LAN4 + 9] })
        await engine.connect({ ...at, endpoint: 'c2', sandbox: 'box2', addresses: [LAN4 + 9] })
      },
    },
  ],
  [
    'failed to create the macvlan port: device or resource busy (a port of a bridge)',
    {
      code: 'parent-busy',
      quotes: 'failed to create the macvlan port: device or resource busy',
      owner: 'it is a port of br0',
      mend: /name br0 as the parent; with --attach veth/,
      by: create({ parent: 'eth1' }),
    },
  ],
  [
    'failed to create the ipvlan port: device or resource busy',
    {
      code: 'parent-kind',
      quotes: 'failed to create the ipvlan port: device or resource busy',
      owner: 'network one is already using parent interface eth0 for macvlan',
      mend: /make this one macvlan, too, or put it on a VLAN/,
      by: create({ kind: 'ipvlan' }, { name: 'one' }),
    },
  ],
  [
    'RTNETLINK answers: Invalid argument (MTU)',
    {
      code: 'mtu-too-big',
      quotes: 'RTNETLINK answers: Invalid argument',
      owner: 'its parent eth0 has 1500',
      mend: /-o parent_mtu=9000/,
      by: create({ mtu: 9000 }),
    },
  ],
  [
    'ensure there are no macvlan networks using the same -o parent: operation not supported',
    {
      code: 'kind-missing',
      quotes: 'ipvlan link: operation not supported',
      mend: /modprobe ipvlan/,
      kinds: ['ipvlan'],
      by: async ({ engine }) => {
        await engine.createNetwork(lan({ kind: 'ipvlan' }))
        await engine.connect(at)
      },
    },
  ],
  [
    'invalid subinterface vlan name en0, example formatting is eth0.10 (Docker Desktop)',
    {
      code: 'parent-missing',
      quotes: '-o parent interface was not found on the host: en0',
      mend: /Docker Desktop.*--fabric sim/,
      by: async ({ engine, sim }) => {
        for (const name of ['eth0', 'br0', 'eth1'])
          await sim.apply([{ do: 'link.del', netns: '', name }])
        await engine.createNetwork(lan({ parent: 'en0' }))
      },
    },
  ],
  [
    'failed to create endpoint c on network n: network id "..." not found',
    {
      works: async ({ engine, sim, store }) => {
        await engine.createNetwork(lan())
        await engine.close()
        // The next process knows what this one made.
        return await (await openOn(sim, store)).connect(at)
      },
    },
  ],
  [
    'failed to advertise addresses: write ip ::1->ff02::1: sendmsg: network is unreachable',
    {
      works: async ({ engine, sim }) => {
        await engine.createNetwork(lan())
        await sim.apply([{ do: 'link.set', netns: '', name: 'eth0x', up: false }])
        const endpoint = await engine.connect(at)
        await engine.idle()
        return endpoint
      },
    },
  ],
  [
    'error renaming interface "veth..." to "eth0": file exists',
    {
      code: 'link-taken',
      quotes: 'error renaming interface to "eth0": file exists',
      owner: 'in namespace box1',
      mend: /name another one, or none/,
      by: async ({ engine }) => {
        await engine.createNetwork(lan())
        await engine.connect(at)
        await engine.connect({ ...at, endpoint: 'c2', link: 'eth0' })
      },
    },
  ],
  [
    'error setting interface "veth..." routes to ["0.0.0.0/0"]: file exists',
    {
      works: async ({ engine, sim }) => {
        await engine.createNetwork(lan())
        await engine.createNetwork(lan({ name: 'two' }))
        await engine.connect(at)
        await engine.connect({ ...at, network: 'two' })
        const [box] = (await sim.snapshot({ netns: ['box1'] })).netns
        return box?.routes.filter(({ to }) => to.length === 0).length === 1
      },
    },
  ],
  [
    'plugin "..." not found',
    {
      code: 'network-invalid',
      quotes: 'plugin "mcvlan" not found',
      owner: 'kinds are macvlan and ipvlan',
      mend: /-d macvlan/,
      by: create(words({ kind: 'mcvlan' })),
    },
  ],
  ['NetworkDriver.CreateEndpoint: failed to get initial IP address via DHCP', { not: 'no DHCP' }],
  ['macvlan driver needs at least one subnet specified, DHCP is not yet ..', { not: 'netavark' }],
  ['unable to obtain lease: dhcp proxy error', { not: 'netavark' }],
  ['error dialing DHCP daemon: dial unix /run/cni/dhcp.sock', { not: 'CNI: no such daemon' }],
  ['error calling DHCP.Allocate: no more tries', { not: 'CNI; the doctor tries a second MAC' }],
  ['netavark: Netlink error: No such device (os error 19)', { not: 'rootless: test/cli/network' }],
  ['macvlan driver does not support port mappings', { not: 'no ports are mapped' }],
  ['listen tcp4 192.168.1.226:80: bind: cannot assign requested address', { not: 'no ports' }],
  [
    'the server rejected our request due to an error in our request',
    { not: 'store: its contract' },
  ],
  ['113: Host is unreachable, Destination Host Unreachable, neigh FAILED', { not: 'host access' }],
  ['dadfailed tentative', { not: 'addresses are asked for before: test/conformance/engine' }],
  ['br0: received packet on ens160 with own address as source address', { not: 'the doctor' }],
]

for (const [who, rows] of [
  ['Docker', DOCKER],
  ['users', USERS],
] as const)
  for (const [text, here] of rows) {
    if ('not' in here) continue
    test(`${who}: ${text}`, async () => {
      const met = await host('kinds' in here ? here.kinds : [])
      if ('works' in here) {
        expect(await here.works(met)).toBeTruthy()
        return
      }
      const refused = await failureOf(here.by(met))
      expect(refused).toMatchObject({ code: here.code })
      expect(refused.message).toContain(here.quotes)
      if (here.owner !== undefined) expect(refused.message).toContain(here.owner)
      expect(refused.mend).toMatch(here.mend)
    })
  }

test('rows that are not met here say why', () => {
  const reasons = [...DOCKER, ...USERS].flatMap(([, here]) => ('not' in here ? [here.not] : []))
  expect(reasons.filter((why) => why.length < 5)).toEqual([])
})
