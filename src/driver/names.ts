/**
 * How the links Lanyard makes are named and marked. Three marks, each for its own purpose: the name
 * is for people, the alias says whose a link is (garbage is found by it, whatever became of the
 * name), the group lets one request take a network's links out of a namespace.
 */
import type { LinkSnapshot } from '../fabric/snapshot.ts'

/** IFNAMSIZ less its final NUL. */
export const LINK_NAME_MAX = 15
/** Groups of ours: `L` in the highest byte, 24 bits from the network's id below. */
const GROUP_BASE = 0x4c000000
/** Parents and host children: shared by the networks of one parent, so of no network's group. */
export const SHARED_GROUP = GROUP_BASE
const ALIAS = 'lanyard:'
/** How the host's ends of veth endpoints begin. */
export const PORT_PREFIX = 'lv-'

/** How links begin that wait for a runtime to move them. */
export const HAND_OVER_PREFIX = 'lh-'

/** FNV-1a, 32 bits: short names from long ones; nothing hangs on it being hard to invert. */
export function hash32(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  }
  return hash >>> 0
}

/** `IFLA_GROUP` of a network's endpoints, from its id (64 hex digits). */
export function groupOf(networkId: string): number {
  const low = Number.parseInt(networkId.slice(0, 6), 16)
  return GROUP_BASE + (low === 0 ? 1 : low)
}

/** Whether a group number is one of ours. */
export function isOurGroup(group: number): boolean {
  return group >>> 24 === GROUP_BASE >>> 24
}

/** Alias of an endpoint's link: `lanyard:lan/web`. */
export function endpointAlias(network: string, endpoint: string): string {
  return `${ALIAS}${network}/${endpoint}`
}

/** Alias of a VLAN or dummy made to be a parent. */
export function parentAlias(parent: string): string {
  return `${ALIAS}parent:${parent}`
}

/** Alias of the host's own child on a parent. */
export function hostAlias(parent: string): string {
  return `${ALIAS}host:${parent}`
}

/** Whether a link carries a mark of ours: both group and alias, so that no chance hit counts. */
export function isOurs(link: LinkSnapshot): boolean {
  return isOurGroup(link.group) && link.alias?.startsWith(ALIAS) === true
}

/** Name of the host's own child: `ly-eth0`, or a short hash where that is too long. */
export function hostLinkName(parent: string): string {
  return shortName('ly-', parent)
}

/** Name of the dummy parent of a network without one: `ld-` and 12 digits of its id. */
export function dummyName(networkId: string): string {
  return `ld-${networkId.slice(0, 12)}`
}

/** Name of the host's end of a veth endpoint. */
export function portName(network: string, endpoint: string): string {
  return `${PORT_PREFIX}${hash32(`${network}/${endpoint}`).toString(16).padStart(8, '0')}`
}

/** Name a link bears beside its parent until a runtime moves it into its sandbox. */
export function handOverName(network: string, endpoint: string): string {
  return `${HAND_OVER_PREFIX}${hash32(`${network}/${endpoint}`).toString(16).padStart(8, '0')}`
}

function shortName(start: string, name: string): string {
  const whole = start + name
  if (whole.length <= LINK_NAME_MAX) return whole
  return start + hash32(name).toString(16).padStart(8, '0')
}

/** The first `ethN`, from a number on, that none of the names is. */
export function freeLinkName(taken: Iterable<string>, from = 0): string {
  const names = new Set(taken)
  for (let n = from; ; n++) if (!names.has(`eth${n}`)) return `eth${n}`
}
