/**
 * What of a machine the words of a lab file can say, and which of its command lines stay lines: a
 * line is declared when everything it did is.
 */
import { formatIp } from '../../addr/ip.ts'
import { formatPrefix } from '../../addr/prefix.ts'
import type { LinkSet, Op, RouteChange } from '../../fabric/plan.ts'
import type { LinkSnapshot, NetnsSnapshot, RouteSnapshot, Snapshot } from '../../fabric/snapshot.ts'
import type { Done } from './world.ts'

/** A machine and the namespaces made on it. */
export interface MachineView {
  readonly netns: NetnsSnapshot
  /** VLAN links to write down, each after what it sits on. */
  readonly vlans: readonly LinkSnapshot[]
  /** Dummies as a lab makes them for a network without a parent. */
  readonly dummies: readonly string[]
  /** Namespaces to write down as containers, by their own names. */
  readonly containers: ReadonlyMap<string, NetnsSnapshot>
  /** Lines that stay lines. */
  readonly kept: readonly Done[]
  readonly declared: readonly Done[]
}

const LINK_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$/
const MAIN = 254

/** @param nics the ends of its cables */
export function viewMachine(
  node: string,
  nics: readonly string[],
  snapshot: Snapshot,
  done: readonly Done[],
): MachineView | undefined {
  const netns = snapshot.netns.find((n) => n.name === node)
  if (netns === undefined) return undefined
  let kept: readonly Done[] = []
  for (;;) {
    const made = madeBy(kept)
    const vlans = vlansOf(netns, nics, made)
    const dummies = dummiesOf(netns, made)
    const parents = new Set([...nics, ...vlans.map((v) => v.name), ...dummies])
    const containers = containersOf(node, snapshot, parents, made)
    const known = new Map<string, ReadonlySet<string>>([[node, parents]])
    for (const c of containers.values())
      known.set(c.name, new Set(childrenOf(c).map((l) => l.name)))
    const test = { known, nics, snapshot, passing: passingLinks(done, snapshot) }
    const now = done.filter(
      (line) => line.node === node && !line.ops.every((op) => isDeclared(op, test)),
    )
    if (now.length === kept.length) {
      const declared = done.filter((line) => line.node === node && !now.includes(line))
      return { netns, vlans, dummies, containers, kept: now, declared }
    }
    kept = now
  }
}

/** Links and namespaces that lines make or touch: those lines stay, and so do these theirs. */
function madeBy(kept: readonly Done[]): ReadonlySet<string> {
  const made = new Set<string>()
  for (const op of kept.flatMap((line) => line.ops)) {
    if (op.do === 'link.add') made.add(`${op.netns}:${op.name}`)
    if (op.netns.includes('/')) made.add(op.netns)
  }
  return made
}

function vlansOf(
  netns: NetnsSnapshot,
  nics: readonly string[],
  made: ReadonlySet<string>,
): LinkSnapshot[] {
  const found: LinkSnapshot[] = []
  for (const link of netns.links.toSorted((a, b) => a.index - b.index)) {
    const { vlan, parent } = link
    if (vlan === undefined || parent?.netns !== netns.name || !LINK_NAME.test(link.name)) continue
    const on = [...nics, ...found.map((f) => f.name)].includes(parent.name ?? '')
    if (on && vlan.reorderHeader && !made.has(`${netns.name}:${link.name}`)) found.push(link)
  }
  return found
}

/** What `dm-NETWORK` a network without a parent sits on. */
export const DUMMY = /^dm-([A-Za-z0-9][A-Za-z0-9_-]*)$/

function dummiesOf(netns: NetnsSnapshot, made: ReadonlySet<string>): string[] {
  const speaks = (name: string): boolean =>
    netns.addresses.some((a) => a.link === name && a.scope === 'global')
  return netns.links
    .filter((l) => l.kind === 'dummy' && l.up && DUMMY.test(l.name) && !speaks(l.name))
    .map((l) => l.name)
    .filter((name) => !made.has(`${netns.name}:${name}`))
}

