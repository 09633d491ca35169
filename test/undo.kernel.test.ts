/** The way back of a plan, walked on a kernel: afterwards everything is as it was before. */
import { afterEach, expect, test } from 'vitest'
import { parseIp } from '../src/addr/ip.ts'
import { parseMac } from '../src/addr/mac.ts'
import { parsePrefix } from '../src/addr/prefix.ts'
import { compareSnapshots, formatDifference } from '../src/fabric/compare.ts'
import type { Plan } from '../src/fabric/plan.ts'
import { undoPlan } from '../src/fabric/undo.ts'
import { openKernel } from '../src/kernel/fabric.ts'
import { deleteNetns, listNetns } from '../src/kernel/netns.ts'
import { describeKernel } from './describe-kernel.ts'

const A = 'wire-ua'
const B = 'wire-ub'
const p = parsePrefix

/** What is there before: a veth pair, an address, routes, a bridge with a port. */
const BEFORE: Plan = [
  { do: 'netns.add', netns: A },
  { do: 'netns.add', netns: B },
  {
    do: 'link.add',
    netns: A,
    name: 'v',
    up: true,
    spec: { kind: 'veth', peer: { name: 'w', netns: B } },
  },
  { do: 'link.set', netns: B, name: 'w', up: true },
  {
    do: 'address.add',
    netns: A,
    link: 'v',
    address: p('10.0.0.1/24'),
    broadcast: parseIp('10.0.0.255'),
  },
  { do: 'route.add', netns: A, to: p('10.9.0.0/16'), via: parseIp('10.0.0.2') },
  { do: 'link.add', netns: A, name: 'br0', spec: { kind: 'bridge' } },
  {
    do: 'link.add',
    netns: A,
    name: 'x',
    up: true,
    master: 'br0',
    spec: { kind: 'veth', peer: { name: 'y' } },
  },
  // Last: a bridge that is up before its port has carrier for a moment, and an address tentative.
  { do: 'link.set', netns: A, name: 'br0', up: true },
  { do: 'rule.add', netns: A, family: 4, priority: 99, from: p('10.7.0.0/16'), table: 100 },
]

/** Everything that can be taken back, in an order that trips over a wrong one. */
const PLAN: Plan = [
  { do: 'sysctl.set', netns: A, key: 'net.ipv4.ip_forward', value: '1' },
  { do: 'sysctl.set', netns: A, key: 'net.ipv4.conf.v.arp_filter', value: '1' },
  {
    do: 'link.add',
    netns: A,
    name: 'm',
    up: true,
    spec: { kind: 'macvlan', parent: 'v', macvlan: { mode: 'bridge' } },
  },
  { do: 'address.add', netns: A, link: 'm', address: p('10.0.0.5/24') },
  { do: 'route.add', netns: A, to: p('10.8.0.0/16'), via: parseIp('10.0.0.2'), metric: 5 },
  { do: 'route.replace', netns: A, to: p('10.9.0.0/16'), via: parseIp('10.0.0.3'), link: 'v' },
  { do: 'link.set', netns: A, name: 'm', newNetns: B, newName: 'eth0' },
  { do: 'link.set', netns: A, name: 'v', mtu: 1400, promisc: true, alias: 'the uplink', group: 5 },
  { do: 'link.set', netns: A, name: 'x', master: null },
  { do: 'link.set', netns: A, name: 'y', newName: 'z' },
  { do: 'link.set', netns: A, name: 'z', arp: false },
  { do: 'link.set', netns: A, name: 'br0', bridge: { ageingTime: 10, groupForwardMask: 8 } },
  {
    do: 'neighbour.add',
    netns: A,
    link: 'v',
    ip: parseIp('10.0.0.9'),
    mac: parseMac('02:00:00:00:00:09'),
    state: 'permanent',
  },
  { do: 'rule.del', netns: A, family: 4, priority: 99 },
  { do: 'rule.add', netns: A, family: 4, priority: 50, to: p('10.6.0.0/16'), action: 'blackhole' },
  { do: 'address.add', netns: A, link: 'br0', address: p('10.3.0.1/24') },
]

describeKernel('undoPlan on a kernel', () => {
  afterEach(() => {
    for (const name of listNetns()) if (name.startsWith('wire-u')) deleteNetns(name)
  })

  test('undoPlan brings back what a snapshot saw before the plan', async () => {
    const fabric = await openKernel()
    try {
      await fabric.apply(BEFORE)
      const look = async () => {
        await fabric.settle({ netns: [A, B] })
        return fabric.snapshot({ netns: [A, B] })
      }
      const before = await look()
      await fabric.apply(PLAN)
      const undo = undoPlan(PLAN, before)
      expect(undo.kept).toEqual([])
      expect(compareSnapshots(before, await look())).not.toEqual([])
      await fabric.apply(undo.plan)
      const left = compareSnapshots(before, await look())
      expect(left.map((d) => formatDifference(d, ['before', 'after']))).toEqual([])
    } finally {
      await fabric.close()
    }
  })
})
