/**
 * One op of every kind and every kind of link, for the reference page; the compiler misses none.
 */
import { parseIp } from '../src/addr/ip.ts'
import { parseMac } from '../src/addr/mac.ts'
import { parsePrefix } from '../src/addr/prefix.ts'
import type { LinkKind, LinkSpec, Op, OpOf } from '../src/fabric/plan.ts'

const netns = 'box1'
const link = 'eth0'
const ip = parseIp('10.0.0.5')
const FILTER = { netns, family: 4, table: 'filter' } as const
const NAT = { netns, family: 4, table: 'nat' } as const
const mac = parseMac('02:00:00:00:00:05')

export const OP_SAMPLES: { readonly [D in Op['do']]: OpOf<D> } = {
  'netns.add': { do: 'netns.add', netns },
  'netns.del': { do: 'netns.del', netns },
  'link.add': {
    do: 'link.add',
    netns,
    name: link,
    parentNetns: '',
    spec: { kind: 'macvlan', parent: 'eno1', macvlan: { mode: 'bridge' } },
  },
  'link.set': { do: 'link.set', netns, name: link, up: true, mtu: 1400 },
  'link.del': { do: 'link.del', netns, name: link },
  'link.del-group': { do: 'link.del-group', netns, group: 7000 },
  'address.add': { do: 'address.add', netns, link, address: parsePrefix('10.0.0.5/24') },
  'address.del': { do: 'address.del', netns, link, address: parsePrefix('10.0.0.5/24') },
  'address.flush': { do: 'address.flush', netns, link },
  'route.add': { do: 'route.add', netns, to: parsePrefix('0.0.0.0/0'), via: parseIp('10.0.0.1') },
  'route.replace': { do: 'route.replace', netns, to: parsePrefix('10.1.0.0/16'), link, metric: 50 },
  'route.del': { do: 'route.del', netns, to: parsePrefix('10.1.0.0/16') },
  'route.flush-cache': { do: 'route.flush-cache', netns },
  'neighbour.add': { do: 'neighbour.add', netns, link, ip, mac, state: 'permanent' },
  'neighbour.replace': { do: 'neighbour.replace', netns, link, ip, mac, state: 'reachable' },
  'neighbour.del': { do: 'neighbour.del', netns, link, ip },
  'neighbour.flush': { do: 'neighbour.flush', netns, link },
  'sysctl.set': { do: 'sysctl.set', netns, key: 'net.ipv4.ip_forward', value: '1' },
  'rule.add': { do: 'rule.add', netns, family: 4, from: parsePrefix('10.0.0.0/24'), table: 100 },
  'rule.del': { do: 'rule.del', netns, family: 4, priority: 32765 },
  'fdb.add': { do: 'fdb.add', netns, link, mac, on: 'master', state: 'static' },
  'fdb.replace': { do: 'fdb.replace', netns, link, mac, on: 'master', state: 'dynamic' },
  'fdb.del': { do: 'fdb.del', netns, link, mac, on: 'master' },
  'fdb.flush': { do: 'fdb.flush', netns, bridge: 'br0' },
  'bridge-vlan.add': { do: 'bridge-vlan.add', netns, link, from: 50, pvid: true, untagged: true },
  'bridge-vlan.del': { do: 'bridge-vlan.del', netns, link, from: 2, to: 4094 },
  'filter.add': {
    do: 'filter.add',
    ...NAT,
    chain: 'POSTROUTING',
    rule: { match: { oif: link }, verdict: { do: 'masquerade' } },
  },
  'filter.del': { do: 'filter.del', ...NAT, chain: 'POSTROUTING', rule: 1 },
  'filter.flush': { do: 'filter.flush', ...FILTER, chain: 'INPUT' },
  'filter.policy': { do: 'filter.policy', ...FILTER, chain: 'FORWARD', policy: 'drop' },
  'filter.chain-add': { do: 'filter.chain-add', ...FILTER, chain: 'trusted' },
  'filter.chain-del': { do: 'filter.chain-del', ...FILTER, chain: 'trusted' },
  'qdisc.add': { do: 'qdisc.add', netns, link, netem: { delayNs: 100_000_000, lossPercent: 5 } },
  'qdisc.change': { do: 'qdisc.change', netns, link, netem: { lossPercent: 100 } },
  'qdisc.replace': { do: 'qdisc.replace', netns, link, netem: { rateBits: 10_000_000 } },
  'qdisc.del': { do: 'qdisc.del', netns, link },
  'multicast.add': { do: 'multicast.add', netns, link, mac: parseMac('01:00:5e:00:00:fb') },
  'multicast.del': { do: 'multicast.del', netns, link, mac: parseMac('01:00:5e:00:00:fb') },
}

export const LINK_SAMPLES: { readonly [K in LinkKind]: LinkSpec & { readonly kind: K } } = {
  dummy: { kind: 'dummy' },
  veth: { kind: 'veth', peer: { name: 'port1', netns: 'switch' } },
  bridge: { kind: 'bridge', bridge: { vlanFiltering: true } },
  macvlan: { kind: 'macvlan', parent: 'eno1', macvlan: { mode: 'private' } },
  macvtap: { kind: 'macvtap', parent: 'eno1', macvlan: { mode: 'vepa' } },
  ipvlan: { kind: 'ipvlan', parent: 'eno1', mode: 'l3', flag: 'private' },
  vlan: { kind: 'vlan', parent: 'eno1', id: 50 },
  vxlan: { kind: 'vxlan', id: 42, port: 4789, parent: 'eno1' },
  tun: { kind: 'tun' },
  tap: { kind: 'tap' },
}
