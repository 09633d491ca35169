/**
 * Segments: which links share a broadcast domain, and so must not share an address. Switches joined
 * by cables are one; their VLANs divide it again.
 */
import type { Host, Switch } from './topology.ts'

/** The segment of a host's link: a name that links of one segment have in common. */
export type SegmentOf = (host: string, link: string) => string

export function segmentsOf(switches: readonly Switch[], hosts: readonly Host[]): SegmentOf {
  const group = new Map(switches.map((s) => [s.name, s.name]))
  const root = (name: string): string => {
    const up = group.get(name)
    return up === undefined || up === name ? name : root(up)
  }
  for (const sw of switches) {
    for (const { peer } of sw.ports) {
      if (peer !== undefined && group.has(peer.node)) group.set(root(peer.node), root(sw.name))
    }
  }
  return (hostName, link) => {
    const host = hosts.find((h) => h.name === hostName)
    const uppers = host?.uppers ?? []
    const upper = uppers.find((u) => u.name === link)
    const tags: string[] = []
    let below = link
    for (let u = upper; u !== undefined; u = uppers.find((x) => x.name === below)) {
      tags.unshift(u.protocol === '802.1Q' ? `${u.id}` : `${u.id} ${u.protocol}`)
      below = u.parent ?? link
      if (u.parent === undefined) break
    }
    const nic = host?.nics.find((n) => n.name === below)
    const { peer } = nic ?? {}
    // A dummy, or nothing plugged in: alone.
    if (nic === undefined || peer === undefined) return `${hostName}:${link}`
    const port = switches.find((s) => s.name === peer.node)?.ports.find((p) => p.name === peer.link)
    const vlan = upper === undefined ? `${port?.pvid ?? 1}` : tags.join('.')
    if (port !== undefined) return `${root(peer.node)} ${vlan}`
    const ends = [`${hostName}:${nic.name}`, `${peer.node}:${peer.link}`].sort()
    return `${ends.join(' ')} ${vlan}`
  }
}
