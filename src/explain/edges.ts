/**
 * Where a snapshot ends: the links behind which something is that it does not hold. A card leads to
 * a switch nobody can look into, and so does a cable whose other end belongs to somebody else.
 */
import type { LinkSnapshot } from '../fabric/snapshot.ts'
import type { LinkAt, Scene } from './scene.ts'

/** A way out of the snapshot, and the tags a frame wears there. */
export interface WayOut {
  readonly edge: LinkAt
  /** VLAN ids, outermost first. */
  readonly vlans: readonly number[]
}

const AGGREGATES: ReadonlySet<string> = new Set(['bond', 'team'])
const CARDS: ReadonlySet<string> = new Set(['device', 'bond', 'team'])
const ON_A_PARENT: ReadonlySet<string> = new Set(['macvlan', 'macvtap', 'ipvlan', 'vlan'])

/** Whether something unknown is behind a link, or would be if it had carrier. */
export function isEdge(scene: Scene, { netns, link }: LinkAt): boolean {
  const master = link.master === undefined ? undefined : scene.link(netns, link.master)
  // What is bundled speaks through its bundle.
  if (master !== undefined && AGGREGATES.has(master.kind)) return false
  if (CARDS.has(link.kind)) return link.address !== 0
  if (link.kind !== 'veth' && !ON_A_PARENT.has(link.kind)) return false
  return scene.parentOf(link) === undefined
}

/** Every way from a link out of the snapshot; none from a link that stays inside. */
export function waysOut(scene: Scene, from: LinkAt): WayOut[] {
  const seen = new Set<LinkSnapshot>()
  const found: WayOut[] = []
  const walk = (at: LinkAt, vlans: readonly number[]): void => {
    if (seen.has(at.link)) return
    seen.add(at.link)
    const { link } = at
    if (isEdge(scene, at)) {
      found.push({ edge: at, vlans })
      return
    }
    if (link.kind === 'bridge') {
      for (const port of portsOf(scene, at)) walk(port, vlans)
      return
    }
    const next = scene.parentOf(link)
    if (next === undefined) return
    if (link.kind !== 'veth') {
      walk(next, link.vlan === undefined ? vlans : [link.vlan.id, ...vlans])
      return
    }
    // The other end of a cable leads on only where it is a port.
    const { master } = next.link
    const bridge = master === undefined ? undefined : scene.link(next.netns, master)
    seen.add(next.link)
    if (bridge?.kind === 'bridge') walk({ netns: next.netns, link: bridge }, vlans)
  }
  walk(from, [])
  return found
}

function portsOf(scene: Scene, { netns, link }: LinkAt): LinkAt[] {
  const links = scene.netns(netns)?.links ?? []
  return links.filter((l) => l.master === link.name).map((l) => ({ netns, link: l }))
}
