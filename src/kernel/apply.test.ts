/**
 * The same request from a Plan and from iproute2, message by message: also for kinds this machine's
 * kernel does not have.
 */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parseIp } from '../addr/ip.ts'
import { parseMac } from '../addr/mac.ts'
import { parsePrefix } from '../addr/prefix.ts'
import type { Op } from '../fabric/plan.ts'
import { eachAttribute } from '../netlink/attribute.ts'
import { Writer } from '../netlink/bytes.ts'
import {
  type Format,
  type Incoming,
  incoming,
  type Outgoing,
  readMessage,
  writeMessage,
} from '../netlink/message.ts'
import { address } from '../netlink/tables/address.ts'
import { bridgeLink } from '../netlink/tables/bridge.ts'
import { link } from '../netlink/tables/link.ts'
import { neighbour } from '../netlink/tables/neighbour.ts'
import { route } from '../netlink/tables/route.ts'
import { rule } from '../netlink/tables/rule.ts'
import { applyOp } from './apply.ts'
import { removal } from './apply-link.ts'
import { isRemoval } from './apply-removal.ts'
import type { Work } from './apply-link.ts'
import type { KnownLink } from './connections.ts'

interface Recorded {
  readonly command: string
  readonly sent: string
}
const file = JSON.parse(
  readFileSync(new URL('./iproute2.json', import.meta.url), 'utf8'),
) as Readonly<Record<string, Recorded>> & { readonly index: Readonly<Record<string, number>> }

const N = ''
const mac = parseMac
const ip = parseIp
const prefix = parsePrefix

const OPS: Readonly<Record<string, Op>> = {
  vlan: {
    do: 'link.add',
    netns: N,
    name: 'v100',
    spec: {
      kind: 'vlan',
      parent: 'eth0',
      id: 100,
      protocol: '802.1ad',
      reorderHeader: false,
      looseBinding: true,
      ingressQos: [[1, 2]],
      egressQos: [[3, 4]],
    },
  },
  ipvlan: {
    do: 'link.add',
    netns: N,
    name: 'i1',
    spec: { kind: 'ipvlan', parent: 'eth0', mode: 'l3s', flag: 'private' },
  },
  dummy: {
    do: 'link.add',
    netns: N,
    name: 'd0',
    spec: { kind: 'dummy' },
    address: mac('02:00:00:00:00:77'),
    mtu: 1400,
    group: 9,
  },
  vxlan: {
    do: 'link.add',
    netns: N,
    name: 'vx0',
    spec: {
      kind: 'vxlan',
      id: 42,
      port: 4789,
      parent: 'eth0',
      local: ip('10.0.0.1'),
      remote: ip('10.0.0.2'),
      learning: false,
    },
  },
  macvlan: {
    do: 'link.add',
    netns: N,
    name: 'm9',
    spec: { kind: 'macvlan', parent: 'eth0', macvlan: { mode: 'passthru', nopromisc: true } },
    address: mac('02:00:00:00:00:78'),
    txQueueLength: 7,
    up: true,
  },
  'macvlan-source': {
    do: 'link.add',
    netns: N,
    name: 'm8',
    spec: {
      kind: 'macvlan',
      parent: 'eth0',
      macvlan: {
        mode: 'source',
        sources: { change: 'set', macs: [mac('02:00:00:00:00:01'), mac('02:00:00:00:00:02')] },
      },
    },
  },
  veth: {
    do: 'link.add',
    netns: N,
    name: 'va',
    spec: { kind: 'veth', peer: { name: 'vb', address: mac('02:00:00:00:00:79') } },
  },
  bridge: {
    do: 'link.add',
    netns: N,
    name: 'b9',
    spec: { kind: 'bridge', bridge: { ageingTime: 12, vlanFiltering: true, vlanDefaultPvid: 5 } },
  },
  set: {
    do: 'link.set',
    netns: N,
    name: 'eth1',
    up: true,
    promisc: true,
    mtu: 1400,
    group: 5,
    master: null,
  },
  'set-bridge': { do: 'link.set', netns: N, name: 'br0', bridge: { stp: true } },
  'del-group': { do: 'link.del-group', netns: N, group: 77 },
  address: {
    do: 'address.add',
    netns: N,
    link: 'eth0',
    address: prefix('10.1.0.1/24'),
    broadcast: ip('10.1.0.255'),
    noprefixroute: true,
  },
  address6: {
    do: 'address.add',
    netns: N,
    link: 'eth0',
    address: prefix('fd00::1/64'),
    nodad: true,
  },
  'address-del': { do: 'address.del', netns: N, link: 'eth0', address: prefix('10.1.0.1/24') },
  route: {
    do: 'route.add',
    netns: N,
    to: prefix('10.7.0.0/16'),
    via: ip('10.0.0.9'),
    link: 'eth0',
    source: ip('10.0.0.1'),
    metric: 5,
    mtu: 1300,
    table: 1000,
  },
  'route-link': { do: 'route.add', netns: N, to: prefix('10.7.0.0/16'), link: 'eth0' },
  'route-onlink': {
    do: 'route.replace',
    netns: N,
    to: prefix('0.0.0.0/0'),
    via: ip('172.16.0.1'),
    link: 'eth0',
    onlink: true,
  },
  'route-local': {
    do: 'route.add',
    netns: N,
    to: prefix('10.11.0.0/16'),
    type: 'local',
    link: 'lo',
  },
  'route-unreachable': {
    do: 'route.add',
    netns: N,
    to: prefix('10.12.0.0/16'),
    type: 'unreachable',
  },
  'route-del': { do: 'route.del', netns: N, to: prefix('10.7.0.0/16'), link: 'eth0' },
  route6: { do: 'route.add', netns: N, to: prefix('fd01::/64'), via: ip('fe80::1'), link: 'eth0' },
  'route-via6': {
    do: 'route.add',
    netns: N,
    to: prefix('10.13.0.0/16'),
    via: ip('fe80::1'),
    link: 'eth0',
  },
  neighbour: {
    do: 'neighbour.add',
    netns: N,
    link: 'eth0',
    ip: ip('10.0.0.5'),
    mac: mac('02:00:00:00:00:51'),
    state: 'stale',
  },
  'neighbour-del': { do: 'neighbour.del', netns: N, link: 'eth0', ip: ip('10.0.0.5') },
  rule: {
    do: 'rule.add',
    netns: N,
    family: 4,
    from: prefix('10.3.0.0/16'),
    iif: 'eth0',
    table: 1000,
    priority: 100,
  },
  'rule-prohibit': {
    do: 'rule.add',
    netns: N,
    family: 6,
    to: prefix('fd00::/8'),
    action: 'prohibit',
    priority: 101,
  },
  'rule-del': { do: 'rule.del', netns: N, family: 4, priority: 100 },
  fdb: {
    do: 'fdb.add',
    netns: N,
    link: 'eth1',
    mac: mac('02:00:00:00:00:61'),
    on: 'master',
    state: 'static',
    vlan: 5,
  },
  'fdb-dynamic': {
    do: 'fdb.replace',
    netns: N,
    link: 'eth1',
    mac: mac('02:00:00:00:00:62'),
    on: 'master',
    state: 'dynamic',
  },
  'fdb-self': { do: 'fdb.add', netns: N, link: 'mac1', mac: mac('02:00:00:00:00:63'), on: 'self' },
  'fdb-del': { do: 'fdb.del', netns: N, link: 'eth1', mac: mac('02:00:00:00:00:61'), on: 'master' },
  'bridge-vlan': {
    do: 'bridge-vlan.add',
    netns: N,
    link: 'eth1',
    from: 100,
    to: 103,
    untagged: true,
  },
  'bridge-vlan-self': {
    do: 'bridge-vlan.add',
    netns: N,
    link: 'br0',
    from: 7,
    pvid: true,
    untagged: true,
    self: true,
  },
  'bridge-vlan-del': { do: 'bridge-vlan.del', netns: N, link: 'eth1', from: 7 },
  port: {
    do: 'link.set',
    netns: N,
    name: 'eth1',
    port: { hairpin: true, isolated: false, learning: false },
  },
}

