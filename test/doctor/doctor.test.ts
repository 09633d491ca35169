/** Every check on machines made in the simulator, by the commands that bring the trouble about. */
import { expect, test } from 'vitest'
import { parseIp4 } from '../../src/addr/ip4.ts'
import { parseMac } from '../../src/addr/mac.ts'
import { parsePrefix } from '../../src/addr/prefix.ts'
import { parseRange } from '../../src/addr/range.ts'
import { runCommand } from '../../src/shell/run.ts'
import { openSession } from '../../src/shell/session.ts'
import { openSim } from '../../src/sim/fabric.ts'
import { CHECKS, diagnose } from '../../src/doctor/doctor.ts'
import type { ActiveFacts, Facts, LanNetwork, SecondMac } from '../../src/doctor/facts.ts'
import { doctorJson, doctorSchema } from '../../src/doctor/schema.ts'

/** The host's card on a LAN, with a router there. */
const LAN = [
  'ip netns add gw',
  'ip link add eth0 type veth peer name eth0 netns gw',
  'ip -n gw link set eth0 up',
  'ip -n gw addr add 10.9.0.1/24 dev eth0',
  'ip link set eth0 up',
  'ip addr add 10.9.0.18/24 dev eth0',
  'ip route add default via 10.9.0.1',
]
const WEB = [
  'ip netns add web',
  'ip link add link eth0 name m0 netns web type macvlan mode bridge',
  'ip -n web link set m0 up',
  'ip -n web addr add 10.9.0.50/24 dev m0',
]
const SHIM = [
  'ip link add link eth0 name shim0 type macvlan mode bridge',
  'ip link set shim0 up',
  'ip route add 10.9.0.50/32 dev shim0',
]

const HEALTHY: Omit<Facts, 'snapshot'> = {
  kernel: {
    release: '6.1.0-18-amd64',
    modules: {
      macvlan: 'loadable',
      ipvlan: 'loadable',
      '8021q': 'loadable',
      bridge: 'loaded',
      veth: 'loaded',
      dummy: 'loadable',
    },
    distribution: { id: 'debian', version: '12', name: 'Debian GNU/Linux 12 (bookworm)' },
  },
  machine: {
    vendor: undefined,
    product: undefined,
    board: undefined,
    assetTag: undefined,
    virtual: false,
  },
  names: {},
  cards: {},
  networks: [],
  active: [],
  unread: [],
}

async function doctor(commands: readonly string[], facts: Partial<Facts> = {}) {
  const fabric = openSim()
  const session = openSession(fabric)
  for (const line of [...LAN, ...commands]) {
    const { code, stderr } = await runCommand(session, line)
    expect([line, code, stderr]).toEqual([line, 0, ''])
  }
  await fabric.settle()
  // What is beyond the wire is not in a machine's own snapshot.
  const { netns } = await fabric.snapshot()
  const snapshot = { netns: netns.filter(({ name }) => name !== 'gw') }
  return diagnose({ ...HEALTHY, snapshot, ...facts })
}

const network = (name: string, more: Partial<LanNetwork> = {}): LanNetwork => ({
  owner: 'Docker',
  name,
  driver: 'macvlan',
  mode: 'bridge',
  parent: 'eth0',
  pools: [{ subnet: parsePrefix('10.9.0.0/24'), range: undefined, gateway: parseIp4('10.9.0.1') }],
  internal: false,
  ...more,
})
const pools = (subnet: string, range?: string): LanNetwork['pools'] => [
  {
    subnet: parsePrefix(subnet),
    range: range === undefined ? undefined : parseRange(range),
    gateway: undefined,
  },
]
const sent = (outcome: SecondMac['outcome'], more: Partial<ActiveFacts> = {}): ActiveFacts => ({
  parent: 'eth0',
  secondMac: { outcome, asked: parseIp4('10.9.0.1'), why: undefined },
  offers: undefined,
  conflicts: [],
  ...more,
})
const offer = (server: string, address: string) => ({
  server: parseIp4(server),
  address: parseIp4(address),
  router: undefined,
  leaseTime: 3600,
})
const modules = (more: Partial<Facts['kernel']['modules']>): Facts['kernel'] => ({
  ...HEALTHY.kernel,
  modules: { ...HEALTHY.kernel.modules, ...more },
})
const machine = (vendor: string, product = ''): Partial<Facts> => ({
  machine: { ...HEALTHY.machine, vendor, product, virtual: true },
  cards: { eth0: { speed: 1000, wireless: false, driver: 'e1000e' } },
})

