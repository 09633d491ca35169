/**
 * Links of a plan: made, changed, removed.
 *
 * A link is made by one message, in its own namespace, with its parent, address, MTU, group, flags
 * and master in it: the kernel undoes all of it when a part is refused. Only an alias (which the
 * kernel ignores at creation) and the options of tun and tap need a second message; if that one is
 * refused, the link is removed again.
 */
import type { LinkAdd, LinkAttributes, LinkSet } from '../fabric/plan.ts'
import {
  NLM_F_CREATE,
  NLM_F_EXCL,
  type Outgoing,
  outgoing,
  type Refusal,
} from '../netlink/message.ts'
import {
  IFF_ALLMULTI,
  IFF_NOARP,
  IFF_PROMISC,
  IFF_UP,
  RTM_DELLINK,
  RTM_GETLINK,
  RTM_NEWLINK,
} from '../netlink/tables/header.ts'
import {
  link,
  type LinkInfo,
  MACVLAN_FLAG_NODST,
  MACVLAN_FLAG_NOPROMISC,
} from '../netlink/tables/link.ts'
import { portMessage } from './apply-bridge.ts'
import {
  bridgeData,
  infoOf,
  IPVLAN_FLAGS,
  IPVLAN_MODES,
  isTun,
  macvlanData,
  type NetlinkSpec,
  type SourceChange,
  sourceChanges,
} from './link-info.ts'
import type { Connections, Links } from './connections.ts'
import { createTun } from './tun.ts'
import { netnsFd } from './netns.ts'

/** What the handlers of ops work with. */
export interface Work {
  readonly connections: Connections
  readonly links: Links
}

type LinkValues = Parameters<typeof link.attributes.encode>[1]

/**
 * Equivalent to: `ip link add [link PARENT] name NAME [address MAC] [mtu N] [txqueuelen N]
 * [up] [master BRIDGE] netns NETNS type KIND ...`; alias and tun or tap need more commands there
 * too.
 */
export function addLink(work: Work, op: LinkAdd): Refusal | undefined {
  const { spec } = op
  if (!isTun(spec)) return addNetlinkLink(work, op, spec)
  return createTun(op.netns, op.name, spec.kind) ?? finish(work, op, op)
}

function addNetlinkLink(work: Work, op: LinkAdd, spec: NetlinkSpec): Refusal | undefined {
  const where = op.parentNetns ?? op.netns
  const refused = createLink(work, op, spec, op.name, flagsOf(op))
  if (refused?.errno === 'EEXIST' && where !== op.netns && !work.links.find(op.netns, op.name).ok) {
    return addUnderAnotherName(work, op, spec)
  }
  if (refused !== undefined || op.alias === undefined) return refused
  return finish(work, op, { alias: op.alias })
}

/** Names of links that are about to get their own. */
let renamed = 0

/**
 * Older kernels (6.1; no longer 6.18) also want the name to be free in the namespace of the
 * request, the parent's (net/core/rtnetlink.c `__rtnl_newlink`), where a host's nic is as likely
 * called eth0 as the child in its container. So the link is born under another name and gets its
 * own where it lives. A crash in between leaves it there, down.
 */
function addUnderAnotherName(work: Work, op: LinkAdd, spec: NetlinkSpec): Refusal | undefined {
  const name = `ly${process.pid.toString(36)}-${(renamed++).toString(36)}`
  const refused = createLink(work, op, spec, name, { flags: 0, change: 0 })
  if (refused !== undefined) return refused
  const { up, promisc, allmulticast, arp, alias } = op
  const rest: LinkAttributes = Object.fromEntries(
    Object.entries({ up, promisc, allmulticast, arp, alias }).filter(([, v]) => v !== undefined),
  )
  const kept = changeLink(work, op.netns, name, rest, { name: op.name })
  work.links.forget()
  if (kept === undefined) return undefined
  // The name comes first among what the message changes: it may have been taken.
  const now = work.links.find(op.netns, name).ok ? name : op.name
  removeLink(work, { netns: op.netns, name: now })
  return kept
}

