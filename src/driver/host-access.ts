/**
 * The host reaches its own endpoints, without a second address on the LAN.
 *
 * The kernel keeps a parent and its macvlan children apart, but children of one parent in bridge
 * mode hear each other. So the host gets a child of its own, without an address, and a route to
 * each local endpoint through it with the host's usual address as source; an endpoint that asks who
 * has the host's address is answered by that child, because any local address is answered for on
 * any link. That generosity is also the danger: neighbours on the LAN who ask for the host would
 * hear two MACs. `arp_filter=1` on the child ends it: an answer leaves only by the link on which
 * the kernel would route back to who asked, and only local endpoints are routed by the child.
 * (`arp_ignore=1`, the usual advice, silences the child towards the endpoints, too.)
 *
 * In IPv6 a host answers for an address only on the link that holds it. A proxy entry on the child
 * would answer the LAN, too; so the endpoint gets a permanent neighbour entry instead, which says
 * that the host's address is at the child's MAC, and nobody is asked.
 */
import { familyOf, type Ip, type Prefix } from '../addr/ip.ts'
import type { Mac } from '../addr/mac.ts'
import { contains, hostPrefix } from '../addr/prefix.ts'
import type { Op, Plan } from '../fabric/plan.ts'
import { hostAlias, hostLinkName, SHARED_GROUP } from './names.ts'
import { type DriverEndpoint, macvlanModeOf, type NetworkOptions } from './network.ts'

/** Whether a network's endpoints can be reached over a child of the host: only bridge hears it. */
export function canHaveHostAccess(network: NetworkOptions): boolean {
  return (
    network.kind === 'macvlan' && macvlanModeOf(network) === 'bridge' && network.attach === 'child'
  )
}

/**
 * The host's child on a parent, unnumbered.
 *
 * @param own the host's own addresses on the parent; without an IPv6 one the child has no IPv6
 */
export function planHostAccess(parent: string, host: string, mac: Mac, own: readonly Ip[]): Plan {
  const name = hostLinkName(parent)
  const key = name.replaceAll('.', '/')
  const set = (family: 'ipv4' | 'ipv6', field: string, value: string): Op => ({
    do: 'sysctl.set',
    netns: host,
    key: `net.${family}.conf.${key}.${field}`,
    value,
  })
  const six = own.some((ip) => familyOf(ip) === 6)
  return [
    {
      do: 'link.add',
      netns: host,
      name,
      spec: { kind: 'macvlan', parent, macvlan: { mode: 'bridge' } },
      address: mac,
      group: SHARED_GROUP,
      alias: hostAlias(parent),
    },
    set('ipv4', 'arp_filter', '1'),
    ...(six
      ? [
          // Router advertisements would give it an address on the LAN.
          set('ipv6', 'accept_ra', '0'),
          // It asks for neighbours by its link-local address, and shall not wait a second for it.
          set('ipv6', 'accept_dad', '0'),
        ]
      : [set('ipv6', 'disable_ipv6', '1')]),
    { do: 'link.set', netns: host, name, up: true },
  ]
}

/**
 * In the sandbox: where the host's IPv6 addresses are, since nobody answers for them. An endpoint
 * without IPv6 has it switched off, and the kernel refuses (EINVAL).
 */
export function planHostNeighbours(
  endpoint: Pick<DriverEndpoint, 'sandbox' | 'link' | 'addresses'>,
  mac: Mac,
  own: readonly Ip[],
): Plan {
  const { sandbox: netns, link } = endpoint
  if (!endpoint.addresses.some((a) => familyOf(a.address) === 6)) return []
  return own
    .filter((ip) => familyOf(ip) === 6)
    .map((ip): Op => ({ do: 'neighbour.replace', netns, link, ip, mac, state: 'permanent' }))
}

/** Removes the host's child, and every route over it. */
export function planHostAccessAway(parent: string, host: string): Plan {
  return [{ do: 'link.del', netns: host, name: hostLinkName(parent) }]
}

/**
 * The way to an endpoint: where each of its addresses is, and a route over the child; none in a
 * family in which the host has no address. The host is told the MAC, and need not ask: a broadcast
 * of the child is copied to every sibling, and from the thousandth on the copies are dropped
 * (docs/lab-notes/2026-11-26-macvlan-broadcast.md).
 */
export function planHostRoutes(
  parent: string,
  host: string,
  endpoint: Pick<DriverEndpoint, 'addresses' | 'mac'>,
  own: readonly Ip[],
): Plan {
  const link = hostLinkName(parent)
  return endpoint.addresses.flatMap((prefix): Op[] => {
    const ip = prefix.address
    const source = sourceTo(prefix, own)
    if (source === undefined) return []
    const at = { netns: host, link } as const
    return [
      { do: 'neighbour.replace', ...at, ip, mac: endpoint.mac, state: 'permanent' },
      { do: 'route.replace', ...at, to: hostPrefix(ip), source },
    ]
  })
}

/**
 * Which of the host's addresses speaks to an endpoint: the one of its subnet, for which it needs no
 * way back, or any of the family.
 */
export function sourceTo(endpoint: Prefix, own: readonly Ip[]): Ip | undefined {
  const family = own.filter((ip) => typeof ip === typeof endpoint.address)
  return family.find((ip) => contains(endpoint, ip)) ?? family[0]
}

/** Takes the ways to an endpoint away; the route last, by which a rest of it is found. */
export function planHostRoutesAway(
  parent: string,
  host: string,
  endpoint: readonly Ip[],
  own: readonly Ip[],
): Plan {
  const link = hostLinkName(parent)
  return endpoint
    .filter((ip) => own.some((address) => typeof address === typeof ip))
    .flatMap((ip): Op[] => [
      { do: 'neighbour.del', netns: host, link, ip },
      { do: 'route.del', netns: host, to: hostPrefix(ip), link },
    ])
}
