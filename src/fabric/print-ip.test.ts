import { expect, test } from 'vitest'
import { parseIp } from '../addr/ip.ts'
import { parseMac } from '../addr/mac.ts'
import { parsePrefix } from '../addr/prefix.ts'
import type { Op } from './plan.ts'
import { printOp, printPlan } from './print-ip.ts'

const n = { netns: 'ns1' }
const mac = parseMac('02:00:00:00:00:01')
const other = parseMac('02:00:00:00:00:02')
const p = parsePrefix
const i = parseIp

const CASES: readonly (readonly [Op, ...string[]])[] = [
  [{ do: 'netns.add', ...n }, 'ip netns add ns1'],
  [{ do: 'netns.del', ...n }, 'ip netns del ns1'],
  [
    {
      do: 'link.add',
      ...n,
      name: 'eth0',
      parentNetns: '',
      spec: {
        kind: 'macvlan',
        parent: 'eth1',
        macvlan: { mode: 'bridge', broadcastQueueLength: 9 },
      },
      address: mac,
      mtu: 1400,
      group: 7,
      alias: "it's mine",
      up: true,
    },
    'ip link add link eth1 name eth0 address 02:00:00:00:00:01 mtu 1400 group 7 up netns ns1 ' +
      'type macvlan mode bridge bcqueuelen 9',
    "ip -n ns1 link set dev eth0 alias 'it'\\''s mine'",
  ],
  [
    {
      do: 'link.add',
      netns: '',
      name: 'm0',
      spec: {
        kind: 'macvlan',
        parent: 'eth1',
        macvlan: { mode: 'source', nodst: true, sources: { change: 'add', macs: [mac, other] } },
      },
    },
    'ip link add link eth1 name m0 type macvlan mode source nodst macaddr add 02:00:00:00:00:01',
    'ip link set dev m0 type macvlan macaddr add 02:00:00:00:00:02',
  ],
  [
    { do: 'link.add', ...n, name: 'v0', spec: { kind: 'veth', peer: { name: 'p0', netns: '' } } },
    'ip -n ns1 link add name v0 type veth peer name p0 netns 1',
  ],
  [
    {
      do: 'link.add',
      ...n,
      name: 'v0',
      parentNetns: 'sw',
      master: 'br0',
      spec: { kind: 'veth', peer: { name: 'p0', netns: 'sw', mtu: 9000 } },
    },
    'ip -n sw link add name v0 netns ns1 type veth peer name p0 mtu 9000',
    'ip -n ns1 link set dev v0 master br0',
  ],
  [
    {
      do: 'link.add',
      ...n,
      name: 'br0',
      spec: { kind: 'bridge', bridge: { vlanFiltering: true, ageingTime: 300, stp: false } },
    },
    'ip -n ns1 link add name br0 type bridge ageing_time 30000 stp_state 0 vlan_filtering 1',
  ],
  [
    {
      do: 'link.add',
      ...n,
      name: 'i0',
      spec: { kind: 'ipvlan', parent: 'e', mode: 'l3', flag: 'vepa' },
    },
    'ip -n ns1 link add link e name i0 type ipvlan mode l3 vepa',
  ],
  [
    {
      do: 'link.add',
      ...n,
      name: 'e.5',
      spec: {
        kind: 'vlan',
        parent: 'e',
        id: 5,
        protocol: '802.1ad',
        reorderHeader: false,
        egressQos: [
          [0, 1],
          [2, 3],
        ],
      },
    },
    'ip -n ns1 link add link e name e.5 type vlan protocol 802.1ad id 5 reorder_hdr off ' +
      'egress-qos-map 0:1 2:3',
  ],
  [
    {
      do: 'link.add',
      ...n,
      name: 'x0',
      spec: {
        kind: 'vxlan',
        id: 9,
        port: 4789,
        parent: 'e',
        remote: i('239.1.1.1'),
        learning: false,
      },
    },
    'ip -n ns1 link add name x0 type vxlan id 9 dstport 4789 dev e group 239.1.1.1 nolearning',
  ],
  [
    { do: 'link.add', ...n, name: 't0', spec: { kind: 'tap' }, up: true },
    'ip -n ns1 tuntap add dev t0 mode tap',
    'ip -n ns1 link set dev t0 up',
  ],
  [
    { do: 'link.set', ...n, name: 'a', newName: 'b', newNetns: '/run/x', up: false, arp: false },
    'ip -n ns1 link set dev a arp off down name b netns /run/x',
  ],
  [
    { do: 'link.set', netns: 'pid:77', name: 'a', master: null, promisc: true },
    'nsenter --net=/proc/77/ns/net ip link set dev a promisc on nomaster',
  ],
  [
    { do: 'link.set', ...n, name: 'a', mtu: 9000, port: { hairpin: true, state: 4 } },
    'ip -n ns1 link set dev a mtu 9000',
    'bridge -n ns1 link set dev a hairpin on state 4',
  ],
  [
    {
      do: 'link.set',
      ...n,
      name: 'a',
      macvlan: { sources: { change: 'set', macs: [mac, other] } },
    },
    'ip -n ns1 link set dev a type macvlan macaddr set 02:00:00:00:00:01 02:00:00:00:00:02',
  ],
  [
    { do: 'link.set', ...n, name: 'a', ipvlan: { flag: 'private' } },
    'ip -n ns1 link set dev a type ipvlan private',
  ],
  [{ do: 'link.del', ...n, name: 'a' }, 'ip -n ns1 link del dev a'],
  [{ do: 'link.del-group', netns: '', group: 7 }, 'ip link del group 7'],
  [
    { do: 'address.add', ...n, link: 'a', address: p('10.0.0.1/24'), broadcast: i('10.0.0.255') },
    'ip -n ns1 addr add 10.0.0.1/24 broadcast 10.0.0.255 dev a',
  ],
  [
    { do: 'address.add', ...n, link: 'a', address: p('fd00::1/64'), nodad: true, scope: 'link' },
    'ip -n ns1 addr add fd00::1/64 dev a scope link nodad',
  ],
  [{ do: 'address.flush', ...n, link: 'a' }, 'ip -n ns1 addr flush dev a'],
  [
    { do: 'route.add', ...n, to: p('0.0.0.0/0'), via: i('10.0.0.254'), metric: 5, onlink: true },
    'ip -n ns1 route add default via 10.0.0.254 metric 5 onlink',
  ],
  [
    { do: 'route.replace', ...n, to: p('::/0'), via: i('fe80::1'), link: 'a', mtu: 1280 },
    'ip -n ns1 -6 route replace default via fe80::1 dev a mtu 1280',
  ],
  [
    { do: 'route.add', ...n, to: p('10.1.0.0/16'), via: i('fe80::1'), link: 'a' },
    'ip -n ns1 route add 10.1.0.0/16 via inet6 fe80::1 dev a',
  ],
  [
    { do: 'route.del', netns: '', to: p('10.1.0.0/16'), type: 'blackhole', table: 100 },
    'ip route del blackhole 10.1.0.0/16 table 100',
  ],
  [{ do: 'route.flush-cache', ...n }, 'ip -n ns1 route flush cache'],
  [
    { do: 'neighbour.replace', ...n, link: 'a', ip: i('10.0.0.2'), mac, state: 'permanent' },
    'ip -n ns1 neigh replace 10.0.0.2 lladdr 02:00:00:00:00:01 nud permanent dev a',
  ],
  [
    { do: 'neighbour.add', ...n, link: 'a', ip: i('10.0.0.2'), proxy: true },
    'ip -n ns1 neigh add proxy 10.0.0.2 dev a',
  ],
  [{ do: 'neighbour.flush', ...n, family: 6 }, 'ip -n ns1 -6 neigh flush all'],
  [
    { do: 'sysctl.set', ...n, key: 'net.ipv4.ip_forward', value: '1' },
    'ip netns exec ns1 sysctl -w net.ipv4.ip_forward=1',
  ],
  [
    { do: 'sysctl.set', netns: '', key: 'net.ipv4.ping_group_range', value: '0 1' },
    "sysctl -w 'net.ipv4.ping_group_range=0 1'",
  ],
  [
    { do: 'rule.add', ...n, family: 4, from: p('10.0.0.0/8'), priority: 9, table: 100 },
    'ip -n ns1 rule add from 10.0.0.0/8 priority 9 table 100',
  ],
  [
    { do: 'rule.del', ...n, family: 6, iif: 'a', action: 'prohibit' },
    'ip -n ns1 -6 rule del from all iif a prohibit',
  ],
  [
    { do: 'fdb.add', ...n, link: 'a', mac, on: 'master', vlan: 5, state: 'static', sticky: true },
    'bridge -n ns1 fdb add 02:00:00:00:00:01 dev a master static vlan 5 sticky',
  ],
  [{ do: 'fdb.flush', ...n, bridge: 'br0' }, 'bridge -n ns1 fdb flush dev br0'],
  [
    { do: 'bridge-vlan.add', netns: '', link: 'a', from: 5, to: 9, pvid: true, untagged: true },
    'bridge vlan add dev a vid 5-9 pvid untagged',
  ],
  [
    { do: 'multicast.add', ...n, link: 'a', mac: parseMac('01:00:5e:00:00:05') },
    'ip -n ns1 maddr add 01:00:5e:00:00:05 dev a',
  ],
]

const named = CASES.map(([op, ...lines]) => ({ line: lines[0], op, lines }))

test.each(named)('printOp: $line', ({ op, lines }) => {
  expect(printOp(op)).toEqual(lines)
})

test('printPlan keeps the order of the ops', () => {
  expect(printPlan(CASES.map(([op]) => op))).toEqual(CASES.flatMap(([, ...lines]) => lines))
})
