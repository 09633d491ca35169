import { describe, expect, test } from 'vitest'
import { formatIp } from '../addr/ip.ts'
import { formatMac } from '../addr/mac.ts'
import { formatPrefix } from '../addr/prefix.ts'
import { LanyardError } from '../errors.ts'
import { readLab } from './read.ts'
import { LabSource } from './source.ts'
import type { Topology } from './topology.ts'

const read = (text: string): Topology[] => readLab(new LabSource('lab.yaml', text))

/** The problems of a file, one line each. */
function problems(text: string): string[] {
  try {
    read(text)
  } catch (error) {
    if (error instanceof LanyardError && error.code === 'lab-invalid') {
      return error.message.split('\n')
    }
    throw error
  }
  return []
}

const BASE = `lab: t
switches: {sw: {ports: {p0: {}, p1: {}, p2: access 100}}}
hosts:
  h1: {nics: {eth0: {to: sw:p0, addr: 10.0.0.1/24}}}
  h2: {nics: {eth0: {to: sw:p1, addr: 10.0.0.2/24}}}
networks:
  lan: {driver: macvlan, parent: eth0, subnet: 10.0.0.0/24, gateway: 10.0.0.1, hosts: h2}
containers:
  a: {host: h2, net: lan}
  b: {host: h2, net: lan=10.0.0.9}
`

describe('readLab fills in', () => {
  const [lab] = read(BASE) as [Topology]
  const a = lab.containers[0]

  test('the first free address after the gateway', () => {
    expect(a?.children[0]?.addresses.map(formatPrefix)).toEqual(['10.0.0.3/24'])
  })

  test('a default route by the gateway of the network', () => {
    expect(a?.routes.map((r) => r.via && formatIp(r.via))).toEqual(['10.0.0.1'])
  })

  test('MACs from the names alone', () => {
    const mac = a?.children[0]?.mac
    expect(formatMac(mac as number)).toMatch(/^02:/)
    expect(mac).toBe(read(BASE)[0]?.containers[0]?.children[0]?.mac)
    expect(mac).not.toBe(read(BASE.replace('lab: t', 'lab: u'))[0]?.containers[0]?.children[0]?.mac)
  })

  test('VLAN filtering where a port names a VLAN', () => {
    expect(lab.switches[0]?.vlanFiltering).toBe(true)
    expect(lab.switches[0]?.ports.map((p) => p.pvid)).toEqual([1, 1, 100])
  })

  test('both ends of a cable written once', () => {
    expect(lab.switches[0]?.ports[0]?.peer).toEqual({ node: 'h1', link: 'eth0' })
    expect(lab.hosts[0]?.nics[0]?.peer).toEqual({ node: 'sw', link: 'p0' })
  })

  test('a VLAN link that only a network names', () => {
    const [vlan] = read(BASE.replace('parent: eth0', 'parent: eth0.50')) as [Topology]
    expect(vlan.hosts[1]?.uppers).toEqual([
      expect.objectContaining({ name: 'eth0.50', parent: 'eth0', id: 50, protocol: '802.1Q' }),
    ])
  })

  test('the same address in another segment', () => {
    const text = `lab: t
switches: {s1: {ports: {p0: {}}}, s2: {ports: {p0: access 5, p1: access 6, p2: access 5}}}
hosts:
  a: {nics: {eth0: {to: s1:p0, addr: 10.0.0.1/24}}}
  b: {nics: {eth0: {to: s2:p0, addr: 10.0.0.1/24}}}
  c: {nics: {eth0: {to: s2:p1, addr: 10.0.0.1/24}}}
`
    expect(problems(text)).toEqual([])
    expect(problems(`${text}  d: {nics: {eth0: {to: s2:p2, addr: 10.0.0.1/24}}}\n`)).toEqual([
      'lab.yaml:7:38: hosts.d.nics.eth0.addr: address 10.0.0.1 is already used by host b (eth0)',
    ])
  })

  test('addresses from ipRange, leaving out aux', () => {
    const [lab] = read(
      BASE.replace('gateway:', 'ipRange: 10.0.0.128/26, aux: {nas: 10.0.0.128}, gateway:'),
    ) as [Topology]
    const [own] = lab.containers[0]?.children[0]?.addresses ?? []
    expect(own && formatPrefix(own)).toBe('10.0.0.129/24')
  })
})

