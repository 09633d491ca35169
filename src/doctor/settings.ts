/** Settings that are a trap beside macvlan and ipvlan: proxy_arp, rp_filter, arp_*. */
import { type Check, type Finding, finding } from './check.ts'
import type { Facts } from './facts.ts'
import { childrenOf, host, nameOf, parents, sceneOf } from './view.ts'

export const settingsCheck: Check = {
  id: 'settings',
  title: 'proxy_arp, rp_filter, arp_ignore, arp_announce, arp_filter',
  run(facts) {
    const used = parents(facts).filter((link) => childrenOf(facts, link).length > 0)
    return [
      ...used.flatMap((link) => [...proxy(facts, link.name), ...ignore(facts, '', link.name)]),
      ...inside(facts),
      ...reversePath(facts),
    ]
  },
}

/** The larger of `all` and the link's own (include/linux/inetdevice.h IN_DEV_MAXCONF). */
function value(facts: Facts, netns: string, link: string, key: string): number {
  const scene = sceneOf(facts)
  const one = (name: string): number =>
    Number(scene.sysctl(netns, `net.ipv4.conf.${name.replaceAll('.', '/')}.${key}`) ?? 0)
  return Math.max(one('all'), one(link))
}

function proxy(facts: Facts, link: string): Finding[] {
  if (value(facts, '', link, 'proxy_arp') === 0) return []
  return [
    finding(
      'warning',
      'proxy-arp',
      link,
      `proxy_arp is on at ${link}: the host answers for addresses of its containers, and their frames go to the wrong MAC`,
      `sysctl -w net.ipv4.conf.${link}.proxy_arp=0 (and net.ipv4.conf.all.proxy_arp=0)`,
    ),
  ]
}

function ignore(facts: Facts, netns: string, link: string): Finding[] {
  const set = value(facts, netns, link, 'arp_ignore')
  if (set === 0) return []
  const silent = set >= 8
  return [
    finding(
      silent ? 'problem' : 'note',
      'arp-ignore',
      link,
      silent
        ? `arp_ignore is ${set} at ${link} of ${nameOf(facts, netns)}: it answers no ARP request at all`
        : `arp_ignore is ${set} at ${link} of ${nameOf(facts, netns)}: requests for addresses of other links go unanswered (host access needs arp_filter instead)`,
      `sysctl -w net.ipv4.conf.${link}.arp_ignore=0`,
    ),
  ]
}

/** The same inside containers. */
function inside(facts: Facts): Finding[] {
  return sceneOf(facts)
    .links()
    .filter(({ netns, link }) => netns !== '' && link.macvlan !== undefined)
    .flatMap(({ netns, link }) => ignore(facts, netns, link.name))
}

/** With two links in one subnet the answer comes by the other one, and strict checking drops it. */
function reversePath(facts: Facts): Finding[] {
  const space = host(facts)
  if (space === undefined) return []
  const strict = space.links.filter(
    (l) => l.kind !== 'loopback' && value(facts, '', l.name, 'rp_filter') === 1,
  )
  return strict.flatMap((link): Finding[] => {
    const own = space.routes.filter((r) => r.protocol === 'kernel' && r.type === 'unicast')
    const mine = own
      .filter((r) => r.link === link.name)
      .map((r) => `${r.to.address}/${r.to.length}`)
    const twin = own.find(
      (r) =>
        r.link !== link.name && r.to.length > 0 && mine.includes(`${r.to.address}/${r.to.length}`),
    )
    if (twin === undefined || typeof twin.to.address === 'bigint') return []
    return [
      finding(
        'warning',
        'rp-filter',
        link.name,
        `rp_filter is strict at ${link.name}, and ${twin.link} is in the same subnet: what comes in by the one and would be answered by the other is dropped`,
        `sysctl -w net.ipv4.conf.${link.name}.rp_filter=2 (loose), or one subnet for each link`,
      ),
    ]
  })
}
