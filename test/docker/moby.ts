/**
 * The integration tests moby holds its own macvlan and ipvlan drivers to (integration/network),
 * under their names, typed through the docker client on a stock dockerd with `-d lanyard`. What
 * Docker before 28 cannot be asked at all (networks without IPv4, IPAM status) is not among them;
 * where Lanyard means to do other than moby, the case says so.
 */
import { expect } from 'vitest'
import type { Hands } from './hands.ts'
import type { Need } from './needs.ts'

export interface MobyCase {
  readonly name: string
  /** What of the kernel it needs beyond macvlan and veth. */
  readonly needs: readonly Need[]
  run(t: Hands): Promise<void> | void
}

export const mobyCases: MobyCase[] = []

export function moby(name: string, needs: readonly Need[], run: MobyCase['run']): void {
  mobyCases.push({ name, needs, run })
}

/** A link of the host to be a parent; moby's is a dummy, one end of a cable does as well. */
export function withMaster(t: Hands, name: string, body: () => Promise<void> | void) {
  const { world } = t
  world.ok('ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', 'dm-peer')
  for (const end of [name, 'dm-peer']) world.ok('ip', 'link', 'set', end, 'up')
  const away = () => world.run('ip', 'link', 'del', name)
  return Promise.resolve()
    .then(body)
    .finally(() => away())
}

export const MASTER = 'dm-dummy0'

/** The network is there, and after a restart of dockerd too, and can be used. */
async function persistence(t: Hands, options: string): Promise<void> {
  await withMaster(t, MASTER, async () => {
    t.create(`--subnet 172.28.10.0/24 ${options} -o parent=${MASTER}.60 dm-persist`)
    const id = t.docker('network inspect dm-persist --format {{.Id}}')
    await t.world.stopDockerd()
    await t.world.startDockerd()
    expect(t.docker('network inspect dm-persist --format {{.Id}}')).toBe(id)
    t.run('c1', '--network dm-persist')
    expect(t.exec('c1', 'ip addr show eth0')).toContain('inet 172.28.10.')
    t.clear()
  })
}

/** A VLAN somebody made is used, and stays when the network goes. */
async function subinterface(t: Hands, options: string): Promise<void> {
  const parent = `${MASTER}.20`
  await withMaster(t, MASTER, () => {
    t.world.ok('ip', 'link', 'add', 'link', MASTER, 'name', parent, 'type', 'vlan', 'id', '20')
    t.create(`--subnet 172.28.11.0/24 ${options} -o parent=${parent} dm-subinterface`)
    t.docker('network rm dm-subinterface')
    expect(t.fails('network inspect dm-subinterface')).toMatch(/no such network|not found/i)
    expect(t.hasLink(parent)).toBe(true)
  })
}

const nets = (t: Hands, ...lines: readonly string[]): void => {
  for (const [i, line] of lines.entries())
    t.create(`--subnet 172.28.${20 + i}.0/24 ${line} overlap${i + 1}`)
}

moby('TestDockerNetworkMacvlanPersistence', ['vlan'], (t) => persistence(t, ''))
moby('TestDockerNetworkMacvlan/Subinterface', ['vlan'], (t) => subinterface(t, ''))

moby('TestDockerNetworkMacvlan/OverlapParent', ['vlan'], async (t) => {
  const parent = `${MASTER}.40`
  await withMaster(t, MASTER, () => {
    nets(t, `-o parent=${parent}`, `-o parent=${parent}`)
    t.docker('network rm overlap2')
    expect(t.hasLink(parent)).toBe(true)
    t.docker('network rm overlap1')
    expect([t.hasLink(parent), t.hasLink(MASTER)]).toEqual([false, true])
  })
})

moby('TestDockerNetworkMacvlan/OverlapParentPassthruFirst', [], async (t) => {
  await withMaster(t, MASTER, () => {
    nets(t, `-o parent=${MASTER} -o macvlan_mode=passthru`)
    expect(
      t.fails(
        `network create -d lanyard --ipam-driver lanyard --subnet 172.28.25.0/24 -o parent=${MASTER} overlap2`,
      ),
    ).toMatch(/passthru/)
    t.docker('network rm overlap1')
    expect(t.hasLink(MASTER)).toBe(true)
  })
})