/** Commands, facts beside them, and the finding that must be there: code, severity, subject. */
const CASES: readonly (readonly [readonly string[], Partial<Facts>, string])[] = [
  [[], { kernel: modules({ macvlan: 'absent' }) }, 'problem module-absent-macvlan macvlan'],
  [[], { kernel: modules({ ipvlan: 'absent' }) }, 'note module-absent-ipvlan ipvlan'],
  [[], { kernel: modules({ '8021q': 'absent' }) }, 'note module-absent-8021q 8021q'],
  [[], { kernel: modules({ macvlan: 'unknown' }) }, 'note module-unknown-macvlan macvlan'],
  [[], { kernel: { ...HEALTHY.kernel, release: '3.8.0' } }, 'problem kernel-old-macvlan macvlan'],
  [[], { kernel: { ...HEALTHY.kernel, release: '4.1.9' } }, 'warning kernel-old-ipvlan ipvlan'],
  [
    ['ip link add br0 type bridge', 'ip link set eth0 master br0'],
    {},
    'warning parent-bridge-port eth0',
  ],
  [
    [...WEB, 'ip link set eth0 down', 'ip link set eth0 up', 'ip -n gw link set eth0 down'],
    {},
    'problem parent-no-carrier eth0',
  ],
  [[...WEB, 'ip link set eth0 down'], {}, 'problem parent-down eth0'],
  [
    WEB,
    { cards: { eth0: { speed: undefined, wireless: true, driver: 'iwlwifi' } } },
    'problem parent-wifi eth0',
  ],
  [[], { active: [sent('accepted')] }, 'good second-mac eth0'],
  [[], { active: [sent('refused')] }, 'problem second-mac-refused eth0'],
  [[], { active: [sent('silent')] }, 'note second-mac-silent eth0'],
  [[], { active: [sent('impossible')] }, 'note second-mac-untried eth0'],
  [[], { active: [sent('accepted', { offers: [] })] }, 'note dhcp-none eth0'],
  [
    [],
    { active: [sent('accepted', { offers: [offer('10.9.0.1', '10.9.0.100')] })] },
    'good dhcp-server 10.9.0.1',
  ],
  [
    [],
    {
      active: [
        sent('accepted', {
          offers: [offer('10.9.0.1', '10.9.0.100'), offer('10.9.0.2', '10.9.0.200')],
        }),
      ],
    },
    'warning dhcp-several eth0',
  ],
  [
    [],
    {
      networks: [network('lan')],
      active: [sent('accepted', { offers: [offer('10.9.0.1', '10.9.0.100')] })],
    },
    'warning dhcp-overlap lan',
  ],
  [
    [],
    {
      active: [
        sent('accepted', {
          conflicts: [{ ip: parseIp4('10.9.0.18'), mac: parseMac('02:00:00:00:00:09') }],
        }),
      ],
    },
    'problem duplicate-address 10.9.0.18',
  ],
  [
    [
      ...WEB,
      'ip netns add db',
      'ip link add link eth0 name m1 netns db type macvlan mode bridge',
      'ip -n db link set m1 up',
      'ip -n db addr add 10.9.0.50/24 dev m1',
    ],
    {},
    'problem duplicate-address 10.9.0.50',
  ],
  [[], { networks: [network('lan', { parent: 'eth7' })] }, 'problem network-parent-missing lan'],
  [
    [],
    { networks: [network('lan', { pools: pools('10.8.0.0/24') })] },
    'warning network-subnet lan',
  ],
  [
    [],
    {
      networks: [
        network('lan', {
          pools: [
            { subnet: parsePrefix('10.9.0.0/24'), range: undefined, gateway: parseIp4('10.9.0.2') },
          ],
        }),
      ],
    },
    'note network-gateway lan',
  ],
  [
    [],
    { networks: [network('a'), network('b', { driver: 'ipvlan', mode: 'l2' })] },
    'problem network-kinds eth0',
  ],
  [
    [],
    { networks: [network('a'), network('b', { owner: 'podman' })] },
    'warning network-pools-overlap eth0',
  ],
  [
    [],
    {
      networks: [
        network('br', { driver: 'bridge', parent: undefined, pools: pools('10.9.0.0/16') }),
      ],
    },
    'problem network-hides-lan br',
  ],
  [[...WEB, 'sysctl -w net.ipv4.conf.eth0.proxy_arp=1'], {}, 'warning proxy-arp eth0'],
  [[...WEB, 'sysctl -w net.ipv4.conf.eth0.arp_ignore=8'], {}, 'problem arp-ignore eth0'],
  [WEB, {}, 'warning host-access-none eth0'],
  [[...WEB, ...SHIM], {}, 'warning host-access-flux shim0'],
  [[...WEB, ...SHIM, 'sysctl -w net.ipv4.conf.shim0.arp_filter=1'], {}, 'good host-access eth0'],
  [[...WEB, ...SHIM, 'ip link set shim0 down'], {}, 'problem host-access-down shim0'],
  [[], { unread: ['process 1 could not be read'] }, 'note unread this look'],
]

