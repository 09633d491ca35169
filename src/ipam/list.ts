/** Who has what, and what comes next. */
import { compareIp, familyOf, type Ip } from '../addr/ip.ts'
import { type Mac, parseMac } from '../addr/mac.ts'
import { LanyardError } from '../errors.ts'
import type { Entry } from '../store/store.ts'
import { entriesUnder, type Ipam } from './ipam.ts'
import { addressKey, ipOfHex, isSpare, lastWord, segmentOfKey, SEGMENTS, under } from './keys.ts'
import { firstFree } from './pick.ts'
import type { StoredRest } from './release.ts'
import { readSegment } from './segment.ts'

/** An address that is not free, and why. */
export interface Holding {
  readonly segment: string
  readonly network: string
  readonly address: Ip
  readonly mac: Mac | undefined
  /**
   * The endpoint; of a spare what it is held under; of a reservation the name it is for; of a
   * conflict what the LAN said.
   */
  readonly holder: string
  readonly kind: 'endpoint' | 'spare' | 'reservation' | 'cooldown' | 'conflict'
  readonly since: string
  /** Of several hosts: whose. */
  readonly host?: string
}

const KINDS = ['ip', 'rsv', 'cool'] as const

function decode(kind: (typeof KINDS)[number], entry: Entry): Holding {
  const stored = JSON.parse(entry.value) as {
    readonly network: string
    readonly endpoint?: string
    readonly name?: string
    readonly mac?: string
    readonly at: string
    readonly kind?: StoredRest['kind']
    readonly why?: string
    readonly host?: string
  }
  return {
    segment: segmentOfKey(entry.key),
    network: stored.network,
    address: ipOfHex(lastWord(entry.key)),
    mac: stored.mac === undefined ? undefined : parseMac(stored.mac),
    holder: stored.why ?? stored.endpoint ?? stored.name ?? '',
    kind: kindOf(kind, stored),
    since: stored.at,
    ...(stored.host === undefined ? {} : { host: stored.host }),
  }
}

function kindOf(
  kind: (typeof KINDS)[number],
  stored: { readonly endpoint?: string; readonly kind?: StoredRest['kind'] },
): Holding['kind'] {
  if (kind === 'ip') return isSpare(stored.endpoint ?? '') ? 'spare' : 'endpoint'
  return kind === 'rsv' ? 'reservation' : (stored.kind ?? 'cooldown')
}

/**
 * All addresses of a segment (of all, without one) that are not free, in order. A reservation
 * whose endpoint holds the address is told as the endpoint's.
 */
export async function listHoldings(ipam: Ipam, segment?: string): Promise<Holding[]> {
  const all: Holding[] = []
  const held = new Set<string>()
  for (const kind of KINDS)
    for (const entry of await entriesUnder(ipam.store, under(kind, segment))) {
      const address = entry.key.slice(under(kind).length)
      if (held.has(address)) continue
      if (kind === 'ip') held.add(address)
      all.push(decode(kind, entry))
    }
  return all.sort(
    (a, b) =>
      (a.segment < b.segment ? -1 : a.segment > b.segment ? 1 : 0) ||
      compareIp(a.address, b.address),
  )
}

/** Who has an address: one answer a segment at the most. */
export async function whoHolds(ipam: Ipam, address: Ip, segment?: string): Promise<Holding[]> {
  const names =
    segment === undefined
      ? (await entriesUnder(ipam.store, SEGMENTS)).map((e) => segmentOfKey(e.key))
      : [segment]
  const holdings: Holding[] = []
  for (const name of names)
    for (const kind of KINDS) {
      const entry = await ipam.store.get(addressKey(kind, name, address))
      if (entry === undefined) continue
      holdings.push(decode(kind, entry))
      break
    }
  return holdings
}

/**
 * The addresses an endpoint without a history would get now, one of each family; none of a family
 * that has none left. Nothing is kept for anybody.
 *
 * @throws LanyardError `pool-missing`
 */
export async function nextFree(
  ipam: Ipam,
  request: {
    readonly segment: string
    readonly network: string
    readonly avoid?: (ip: Ip) => boolean
  },
): Promise<Ip[]> {
  const segment = await readSegment(ipam, request.segment)
  const pools = segment.networks.get(request.network)
  if (pools === undefined)
    throw new LanyardError('pool-missing', { network: request.network, segment: segment.name })
  const asker = {
    segment,
    network: request.network,
    endpoint: '',
    avoid: request.avoid ?? (() => false),
  }
  const free: Ip[] = []
  for (const pool of pools) {
    if (free.some((ip) => familyOf(ip) === familyOf(pool.subnet.address))) continue
    const found = await firstFree(ipam, asker, pool)
    if (found !== undefined) free.push(found.ip)
  }
  return free
}