function createLink(
  work: Work,
  op: LinkAdd,
  spec: NetlinkSpec,
  name: string,
  flags: { readonly flags: number; readonly change: number },
): Refusal | undefined {
  const where = op.parentNetns ?? op.netns
  return work.links.send(where, () => {
    const parent = parentOf(spec)
    const lower = parent === undefined ? undefined : work.links.find(where, parent)
    if (lower !== undefined && !lower.ok) return lower
    const master = masterIndex(work, op.netns, op.master)
    if (typeof master === 'object') return master
    const peerNetns = spec.kind === 'veth' ? spec.peer.netns : undefined
    // A peer's namespace is the request's unless it says so: give it the link's own.
    const peerFd =
      spec.kind === 'veth' && (peerNetns ?? op.netns) !== where
        ? netnsFd(peerNetns ?? op.netns)
        : undefined
    const values: LinkValues = {
      name,
      link: spec.kind === 'vxlan' ? undefined : lower?.index,
      netnsFd: where === op.netns ? undefined : netnsFd(op.netns),
      ...plainValues(op),
      master: master === 0 ? undefined : master,
      info: infoOf(spec, lower?.index, peerFd),
    }
    return outgoing(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, link, flags, values)
  })
}

/** The second message of a creation; a refusal takes the link with it. */
function finish(work: Work, op: LinkAdd, attributes: LinkAttributes): Refusal | undefined {
  if (isEmpty(attributes)) return undefined
  const refused = changeLink(work, op.netns, op.name, attributes, {})
  if (refused !== undefined) removeLink(work, op)
  return refused
}

/**
 * Equivalent to: `ip link set NAME ...` and, for port options, `bridge link set dev NAME ...`.
 *
 * Everything but port options and single source MACs goes in one message; the kernel stops at the
 * first attribute it refuses and keeps those before it, in its own order (`do_setlink`).
 */
export function setLink(work: Work, op: LinkSet): Refusal | undefined {
  const { netns, name } = op
  const kind = kindInfo(work, op)
  if (kind !== undefined && 'ok' in kind) return kind
  const extra: LinkValues = {
    name: op.newName,
    netnsFd: op.newNetns === undefined ? undefined : netnsFd(op.newNetns),
    info: kind?.info,
  }
  if (!isEmpty(op) || Object.values(extra).some((value) => value !== undefined)) {
    const refused = changeLink(work, netns, name, op, extra, op.newNetns)
    if (op.newName !== undefined || op.newNetns !== undefined) work.links.forget()
    if (refused !== undefined) return refused
  }
  const place = { netns: op.newNetns ?? netns, name: op.newName ?? name }
  for (const change of kind?.changes ?? []) {
    const info = { kind: kind?.info?.kind ?? kind?.kind, macvlan: change }
    const refused = changeLink(work, place.netns, place.name, {}, { info })
    if (refused !== undefined) return refused
  }
  const { port } = op
  if (port === undefined) return undefined
  return work.links.send(place.netns, () => portMessage(place.netns, place.name, port, work.links))
}

/**
 * Equivalent to: `ip link del NAME`. Links that hang on it (children, a veth's other end) go too.
 */
export function removeLink(
  work: Work,
  op: { readonly netns: string; readonly name: string },
): Refusal | undefined {
  const refused = work.links.send(op.netns, () => removal(op))
  work.links.forget()
  return refused
}

/**
 * The request that removes a link, or a group: `ip link del group N`. One message however many
 * links there are; the kernel waits only once for all of them. Group 0 is refused with EPERM, an
 * empty group with ENODEV.
 */
export function removal(op: { readonly name: string } | { readonly group: number }): Outgoing {
  return outgoing(RTM_DELLINK, 0, link, {}, 'name' in op ? { name: op.name } : { group: op.group })
}