moby('TestDockerNetworkMacvlan/OverlapParentPassthruSecond', [], async (t) => {
  await withMaster(t, MASTER, () => {
    nets(t, `-o parent=${MASTER}`)
    expect(
      t.fails(
        `network create -d lanyard --ipam-driver lanyard --subnet 172.28.25.0/24 -o parent=${MASTER} -o macvlan_mode=passthru overlap2`,
      ),
    ).toMatch(/passthru/)
    t.docker('network rm overlap1')
    expect(t.hasLink(MASTER)).toBe(true)
  })
})

moby('TestDockerNetworkMacvlan/OverlapDeleteCreatedSecond', ['vlan'], async (t) => {
  const parent = `${MASTER}.41`
  await withMaster(t, MASTER, () => {
    nets(t, `-o parent=${parent}`, `-o parent=${parent}`)
    t.docker('network rm overlap1')
    expect(t.hasLink(parent)).toBe(true)
    t.docker('network rm overlap2')
    expect([t.hasLink(parent), t.hasLink(MASTER)]).toEqual([false, true])
  })
})

moby('TestDockerNetworkMacvlan/OverlapKeepExistingParent', [], async (t) => {
  await withMaster(t, MASTER, () => {
    nets(t, `-o parent=${MASTER}`, `-o parent=${MASTER}`)
    t.docker('network rm overlap1 overlap2')
    expect(t.hasLink(MASTER)).toBe(true)
  })
})

/** Two containers of a network reach each other, by name too. */
export async function two(t: Hands, network: string): Promise<void> {
  t.run('c1', `--network ${network}`)
  t.run('c2', `--network ${network}`)
  await t.pings('c2', t.placeOf('c1', network).IPAddress)
  await t.pings('c2', 'c1')
}

moby('TestDockerNetworkMacvlan/NilParent', ['dummy'], async (t) => {
  t.create('--subnet 172.28.30.0/24 dm-nil-parent')
  await two(t, 'dm-nil-parent')
})

async function internal(t: Hands, options: string): Promise<void> {
  await withMaster(t, MASTER, async () => {
    t.create(`--internal --subnet 172.28.31.0/24 ${options} -o parent=${MASTER} dm-internal`)
    await two(t, 'dm-internal')
    const { status, stdout, stderr } = t.world.tryDocker('exec c1 ping -c1 -W2 8.8.8.8')
    expect(status).not.toBe(0)
    expect(stdout + stderr).toContain('Network is unreachable')
    t.clear()
  })
}

moby('TestDockerNetworkMacvlan/InternalMode', [], (t) => internal(t, ''))

/** Two subnets of each family, the second with gateways. */
export async function multiSubnet(
  t: Hands,
  options: string,
  gateways: readonly [string, string],
): Promise<void> {
  t.create(
    '--ipv6 --subnet 172.28.100.0/24 --subnet 172.28.102.0/24 --gateway 172.28.102.254' +
      ' --subnet 2001:db8:abc2::/64 --subnet 2001:db8:abc4::/64 --gateway 2001:db8:abc4::254' +
      ` ${options} dualbridge`,
  )
  t.run('c1', '--network dualbridge --ip 172.28.100.20 --ip6 2001:db8:abc2::20')
  t.run('c2', '--network dualbridge --ip 172.28.100.21 --ip6 2001:db8:abc2::21')
  await t.pings('c2', '172.28.100.20')
  await t.pings('c2', '2001:db8:abc2::20')
  const first = t.placeOf('c1', 'dualbridge')
  expect([first.Gateway, first.IPv6Gateway]).toEqual(['', ''])
  t.run('c3', '--network dualbridge --ip 172.28.102.20 --ip6 2001:db8:abc4::20')
  t.run('c4', '--network dualbridge --ip 172.28.102.21 --ip6 2001:db8:abc4::21')
  await t.pings('c4', '172.28.102.20')
  await t.pings('c4', '2001:db8:abc4::20')
  const second = t.placeOf('c3', 'dualbridge')
  expect([second.Gateway, second.IPv6Gateway]).toEqual(gateways)
  t.clear()
}

