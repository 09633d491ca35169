import { expect, test } from 'vitest'
import { linkSnapshot, netnsSnapshot } from '../../test/support/snapshots.ts'
import { parseIp } from '../addr/ip.ts'
import { parseMac } from '../addr/mac.ts'
import { parsePrefix } from '../addr/prefix.ts'
import type { Op, Plan } from './plan.ts'
import type { NetnsSnapshot, RouteSnapshot, Snapshot } from './snapshot.ts'
import { undoPlan } from './undo.ts'

const p = parsePrefix
const mac = parseMac('02:00:00:00:00:07')

function before(values: Partial<NetnsSnapshot>): Snapshot {
  return { netns: [netnsSnapshot('h', values)] }
}

const ROUTE: RouteSnapshot = {
  to: p('10.0.0.0/8'),
  type: 'unicast',
  via: parseIp('192.0.2.1'),
  link: 'eth0',
  source: undefined,
  metric: 0,
  table: 254,
  scope: 'global',
  protocol: 'static',
  linkDown: false,
  onlink: false,
}

test('undoPlan removes what the plan made, last first', () => {
  const plan: Plan = [
    { do: 'netns.add', netns: 'box' },
    { do: 'link.add', netns: 'h', name: 'br0', spec: { kind: 'bridge' } },
    { do: 'address.add', netns: 'h', link: 'eth0', address: p('192.0.2.9/24') },
    { do: 'route.add', netns: 'h', to: p('10.0.0.0/8'), via: parseIp('192.0.2.1') },
    { do: 'rule.add', netns: 'h', family: 4, priority: 9, table: 100 },
  ]
  expect(undoPlan(plan)).toEqual({
    plan: [
      { do: 'rule.del', netns: 'h', family: 4, priority: 9, table: 100 },
      { do: 'route.del', netns: 'h', to: p('10.0.0.0/8'), via: parseIp('192.0.2.1') },
      { do: 'address.del', netns: 'h', link: 'eth0', address: p('192.0.2.9/24') },
      { do: 'link.del', netns: 'h', name: 'br0' },
      { do: 'netns.del', netns: 'box' },
    ],
    kept: [],
  })
})

test('undoPlan leaves alone what goes with a link or namespace of the plan', () => {
  const plan: Plan = [
    { do: 'netns.add', netns: 'box' },
    { do: 'link.set', netns: 'box', name: 'lo', up: true },
    { do: 'sysctl.set', netns: 'box', key: 'net.ipv4.ip_forward', value: '1' },
    { do: 'link.add', netns: 'h', name: 'a.5', spec: { kind: 'dummy' } },
    { do: 'link.set', netns: 'h', name: 'a.5', mtu: 1400, up: true },
    { do: 'address.add', netns: 'h', link: 'a.5', address: p('10.0.0.1/24') },
    { do: 'sysctl.set', netns: 'h', key: 'net.ipv4.conf.a/5.arp_filter', value: '1' },
  ]
  expect(undoPlan(plan)).toEqual({
    plan: [
      { do: 'link.del', netns: 'h', name: 'a.5' },
      { do: 'netns.del', netns: 'box' },
    ],
    kept: [],
  })
})

test('undoPlan removes a link where the plan left it, under its last name', () => {
  const spec = { kind: 'veth', peer: { name: 'w', netns: 'box' } } as const
  const add: Op = { do: 'link.add', netns: 'h', name: 'v', spec }
  const moved: Op = { do: 'link.set', netns: 'h', name: 'v', newName: 'eth0', newNetns: 'box' }
  expect(undoPlan([add, moved]).plan).toEqual([{ do: 'link.del', netns: 'box', name: 'eth0' }])
  const peer: Op = { do: 'link.set', netns: 'box', name: 'w', newName: 'x' }
  expect(undoPlan([add, peer]).plan).toEqual([{ do: 'link.del', netns: 'h', name: 'v' }])
})

test('undoPlan has nothing to do for what the plan made and removed', () => {
  const spec = { kind: 'veth', peer: { name: 'w' } } as const
  expect(
    undoPlan([
      { do: 'link.add', netns: 'h', name: 'v', spec },
      { do: 'link.del', netns: 'h', name: 'w' },
      { do: 'netns.add', netns: 'box' },
      { do: 'netns.del', netns: 'box' },
    ]),
  ).toEqual({ plan: [], kept: [] })
})

test('undoPlan gives a link its name and namespace back, and its values when they are known', () => {
  const plan: Plan = [
    { do: 'link.set', netns: 'h', name: 'eth1', newNetns: 'box', newName: 'eth0', up: false },
    { do: 'link.set', netns: 'box', name: 'eth0', mtu: 9000, up: true },
  ]
  const home: Op = { do: 'link.set', netns: 'box', name: 'eth0', newName: 'eth1', newNetns: 'h' }
  expect(undoPlan(plan)).toEqual({ plan: [home], kept: plan })
  const snapshot = before({ links: [linkSnapshot('eth1', { mtu: 1500, up: true })] })
  expect(undoPlan(plan, snapshot)).toEqual({
    plan: [
      { do: 'link.set', netns: 'box', name: 'eth0', mtu: 1500, up: true },
      home,
      { do: 'link.set', netns: 'h', name: 'eth1', up: true },
    ],
    kept: [],
  })
})

