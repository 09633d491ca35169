/** Defining and removing the pools of a network. */
import { familyOf, formatIp, type Ip } from '../addr/ip.ts'
import {
  contains,
  formatPrefix,
  isCanonical,
  canonical,
  overlaps,
  samePrefix,
} from '../addr/prefix.ts'
import { formatRange } from '../addr/range.ts'
import { LanyardError } from '../errors.ts'
import type { Condition } from '../store/store.ts'
import { entriesUnder, type Holder, holderText, type Ipam, transactSurely } from './ipam.ts'
import { addressKey, ipOfHex, isSpare, lastWord, nameOfKey, ofNetwork, segmentKey } from './keys.ts'
import { release } from './release.ts'
import { encodeSegment, type Pool, readSegment, type Segment } from './segment.ts'

export interface PoolsOfNetwork {
  readonly segment: string
  readonly network: string
  readonly pools: readonly Pool[]
}

/** Writes of one transaction when many things go. */
const CHUNK = 100
/** Addresses kept out that are guarded against a lease in the same instant. */
const GUARDED = 100

/**
 * Gives a network its pools. Repeatable. A subnet that another network of the segment has exactly
 * is shared with it; one that overlaps in part is refused. One transaction: a crash leaves all or
 * nothing.
 *
 * @throws LanyardError `pool-overlap`, `pool-invalid`, `address-in-use` (a gateway or excluded
 * address is held), `pool-in-use` (other pools, and endpoints hold addresses of the old ones)
 */
export async function definePools(ipam: Ipam, request: PoolsOfNetwork): Promise<void> {
  const { network, pools } = request
  checkPools(request)
  for (;;) {
    const segment = await readSegment(ipam, request.segment)
    checkOverlap(request, segment)
    const networks = new Map([...segment.networks, [network, pools] as const])
    const value = encodeSegment(networks)
    if (segment.entry?.value === value) return
    if (segment.networks.has(network)) await checkIdle(ipam, request)
    const guards = await checkKept(ipam, request)
    const { done } = await transactSurely(ipam, {
      when: [unchanged(segment), ...guards],
      then: [{ put: segmentKey(request.segment), value }],
    })
    if (done) return
  }
}

/** The condition that a segment is as it was read. */
export function unchanged(segment: Segment): Condition {
  const key = segmentKey(segment.name)
  return segment.entry === undefined
    ? { key, is: 'absent' }
    : { key, modRevision: segment.entry.modRevision }
}

function checkPools({ network, pools }: PoolsOfNetwork): void {
  const refuse = (why: string): LanyardError => new LanyardError('pool-invalid', { network, why })
  for (const [i, { subnet, range, gateway, exclude }] of pools.entries()) {
    const text = formatPrefix(subnet)
    if (!isCanonical(subnet))
      throw refuse(`invalid subnet ${text}: it should be ${formatPrefix(canonical(subnet))}`)
    if (range !== undefined && !(contains(subnet, range.first) && contains(subnet, range.last)))
      throw refuse(`parent subnet ${text} doesn't contain ip-range ${formatRange(range)}`)
    if (range !== undefined && range.first > range.last)
      throw refuse(`ip-range ${formatRange(range)} ends before it starts`)
    if (gateway !== undefined && familyOf(gateway) !== familyOf(subnet.address))
      throw refuse(`gateway ${formatIp(gateway)} is of another family than ${text}`)
    for (const { address } of exclude)
      if (!contains(subnet, address))
        throw refuse(`auxiliary address ${formatIp(address)} must belong to the pool ${text}`)
    const other = pools.slice(i + 1).find((p) => overlaps(p.subnet, subnet))
    if (other !== undefined) throw refuse(`${text} and ${formatPrefix(other.subnet)} overlap`)
  }
}

function checkOverlap({ network, pools }: PoolsOfNetwork, segment: Segment): void {
  for (const [other, theirs] of segment.networks) {
    if (other === network) continue
    for (const { subnet } of pools)
      for (const their of theirs)
        if (overlaps(subnet, their.subnet) && !samePrefix(subnet, their.subnet))
          throw new LanyardError('pool-overlap', {
            subnet: formatPrefix(subnet),
            segment: segment.name,
            other: formatPrefix(their.subnet),
            network: other,
          })
  }
}

/** Somebody got an address while the pools went: they are put back. */
async function keepIfUsed(ipam: Ipam, request: PoolsOfNetwork): Promise<void> {
  try {
    await checkIdle(ipam, request)
  } catch (error) {
    await restore(ipam, request)
    throw error
  }
}

