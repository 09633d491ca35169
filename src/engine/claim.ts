/**
 * Addresses for endpoints that are still to come. Docker asks for an address first and says later
 * what it is for, so the address is kept meanwhile: a reservation under its own name, which the
 * endpoint takes over. What no endpoint took over is let go of after a minute.
 */
import { familyOf, formatIp, type Ip } from '../addr/ip.ts'
import { LanyardError } from '../errors.ts'
import { takenOnLan } from './taken.ts'
import type { Context } from './context.ts'
import { getNetwork } from './network.ts'
import { findNetwork, type NetworkRecord } from './records.ts'
import { orReclaim, yieldSpares } from './reclaim.ts'
import type { ClaimRequest } from './types.ts'

/** From claim to endpoint Docker takes milliseconds; a door that died never comes back for it. */
const KEPT_MS = 60_000

/** Picking and keeping go together: of a hundred that ask at once each gets another. */
export const claimLock = (segment: string): string => `claim/${segment}`

/**
 * Keeps an address for an endpoint to come: the one asked for, the one the name had, the one that
 * was given back last, or the next free one. The host and the LAN are asked about it. Durable when
 * it returns; a crash leaves it kept, and reconcile lets go of it after a minute.
 *
 * @throws LanyardError `network-missing`, `pool-exhausted`, `address-in-use`, `address-on-lan`,
 * `address-of-host`, `address-not-usable`
 */
export async function claim(context: Context, request: ClaimRequest): Promise<Ip> {
  const network = await getNetwork(context, request.network)
  const taken = takenOnLan(context, network)
  const vain = new Set<Ip>()
  for (;;) {
    const lock = claimLock(network.segment)
    const { address } = request
    await yieldSpares(context, network, address === undefined ? undefined : [address])
    const ip = await context.locks.run({ alone: [lock] }, () =>
      orReclaim(context, network, () => keep(context, network, request, vain)),
    )
    await context.faults.at('claim:1-kept')
    const conflict = await taken(ip)
    if (conflict === undefined) return ip
    await unclaim(context, network.name, ip)
    await context.addresses.quarantine(network, ip, request.name ?? formatIp(ip), conflict)
    if (request.address !== undefined) throw conflict
    vain.add(ip)
  }
}

async function keep(
  context: Context,
  network: NetworkRecord,
  request: ClaimRequest,
  vain: ReadonlySet<Ip>,
): Promise<Ip> {
  const { addresses } = context
  const { family, name } = request
  const avoid = (ip: Ip): boolean => vain.has(ip) || request.avoid?.(ip) === true
  if (request.address !== undefined) {
    const ip = await exactly(context, network, request.address, name)
    if (context.claims.has(claimKey(network, ip)))
      context.claims.set(claimKey(network, ip), { pinned: true })
    return ip
  }
  // Its own, or without a name those given back, the last one first: that is who comes again.
  const mine =
    name === undefined ? await addresses.gone(network) : await addresses.ofName(network, name)
  for (const ip of mine) {
    if (familyOf(ip) !== family || avoid(ip)) continue
    const kept = await exactly(context, network, ip, name).catch(() => undefined)
    if (kept !== undefined) return kept
  }
  // Who is here comes before who may come, when there is no other.
  for (const not of [avoid, (ip: Ip) => vain.has(ip)]) {
    const next = await addresses.next(network, not)
    const free = next.find((ip) => familyOf(ip) === family)
    if (free !== undefined) return await exactly(context, network, free, name)
  }
  throw exhausted(network, family)
}

/**
 * One address and no other. A claim of this process is somebody's who is about to make his
 * endpoint; one of a process that died is asked for again by whoever missed the answer.
 */
async function exactly(
  context: Context,
  network: NetworkRecord,
  ip: Ip,
  name: string | undefined,
): Promise<Ip> {
  const { addresses, claims } = context
  const holder = await addresses.holderOf(network.segment, ip)
  const kept = await addresses.keptName(network, ip)
  // Kept by hand for exactly this name: there is nothing to claim.
  if (holder?.by === 'reservation' && name !== undefined && kept === name) return ip
  const lost = kept === formatIp(ip) && !claims.has(claimKey(network, ip))
  if (holder !== undefined && !(holder.by === 'reservation' && lost)) {
    const { what, network: by } = holder
    throw new LanyardError('address-in-use', { address: formatIp(ip), holder: what, network: by })
  }
  await addresses.reserve(network, ip, formatIp(ip))
  claims.set(claimKey(network, ip), { pinned: false })
  return ip
}

const claimKey = ({ segment }: { readonly segment: string }, ip: Ip): string =>
  `${segment}/${formatIp(ip)}`

function exhausted({ name, pools }: NetworkRecord, family: 4 | 6): LanyardError {
  const ours = pools.filter(({ subnet }) => familyOf(subnet.address) === family)
  const text = ours.map(({ subnet, range }) =>
    range === undefined
      ? `${formatIp(subnet.address)}/${subnet.length}`
      : `${formatIp(range.first)}-${formatIp(range.last)}`,
  )
  const size = ours.reduce(
    (sum, { subnet, range }) =>
      sum +
      (range === undefined
        ? 1n << BigInt((family === 4 ? 32 : 128) - subnet.length)
        : BigInt(range.last) - BigInt(range.first) + 1n),
    0n,
  )
  return new LanyardError('pool-exhausted', {
    network: name,
    pools: text.join(', '),
    size: `${size}`,
  })
}

/** Lets go of an address that was claimed; one that an endpoint holds stays its. Repeatable. */
export async function unclaim(context: Context, name: string, ip: Ip): Promise<void> {
  const network = await findNetwork(context.store, name, context.self?.id)
  if (network === undefined) return
  if (!(await isClaimed(context, network, ip))) return
  await context.addresses.free(network, ip)
  context.claims.delete(claimKey(network, ip))
}

async function isClaimed({ addresses }: Context, network: NetworkRecord, ip: Ip): Promise<boolean> {
  return (await addresses.keptName(network, ip)) === formatIp(ip)
}

/** Which addresses are claimed: whoever leases them under {@link claimLock} takes them over. */
export async function claimedOf(
  context: Context,
  network: NetworkRecord,
  ips: readonly Ip[],
): Promise<readonly Ip[]> {
  const claimed: Ip[] = []
  for (const ip of ips) if (await isClaimed(context, network, ip)) claimed.push(ip)
  return claimed
}

/** Whether one of them was asked for by number. */
export function isPinned({ claims }: Context, network: NetworkRecord, ips: readonly Ip[]): boolean {
  return ips.some((ip) => claims.get(claimKey(network, ip))?.pinned === true)
}

/** They are an endpoint's from now on. */
export function takenOver(context: Context, network: NetworkRecord, ips: readonly Ip[]): void {
  for (const ip of ips) context.claims.delete(claimKey(network, ip))
}

/** Whether a lease is a claim that nobody came back for. */
export function isForgotten(
  lease: {
    readonly kind: string
    readonly holder: string
    readonly address: Ip
    readonly since: string
  },
  nowMs: number,
): boolean {
  return (
    lease.kind === 'reservation' &&
    lease.holder === formatIp(lease.address) &&
    nowMs - Date.parse(lease.since) > KEPT_MS
  )
}
