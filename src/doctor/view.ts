/** Questions several checks ask of the facts. */
import { formatIp, type Ip, type Prefix } from '../addr/ip.ts'
import { contains } from '../addr/prefix.ts'
import { type LinkAt, Scene } from '../explain/scene.ts'
import type { LinkSnapshot, NetnsSnapshot } from '../fabric/snapshot.ts'
import type { Facts } from './facts.ts'

const scenes = new WeakMap<object, Scene>()

export function sceneOf({ snapshot }: Facts): Scene {
  const known = scenes.get(snapshot)
  if (known !== undefined) return known
  const scene = new Scene(snapshot)
  scenes.set(snapshot, scene)
  return scene
}

export function host(facts: Facts): NetnsSnapshot | undefined {
  return sceneOf(facts).netns('')
}

export function hostLink(facts: Facts, name: string): LinkSnapshot | undefined {
  return sceneOf(facts).link('', name)
}

/** A namespace as people call it. */
export function nameOf({ names }: Facts, netns: string): string {
  return names[netns] ?? (netns === '' ? 'host' : netns)
}

const PARENT_KINDS: ReadonlySet<string> = new Set([
  'device',
  'bond',
  'team',
  'bridge',
  'vlan',
  'veth',
])

/**
 * Links of the host that are on a LAN: cards and what is made of them, with an address, a network
 * or a default route.
 */
export function parents(facts: Facts): LinkSnapshot[] {
  const space = host(facts)
  if (space === undefined) return []
  const routed = new Set(
    space.routes.filter((r) => r.to.length === 0 && r.via !== undefined).map((r) => r.link),
  )
  const used = new Set(facts.networks.map((n) => n.parent))
  const tested = new Set(facts.active.map((a) => a.parent))
  return space.links.filter((link) => {
    if (!PARENT_KINDS.has(link.kind)) return false
    if (routed.has(link.name) || used.has(link.name) || tested.has(link.name)) return true
    if (link.kind === 'device') return facts.cards[link.name] !== undefined || link.carrier
    return childrenOf(facts, link).length > 0
  })
}

/** macvlan and ipvlan links on a link of the host. */
export function childrenOf(facts: Facts, link: LinkSnapshot): LinkAt[] {
  return sceneOf(facts)
    .childrenOf('', link)
    .filter((at) => at.link.macvlan !== undefined || at.link.ipvlan !== undefined)
}

/** The gateway the host uses by a link. */
export function gatewayOf(facts: Facts, link: string): Ip | undefined {
  const routes = host(facts)?.routes ?? []
  return routes.find((r) => r.to.length === 0 && r.link === link && typeof r.via === 'number')?.via
}

/** The host's own IPv4 prefixes on a link. */
export function subnetsOf(facts: Facts, link: string): Prefix[] {
  return (host(facts)?.addresses ?? [])
    .filter((a) => a.link === link && typeof a.address.address === 'number' && a.scope === 'global')
    .map((a) => a.address)
}

/** Whether an address is in what a network hands out. */
export function handsOut(pool: Facts['networks'][number]['pools'][number], ip: Ip): boolean {
  if (typeof pool.subnet.address !== typeof ip) return false
  const { range, subnet } = pool
  if (range === undefined) return contains(subnet, ip)
  return ip >= range.first && ip <= range.last
}

export function rangeText(pool: Facts['networks'][number]['pools'][number]): string {
  const { range, subnet } = pool
  if (range === undefined) return `${formatIp(subnet.address)}/${subnet.length}`
  return `${formatIp(range.first)}-${formatIp(range.last)}`
}

export function networkText({ owner, name }: Facts['networks'][number]): string {
  return `network ${name} of ${owner}`
}