async function restore(ipam: Ipam, { segment: name, network, pools }: PoolsOfNetwork) {
  for (;;) {
    const segment = await readSegment(ipam, name)
    if (segment.networks.has(network)) return
    const value = encodeSegment(new Map([...segment.networks, [network, pools] as const]))
    const then = [{ put: segmentKey(name), value }]
    if ((await transactSurely(ipam, { when: [unchanged(segment)], then })).done) return
  }
}

/** @throws LanyardError `pool-in-use` */
async function checkIdle(
  ipam: Ipam,
  { segment, network }: Omit<PoolsOfNetwork, 'pools'>,
): Promise<void> {
  const { entries } = await ipam.store.range(ofNetwork('end', segment, network), { limit: 10 })
  // Spares come after all endpoints, and keep nobody from anything.
  const endpoints = entries.map((e) => nameOfKey(e.key)).filter((name) => !isSpare(name))
  if (endpoints.length > 0) throw new LanyardError('pool-in-use', { network, endpoints })
}

/** Nobody may hold what is to be kept out; the conditions see to it that nobody gets it now. */
async function checkKept(ipam: Ipam, request: PoolsOfNetwork): Promise<Condition[]> {
  const guards: Condition[] = []
  for (const pool of request.pools) {
    const kept: Ip[] = pool.exclude.map((e) => e.address)
    if (pool.gateway !== undefined) kept.unshift(pool.gateway)
    for (const ip of new Set(kept)) {
      const key = addressKey('ip', request.segment, ip)
      const held = await ipam.store.get(key)
      if (held !== undefined) {
        const by = JSON.parse(held.value) as Holder
        const { network } = by
        const holder = await holderText(ipam, by)
        throw new LanyardError('address-in-use', { address: formatIp(ip), holder, network })
      }
      if (guards.length < GUARDED) guards.push({ key, is: 'absent' })
    }
  }
  return guards
}

/**
 * Takes a network's pools away, with its reservations and with what is remembered of its endpoints.
 * Repeatable: a network without pools is a success. Addresses its endpoints held rest for the
 * cooldown. A crash in the middle leaves the pools defined and some of the rest gone: repeat it.
 *
 * @param request `unless`: a key that, where it is, leaves all as it is: somebody needs the pools
 * @throws LanyardError `pool-in-use` when endpoints hold addresses, unless `force`
 */
export async function removePools(
  ipam: Ipam,
  request: {
    readonly segment: string
    readonly network: string
    readonly force?: boolean
    readonly unless?: string
  },
): Promise<void> {
  const { segment: name, network, force = false, unless } = request
  const before = (await readSegment(ipam, name)).networks.get(network)
  if (!force) await checkIdle(ipam, request)
  for (;;) {
    const segment = await readSegment(ipam, name)
    if (!segment.networks.has(network)) break
    if (unless !== undefined && (await ipam.store.get(unless)) !== undefined) return
    const networks = new Map(segment.networks)
    networks.delete(network)
    const key = segmentKey(name)
    const nobody: Condition[] = unless === undefined ? [] : [{ key: unless, is: 'absent' }]
    const { done } = await transactSurely(ipam, {
      when: [unchanged(segment), ...nobody],
      then: [networks.size === 0 ? { delete: key } : { put: key, value: encodeSegment(networks) }],
    })
    if (done) break
  }
  // From here on nobody gets an address in this network: every lease looks at the segment.
  if (!force && before !== undefined)
    await keepIfUsed(ipam, { segment: name, network, pools: before })
  const all = await entriesUnder(ipam.store, ofNetwork('end', name, network))
  // A spare may be in use on its host, which gives it back when it has heard of this.
  const endpoints = all.filter((e) => !isSpare(nameOfKey(e.key)))
  // Nobody comes back to a network that is gone.
  const forgetful: Ipam = { ...ipam, memorySeconds: 0 }
  for (let at = 0; at < endpoints.length; at += CHUNK)
    await Promise.all(
      endpoints
        .slice(at, at + CHUNK)
        .map((e) => release(forgetful, { segment: name, network, endpoint: nameOfKey(e.key) })),
    )
  await forget(ipam, name, network)
}

async function forget(ipam: Ipam, segment: string, network: string): Promise<void> {
  const keys: string[] = []
  for (const kind of ['was', 'next', 'name'] as const)
    for (const { key } of await entriesUnder(ipam.store, ofNetwork(kind, segment, network))) {
      keys.push(key)
      if (kind === 'name') keys.push(addressKey('rsv', segment, ipOfHex(lastWord(key))))
    }
  for (const key of ipam.next.keys())
    if (key.startsWith(ofNetwork('next', segment, network))) ipam.next.delete(key)
  for (let at = 0; at < keys.length; at += CHUNK)
    await transactSurely(ipam, {
      when: [],
      then: keys.slice(at, at + CHUNK).map((key) => ({ delete: key })),
    })
}
