/**
 * A machine with hundreds of containers, told by a few: leaves that nothing tells apart (one link,
 * same parent or bridge, same settings, an address of their own in the same subnet) are stood for
 * by two of them. What a change does to the two it does to all.
 */
import { networkOf } from '../addr/prefix.ts'
import type { Ip } from '../addr/ip.ts'
import type { LinkSnapshot, NetnsSnapshot, Snapshot } from '../fabric/snapshot.ts'
import { Scene } from './scene.ts'

/** Of each sort so many stay: pairs within a sort need two. */
const KEPT = 2
/** Below this a copy is quick enough whole. */
const SMALL = 16

/** Endpoints that stand for others. */
export interface Alike {
  /** Endpoint -> those like it that are left out. */
  readonly others: ReadonlyMap<string, readonly string[]>
  /** Endpoint -> its sort. */
  readonly sorts: ReadonlyMap<string, string>
  /** Addresses of those left out: they are not free. */
  readonly addresses: ReadonlySet<Ip>
}

export const NONE_ALIKE: Alike = { others: new Map(), sorts: new Map(), addresses: new Set() }

export interface Thinned {
  readonly snapshot: Snapshot
  readonly alike: Alike
  /** How many are left out. */
  readonly left: number
}

/** @param keep namespaces that stay whatever they are like: the ends of the question */
export function thin(snapshot: Snapshot, keep: readonly (string | undefined)[]): Thinned {
  const scene = new Scene(snapshot)
  const { alike, gone } = crowdOf(scene, keep)
  if (gone.size === 0) return { snapshot, alike, left: 0 }
  // Both ends of a cable go.
  const peers = new Set<LinkSnapshot | undefined>()
  for (const name of gone) {
    for (const link of scene.netns(name)?.links ?? []) {
      if (link.kind === 'veth') peers.add(scene.parentOf(link)?.link)
    }
  }
  const netns = snapshot.netns
    .filter(({ name }) => !gone.has(name))
    .map((n) => {
      const links = n.links.filter((link) => !peers.has(link))
      return links.length === n.links.length ? n : { ...n, links }
    })
  return { snapshot: { netns }, alike, left: gone.size }
}

/** Who stands for others in a scene, and who may be left out for that. */
export function crowdOf(
  scene: Scene,
  keep: readonly (string | undefined)[],
): { readonly alike: Alike; readonly gone: ReadonlySet<string> } {
  const { snapshot } = scene
  if (snapshot.netns.length <= SMALL) return { alike: NONE_ALIKE, gone: new Set() }
  const crowd = new Crowd(scene)
  const sorts = new Map<string, NetnsSnapshot[]>()
  for (const netns of snapshot.netns) {
    const sort = keep.includes(netns.name) ? undefined : crowd.sortOf(netns)
    if (sort === undefined) continue
    const members = sorts.get(sort)
    if (members === undefined) sorts.set(sort, [netns])
    else members.push(netns)
  }
  const gone = new Set<string>()
  const addresses = new Set<Ip>()
  const others = new Map<string, string[]>()
  const sortOf = new Map<string, string>()
  for (const [sort, members] of sorts) {
    if (members.length <= KEPT) continue
    const left = members.slice(KEPT)
    for (const { name } of members.slice(0, KEPT)) sortOf.set(name, sort)
    others.set(
      members[0]?.name ?? '',
      left.map(({ name }) => name),
    )
    for (const netns of left) {
      gone.add(netns.name)
      for (const { address } of netns.addresses) addresses.add(address.address)
    }
  }
  return { alike: { others, sorts: sortOf, addresses }, gone }
}

class Crowd {
  readonly #scene: Scene
  readonly #macs = new Map<number, number>()
  readonly #ips = new Map<string, number>()
  /** Links something sits on. */
  readonly #bases = new Set<string>()

  constructor(scene: Scene) {
    this.#scene = scene
    for (const { link } of scene.links()) {
      if (link.kind === 'loopback') continue
      this.#macs.set(link.address, (this.#macs.get(link.address) ?? 0) + 1)
      const { parent } = link
      if (parent?.netns !== undefined && link.kind !== 'veth') {
        this.#bases.add(`${parent.netns} ${parent.index}`)
      }
    }
    for (const { addresses } of scene.snapshot.netns) {
      for (const { address } of addresses) {
        const ip = String(address.address)
        this.#ips.set(ip, (this.#ips.get(ip) ?? 0) + 1)
      }
    }
  }

  /** Everything that tells a leaf from another; undefined: it is no leaf, or like nobody. */
  sortOf(netns: NetnsSnapshot): string | undefined {
    const links = netns.links.filter((l) => l.kind !== 'loopback')
    const [link] = links
    if (link === undefined || links.length > 1 || netns.name === '') return undefined
    if (this.#bases.has(`${netns.name} ${link.index}`)) return undefined
    if ((netns.filters?.length ?? 0) > 0 || netns.fdb.length > 0) return undefined
    if (netns.neighbours.some((n) => n.state === 'permanent')) return undefined
    // Of ipvlan all share the MAC of their parent.
    if (link.ipvlan === undefined && this.#macs.get(link.address) !== 1) return undefined
    const below = this.#below(link)
    if (below === undefined) return undefined
    const outside = netns.addresses.filter((a) => a.scope === 'global')
    if (outside.some((a) => this.#ips.get(String(a.address.address)) !== 1)) return undefined
    const routes = netns.routes.map(
      (r) => `${r.to.address}/${r.to.length} ${r.via} ${r.link} ${r.type} ${r.metric} ${r.table}`,
    )
    // A source route of its own address is a distinction, a connected one is not.
    const { up, carrier, mtu, promisc, arp, name, macvlan, ipvlan, vlan, netem } = link
    const subnets = outside.map((a) => `${a.link} ${networkOf(a.address)}/${a.address.length}`)
    return JSON.stringify([
      { up, carrier, mtu, promisc, arp, name, macvlan, ipvlan, vlan, netem, kind: link.kind },
      below,
      subnets,
      routes,
      netns.rules.map((r) => [r.priority, r.table, r.action, String(r.from?.address)]),
      netns.sysctls,
    ])
  }

  /** What a leaf hangs on. */
  #below(link: LinkSnapshot): string | undefined {
    const below = this.#scene.parentOf(link)
    if (below === undefined) return undefined
    if (link.kind !== 'veth') return `on ${below.netns} ${below.link.index}`
    const { master, port, up, carrier, mtu, netem } = below.link
    if (master === undefined) return undefined
    const vlans = this.#scene.netns(below.netns)?.vlans.filter((v) => v.link === below.link.name)
    const member = vlans?.map((v) => `${v.vlan}${v.pvid}${v.untagged}`)
    return JSON.stringify([below.netns, master, port, up, carrier, mtu, netem, member])
  }
}
