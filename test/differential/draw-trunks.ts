/**
 * Draws VLANs: sub-interfaces by id on trunk and access ports of a bridge that filters (or does
 * not), containers on them, and changes, some of which a kernel refuses.
 */
import type { LinkSpec, Op } from '../../src/fabric/plan.ts'
import { cableOps, childOps, switchOps } from '../lan.ts'
import {
  addLink,
  addNetns,
  addresses,
  anyOf,
  chance,
  type Draft,
  mac,
  pick,
  someMac,
  subnetAddress,
  up,
} from './draft.ts'

const IDS = [10, 20] as const

/** A sub-interface of a host. */
interface Sub {
  readonly netns: string
  readonly name: string
  readonly id: number
}

export function drawTrunks(draft: Draft): void {
  const sw = addNetns(draft, 'sw')
  drawSwitch(draft, sw)
  const subs: Sub[] = []
  const hosts = 2 + draft.random.below(2)
  for (let i = 0; i < hosts; i++) drawHost(draft, sw, subs)
  if (chance(draft, 0.15)) drawBridgeSub(draft, sw)
  const children = 1 + draft.random.below(3)
  for (let i = 0; i < children; i++) drawChild(draft, subs)
  const changes = draft.random.below(7)
  for (let i = 0; i < changes; i++) drawChange(draft, sw, subs)
}

function drawSwitch(draft: Draft, sw: string): void {
  const [add, ...rest] = switchOps(sw, mac(draft))
  const vlanDefaultPvid = pick(draft, [1, 1, 1, 0, 10])
  const bridge = {
    vlanFiltering: chance(draft, 0.8),
    ...(vlanDefaultPvid === 1 ? {} : { vlanDefaultPvid }),
  }
  if (add?.do === 'link.add') draft.plan.push({ ...add, spec: { kind: 'bridge', bridge } }, ...rest)
}

function drawHost(draft: Draft, sw: string, subs: Sub[]): void {
  const number = draft.hosts.length + 1
  const netns = addNetns(draft, `h${number}`)
  const port = `p${number}`
  const macs = { portMac: mac(draft), mac: mac(draft) }
  draft.plan.push(...cableOps({ sw, port, netns, ...macs }))
  membership(draft, sw, port)
  if (chance(draft, 0.15))
    draft.plan.push({ do: 'link.set', netns: sw, name: port, port: { hairpin: true } })
  addresses(draft, netns, 'eth0')
  up(draft, netns, 'eth0')
  draft.hosts.push({ netns, port })
  const count = draft.random.below(3)
  for (let i = 0; i < count; i++) drawSub(draft, netns, 'eth0', subs)
  if (subs.length > 0 && chance(draft, 0.1)) {
    const { name, netns: where } = pick(draft, subs)
    drawSub(draft, where, name, subs)
  }
}

/** An access port, a trunk, or what a new port gets. */
function membership(draft: Draft, netns: string, link: string): void {
  const change = (op: Omit<Op & { do: 'bridge-vlan.add' }, 'do' | 'netns' | 'link'>): void => {
    draft.plan.push({ do: 'bridge-vlan.add', netns, link, ...op })
  }
  const roll = draft.random.next()
  if (roll < 0.2) return
  if (roll < 0.45) {
    change({ from: pick(draft, IDS), pvid: true, untagged: true })
    if (chance(draft, 0.7)) draft.plan.push({ do: 'bridge-vlan.del', netns, link, from: 1 })
    return
  }
  if (roll < 0.6) change({ from: 10, to: 20 })
  else for (const from of IDS) if (chance(draft, 0.8)) change({ from })
  if (chance(draft, 0.2)) change({ from: pick(draft, [1, ...IDS]), pvid: true, untagged: true })
  if (chance(draft, 0.1)) change({ from: pick(draft, IDS), untagged: true })
}

function drawSub(draft: Draft, netns: string, parent: string, subs: Sub[]): void {
  const id = pick(draft, IDS)
  const name = chance(draft, 0.8) ? `${parent}.${id}`.slice(0, 15) : `sub${subs.length}`
  const spec: LinkSpec = {
    kind: 'vlan',
    parent,
    id,
    ...(chance(draft, 0.15) ? { protocol: '802.1ad' as const } : {}),
    ...(chance(draft, 0.15) ? { reorderHeader: false } : {}),
    ...(chance(draft, 0.1) ? { looseBinding: true } : {}),
    ...(chance(draft, 0.1) ? { egressQos: [[0, 3]] as const, ingressQos: [[2, 5]] as const } : {}),
  }
  draft.plan.push({
    do: 'link.add',
    netns,
    name,
    spec,
    ...(chance(draft, 0.2) ? { address: mac(draft) } : {}),
    ...(chance(draft, 0.1) ? { mtu: pick(draft, [1400, 1496, 1501]) } : {}),
  })
  if (chance(draft, 0.6)) subnetAddress(draft, netns, name, id)
  up(draft, netns, name)
  subs.push({ netns, name, id })
}