/** The links of a namespace but its loopback. */
export function childrenOf(netns: NetnsSnapshot): LinkSnapshot[] {
  return netns.links.filter((l) => l.kind !== 'loopback')
}

/** Namespaces with nothing but macvlan and ipvlan children of this machine's links. */
function containersOf(
  node: string,
  snapshot: Snapshot,
  parents: ReadonlySet<string>,
  made: ReadonlySet<string>,
): Map<string, NetnsSnapshot> {
  const found = new Map<string, NetnsSnapshot>()
  for (const netns of snapshot.netns) {
    if (!netns.name.startsWith(`${node}/`) || made.has(netns.name)) continue
    const children = childrenOf(netns)
    const fits = (link: LinkSnapshot): boolean =>
      (link.macvlan !== undefined || link.ipvlan !== undefined) &&
      link.kind !== 'macvtap' &&
      link.parent?.netns === node &&
      parents.has(link.parent.name ?? '') &&
      link.up &&
      (link.macvlan?.sources.length ?? 0) === 0 &&
      LINK_NAME.test(link.name)
    if (children.length > 0 && children.every(fits))
      found.set(netns.name.slice(node.length + 1), netns)
  }
  return found
}

interface Test {
  /** Links a lab file has, by namespace. */
  readonly known: ReadonlyMap<string, ReadonlySet<string>>
  /** The ends of its cables: those alone are impaired in a lab file. */
  readonly nics: readonly string[]
  /** Links that had another name or place before, or are gone. */
  readonly passing: ReadonlySet<string>
  readonly snapshot: Snapshot
}

function passingLinks(done: readonly Done[], snapshot: Snapshot): Set<string> {
  const there = new Set(snapshot.netns.flatMap((n) => n.links.map((l) => `${n.name}:${l.name}`)))
  const passing = new Set<string>()
  for (const op of done.flatMap((line) => line.ops)) {
    const moved =
      op.do === 'link.set' && op.newNetns !== undefined && passing.has(`${op.netns}:${op.name}`)
    if (moved) passing.add(`${op.newNetns}:${op.newName ?? op.name}`)
    if (op.do !== 'link.add' || !CHILDREN.includes(op.spec.kind)) continue
    if (!there.has(`${op.netns}:${op.name}`)) passing.add(`${op.netns}:${op.name}`)
  }
  return passing
}

const CHILDREN: readonly string[] = ['vlan', 'macvlan', 'ipvlan', 'dummy']

/** Whether a lab file says the same without the command line. */
function isDeclared(op: Op, test: Test): boolean {
  const has = (netns: string, link: string): boolean => test.known.get(netns)?.has(link) === true
  const had = (netns: string, link: string): boolean =>
    has(netns, link) || test.passing.has(`${netns}:${link}`)
  if (op.do === 'netns.add') return test.known.has(op.netns)
  if (op.do === 'link.add') {
    return CHILDREN.includes(op.spec.kind) && op.master === undefined && had(op.netns, op.name)
  }
  if (op.do === 'link.set') {
    if (op.name === 'lo') return isLoSet(op, test)
    const end = had(op.newNetns ?? op.netns, op.newName ?? op.name)
    return end && had(op.netns, op.name) && isPlainSet(op)
  }
  if (op.do === 'address.add' || op.do === 'address.del') {
    const plain = op.noprefixroute !== true && (op.scope ?? 'global') === 'global'
    return plain && has(op.netns, op.link)
  }
  if (
    op.do === 'qdisc.add' ||
    op.do === 'qdisc.change' ||
    op.do === 'qdisc.replace' ||
    op.do === 'qdisc.del'
  )
    return !op.netns.includes('/') && test.nics.includes(op.link)
  if (op.do === 'address.flush') return has(op.netns, op.link)
  if (op.do === 'route.add' || op.do === 'route.replace' || op.do === 'route.del') {
    return isPlainRoute(op, test)
  }
  return op.do === 'sysctl.set' && test.known.has(op.netns) && isWholeSetting(op.key)
}

