/** Compose files, piece by piece. */
import { expect, test } from 'vitest'
import { importCompose } from './compose.ts'

function imported(text: string, set: Readonly<Record<string, string>> = {}) {
  const { text: lab, notes } = importCompose('compose.yml', text, 'Some Folder', { set })
  return { lab, notes: notes.map((n) => `${n.line}: ${n.sentence}`) }
}

const network = (driver: string, options: string, rest = ''): string =>
  `services: {a: {networks: [n]}}\nnetworks:\n  n:\n    driver: ${driver}\n` +
  `    driver_opts: {${options}}\n    ipam: {config: [{subnet: 10.0.0.0/24, gateway: 10.0.0.1}]}\n${rest}`

test('a VLAN parent makes a trunk and a router in that VLAN, under the name of the folder', () => {
  const { lab, notes } = imported(network('macvlan', 'parent: eth1.7, macvlan_mode: vepa'))
  expect(notes).toEqual([])
  expect(lab).toContain('lab: some-folder\n')
  expect(lab).toContain('ports: {p0: trunk 7, p1: trunk 7}')
  expect(lab).toContain('eth0.7: 10.0.0.1/24')
  expect(lab).toContain('parent: eth1.7\n    mode: vepa\n')
})

test('ipvlan keeps mode and flag; a network that is internal has no router', () => {
  const { lab } = imported(
    network(
      'ipvlan',
      'parent: eth0, ipvlan_mode: l2, ipvlan_flag: private',
      '    internal: true\n',
    ),
  )
  expect(lab).toContain('mode: l2\n    flag: private\n')
  expect(lab).toContain('internal: true')
  expect(lab).not.toContain('router:')
})

test('ipvlan l3 goes out by its link, whatever its gateway, as Docker has it', () => {
  const { lab, notes } = imported(network('ipvlan', 'parent: eth0, ipvlan_mode: l3'))
  expect(lab).toContain('net: n\n    routes: default dev eth0\n')
  expect(lab).not.toContain('gateway:')
  expect(notes).toEqual(['3: network n: not carried: gateway 10.0.0.1 (mode l3 takes none)'])
})

test('a network without a parent sits on a dummy of the host, and no switch is made up', () => {
  const { lab } = imported(
    'services: {a: {networks: [n]}}\nnetworks: {n: {driver: macvlan, ipam: {config: [{subnet: 10.0.0.0/24}]}}}\n',
  )
  expect(lab).not.toContain('switches:')
  expect(lab).not.toContain('parent:')
})

test('what is left out is said: an external network, options of another driver, ipam of others', () => {
  const text = network(
    'macvlan',
    'parent: eth0, ipvlan_mode: l2',
    '  out: {external: true}\nvolumes: {v: {}}\n',
  )
  expect(imported(text).notes).toEqual([
    '5: network n: driver_opts: not carried: ipvlan_mode (no option of macvlan that a lab has)',
    '7: network out: left out: it is external, and its subnets are not in this file (docker network inspect out)',
    '8: the file: not carried: volumes (a lab has networks only)',
  ])
})

test('variables take what is given, or their default; one without a value is an error', () => {
  const text = network('macvlan', 'parent: "${NIC:-eth0}"')
  expect(imported(text).lab).toContain('parent: eth0\n')
  expect(imported(text, { NIC: 'enp3s0' }).lab).toContain('parent: enp3s0\n')
  expect(imported(text, { NIC: '' }).lab).toContain('parent: eth0\n')
  expect(() => imported(network('macvlan', 'parent: $NIC'))).toThrow(
    'compose.yml:5:1: the variable NIC has no value: give it with --set NIC=VALUE',
  )
})

test('several containers cannot have one fixed address', () => {
  const text = network('macvlan', 'parent: eth0').replace(
    '{networks: [n]}',
    '{scale: 2, networks: {n: {ipv4_address: 10.0.0.9}}}',
  )
  expect(() => imported(text)).toThrow('2 containers cannot share a fixed address')
})

test('what makes no lab is reported at the line of the Compose file', () => {
  const text = network('macvlan', 'parent: eth0').replace('10.0.0.1}', '10.9.0.1}')
  expect(() => imported(text)).toThrow(
    /^compose\.yml:6:1: networks\.n\.gateway: gateway 10\.9\.0\.1 lies outside/m,
  )
})
