import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parseMac } from '../addr/mac.ts'
import { ToolExit } from './arguments.ts'
import { planOfLine } from './plan-of.ts'

const mac = parseMac('02:00:00:00:01:01')

test.each([
  ['ip netns add a', [{ do: 'netns.add', netns: 'a' }]],
  ['ip -n a link set lo up', [{ do: 'link.set', netns: 'a', name: 'lo', up: true }]],
  [
    'ip -n a l s dev e address 02:00:00:00:01:01',
    [{ do: 'link.set', netns: 'a', name: 'e', address: mac }],
  ],
  [
    'ip -n h link add link e name m address 02:00:00:00:01:01 netns c type macvlan mode bridge ',
    [
      {
        do: 'link.add',
        netns: 'c',
        name: 'm',
        parentNetns: 'h',
        address: mac,
        spec: { kind: 'macvlan', parent: 'e', macvlan: { mode: 'bridge' } },
      },
    ],
  ],
  [
    'ip -n s link add p1 type veth peer name e netns h',
    [
      {
        do: 'link.add',
        netns: 's',
        name: 'p1',
        spec: { kind: 'veth', peer: { name: 'e', netns: 'h' } },
      },
    ],
  ],
  [
    'ip -n s link set link dev m0 type macvlan macaddr add 02:00:00:00:01:01',
    [
      {
        do: 'link.set',
        netns: 's',
        name: 'm0',
        macvlan: { sources: { change: 'add', macs: [mac] } },
      },
    ],
  ],
  [
    'ip -n a -6 route add default dev e',
    [{ do: 'route.add', netns: 'a', to: { address: 0n, length: 0 }, link: 'e' }],
  ],
  [
    'ip netns exec a sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.e0/5.disable_ipv6=1',
    [
      { do: 'sysctl.set', netns: 'a', key: 'net.ipv4.ip_forward', value: '0' },
      { do: 'sysctl.set', netns: 'a', key: 'net.ipv6.conf.e0/5.disable_ipv6', value: '1' },
    ],
  ],
  [
    'bridge -n s link set dev p hairpin on',
    [{ do: 'link.set', netns: 's', name: 'p', port: { hairpin: true } }],
  ],
  [
    'ip -n s link add br0 type bridge ageing_time 100 vlan_filtering 1',
    [
      {
        do: 'link.add',
        netns: 's',
        name: 'br0',
        spec: { kind: 'bridge', bridge: { ageingTime: 1, vlanFiltering: true } },
      },
    ],
  ],
  ['ip -n a route flush cache', [{ do: 'route.flush-cache', netns: 'a' }]],
  ['ip -n a neigh flush all', [{ do: 'neighbour.flush', netns: 'a' }]],
])('planOfLine reads %s', (line, ops) => {
  expect(planOfLine(line)).toEqual(ops)
})

test.each([
  [
    'ip -n a link add link e name krn4567890123456 type macvlan',
    255,
    'Error: argument "krn4567890123456" is wrong: "name" not a valid ifname\n',
  ],
  ['ip link add x', 1, 'Not enough information: "type" argument is required\n'],
  [
    'ip addr add 300.1.1.1/24 dev lo',
    1,
    'Error: any valid prefix is expected rather than "300.1.1.1/24".\n',
  ],
  ['ip link set lo mtu abc', 255, 'Error: argument "abc" is wrong: Invalid "mtu" value\n\n'],
  ['ip link set lo up foo', 255, 'Error: either "dev" is duplicate, or "foo" is a garbage.\n'],
  ['ip foo', 1, 'Object "foo" is unknown, try "ip help".\n'],
  [
    'ip link set lo promisc maybe',
    1,
    'Error: argument of "promisc" must be "on" or "off", not "maybe"\n',
  ],
  ['bridge vlan add dev v0 vid 5000', 255, 'Invalid VLAN ID "5000"\n'],
  [
    'bridge link set dev v0 hairpin maybe',
    234,
    'Error: argument of "hairpin" must be one of "off", "on", not "maybe"\n',
  ],
])('planOfLine says of %s what the tool says', (line, code, stderr) => {
  const thrown = (() => {
    try {
      return planOfLine(line)
    } catch (error) {
      return error
    }
  })()
  expect(thrown).toBeInstanceOf(ToolExit)
  expect((thrown as ToolExit).output).toEqual({ code, stderr, stdout: '' })
})

/**
 * Lines the tool itself refuses in the measured files, and one background job; all others must be
 * readable.
 */
const REFUSED_BY_THE_TOOL = /mode trunk|krn4567890123456|bclim|id abc|mode l4|private vepa| & sleep/

test('planOfLine reads every command line of the measured files', () => {
  const folder = 'test/truth'
  const lines = new Set<string>()
  for (const file of readdirSync(folder).filter((f) => f.endsWith('.json'))) {
    collect(JSON.parse(readFileSync(`${folder}/${file}`, 'utf8')), lines)
  }
  expect(lines.size).toBeGreaterThan(400)
  const unread: string[] = []
  for (const line of lines) {
    if (REFUSED_BY_THE_TOOL.test(line)) continue
    try {
      planOfLine(line)
    } catch (error) {
      unread.push(`${line}: ${String(error)}`)
    }
  }
  expect(unread).toEqual([])
})

/** Every string that is a command: members of build, setup, pre, extra, and `cmd`. */
function collect(value: unknown, lines: Set<string>): void {
  if (Array.isArray(value)) for (const item of value) collect(item, lines)
  else if (typeof value === 'object' && value !== null) {
    for (const [key, item] of Object.entries(value)) {
      if (key === 'cmd' && typeof item === 'string') lines.add(item)
      else if (/^(build|setup|pre|extra)$/.test(key) && Array.isArray(item)) {
        for (const line of item) if (typeof line === 'string') lines.add(line)
      } else collect(item, lines)
    }
  }
}