function isLoSet(op: LinkSet, test: Test): boolean {
  return test.known.has(op.netns) && op.up !== undefined && Object.keys(op).length === 4
}

const SET_KEYS = [
  'do',
  'netns',
  'name',
  'up',
  'mtu',
  'promisc',
  'address',
  'newNetns',
  'newName',
  'macvlan',
]

function isPlainSet(op: LinkSet): boolean {
  return Object.entries(op).every(([key, value]) => value === undefined || SET_KEYS.includes(key))
}

function isPlainRoute(op: RouteChange, { known, snapshot }: Test): boolean {
  const links = known.get(op.netns)
  if (links === undefined || (op.type ?? 'unicast') !== 'unicast') return false
  if ((op.table ?? MAIN) !== MAIN || op.onlink === true || op.mtu !== undefined) return false
  if (op.link !== undefined) return links.has(op.link)
  const netns = snapshot.netns.find((n) => n.name === op.netns)
  const there = netns?.routes.find(
    (r) => r.table === MAIN && formatPrefix(r.to) === formatPrefix(op.to) && r.via === op.via,
  )
  return there === undefined || links.has(there.link ?? '')
}

/** A setting of the whole namespace: those of a link, or of links to come, wait for the links. */
function isWholeSetting(key: string): boolean {
  return key.startsWith('net.') && !/\.(?:conf|neigh)\.(?!all\.)/.test(key)
}

/** The settings of a namespace, the last one of a key. */
export function settingsOf(
  netns: string,
  first: readonly (readonly [string, string])[],
  declared: readonly Done[],
): Map<string, string> {
  const settings = new Map(first)
  for (const op of declared.flatMap((line) => line.ops)) {
    if (op.do === 'sysctl.set' && op.netns === netns) settings.set(op.key, op.value)
  }
  return settings
}

/** The addresses of a link that somebody gave it, as a lab file writes them. */
export function addressesOf(netns: NetnsSnapshot, link: string, kept: readonly Done[]): string[] {
  const later = new Set(
    kept
      .flatMap((line) => line.ops)
      .map((op) =>
        op.do === 'address.add' ? `${op.netns} ${op.link} ${formatPrefix(op.address)}` : '',
      ),
  )
  return netns.addresses
    .filter((a) => a.link === link && a.scope === 'global' && !a.dynamic)
    .map((a) => formatPrefix(a.address))
    .filter((text) => !later.has(`${netns.name} ${link} ${text}`))
}

/** The routes of a namespace that somebody gave it, as a lab file writes them. */
export function routesOf(
  netns: NetnsSnapshot,
  links: ReadonlySet<string>,
  kept: readonly Done[],
): string[] {
  const keyOf = ({ to, via, link }: Pick<RouteSnapshot, 'to' | 'via' | 'link'>): string =>
    `${formatPrefix(to)} ${via === undefined ? `dev ${link}` : formatIp(via)}`
  const later = new Set(
    kept
      .flatMap((line) => line.ops)
      .flatMap((op) => {
        const adds = (op.do === 'route.add' || op.do === 'route.replace') && op.netns === netns.name
        return adds ? [keyOf({ to: op.to, via: op.via, link: op.link })] : []
      }),
  )
  return netns.routes
    .filter((r) => r.table === MAIN && r.type === 'unicast' && links.has(r.link ?? ''))
    .filter((r) => !['kernel', 'ra', 'redirect'].includes(r.protocol) && !later.has(keyOf(r)))
    .map(routeText)
}

function routeText({ to, via, link, source, metric }: RouteSnapshot): string {
  const six = typeof to.address === 'bigint'
  const local = via !== undefined && typeof via === 'bigint' && via >> 118n === 0x3fan
  return [
    to.length === 0 && (via !== undefined || !six) ? 'default' : formatPrefix(to),
    ...(via === undefined ? [] : ['via', formatIp(via)]),
    ...(via === undefined || local ? ['dev', link] : []),
    ...(source === undefined ? [] : ['src', formatIp(source)]),
    ...(metric === (six ? 1024 : 0) ? [] : ['metric', metric]),
  ].join(' ')
}