function changeLink(
  work: Work,
  netns: string,
  name: string,
  attributes: LinkAttributes,
  extra: LinkValues,
  newNetns = netns,
): Refusal | undefined {
  return work.links.send(netns, () => {
    const found = work.links.find(netns, name)
    if (!found.ok) return found
    const master = masterIndex(work, newNetns, attributes.master)
    if (typeof master === 'object') return master
    const header = { index: found.index, ...flagsOf(attributes) }
    const values = { ...extra, ...plainValues(attributes), alias: attributes.alias, master }
    return outgoing(RTM_NEWLINK, 0, link, header, values)
  })
}

/** The attributes that say the same at creation and later. */
function plainValues(op: LinkAttributes): LinkValues {
  return {
    address: op.address,
    mtu: op.mtu,
    txQueueLength: op.txQueueLength,
    group: op.group,
  }
}

function flagsOf(op: LinkAttributes): { flags: number; change: number } {
  let flags = 0
  let change = 0
  const say = (value: boolean | undefined, mask: number) => {
    if (value === undefined) return
    change |= mask
    if (value) flags |= mask
  }
  say(op.up, IFF_UP)
  say(op.promisc, IFF_PROMISC)
  say(op.allmulticast, IFF_ALLMULTI)
  say(op.arp === undefined ? undefined : !op.arp, IFF_NOARP)
  return { flags, change }
}

/** Index of the master, 0 to be freed, undefined when nothing is said. */
function masterIndex(
  work: Work,
  netns: string,
  master: string | null | undefined,
): number | undefined | Refusal {
  if (master === undefined) return undefined
  if (master === null) return 0
  const found = work.links.find(netns, master)
  return found.ok ? found.index : found
}

function isEmpty(op: LinkAttributes): boolean {
  return (
    Object.values(plainValues(op)).every((value) => value === undefined) &&
    flagsOf(op).change === 0 &&
    op.alias === undefined &&
    op.master === undefined
  )
}

function parentOf(spec: NetlinkSpec): string | undefined {
  return 'parent' in spec ? spec.parent : undefined
}

interface KindInfo {
  readonly kind: string
  /** Goes with the rest in one message. */
  readonly info: LinkInfo | undefined
  /** Need a message each: the kernel adds and deletes one source MAC at a time. */
  readonly changes: readonly SourceChange[]
}

/** What a `link.set` says to the link's kind. */
function kindInfo(work: Work, op: LinkSet): KindInfo | Refusal | undefined {
  if (op.bridge !== undefined) {
    const info = { kind: 'bridge', bridge: bridgeData(op.bridge) }
    return { kind: 'bridge', info, changes: [] }
  }
  if (op.ipvlan !== undefined) {
    const { mode, flag } = op.ipvlan
    const ipvlan = {
      mode: mode === undefined ? undefined : IPVLAN_MODES.indexOf(mode),
      flags: flag === undefined ? undefined : IPVLAN_FLAGS[flag],
    }
    return { kind: 'ipvlan', info: { kind: 'ipvlan', ipvlan }, changes: [] }
  }
  if (op.macvlan === undefined) return undefined
  const found = work.links.find(op.netns, op.name)
  if (!found.ok) return found
  const kind = found.kind === 'macvtap' ? 'macvtap' : 'macvlan'
  const { nopromisc, nodst, sources } = op.macvlan
  // The kernel takes both flags at once: keep the one that is not spoken of.
  const half = (nopromisc === undefined) !== (nodst === undefined)
  const before = half ? macvlanFlags(work, op.netns, found.index) : 0
  const changes = sources === undefined ? [] : sourceChanges(sources)
  const only = changes.length === 1 ? changes[0] : undefined
  const macvlan = { ...macvlanData(op.macvlan, before), ...only }
  const says = Object.values(macvlan).some((value) => value !== undefined)
  const info = says ? { kind, macvlan } : undefined
  return { kind, info, changes: only === undefined ? changes : [] }
}

function macvlanFlags(work: Work, netns: string, index: number): number {
  const answer = work.connections.to(netns).get(outgoing(RTM_GETLINK, 0, link, { index }), link)
  const flags = answer.ok ? answer.entry?.attributes.info?.macvlan?.flags : undefined
  return (flags ?? 0) & (MACVLAN_FLAG_NOPROMISC | MACVLAN_FLAG_NODST)
}