/** Links as they were when iproute2 was recorded; takes the request instead of the kernel. */
class Recorder {
  taken: Outgoing | undefined

  find(_netns: string, name: string): KnownLink {
    return { ok: true, index: file.index[name] ?? 0, kind: undefined }
  }
  send(_netns: string, build: () => Outgoing): undefined {
    this.taken = build()
  }
  forget(): void {}
}

function ours(op: Op): Incoming {
  const recorder = new Recorder()
  if (isRemoval(op)) recorder.taken = removal(op)
  else applyOp({ links: recorder } as unknown as Work, op)
  const writer = new Writer()
  // NLM_F_REQUEST and NLM_F_ACK, which iproute2 asks for too.
  writeMessage(writer, recorder.taken as Outgoing, 5, 0)
  return incoming(Uint8Array.from(writer.bytes()))[0] as Incoming
}

function theirs(name: string): Incoming {
  const bytes = Uint8Array.from(Buffer.from((file[name] as Recorded).sent, 'hex'))
  return incoming(bytes)[0] as Incoming
}

function formatOf(message: Incoming): Format<unknown, unknown> {
  if (message.type < 20) {
    return message.view.getUint8(message.start) === 7 ? bridgeLink : link
  }
  return message.type < 24
    ? address
    : message.type < 28
      ? route
      : message.type < 32
        ? neighbour
        : rule
}

/** Types of the outermost attributes, so that one a table does not know shows. */
function attributeTypes(message: Incoming): readonly number[] {
  const types: number[] = []
  const start = message.start + formatOf(message).header.size
  eachAttribute(message.view, start, message.end, (type) => void types.push(type))
  return types.toSorted((a, b) => a - b)
}

for (const [name, op] of Object.entries(OPS)) {
  test(`${op.do} is what "${file[name]?.command}" sends`, () => {
    const mine = ours(op)
    const their = theirs(name)
    expect([mine.type, mine.flags]).toEqual([their.type, their.flags])
    expect(readMessage(formatOf(mine), mine)).toEqual(readMessage(formatOf(their), their))
    expect(attributeTypes(mine)).toEqual(attributeTypes(their))
  })
}