export const GATEWAYS = ['172.28.102.254', '2001:db8:abc4::254'] as const

moby('TestDockerNetworkMacvlan/MultiSubnetWithParent', [], (t) =>
  withMaster(t, MASTER, () => multiSubnet(t, `-o parent=${MASTER}`, GATEWAYS)),
)

/** A network without a parent is an internal one. */
const NO_GATEWAYS = ['', ''] as const

moby('TestDockerNetworkMacvlan/MultiSubnetNoParent', ['dummy'], (t) =>
  multiSubnet(t, '', NO_GATEWAYS),
)

moby('TestDockerNetworkMacvlan/Addressing', [], async (t) => {
  await withMaster(t, MASTER, () => {
    t.create(
      `--ipv6 --subnet 172.28.130.0/24 --subnet 2001:db8:abca::/64 --gateway 2001:db8:abca::254 -o parent=${MASTER} dualstackbridge`,
    )
    t.run('c1', '--network dualstackbridge')
    expect(t.exec('c1', 'ip route')).not.toContain('default via')
    expect(t.exec('c1', 'ip -6 route')).toContain('default via 2001:db8:abca::254 dev eth0')
    t.clear()
  })
})

/** The families a network has are those its containers have. */
async function ipam(t: Hands, options: string, kind: 'dual stack' | 'v4 only'): Promise<void> {
  const six = kind === 'dual stack'
  await withMaster(t, MASTER, () => {
    const words = six ? '--ipv6 --subnet 2001:db8:abcd::/64' : ''
    t.create(`--subnet 192.168.30.0/24 ${words} ${options} -o parent=${MASTER} ipam`)
    t.run('c1', '--network ipam')
    const shown = t.exec('c1', 'ip addr show eth0')
    expect(shown).toContain('inet 192.168.30.')
    expect(shown.includes('inet6 2001:db8:abcd::')).toBe(six)
    const disabled = t.exec('c1', 'cat /proc/sys/net/ipv6/conf/eth0/disable_ipv6')
    expect(disabled).toBe(six ? '0' : '1')
    t.clear()
  })
}

/** Networks of one subnet, each with a part of it. */
async function ipamOverlap(t: Hands, options: string): Promise<void> {
  await withMaster(t, MASTER, () => {
    const words = (range4: string, range6: string): string =>
      `--ipv6 --subnet 192.168.0.0/24 --ip-range ${range4} --gateway 192.168.0.1` +
      ` --subnet fd12::/64 --ip-range ${range6} --gateway fd12::1 ${options} -o parent=${MASTER}`
    t.create(`${words('192.168.0.0/25', 'fd12::/96')} n1`)
    t.create(`${words('192.168.0.0/24', 'fd12::/64')} n2`)
    t.create(`${words('192.168.0.128/25', 'fd12::1:0:0/96')} n3`)
    const places = ['n1', 'n2', 'n3'].map((network, i) => {
      t.run(`c${i}`, `--network ${network}`)
      return t.placeOf(`c${i}`, network)
    })
    const [one, , three] = places
    expect(new Set(places.map(({ IPAddress }) => IPAddress)).size).toBe(3)
    expect(new Set(places.map(({ GlobalIPv6Address }) => GlobalIPv6Address)).size).toBe(3)
    expect(Number(one?.IPAddress.split('.')[3])).toBeLessThan(128)
    expect(Number(three?.IPAddress.split('.')[3])).toBeGreaterThanOrEqual(128)
    expect(three?.GlobalIPv6Address).toMatch(/^fd12::1:0:/)
    t.clear()
  })
}

