/** Which link of this host a parent's words mean, and which broadcast domain it is on. */
import { parseMac } from '../addr/mac.ts'
import { formatPrefix, overlaps } from '../addr/prefix.ts'
import { isOurs } from '../driver/names.ts'
import type { Mac } from '../addr/mac.ts'
import { LanyardError } from '../errors.ts'
import type { LinkSnapshot } from '../fabric/snapshot.ts'
import type { Context } from './context.ts'
import { listNetworks, type NetworkRecord } from './records.ts'

/**
 * The link a parent's words mean on this host: `default-route`, `mac=02:...`, `label=lan`, each
 * with or without a VLAN behind it (`label=lan.50`); any other word is a name.
 *
 * @throws LanyardError `parent-not-found`
 */
export async function linkOf(
  context: Context,
  parent: string | undefined,
): Promise<string | undefined> {
  const [, by, vlan = ''] =
    /^(default-route|mac=[0-9a-fA-F:]+|label=[^.]+)(\.[0-9]+)?$/.exec(parent ?? '') ?? []
  if (by === undefined) return parent
  const { links, routes } = await context.view.snapshot()
  let found: string | undefined
  if (by === 'default-route')
    found = routes.find((one) => one.to.length === 0 && one.link !== undefined)?.link
  else if (by.startsWith('mac=')) found = findByMac(links, parseMac(by.slice(4)))?.name
  else found = context.self?.label(by.slice(6))
  if (found === undefined) throw new LanyardError('parent-not-found', { parent: by })
  return `${found}${vlan}`
}

/**
 * Two networks with one subnet on two hosts are either one LAN, and then must share one address
 * table, or two; what hosts call their cards does not tell.
 *
 * @throws LanyardError `segment-unclear`
 */
export async function segmentFor(
  context: Context,
  network: NetworkRecord,
  said: boolean,
): Promise<string> {
  if (said || context.self === undefined) return network.segment
  const all = await listNetworks(context.store, context.self.id)
  const neighbour = all.find(
    (one) => one.joined && one.parentLink === network.parentLink && one.vlan === network.vlan,
  )
  if (neighbour !== undefined) return neighbour.segment
  for (const other of all)
    for (const { subnet } of other.pools) {
      const mine = network.pools.find((pool) => overlaps(pool.subnet, subnet))
      if (mine === undefined || other.segment === network.segment || other.name === network.name)
        continue
      throw new LanyardError('segment-unclear', {
        network: network.name,
        subnet: formatPrefix(mine.subnet),
        other: other.name,
        segment: other.segment,
        parent: network.parentLink,
      })
    }
  return network.segment
}

/** The one card that bears a MAC: children and VLANs bear their parent's, too. */
export function findByMac(
  links: readonly LinkSnapshot[],
  mac: Mac | undefined,
): LinkSnapshot | undefined {
  const found = links.filter(
    (link) =>
      link.address === mac &&
      link.macvlan === undefined &&
      link.ipvlan === undefined &&
      link.vlan === undefined &&
      link.master === undefined &&
      link.kind !== 'loopback' &&
      !isOurs(link),
  )
  return found.length === 1 ? found[0] : undefined
}
