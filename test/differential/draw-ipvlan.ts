/**
 * Draws ipvlan: children of every mode and flag on a host's link, on a dummy or beside macvlan, in
 * one subnet or several, with or without routes, and changes that a kernel may refuse.
 */
import type { IpvlanFlag, IpvlanMode, LinkSpec, Op } from '../../src/fabric/plan.ts'
import { cableOps, switchOps } from '../lan.ts'
import {
  addLink,
  addNetns,
  addresses,
  anyOf,
  chance,
  type Draft,
  ip4,
  ip6,
  mac,
  pick,
  someMac,
  subnetAddress,
  up,
} from './draft.ts'
import { settings } from './draw-routed.ts'

const MODES: readonly IpvlanMode[] = ['l2', 'l2', 'l3', 'l3s']
const FLAGS: readonly (IpvlanFlag | undefined)[] = [undefined, undefined, 'private', 'vepa']

/** One mode and flag a parent, most of the time. */
interface Parent {
  readonly netns: string
  readonly link: string
  readonly mode: IpvlanMode
  readonly flag: IpvlanFlag | undefined
}

export function drawIpvlan(draft: Draft): void {
  const sw = addNetns(draft, 'sw')
  draft.plan.push(...switchOps(sw, mac(draft)))
  const parents: Parent[] = []
  const hosts = 1 + draft.random.below(2)
  for (let i = 0; i < hosts; i++) drawHost(draft, sw, parents)
  const children = 2 + draft.random.below(3)
  for (let i = 0; i < children; i++) drawChild(draft, parents)
  const changes = draft.random.below(6)
  for (let i = 0; i < changes; i++) drawChange(draft, sw, parents)
}

function drawHost(draft: Draft, sw: string, parents: Parent[]): void {
  const number = draft.hosts.length + 1
  const netns = addNetns(draft, `h${number}`)
  settings(draft, netns, chance(draft, 0.4))
  const port = `p${number}`
  const macs = { portMac: mac(draft), mac: mac(draft) }
  draft.plan.push(...cableOps({ sw, port, netns, ...macs }))
  if (chance(draft, 0.35))
    draft.plan.push({ do: 'link.set', netns: sw, name: port, port: { hairpin: true } })
  addresses(draft, netns, 'eth0')
  up(draft, netns, 'eth0')
  draft.hosts.push({ netns, port })
  const options = (): Pick<Parent, 'mode' | 'flag'> => ({
    mode: pick(draft, MODES),
    flag: pick(draft, FLAGS),
  })
  parents.push({ netns, link: 'eth0', ...options() })
  if (!chance(draft, 0.25)) return
  draft.plan.push({
    do: 'link.add',
    netns,
    name: 'd0',
    address: mac(draft),
    spec: { kind: 'dummy' },
  })
  if (chance(draft, 0.5)) subnetAddress(draft, netns, 'd0', 7)
  up(draft, netns, 'd0')
  parents.push({ netns, link: 'd0', ...options() })
}

function drawChild(draft: Draft, parents: readonly Parent[]): void {
  const netns = addNetns(draft, `c${draft.children.length + 1}`)
  settings(draft, netns, false)
  const parent = pick(draft, parents)
  const odd = chance(draft, 0.1)
  const mode = odd ? pick(draft, MODES) : parent.mode
  const flag = odd ? pick(draft, FLAGS) : parent.flag
  const spec: LinkSpec = {
    kind: 'ipvlan',
    parent: parent.link,
    mode,
    ...(flag === undefined ? {} : { flag }),
  }
  draft.plan.push({ do: 'link.add', netns, name: 'm0', parentNetns: parent.netns, spec })
  const subnet = mode === 'l2' ? pick(draft, [9, 9, 9, 7]) : pick(draft, [9, 7, 6])
  subnetAddress(draft, netns, 'm0', subnet)
  up(draft, netns, 'm0')
  // Without a gateway: by the link alone, as l3 wants it.
  if (chance(draft, mode === 'l2' ? 0.2 : 0.7)) byLink(draft, netns)
  draft.children.push({ netns, host: parent.netns, name: 'm0' })
  if (subnet !== 9 && chance(draft, 0.6)) wayBack(draft, subnet, parent.netns)
}