/** A VLAN of the switch itself, with or without its bridge being a member. */
function drawBridgeSub(draft: Draft, sw: string): void {
  const id = pick(draft, IDS)
  addLink(draft, sw, `br0.${id}`, { kind: 'vlan', parent: 'br0', id })
  if (chance(draft, 0.7))
    draft.plan.push({ do: 'bridge-vlan.add', netns: sw, link: 'br0', from: id, self: true })
  subnetAddress(draft, sw, `br0.${id}`, id)
  up(draft, sw, `br0.${id}`)
}

/** A container on a sub-interface or beside it, now and then tagging by itself. */
function drawChild(draft: Draft, subs: readonly Sub[]): void {
  const netns = addNetns(draft, `c${draft.children.length + 1}`)
  const sub = subs.length > 0 && chance(draft, 0.8) ? pick(draft, subs) : undefined
  const { netns: host } = sub ?? pick(draft, draft.hosts)
  const parent = sub?.name ?? 'eth0'
  const mode = pick(draft, ['bridge', 'bridge', 'vepa', 'private', 'passthru'] as const)
  if (chance(draft, 0.25)) {
    const l2 = pick(draft, ['l2', 'l2', 'l3', 'l3s'] as const)
    const spec: LinkSpec = { kind: 'ipvlan', parent, mode: l2 }
    draft.plan.push({ do: 'link.add', netns, name: 'm0', parentNetns: host, spec })
  } else {
    const options = { netns, parentNetns: host, mac: mac(draft), parent, macvlan: { mode } }
    draft.plan.push(...childOps(options))
  }
  if (sub === undefined || chance(draft, 0.2)) addresses(draft, netns, 'm0')
  else subnetAddress(draft, netns, 'm0', sub.id)
  up(draft, netns, 'm0')
  draft.children.push({ netns, host, name: 'm0' })
  if (sub !== undefined || chance(draft, 0.6)) return
  const id = pick(draft, IDS)
  addLink(draft, netns, `m0.${id}`, { kind: 'vlan', parent: 'm0', id })
  subnetAddress(draft, netns, `m0.${id}`, id)
  up(draft, netns, `m0.${id}`)
}

/** One change; the kernel refuses some of them. */
function drawChange(draft: Draft, sw: string, subs: readonly Sub[]): void {
  const host = pick(draft, draft.hosts)
  const sub = subs.length > 0 ? pick(draft, subs) : { netns: host.netns, name: 'eth0', id: 10 }
  const set = (netns: string, name: string, change: object): void => {
    draft.plan.push({ do: 'link.set', netns, name, ...change })
  }
  const vlan = (parent: string, id: number | undefined, name = 'odd'): void =>
    addLink(draft, host.netns, name, { kind: 'vlan', parent, id })
  const member = (op: object): void => {
    const link = pick(draft, [host.port, host.port, 'br0', 'nope'])
    const self = link === 'br0' || chance(draft, 0.1) ? { self: true } : {}
    draft.plan.push({ do: 'bridge-vlan.add', netns: sw, link, from: 1, ...self, ...op })
  }
  const { netns, name } = sub
  anyOf(draft, [
    () => vlan('eth0', pick(draft, [0, 1, 4094])),
    () => vlan('eth0', pick(draft, [4095, 4096, undefined])),
    () => vlan(pick(draft, ['lo', 'nope', 'm0']), 30),
    () => vlan('eth0', 10, 'twin'),
    () => {
      vlan('eth0', 30, 'late')
      set(host.netns, 'eth0', { up: false })
      set(host.netns, 'late', { up: true })
      if (chance(draft, 0.5)) set(host.netns, 'eth0', { up: true })
    },
    () => set(netns, name, { up: false }),
    () => set(netns, name, { mtu: pick(draft, [67, 1280, 1400, 1500, 1501]) }),
    () => set(netns, 'eth0', { mtu: pick(draft, [1300, 1500, 2000]) }),
    () => set(netns, name, { address: someMac(draft) }),
    () => set(netns, 'eth0', { address: someMac(draft) }),
    () => set(netns, name, { promisc: true }),
    () => set(netns, name, { allmulticast: true }),
    () => set(netns, 'eth0', { promisc: true }),
    () => set(sw, host.port, { up: chance(draft, 0.5) }),
    () => set(sw, 'br0', { bridge: { vlanFiltering: chance(draft, 0.5) } }),
    () => set(sw, 'br0', { bridge: { vlanDefaultPvid: pick(draft, [0, 1, 10, 4095]) } }),
    () => set(sw, host.port, { master: null }),
    () => member({ from: pick(draft, IDS), untagged: chance(draft, 0.5) }),
    () => member({ from: pick(draft, IDS), pvid: true }),
    () => member({ from: pick(draft, [0, 4095]) }),
    () => member({ from: 10, to: pick(draft, [12, 5]), pvid: chance(draft, 0.2) }),
    () => member({ do: 'bridge-vlan.del', from: pick(draft, [1, ...IDS, 30]) }),
    () => draft.plan.push({ do: 'link.del', netns, name: pick(draft, [name, 'eth0']) }),
    () => set(netns, name, { newNetns: sw }),
    () => set(netns, name, { newName: 'renamed0' }),
    () => addresses(draft, netns, name),
  ])
}