describe('readLab with a matrix', () => {
  const text = `matrix: {mode: [bridge, vepa], pin: [false, true]}\n${BASE}`
    .replace('p0: {}', 'p0: {hairpin: "${pin}"}')
    .replace('parent: eth0', 'parent: eth0, mode: "${mode}"')

  test('makes one topology per combination, the last variable turning fastest', () => {
    const seen = read(text).map((t) => [t.networks[0]?.kind.mode, t.switches[0]?.ports[0]?.hairpin])
    expect(seen).toEqual([
      ['bridge', false],
      ['bridge', true],
      ['vepa', false],
      ['vepa', true],
    ])
  })

  test('leaves out what `unless` and `when` say', () => {
    const some = read(
      `unless: mode == 'vepa' && !pin\n${text}  c: {host: h2, net: lan, when: pin}\n`,
    )
    expect(some.map((t) => t.containers.length)).toEqual([2, 3, 3])
  })

  test('names a variable that does not exist', () => {
    expect(problems(text.replace('${pin}', '${pim}'))).toEqual([
      'lab.yaml:3:39: switches.sw.ports.p0.hairpin: there is no variable "pim" (did you mean "pin"?): the matrix has mode and pin',
    ])
  })
})

describe('readLab says with line and column', () => {
  const cases: [name: string, from: string, to: string, says: string][] = [
    [
      'an unknown key and the near miss',
      'p0: {}',
      'p0: {hairpn: true}',
      'lab.yaml:2:30: switches.sw.ports.p0.hairpn: unknown key "hairpn" (did you mean "hairpin"?): a port has the keys access, trunk, native, hairpin, isolated, learning, flood, up, mtu, impair, to',
    ],
    [
      'a bad address',
      '10.0.0.2/24',
      '10.0.0.256/24',
      'lab.yaml:5:39: hosts.h2.nics.eth0.addr: "10.0.0.256" is not an IPv4 address: 256 is over 255',
    ],
    [
      'an address without its prefix length',
      'addr: 10.0.0.2/24',
      'addr: 10.0.0.2',
      'lab.yaml:5:39: hosts.h2.nics.eth0.addr: "10.0.0.2" is not a prefix: its "/length" is missing',
    ],
    [
      'a name over 15 bytes',
      'h1: {nics: {eth0: ',
      'h1: {nics: {enx00e04c680f7a-1: ',
      'lab.yaml:4:15: hosts.h1.nics.enx00e04c680f7a-1: "enx00e04c680f7a-1" is no name: the name of a link has at most 15 bytes: letters, digits, ".", "-" and "_", and begins with a letter or digit',
    ],
    [
      'a missing parent',
      'parent: eth0',
      'parent: eth1',
      'lab.yaml:7:34: networks.lan.parent: host h2 has no link "eth1" (did you mean "eth0"?): it has eth0',
    ],
    [
      'loopback as a parent',
      'parent: eth0',
      'parent: lo',
      'lab.yaml:7:34: networks.lan.parent: the loopback link cannot be a parent',
    ],
    [
      'a cable to a missing port',
      'to: sw:p1',
      'to: sw:p9',
      'lab.yaml:5:26: hosts.h2.nics.eth0.to: switch sw has no port "p9" (did you mean "p0"?): it has p0, p1 and p2',
    ],
    [
      'a port with two cables',
      'to: sw:p1',
      'to: sw:p0',
      'lab.yaml:5:26: hosts.h2.nics.eth0.to: sw:p0 already has a cable, to h1:eth0',
    ],
    [
      'a duplicate address',
      'lan=10.0.0.9',
      'lan=10.0.0.2',
      'lab.yaml:10:22: containers.b.net: address 10.0.0.2 is already used by host h2 (eth0)',
    ],
    [
      'an address outside the subnet',
      'lan=10.0.0.9',
      'lan=10.0.1.9',
      'lab.yaml:10:22: containers.b.net: address 10.0.1.9 lies outside network lan: its subnet is 10.0.0.0/24',
    ],
    [
      'a gateway outside the subnet',
      'gateway: 10.0.0.1',
      'gateway: 10.1.0.1',
      'lab.yaml:7:70: networks.lan.gateway: gateway 10.1.0.1 lies outside the subnet 10.0.0.0/24',
    ],
    [
      'a subnet with host bits',
      'subnet: 10.0.0.0/24',
      'subnet: 10.0.0.5/24',
      'lab.yaml:7:48: networks.lan.subnet: 10.0.0.5/24 has host bits: the subnet is 10.0.0.0/24',
    ],
    [
      'a mode of the other driver',
      'parent: eth0',
      'parent: eth0, mode: l2',
      'lab.yaml:7:46: networks.lan.mode: macvlan has no mode "l2": it has bridge, private, vepa, passthru and source',
    ],
    [
      'a word that is none of the allowed ones',
      'driver: macvlan',
      'driver: macvln',
      'lab.yaml:7:17: networks.lan.driver: must be macvlan or ipvlan',
    ],
    [
      'a name used twice',
      '  a: {host',
      '  h1: {host',
      'lab.yaml:9:3: containers.h1: the name "h1" is taken by a host',
    ],
    [
      'an unknown network',
      'net: lan=',
      'net: lam=',
      'lab.yaml:10:22: containers.b.net: there is no network "lam" (did you mean "lan"?): there is lan',
    ],
    [
      'a second child on a passthru parent',
      'parent: eth0',
      'parent: eth0, mode: passthru',
      'lab.yaml:10:6: containers.b: parent eth0 of host h2 already has the child of a: mode passthru takes one child only',
    ],
    [
      'a port that is access and trunk at once',
      'access 100',
      '{access: 100, trunk: [100, 200]}',
      'lab.yaml:2:59: switches.sw.ports.p2.trunk: trunk 100 200 contradicts access 100: a port is either access (one VLAN, untagged) or trunk (a list of VLANs, tagged, and native)',
    ],
    [
      'the same in words',
      'access 100',
      'access 100 trunk 200',
      'lab.yaml:2:45: switches.sw.ports.p2: "access 100 trunk 200" says two things: a port is either access (one VLAN, untagged) or trunk (a list of VLANs, tagged, and native)',
    ],
    [
      'VLAN id 0',
      'parent: eth0',
      'parent: eth0.0',
      'lab.yaml:7:34: networks.lan.parent: VLAN id 0 names no VLAN: it marks frames that have a priority only; ids go from 1 to 4094',
    ],
    [
      'VLAN id 4095',
      'hosts:\n',
      'hosts:\n  h3: {nics: {eth0: none}, vlans: eth0.4095}\n',
      'lab.yaml:4:35: hosts.h3.vlans: VLAN id 4095 is out of range: ids go from 1 to 4094 (the kernel: "8021q: Invalid VLAN id.")',
    ],
    [
      'a sub-interface of a sub-interface',
      'parent: eth0',
      'parent: eth0.10.20',
      'lab.yaml:7:34: networks.lan.parent: eth0.10.20 is a sub-interface of the sub-interface eth0.10: give it the parent eth0; for a tag within a tag write {parent: eth0.10, id: 20} in vlans',
    ],
    [
      'a VLAN link with a larger MTU than its parent',
      'h2: {nics: {eth0: {to: sw:p1, addr: 10.0.0.2/24}}}',
      'h2: {nics: {eth0: {to: sw:p1, addr: 10.0.0.2/24}}, vlans: [{parent: eth0, id: 7, mtu: 9000}]}',
      'lab.yaml:5:89: hosts.h2.vlans[0].mtu: eth0.7 cannot have MTU 9000: its parent eth0 has 1500 (the kernel: "RTNETLINK answers: Invalid argument"): give eth0 mtu: 9000, or leave this one out',
    ],
    [
      'a VLAN link over a parent that is down',
      'hosts:\n',
      'hosts:\n  h3: {nics: {eth0: {to: none, up: false}}, vlans: [eth0.5]}\n',
      'lab.yaml:4:53: hosts.h3.vlans[0]: eth0.5 cannot be up while eth0 is down (the kernel: "RTNETLINK answers: Network is down"): bring eth0 up, or write {parent: eth0, id: 5, up: false} in vlans',
    ],
    [
      'a VLAN twice on one nic',
      'hosts:\n',
      'hosts:\n  h3: {nics: {eth0: none}, vlans: [eth0.5, {parent: eth0, id: 5, name: v}]}\n',
      'lab.yaml:4:44: hosts.h3.vlans[1]: eth0.5 is VLAN 5 on eth0 already (the kernel: "8021q: VLAN device already exists.")',
    ],
    [
      'two ipvlan modes on one parent',
      'containers:\n',
      '  v2: {driver: ipvlan, parent: eth0, mode: l2, hosts: h1}\n  v3: {driver: ipvlan, parent: eth0, mode: l3, hosts: h1}\ncontainers:\n',
      'lab.yaml:9:44: networks.v3.mode: parent eth0 of host h1 is in mode l2 for network v2: all ipvlan children of a parent share one mode, and a kernel would silently change theirs to l3',
    ],
    [
      'macvlan and ipvlan on one parent',
      'containers:\n',
      '  v2: {driver: ipvlan, parent: eth0, hosts: h2}\ncontainers:\n',
      'lab.yaml:8:16: networks.v2.driver: parent eth0 of host h2 is already used by network lan (macvlan): a parent carries either macvlan or ipvlan',
    ],
    [
      'a MAC for an ipvlan child',
      'driver: macvlan, parent: eth0, subnet: 10.0.0.0/24, gateway: 10.0.0.1, hosts: h2}\ncontainers:\n  a: {host: h2, net: lan}',
      'driver: ipvlan, parent: eth0, subnet: 10.0.0.0/24, gateway: 10.0.0.1, hosts: h2}\ncontainers:\n  a: {host: h2, net: {network: lan, mac: "02:00:00:00:00:07"}}',
      'lab.yaml:9:37: containers.a.net.mac: an ipvlan child has the MAC of its parent eth0 (the kernel: "Operation not supported"): leave mac out, or use macvlan',
    ],
    [
      'host access to children that a shim cannot reach',
      '10.0.0.2/24}}}\nnetworks:\n',
      '10.0.0.2/24}}, shim: v}\nnetworks:\n  v: {driver: macvlan, mode: vepa, parent: eth0, hosts: h2}\n',
      'lab.yaml:5:60: hosts.h2.shim: a shim reaches children in mode bridge only, and network v is in mode vepa',
    ],
    [
      'host access by ipvlan l2 without an address',
      '10.0.0.2/24}}}\nnetworks:\n',
      '10.0.0.2/24}}, shim: [v]}\nnetworks:\n  v: {driver: ipvlan, parent: eth0, hosts: h2}\n',
      'lab.yaml:5:61: hosts.h2.shim[0]: a shim of ipvlan l2 is found by its address: write shim: {v: ADDRESS}',
    ],
    [
      'a port to listen on that is none',
      '10.0.0.1/24}}}',
      '10.0.0.1/24}}, listen: [tcp/80, udp/0]}',
      'lab.yaml:4:71: hosts.h1.listen[1]: "udp/0" is no port: write tcp/80 or udp/53, the number from 1 to 65535',
    ],
    [
      'a rule on a missing link',
      '10.0.0.2/24}}}',
      '10.0.0.2/24}}, filter: [{chain: forward, in: eth1, do: drop}]}',
      'lab.yaml:5:84: hosts.h2.filter[0].in: node h2 has no link "eth1" (did you mean "eth0"?): it has eth0; a rule about it would never match',
    ],
    [
      'a translation on a missing link',
      '10.0.0.2/24}}}',
      '10.0.0.2/24}}, nat: masquerade out eth0.200}',
      'lab.yaml:5:59: hosts.h2.nat: node h2 has no link "eth0.200": it has eth0; a rule about it would never match',
    ],
    [
      'a translation that is none',
      '10.0.0.2/24}}}',
      '10.0.0.2/24}}, nat: [masquerade on eth0]}',
      'lab.yaml:5:60: hosts.h2.nat[0]: "on eth0" is not understood in "masquerade on eth0": write "masquerade out LINK [from PREFIX]", "snat out LINK to IP [from PREFIX]" or "dnat in LINK tcp/PORT to IP[:PORT]"',
    ],
    [
      'a rule that asks where a packet leaves that stays',
      '10.0.0.2/24}}}',
      '10.0.0.2/24}}, filter: [{chain: input, out: eth0, do: drop}]}',
      'lab.yaml:5:78: hosts.h2.filter[0].out: a packet of chain input stays here: leave it out',
    ],
    [
      'a state that is none',
      '10.0.0.2/24}}}',
      '10.0.0.2/24}}, filter: [{chain: input, state: establised, do: drop}]}',
      'lab.yaml:5:85: hosts.h2.filter[0].state: there is no state "establised" (did you mean "established"?): there is new, established, related, invalid and untracked',
    ],
    [
      'a port without a protocol that has some',
      '10.0.0.2/24}}}',
      '10.0.0.2/24}}, filter: [{chain: input, port: 80, do: drop}]}',
      'lab.yaml:5:84: hosts.h2.filter[0].port: only tcp and udp have ports: write proto: tcp or proto: udp',
    ],
    [
      'a port that is neither access nor trunk',
      'access 100',
      'acces 100',
      'lab.yaml:2:45: switches.sw.ports.p2: "acces 100" is no port: write "access 100" or "trunk 100 200 native 1"',
    ],
    [
      'an expectation about nobody',
      'lab: t\n',
      'lab: t\nexpect: [a -> c ok]\n',
      'lab.yaml:2:10: expect[0]: there is no node "c" (did you mean "a"?): there is h1, h2, a and b',
    ],
    [
      'a router on the way that nobody knows',
      'lab: t\n',
      'lab: t\nexpect: [a -> b ok via h3]\n',
      'lab.yaml:2:10: expect[0]: there is no node "h3" (did you mean "h1"?): there is h1, h2, a and b',
    ],
    [
      'a time that is none',
      'lab: t\n',
      'lab: t\nexpect: [a -> b ok within 3]\n',
      'lab.yaml:2:10: expect[0]: "within 3": write a time up to 60s, as 3s, 20ms or 500us',
    ],
    [
      'an expectation without quotes',
      'lab: t\n',
      'lab: t\nexpect:\n  - {a,b} -> h1 ok\n',
      'lab.yaml:3:11: put quotes around an expectation that begins with { or *, as "{a,b} -> c ok"',
    ],
    [
      'a verdict that is none',
      'lab: t\n',
      'lab: t\nexpect: [a -> b okay]\n',
      'lab.yaml:2:10: expect[0]: "okay" is no verdict: write "A -> B ok" or "A -> B fail", with ttl N, via R, as IP, tcp/80, within 3s, v6, why CODE behind it',
    ],
  ]
  for (const [name, from, to, says] of cases) {
    test(name, () => {
      expect(BASE).toContain(from)
      expect(problems(BASE.replace(from, to))).toContain(says)
    })
  }

  test('all problems of a file at once, in the order of the file', () => {
    const text = BASE.replace('p0: {}', 'p0: {hairpn: true}')
      .replace('parent: eth0', 'parent: eth9')
      .replace('lan=10.0.0.9', 'lan=10.0.1.9')
      .replace('10.0.0.2/24', '10.0.0.2')
    expect(problems(text).map((p) => p.split(': ')[1])).toEqual([
      'switches.sw.ports.p0.hairpn',
      'hosts.h2.nics.eth0.addr',
      'networks.lan.parent',
      'containers.b.net',
    ])
  })

  test('the rest of a file where something is missing or has no right shape', () => {
    const text = BASE.replace('ports: {p0: {}', 'ports: {p0: 5')
      .replace('driver: macvlan', 'driver: bridge')
      .replace('net: lan}', 'colour: red}')
      .replace('10.0.0.1/24', '10.0.0.1/33')
    expect(problems(text).map((p) => p.split(': ').slice(1, 2).join(': '))).toEqual([
      'switches.sw.ports.p0',
      'hosts.h1.nics.eth0.addr',
      'networks.lan.driver',
      'containers.a.net',
      'containers.a.colour',
    ])
  })

  test('that a file is empty', () => {
    expect(problems('')).toEqual(['lab.yaml:1:1: the file is empty: a lab begins with "lab: NAME"'])
  })
})