function byLink(draft: Draft, netns: string): void {
  draft.plan.push({ do: 'route.add', netns, to: { address: 0, length: 0 }, link: 'm0' })
  if (draft.ip6)
    draft.plan.push({ do: 'route.add', netns, to: { address: 0n, length: 0 }, link: 'm0' })
}

/** The other host learns where the subnet is. */
function wayBack(draft: Draft, subnet: number, host: string): void {
  const other = draft.hosts.find(({ netns }) => netns !== host)
  const add = draft.plan.find(
    (op): op is Op & { do: 'address.add' } =>
      op.do === 'address.add' && op.netns === host && typeof op.address.address === 'number',
  )
  if (other === undefined || add === undefined) return
  const via = add.address.address
  const to = { address: ip4(subnet, 0), length: 24 }
  draft.plan.push({ do: 'route.add', netns: other.netns, to, via })
  if (!draft.ip6) return
  const to6 = { address: ip6(subnet, 0), length: 64 }
  const via6 = ip6(9, Number(via) & 0xff)
  draft.plan.push({ do: 'route.add', netns: other.netns, to: to6, via: via6 })
}

function drawChange(draft: Draft, sw: string, parents: readonly Parent[]): void {
  const host = pick(draft, draft.hosts)
  const parent = pick(draft, parents)
  const child = pick(draft, draft.children)
  const set = (netns: string, name: string, change: object): void => {
    draft.plan.push({ do: 'link.set', netns, name, ...change })
  }
  const onParent = (name: string, spec: LinkSpec): void => addLink(draft, parent.netns, name, spec)
  const { netns } = child
  anyOf(draft, [
    () => set(netns, 'm0', { ipvlan: { mode: pick(draft, MODES) } }),
    () => set(netns, 'm0', { ipvlan: { flag: pick(draft, ['bridge', 'private', 'vepa']) } }),
    () => set(netns, 'm0', { address: someMac(draft) }),
    () => set(netns, 'm0', { mtu: pick(draft, [67, 1400, 1500, 2000]) }),
    () => set(netns, 'm0', { up: false }),
    () => {
      set(netns, 'm0', { up: false })
      set(netns, 'm0', { up: true })
    },
    () => set(netns, 'm0', { promisc: true }),
    () => set(netns, 'm0', { allmulticast: true }),
    () => set(netns, 'm0', { macvlan: { mode: 'bridge' } }),
    () => set(netns, 'm0', { newNetns: parent.netns }),
    () => set(parent.netns, parent.link, { up: chance(draft, 0.5) }),
    () => set(parent.netns, parent.link, { mtu: pick(draft, [1300, 1500, 2000]) }),
    () => set(parent.netns, parent.link, { address: someMac(draft) }),
    () => set(parent.netns, parent.link, { promisc: true }),
    () => set(sw, host.port, { up: chance(draft, 0.5) }),
    () => onParent('i9', { kind: 'ipvlan', parent: pick(draft, ['lo', 'nope', 'eth0']) }),
    () => onParent('m9', { kind: 'macvlan', parent: parent.link }),
    () => addLink(draft, netns, 'i8', { kind: 'ipvlan', parent: 'm0', mode: parent.mode }),
    () => addLink(draft, netns, 'v8', { kind: 'vlan', parent: 'm0', id: 5 }),
    () => addLink(draft, netns, 'm8', { kind: 'macvlan', parent: 'm0' }),
    () => onParent('br9', { kind: 'bridge' }),
    () => set(parent.netns, parent.link, { master: 'br9' }),
    () => taken(draft),
    () => draft.plan.push({ do: 'link.del', netns, name: 'm0' }),
    () => draft.plan.push({ do: 'link.del', netns: parent.netns, name: parent.link }),
    () => byLink(draft, pick(draft, draft.children).netns),
  ])
}

/** An address another one has: of a sibling, of a child of another parent, or of a host. */
function taken(draft: Draft): void {
  const { netns } = pick(draft, draft.children)
  const last = 2 + draft.random.below(draft.netns.length)
  const address = { address: ip4(pick(draft, [9, 7, 6]), last), length: 24 }
  draft.plan.push({ do: 'address.add', netns, link: 'm0', address })
  if (!draft.ip6) return
  const six = { address: ip6(9, last), length: 64 }
  draft.plan.push({ do: 'address.add', netns, link: 'm0', address: six, nodad: true })
}