for (const [commands, facts, wanted] of CASES)
  test(`diagnose() finds: ${wanted}`, async () => {
    const { findings, worst } = await doctor(commands, facts)
    const said = findings.map(({ severity, code, subject }) => `${severity} ${code} ${subject}`)
    expect(said).toContain(wanted)
    expect(said[0]?.startsWith(worst)).toBe(true)
    expect(findings.every(({ says }) => !/undefined|NaN|\[object/.test(says))).toBe(true)
  })

test('diagnose() finds nothing to mend on a healthy host, and says what comes next', async () => {
  const { worst, next } = await doctor([])
  expect([worst, next]).toEqual(['good', 'lanyard doctor --active --parent eth0'])
  const tried = await doctor([], { active: [sent('accepted', { offers: [] })] })
  expect(tried.next).toBe(
    'lanyard network create --subnet 10.9.0.0/24 --gateway 10.9.0.1 -o parent=eth0 lan',
  )
})

test('the hypervisor is known by DMI, and says which switch to turn', () => {
  const known = CHECKS.find(({ id }) => id === 'second-mac')
  const link = { name: 'eth0', kind: 'device', up: true, carrier: true, address: 0x020000000001 }
  const netns = [{ name: '', links: [link], routes: [], addresses: [], sysctls: {} }]
  const snapshot = { netns } as unknown as Facts['snapshot']
  const said = (facts: Partial<Facts>) =>
    known?.run({ ...HEALTHY, snapshot, ...facts }).map(({ code, says }) => `${code}: ${says}`)
  expect(said(machine('VMware, Inc.', 'VMware7,1'))?.[0]).toMatch(/^hypervisor: .* VMware/)
  expect(said(machine('innotek GmbH', 'VirtualBox'))?.[0]).toMatch(/^hypervisor: .* VirtualBox/)
  expect(said(machine('Amazon EC2', 't3.micro'))?.[0]).toMatch(/^cloud: Amazon EC2 delivers/)
  expect(said(machine('Dell Inc.', 'OptiPlex'))).toEqual([])
})

test('doctorJson() is what the published schema says', async () => {
  expect(doctorSchema.safeParse(doctorJson(await doctor(WEB))).success).toBe(true)
})