moby('TestMacvlanIPAM/dual stack', [], (t) => ipam(t, '', 'dual stack'))
moby('TestMacvlanIPAM/v4 only', [], (t) => ipam(t, '', 'v4 only'))
moby('TestMacvlanIPAMOverlap', [], (t) => ipamOverlap(t, ''))

/** Two containers on a /31, both of its addresses theirs. */
export async function pointToPoint(t: Hands, options: string): Promise<void> {
  t.create(`--subnet 192.168.166.0/31 ${options} p2p`)
  t.run('c1', '--network p2p --ip 192.168.166.0')
  t.run('c2', '--network p2p --ip 192.168.166.1')
  await t.pings('c1', '192.168.166.1')
  t.clear()
}

moby('TestPointToPoint', ['dummy'], (t) => pointToPoint(t, ''))

/** Docker before 28 names the links of a container that starts; a running one's are ours. */
async function customIfname(t: Hands, options: string): Promise<void> {
  await withMaster(t, MASTER, () => {
    t.create(`--subnet 172.28.50.0/24 ${options} -o parent=${MASTER} ifname`)
    t.run('c1', '--network none')
    t.docker('network disconnect none c1')
    const opt = 'com.docker.network.endpoint.ifname=foobar'
    t.docker(`network connect --driver-opt ${opt} ifname c1`)
    expect(t.exec('c1', 'ip link show foobar')).toContain('foobar@if')
    t.clear()
  })
}

moby('TestEndpointWithCustomIfname', [], (t) => customIfname(t, ''))

moby('TestParentDown', [], async (t) => {
  await withMaster(t, MASTER, () => {
    t.create(`--subnet 172.28.51.0/24 -o parent=${MASTER} down`)
    t.world.ok('ip', 'link', 'set', MASTER, 'down')
    t.run('c1', '--network down')
    expect(t.exec('c1', 'ip addr show eth0')).toContain('inet 172.28.51.')
    t.clear()
  })
})

const L2 = '-o ipvlan_mode=l2'
const L3 = '-o ipvlan_mode=l3'

moby('TestDockerNetworkIpvlanPersistence', ['vlan', 'ipvlan'], (t) => persistence(t, L2))
moby('TestDockerNetworkIpvlan/Subinterface', ['vlan', 'ipvlan'], (t) => subinterface(t, L2))

// moby refuses a second network on an ipvlan parent; Lanyard's share it when they want one mode.
moby('TestDockerNetworkIpvlan/OverlapParent', ['vlan', 'ipvlan'], async (t) => {
  const parent = `${MASTER}.30`
  await withMaster(t, MASTER, () => {
    nets(t, `-o parent=${parent} ${L2}`, `-o parent=${parent} ${L2}`)
    expect(
      t.fails(
        `network create -d lanyard --ipam-driver lanyard --subnet 172.28.29.0/24 -o parent=${parent} ${L3} other`,
      ),
    ).toMatch(/ipvlan l2/)
    t.docker('network rm overlap1')
    expect(t.hasLink(parent)).toBe(true)
    t.docker('network rm overlap2')
    expect([t.hasLink(parent), t.hasLink(MASTER)]).toEqual([false, true])
  })
})

moby('TestDockerNetworkIpvlan/L2NilParent', ['dummy', 'ipvlan'], async (t) => {
  t.create(`--subnet 172.28.40.0/24 ${L2} di-nil-parent`)
  await two(t, 'di-nil-parent')
})

moby('TestDockerNetworkIpvlan/L2InternalMode', ['ipvlan'], (t) => internal(t, L2))

moby('TestDockerNetworkIpvlan/L3NilParent', ['dummy', 'ipvlan'], async (t) => {
  t.create(`--subnet 172.28.220.0/24 --subnet 172.28.230.0/24 ${L3} di-nil-parent-l3`)
  t.run('c1', '--network di-nil-parent-l3 --ip 172.28.220.10')
  t.run('c2', '--network di-nil-parent-l3 --ip 172.28.230.10')
  await t.pings('c2', '172.28.220.10')
})