describe('readLab with steps', () => {
  test('gives the lab as a step changes it', () => {
    const [lab] = read(`${BASE}steps: [{name: s, set: {switches.sw.ports.p0.hairpin: true}}]\n`)
    expect(lab?.steps[0]?.becomes?.switches[0]?.ports[0]?.hairpin).toBe(true)
  })

  test('refuses a change that needs another lab', () => {
    const text = `${BASE}steps: [{name: s, set: {containers.a.host: h1}}]\n`
    expect(problems(text)[0]).toContain('network lan is not on host h1: it is on h2')
  })
})

/** Every place of a value, from the root down. */
function* placesOf(value: unknown, path: (string | number)[] = []): Generator<(string | number)[]> {
  if (path.length > 0) yield path
  if (typeof value !== 'object' || value === null) return
  for (const [key, item] of Object.entries(value)) {
    yield* placesOf(item, [...path, Array.isArray(value) ? Number(key) : key])
  }
}

/** A copy with one place replaced. */
function withAt(
  value: unknown,
  [key, ...rest]: readonly (string | number)[],
  put: unknown,
): unknown {
  if (key === undefined) return put
  const copy = (
    Array.isArray(value) ? [...(value as unknown[])] : { ...(value as object) }
  ) as Record<string | number, unknown>
  copy[key] = withAt(copy[key], rest, put)
  return copy
}

