/** The parent of a network: found or made, and whether this network may have it. */
import { LanyardError } from '../errors.ts'
import type { Op, Plan } from '../fabric/plan.ts'
import type { LinkSnapshot, NetnsSnapshot, Snapshot } from '../fabric/snapshot.ts'
import { dummyName, isOurs, parentAlias, SHARED_GROUP } from './names.ts'
import {
  describeMode,
  ipvlanFlagOf,
  ipvlanModeOf,
  macvlanModeOf,
  type NetworkOptions,
} from './network.ts'
import { parseParent } from './parent-name.ts'

/** Another network that is there already. */
export interface Neighbour extends NetworkOptions {
  readonly parentLink: string
  readonly parentOwned: boolean
}

export interface ParentPlan {
  /** The link endpoints hang on, VLAN included. */
  readonly parentLink: string
  /** Whether Lanyard made it, now or for a network that shares it. */
  readonly parentOwned: boolean
  /** The VLAN endpoints' ports get when they hang on a bridge. */
  readonly portVlan: number | undefined
  /** What makes it; empty when it is there. */
  readonly plan: Plan
}

export interface ParentWish extends NetworkOptions {
  readonly id: string
  readonly parent: string | undefined
  readonly vlan?: number
}

/**
 * Finds or plans the parent of a network. Links that are there are taken as they are and never
 * changed; a missing `eth0.50` is made on `eth0`, and a network without a parent gets a dummy.
 *
 * @param others networks that are there, to find whom a parent is shared with
 * @throws LanyardError `parent-missing`, `parent-loopback`, `parent-name-invalid`, `vlan-invalid`,
 * `parent-busy`, `parent-in-use`, `parent-kind`, `parent-mode`, `parent-down`, `mtu-too-big`,
 * `network-invalid`
 */
export function planParent(
  wish: ParentWish,
  snapshot: Snapshot,
  host: string,
  others: readonly Neighbour[],
): ParentPlan {
  const there = snapshot.netns.find((netns) => netns.name === host)
  const links = there?.links ?? []
  if (wish.parent === undefined) return planDummy(wish, links, host)
  const existing = findLink(links, wish.parent)
  if (existing !== undefined && wish.vlan === undefined)
    return takeExisting(wish, existing, snapshot, there, others)
  const { link, vlan } = parseParent(wish.parent, wish.vlan)
  if (vlan === undefined) throw missing(wish.parent, links)
  const base = findLink(links, vlan.base)
  if (base === undefined) throw missing(vlan.base, links)
  if (wish.attach === 'veth') return takePort(wish, base, links, vlan.id)
  const made = findLink(links, link) ?? findVlan(links, base, vlan.id)
  if (made !== undefined) return takeExisting(wish, made, snapshot, there, others)
  checkBase(wish, base)
  const add: Op = {
    do: 'link.add',
    netns: host,
    name: link,
    spec: { kind: 'vlan', parent: base.name, id: vlan.id },
    group: SHARED_GROUP,
    alias: parentAlias(link),
    up: true,
  }
  return { parentLink: link, parentOwned: true, portVlan: undefined, plan: [add] }
}

/** What takes a parent away that was made for networks, when the last of them goes. */
export function planParentAway(parentLink: string, host: string): Plan {
  return [{ do: 'link.del', netns: host, name: parentLink }]
}

function findLink(links: readonly LinkSnapshot[], name: string): LinkSnapshot | undefined {
  return links.find((link) => link.name === name)
}

/** The VLAN may be there under another name (`vlan50`): one id on one link is one VLAN. */
function findVlan(
  links: readonly LinkSnapshot[],
  base: LinkSnapshot,
  id: number,
): LinkSnapshot | undefined {
  return links.find(
    (link) =>
      link.vlan?.id === id && link.vlan.protocol === '802.1Q' && link.parent?.index === base.index,
  )
}

function planDummy(wish: ParentWish, links: readonly LinkSnapshot[], host: string): ParentPlan {
  const invalid = (why: string) => new LanyardError('network-invalid', { network: wish.name, why })
  if (wish.vlan !== undefined) throw invalid('a VLAN needs a parent')
  if (wish.attach === 'veth') throw invalid('"attach veth" needs a parent')
  const name = dummyName(wish.id)
  const add: Op = {
    do: 'link.add',
    netns: host,
    name,
    spec: { kind: 'dummy' },
    ...(wish.mtu === undefined ? {} : { mtu: wish.mtu }),
    group: SHARED_GROUP,
    alias: parentAlias(name),
    up: true,
  }
  const plan = findLink(links, name) === undefined ? [add] : []
  return { parentLink: name, parentOwned: true, portVlan: undefined, plan }
}

function takeExisting(
  wish: ParentWish,
  link: LinkSnapshot,
  snapshot: Snapshot,
  there: NetnsSnapshot | undefined,
  others: readonly Neighbour[],
): ParentPlan {
  const links = there?.links ?? []
  if (wish.attach === 'veth') return takePort(wish, link, links, undefined)
  checkBase(wish, link)
  checkMtu(wish, link)
  checkNetworks(wish, link.name, others)
  checkChildren(wish, link, snapshot, there)
  const shared = others.some((other) => other.parentLink === link.name && other.parentOwned)
  const parentOwned = shared || (isOurs(link) && link.alias === parentAlias(link.name))
  return { parentLink: link.name, parentOwned, portVlan: undefined, plan: [] }
}

