/**
 * The pools of a segment: one record for all networks on one broadcast domain, because an address
 * must be unique in the domain and not in the network. What one network keeps out (its gateway, its
 * excluded addresses) no other network of the segment hands out either.
 */
import { familyOf, formatIp, type Ip, type Prefix, parseIp } from '../addr/ip.ts'
import { broadcastOf, contains, formatPrefix, networkOf, parsePrefix } from '../addr/prefix.ts'
import { type Range, rangeOf } from '../addr/range.ts'
import type { View } from '../store/mirror.ts'
import type { Ipam } from './ipam.ts'
import { segmentKey } from './keys.ts'
import type { Pool, Segment } from './pool.ts'

export type { Pool, Segment } from './pool.ts'

interface StoredPool {
  readonly subnet: string
  readonly range?: readonly [string, string]
  readonly gateway?: string
  readonly exclude: readonly (readonly [string, string])[]
}

export function encodeSegment(networks: ReadonlyMap<string, readonly Pool[]>): string {
  const stored = [...networks].map(([name, pools]) => [name, pools.map(encodePool)] as const)
  return JSON.stringify(Object.fromEntries(stored))
}

function encodePool({ subnet, range, gateway, exclude }: Pool): StoredPool {
  return {
    subnet: formatPrefix(subnet),
    ...(range === undefined ? {} : { range: [formatIp(range.first), formatIp(range.last)] }),
    ...(gateway === undefined ? {} : { gateway: formatIp(gateway) }),
    exclude: exclude.map((e) => [e.name, formatIp(e.address)]),
  }
}

function decodePool({ subnet, range, gateway, exclude }: StoredPool): Pool {
  return {
    subnet: parsePrefix(subnet),
    ...(range === undefined
      ? {}
      : { range: { first: parseIp(range[0]), last: parseIp(range[1]) } }),
    ...(gateway === undefined ? {} : { gateway: parseIp(gateway) }),
    exclude: exclude.map(([name, address]) => ({ name, address: parseIp(address) })),
  }
}

/** The segment as it is now; decoded again only when it has changed. */
export async function readSegment(
  ipam: Ipam,
  name: string,
  view: View = ipam.store,
): Promise<Segment> {
  const entry = await view.get(segmentKey(name))
  const known = ipam.segments.get(name)
  if (known?.entry !== undefined && known.entry.modRevision === entry?.modRevision) return known
  const networks = new Map<string, readonly Pool[]>()
  const stored =
    entry === undefined ? {} : (JSON.parse(entry.value) as Record<string, StoredPool[]>)
  for (const [network, pools] of Object.entries(stored))
    networks.set(network, pools.map(decodePool))
  const segment: Segment = { name, entry, networks, kept: keptOut(networks) }
  ipam.segments.set(name, segment)
  return segment
}

function keptOut(networks: ReadonlyMap<string, readonly Pool[]>): Map<Ip, string> {
  const kept = new Map<Ip, string>()
  for (const [network, pools] of networks)
    for (const { gateway, exclude } of pools) {
      for (const { name, address } of exclude)
        kept.set(
          address,
          `it is excluded by network "${network}"${name === '' ? '' : ` (${name})`}`,
        )
      if (gateway !== undefined) kept.set(gateway, `it is the gateway of network "${network}"`)
    }
  return kept
}

/**
 * Why the subnet itself keeps an address for other things: IPv4's network and broadcast address
 * but in /31 (RFC 3021) and /32; IPv6's subnet-router anycast address (RFC 4291, 2.6.1) but in
 * /127 (RFC 6164) and /128.
 */
export function ruledOut(subnet: Prefix, ip: Ip): string | undefined {
  if (!contains(subnet, ip)) return `it is not of ${formatPrefix(subnet)}`
  const family = familyOf(ip)
  if (subnet.length >= (family === 4 ? 31 : 127)) return undefined
  if (ip === networkOf(subnet))
    return family === 4
      ? `it is the network address of ${formatPrefix(subnet)}`
      : `it is the subnet-router anycast address of ${formatPrefix(subnet)}`
  if (family === 4 && ip === broadcastOf(subnet))
    return `it is the broadcast address of ${formatPrefix(subnet)}`
  return undefined
}

/** The addresses of a pool that are handed out by themselves, first to last. */
export const rangeOfPool = (pool: Pool): Range => pool.range ?? rangeOf(pool.subnet)