test('undoPlan restores every kind of link value from the snapshot', () => {
  const macvlan = {
    mode: 'source',
    nopromisc: false,
    nodst: true,
    sources: [mac],
    broadcastQueueLength: 1000,
  } as const
  const snapshot = before({ links: [linkSnapshot('m', { macvlan, alias: 'old', master: 'br0' })] })
  const plan: Plan = [
    {
      do: 'link.set',
      netns: 'h',
      name: 'm',
      alias: 'new',
      master: null,
      group: 5,
      macvlan: { nodst: false, sources: { change: 'add', macs: [1] } },
    },
  ]
  expect(undoPlan(plan, snapshot).plan).toEqual([
    {
      do: 'link.set',
      netns: 'h',
      name: 'm',
      alias: 'old',
      master: 'br0',
      group: 0,
      macvlan: { nodst: true, sources: { change: 'set', macs: [mac] } },
    },
  ])
})

test('undoPlan lists what it cannot take back', () => {
  const plan: Plan = [
    { do: 'link.del', netns: 'h', name: 'eth0' },
    { do: 'netns.del', netns: 'box' },
    { do: 'link.del-group', netns: 'h', group: 5 },
    { do: 'sysctl.set', netns: 'h', key: 'net.ipv4.ip_forward', value: '1' },
    { do: 'address.del', netns: 'h', link: 'eth0', address: p('10.0.0.1/24') },
    { do: 'address.flush', netns: 'h', link: 'eth0' },
    { do: 'route.del', netns: 'h', to: p('10.0.0.0/8') },
    { do: 'rule.del', netns: 'h', family: 4, priority: 9 },
    { do: 'bridge-vlan.del', netns: 'h', link: 'p1', from: 1 },
  ]
  expect(undoPlan(plan)).toEqual({ plan: [], kept: plan })
  const known = before({ sysctls: { 'net.ipv4.ip_forward': '0' }, routes: [ROUTE] })
  expect(undoPlan(plan.slice(0, 4), known)).toEqual({
    plan: [{ do: 'sysctl.set', netns: 'h', key: 'net.ipv4.ip_forward', value: '0' }],
    kept: plan.slice(0, 3),
  })
})

test('undoPlan puts entries back as the snapshot has them', () => {
  const address = {
    link: 'eth0',
    address: p('10.0.0.1/24'),
    broadcast: parseIp('10.0.0.255'),
    scope: 'global',
    secondary: false,
    tentative: false,
    dadFailed: false,
    dynamic: false,
  } as const
  const snapshot = before({
    addresses: [address, { ...address, address: p('fe80::1/64'), dynamic: true }],
    routes: [ROUTE],
    vlans: [{ link: 'p1', vlan: 1, pvid: true, untagged: true }],
    rules: [
      {
        family: 4,
        priority: 9,
        from: p('10.0.0.0/8'),
        to: undefined,
        iif: undefined,
        oif: undefined,
        table: 100,
        action: 'lookup',
      },
    ],
    fdb: [{ link: 'p1', mac, vlan: undefined, on: 'master', state: 'static' }],
  })
  const back = (op: Op) => undoPlan([op], snapshot).plan
  expect(back({ do: 'address.flush', netns: 'h', link: 'eth0' })).toEqual([
    {
      do: 'address.add',
      netns: 'h',
      link: 'eth0',
      address: p('10.0.0.1/24'),
      broadcast: parseIp('10.0.0.255'),
      scope: 'global',
    },
  ])
  const route = {
    netns: 'h',
    to: p('10.0.0.0/8'),
    type: 'unicast',
    via: parseIp('192.0.2.1'),
    link: 'eth0',
    metric: 0,
    table: 254,
    scope: 'global',
  }
  expect(back({ do: 'route.del', netns: 'h', to: p('10.0.0.0/8') })).toEqual([
    { do: 'route.add', ...route },
  ])
  const other = { netns: 'h', to: p('10.0.0.0/8'), link: 'eth1' } as const
  expect(back({ do: 'route.replace', ...other })).toEqual([{ do: 'route.replace', ...route }])
  const fresh = { ...other, metric: 77 } as const
  expect(back({ do: 'route.replace', ...fresh })).toEqual([{ do: 'route.del', ...fresh }])
  expect(back({ do: 'rule.del', netns: 'h', family: 4, priority: 9 })).toEqual([
    { do: 'rule.add', netns: 'h', family: 4, priority: 9, from: p('10.0.0.0/8'), table: 100 },
  ])
  expect(back({ do: 'fdb.replace', netns: 'h', link: 'p2', mac, on: 'master' })).toEqual([
    { do: 'fdb.replace', netns: 'h', link: 'p1', mac, on: 'master', state: 'static' },
  ])
  expect(back({ do: 'bridge-vlan.add', netns: 'h', link: 'p1', from: 1, to: 2 })).toEqual([
    { do: 'bridge-vlan.add', netns: 'h', link: 'p1', from: 1, pvid: true, untagged: true },
    { do: 'bridge-vlan.del', netns: 'h', link: 'p1', from: 2 },
  ])
})

test('undoPlan removes lasting neighbours and forgets about learned ones', () => {
  const at = { netns: 'h', link: 'eth0', ip: parseIp('10.0.0.7') } as const
  const row = { link: 'eth0', ip: at.ip, mac, proxy: false, router: false }
  const replace: Op = { do: 'neighbour.replace', ...at, mac: 5, state: 'permanent' }
  const learned = before({ neighbours: [{ ...row, state: 'stale' }] })
  const lasting = before({ neighbours: [{ ...row, state: 'permanent' }] })
  expect(undoPlan([replace], learned).plan).toEqual([{ do: 'neighbour.del', ...at }])
  expect(undoPlan([replace], lasting).plan).toEqual([
    { do: 'neighbour.replace', ...at, mac, state: 'permanent' },
  ])
  expect(undoPlan([replace]).kept).toEqual([replace])
  expect(undoPlan([{ do: 'neighbour.flush', netns: 'h' }])).toEqual({ plan: [], kept: [] })
})