/** A link's own fitness, whoever else is on it. */
function checkBase(wish: ParentWish, link: LinkSnapshot): void {
  if (link.kind === 'loopback') throw new LanyardError('parent-loopback', { parent: link.name })
  if (link.master !== undefined) {
    throw new LanyardError('parent-busy', {
      kind: wish.kind,
      parent: link.name,
      owner: `it is a port of ${link.master}`,
      better: link.master,
    })
  }
  if (wish.kind === 'macvlan' && link.kind === 'ipvlan') {
    const why = `its parent ${link.name} is an ipvlan child, which carries no macvlan`
    throw new LanyardError('network-invalid', { network: wish.name, why })
  }
}

function checkMtu(wish: ParentWish, link: LinkSnapshot): void {
  const most = Math.max(link.mtu, wish.parentMtu ?? 0)
  if (wish.parentMtu !== undefined && wish.parentMtu > link.maxMtu && link.maxMtu > 0)
    throw new LanyardError('mtu-too-big', {
      network: wish.name,
      mtu: wish.parentMtu,
      parent: link.name,
      most: link.maxMtu,
    })
  if (wish.mtu === undefined || wish.mtu <= most) return
  const { name: parent } = link
  throw new LanyardError('mtu-too-big', { network: wish.name, mtu: wish.mtu, parent, most })
}

/** The rules of sharing, against our own networks, whose names are known. */
function checkNetworks(wish: ParentWish, parent: string, others: readonly Neighbour[]): void {
  for (const other of others) {
    if (other.parentLink !== parent || other.name === wish.name || other.attach === 'veth') continue
    const owner = `network ${other.name}`
    if (other.kind !== wish.kind)
      throw new LanyardError('parent-kind', { kind: wish.kind, parent, owner, other: other.kind })
    if (wish.kind === 'ipvlan') {
      const same =
        ipvlanModeOf(other) === ipvlanModeOf(wish) && ipvlanFlagOf(other) === ipvlanFlagOf(wish)
      if (same) continue
      const modes = { mode: describeMode(wish), otherMode: describeMode(other) }
      throw new LanyardError('parent-mode', { parent, owner, ...modes })
    }
    checkPassthru(wish, parent, owner, macvlanModeOf(other) === 'passthru')
  }
}

function checkPassthru(wish: ParentWish, parent: string, owner: string, other: boolean): void {
  const mine = wish.kind === 'macvlan' && macvlanModeOf(wish) === 'passthru'
  if (mine || other) {
    throw new LanyardError('parent-in-use', { parent, owner, passthru: mine ? 'wanted' : 'held' })
  }
}

/** The same rules against children that somebody else made, as far as the snapshot shows them. */
function checkChildren(
  wish: ParentWish,
  parent: LinkSnapshot,
  snapshot: Snapshot,
  there: NetnsSnapshot | undefined,
): void {
  for (const { netns, link } of childrenOf(snapshot, there?.name ?? '', parent)) {
    if (isOurs(link)) continue
    const owner = `link ${link.name}${netns === there?.name ? '' : ` in namespace ${netns}`}`
    const kind = link.kind === 'ipvlan' ? 'ipvlan' : 'macvlan'
    const at = { parent: parent.name, owner }
    if (kind !== wish.kind)
      throw new LanyardError('parent-kind', { kind: wish.kind, ...at, other: kind })
    if (link.ipvlan !== undefined) {
      const { mode, flag } = link.ipvlan
      if (mode === ipvlanModeOf(wish) && flag === ipvlanFlagOf(wish)) continue
      const otherMode = `ipvlan ${mode} ${flag}`
      throw new LanyardError('parent-mode', { ...at, mode: describeMode(wish), otherMode })
    }
    checkPassthru(wish, parent.name, owner, link.macvlan?.mode === 'passthru')
  }
}

/** Children of a link, in whichever namespace of the snapshot. */
export function childrenOf(
  snapshot: Snapshot,
  host: string,
  parent: LinkSnapshot,
): { readonly netns: string; readonly link: LinkSnapshot }[] {
  return snapshot.netns.flatMap((netns) =>
    netns.links
      .filter((link) => link.macvlan !== undefined || link.ipvlan !== undefined)
      .filter((link) => link.parent?.netns === host && link.parent.index === parent.index)
      .map((link) => ({ netns: netns.name, link })),
  )
}

/** Endpoints as ports of a bridge: of the one the parent is a port of, or is. */
function takePort(
  wish: ParentWish,
  link: LinkSnapshot,
  links: readonly LinkSnapshot[],
  vlan: number | undefined,
): ParentPlan {
  const bridge = link.kind === 'bridge' ? link : findLink(links, link.master ?? '')
  const invalid = (why: string) => new LanyardError('network-invalid', { network: wish.name, why })
  if (bridge?.bridge === undefined) {
    throw invalid(`"attach veth" needs a bridge, and ${link.name} neither is one nor a port of one`)
  }
  if (vlan !== undefined && !bridge.bridge.vlanFiltering)
    throw invalid(`bridge ${bridge.name} keeps no VLANs apart (vlan_filtering is 0)`)
  checkMtu(wish, bridge)
  return { parentLink: bridge.name, parentOwned: false, portVlan: vlan, plan: [] }
}

function missing(parent: string, links: readonly LinkSnapshot[]): LanyardError {
  const known = links
    .filter((link) => link.kind !== 'loopback' && !isOurs(link) && link.master === undefined)
    .map((link) => link.name)
  return new LanyardError('parent-missing', { parent, known })
}