moby('TestDockerNetworkIpvlan/L3InternalMode', ['ipvlan'], async (t) => {
  await withMaster(t, MASTER, async () => {
    t.create(
      `--internal --subnet 172.28.220.0/24 --subnet 172.28.230.0/24 ${L3} -o parent=${MASTER} di-internal-l3`,
    )
    t.run('c1', '--network di-internal-l3 --ip 172.28.220.10')
    t.run('c2', '--network di-internal-l3 --ip 172.28.230.10')
    // moby looks whether the ping ran, not whether it was answered: there it is not.
    await t.pings('c2', '172.28.220.10')
    expect(t.exec('c1', 'ip route')).not.toContain('default')
    expect(t.hasPing('c1', '8.8.8.8')).toBe(false)
    t.clear()
  })
})

moby('TestDockerNetworkIpvlan/L2MultiSubnetWithParent', ['ipvlan'], (t) =>
  withMaster(t, MASTER, () => multiSubnet(t, `${L2} -o parent=${MASTER}`, GATEWAYS)),
)
moby('TestDockerNetworkIpvlan/L2MultiSubnetNoParent', ['dummy', 'ipvlan'], (t) =>
  multiSubnet(t, L2, NO_GATEWAYS),
)
moby('TestDockerNetworkIpvlan/L3MultiSubnet', ['dummy', 'ipvlan'], (t) =>
  multiSubnet(t, L3, NO_GATEWAYS),
)

moby('TestDockerNetworkIpvlan/L2Gateway', ['ipvlan'], async (t) => {
  await withMaster(t, MASTER, () => {
    t.create(
      `--ipv6 --subnet 172.28.140.0/24 --gateway 172.28.140.254 --subnet 2001:db8:abcb::/64 ${L2} -o parent=${MASTER} dualstackl2`,
    )
    t.run('c1', '--network dualstackl2')
    expect(t.exec('c1', 'ip route')).toContain('default via 172.28.140.254 dev eth0')
    expect(t.exec('c1', 'ip -6 route')).not.toContain('default')
    t.clear()
  })
})

moby('TestDockerNetworkIpvlan/L3Addressing', ['ipvlan'], async (t) => {
  await withMaster(t, MASTER, () => {
    t.create(
      `--ipv6 --subnet 172.28.160.0/24 --gateway 172.28.160.254 --subnet 2001:db8:abcd::/64 --gateway 2001:db8:abcd::254 ${L3} -o parent=${MASTER} dualstackl3`,
    )
    t.run('c1', '--network dualstackl3')
    expect(t.exec('c1', 'ip route')).toMatch(/^default dev eth0/m)
    expect(t.exec('c1', 'ip -6 route')).toMatch(/^default dev eth0/m)
    t.clear()
  })
})

for (const mode of ['l2', 'l3', 'l3s']) {
  const options = `-o ipvlan_mode=${mode}`
  moby(`TestIpvlanIPAM/dual stack, ${mode}`, ['ipvlan'], (t) => ipam(t, options, 'dual stack'))
}
moby('TestIpvlanIPAM/v4 only', ['ipvlan'], (t) => ipam(t, L2, 'v4 only'))
moby('TestIpvlanIPAMOverlap', ['ipvlan'], (t) => ipamOverlap(t, L2))
moby('TestPointToPoint/ipvlan l2 internal', ['dummy', 'ipvlan'], (t) =>
  pointToPoint(t, `--internal ${L2}`),
)
moby('TestPointToPoint/ipvlan l3', ['dummy', 'ipvlan'], (t) => pointToPoint(t, L3))
moby('TestPointToPoint/ipvlan l3s', ['dummy', 'ipvlan'], (t) =>
  pointToPoint(t, '-o ipvlan_mode=l3s'),
)
moby('TestEndpointWithCustomIfname/ipvlan', ['ipvlan'], (t) => customIfname(t, L2))