test('readLab answers any wrong value with problems, never with another error', () => {
  const good = {
    lab: 't',
    matrix: { m: ['a', 'b'] },
    unless: ["m == 'c'"],
    switches: { sw: { ports: { p0: { hairpin: true, trunk: [5], native: 1 }, p1: 'access 5' } } },
    hosts: {
      h: {
        nics: { eth0: { to: 'sw:p0', addr: ['10.0.0.1/24'], mac: '02:00:00:00:00:01' } },
        vlans: ['eth0.5'],
        addr: { 'eth0.5': '10.1.0.1/24' },
        routes: ['default via 10.0.0.2'],
        sysctl: { 'net.ipv4.ip_forward': 1 },
        run: ['ip link'],
      },
    },
    networks: {
      n: { driver: 'macvlan', parent: 'eth0', subnet: ['10.0.0.0/24'], aux: { x: '10.0.0.9' } },
    },
    containers: { c: { host: 'h', net: [{ network: 'n', addr: '10.0.0.7', nic: 'eth9' }] } },
    expect: ['c -> h ok', { if: "m == 'a'", then: ['c <-> h fail'], else: 'h -> c ok' }],
    steps: [
      { name: 's', set: { 'hosts.h.forward': true }, run: { h: 'ip link' }, expect: ['h -> c ok'] },
    ],
  }
  expect(problems(JSON.stringify(good))).toEqual([])
  const wrong = [null, 7, 'x', '${no}', [], [null], { x: null }]
  for (const place of placesOf(good)) {
    for (const put of wrong) {
      const text = JSON.stringify(withAt(good, place, put))
      expect(() => problems(text), text).not.toThrow()
    }
  }
}, 60_000)
