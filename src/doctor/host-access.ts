/** Whether the host reaches the containers on its own parents, and whether its way is whole. */
import { formatIp } from '../addr/ip.ts'
import { contains } from '../addr/prefix.ts'
import { type Check, type Finding, finding } from './check.ts'
import type { Facts } from './facts.ts'
import { childrenOf, host, nameOf, parents, sceneOf } from './view.ts'
import type { LinkSnapshot } from '../fabric/snapshot.ts'

export const hostAccessCheck: Check = {
  id: 'host-access',
  title: 'host access: can the host reach its own endpoints',
  run: (facts) => parents(facts).flatMap((link) => atParent(facts, link)),
}

const OURS = 'lanyard:host:'

function atParent(facts: Facts, parent: LinkSnapshot): Finding[] {
  const space = host(facts)
  const children = childrenOf(facts, parent)
  const away = children.filter((at) => at.netns !== '')
  if (space === undefined || away.length === 0) return []
  const shims = children.filter((at) => at.netns === '').map((at) => at.link)
  const [ours] = shims.filter((l) => l.alias?.startsWith(OURS) === true)
  const targets = away.flatMap((at) =>
    sceneOf(facts)
      .addresses(at.netns, 4)
      .filter((a) => a.link === at.link.name)
      .map((a) => ({ netns: at.netns, ip: a.address.address })),
  )
  const byShim = (ip: number | bigint): boolean =>
    space.routes
      .filter((r) => contains(r.to, ip) && r.to.length > 0)
      .toSorted((a, b) => b.to.length - a.to.length || a.metric - b.metric)[0]?.link !== parent.name
  const cut = targets.filter(({ ip }) => typeof ip === 'number' && !byShim(ip))
  const found: Finding[] = []
  if (cut.length > 0) {
    const [first] = cut
    const who = [...new Set(cut.map(({ netns }) => nameOf(facts, netns)))]
    const some = who.slice(0, 3).join(', ')
    const more = who.length > 3 ? `, ... (${who.length})` : ''
    found.push(
      finding(
        'warning',
        'host-access-none',
        parent.name,
        `the host and ${some}${more} cannot reach each other: a parent and its children never do${ours === undefined ? '' : ', and host access has no route to them'}`,
        ours === undefined
          ? `see it and mend it: lanyard explain host ${who[0]} --live`
          : 'lanyard status --heal',
        `or by hand: ip route add ${formatIp(first?.ip ?? 0)}/32 dev SHIM, SHIM being a macvlan in mode bridge on ${parent.name}`,
      ),
    )
  } else if (targets.length > 0) {
    const how = shims[0]?.name ?? 'another link'
    found.push(
      finding(
        'good',
        'host-access',
        parent.name,
        `the host has routes to all ${targets.length} endpoints at ${parent.name} (${how})`,
      ),
    )
  }
  return [...found, ...shims.flatMap((shim) => shimFindings(facts, parent, shim))]
}

function shimFindings(facts: Facts, parent: LinkSnapshot, shim: LinkSnapshot): Finding[] {
  const found: Finding[] = []
  const scene = sceneOf(facts)
  if (!shim.up) {
    found.push(
      finding(
        'problem',
        'host-access-down',
        shim.name,
        `${shim.name}, the host's own child on ${parent.name}, is down: the host reaches no container by it`,
        `ip link set ${shim.name} up; ip route add ADDRESS/32 dev ${shim.name} (a link that was down has lost its routes)`,
      ),
    )
  }
  const key = shim.name.replaceAll('.', '/')
  const filter = ['all', key].some((k) => scene.sysctl('', `net.ipv4.conf.${k}.arp_filter`) === '1')
  if (!filter) {
    found.push(
      finding(
        'warning',
        'host-access-flux',
        shim.name,
        `${shim.name} answers ARP requests for the host's address: neighbours learn the wrong MAC for it`,
        `sysctl -w net.ipv4.conf.${shim.name}.arp_filter=1`,
      ),
    )
  }
  if (shim.macvlan !== undefined && shim.macvlan.mode !== 'bridge') {
    found.push(
      finding(
        'problem',
        'host-access-mode',
        shim.name,
        `${shim.name} is in mode ${shim.macvlan.mode}: siblings are joined in mode bridge only`,
        `ip link set ${shim.name} type macvlan mode bridge`,
      ),
    )
  }
  return found
}
