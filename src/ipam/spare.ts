/**
 * Spares: addresses that a host holds for endpoints that come while the store is away. A spare is a
 * lease like any other, under a name that no endpoint can have and that says whose it is, with a
 * MAC of its own: whoever takes it over bears nothing that anybody else may have.
 */
import { familyOf, formatIp, type Ip } from '../addr/ip.ts'
import { formatMac, type Mac, parseMac } from '../addr/mac.ts'
import { rangeContains, rangeSize } from '../addr/range.ts'
import type { Condition, Entry, Write } from '../store/store.ts'
import { type Holder, type Ipam, isoNow, transactSurely } from './ipam.ts'
import {
  addressKey,
  endpointKey,
  ipOfHex,
  isSpare,
  lastWord,
  macKey,
  nameOfKey,
  ofNetwork,
  spareName,
  under,
} from './keys.ts'
import { firstFree } from './pick.ts'
import { gone } from './memory.ts'
import { unchanged } from './pools.ts'
import { release, type StoredLease } from './release.ts'
import { type Pool, rangeOfPool, readSegment } from './segment.ts'

interface Place {
  readonly segment: string
  readonly network: string
}

const poolsOf = (pools: readonly Pool[], family: 4 | 6): readonly Pool[] =>
  pools.filter(({ subnet }) => familyOf(subnet.address) === family)

/** How many addresses of a family a network hands out by itself. */
export const sizeOf = (pools: readonly Pool[], family: 4 | 6): bigint =>
  poolsOf(pools, family).reduce((sum, pool) => sum + rangeSize(rangeOfPool(pool)), 0n)

/**
 * An address that may become a spare: free, not resting, and with a quarter of the pools free
 * besides, so that spares never are what others run out by.
 */
export async function nextSpare(
  ipam: Ipam,
  request: Place & { readonly family: 4 | 6; readonly avoid: (ip: Ip) => boolean },
): Promise<Ip | undefined> {
  const { network, family, avoid } = request
  const segment = await readSegment(ipam, request.segment)
  const pools = poolsOf(segment.networks.get(network) ?? [], family)
  if (await isTight(ipam, segment.name, pools, family)) return undefined
  // Who had an address and comes back is to find it free.
  const had = new Set((await gone(ipam, request)).flatMap((one) => one.addresses))
  const isHad = (ip: Ip): boolean => had.has(ip) || avoid(ip)
  const asker = { segment, network, endpoint: '', avoid: isHad }
  for (const pool of pools) {
    const found = await firstFree(ipam, asker, pool)
    if (found !== undefined && found.resting === undefined) return found.ip
  }
  return undefined
}

async function isTight(
  ipam: Ipam,
  segment: string,
  pools: readonly Pool[],
  family: 4 | 6,
): Promise<boolean> {
  const size = sizeOf(pools, family)
  let left = size - size / 4n
  for (const kind of ['ip', 'rsv'] as const) {
    const prefix = under(kind, segment)
    for (let from: string | undefined = prefix; from !== undefined; ) {
      const page = await ipam.view.range(prefix, { from })
      const inside = page.entries.filter(({ key }) => {
        const ip = ipOfHex(lastWord(key))
        return pools.some((pool) => familyOf(ip) === family && rangeContains(rangeOfPool(pool), ip))
      })
      left -= BigInt(inside.length)
      if (left <= 0n) return true
      from = page.next
    }
  }
  return false
}

/**
 * Gives a spare of this host back, if it is one. Repeatable. It never was on the LAN unless
 * `used`: only then its address rests.
 */
export async function releaseSpare(
  ipam: Ipam,
  request: Place & { readonly address: Ip; readonly used: boolean },
): Promise<void> {
  const { segment, network, address, used } = request
  const endpoint = spareName(ipam.host?.id ?? '', address)
  await release(used ? ipam : { ...ipam, cooldownSeconds: 0 }, { segment, network, endpoint })
}

/** The spares of this host that the store knows in a network. */
export async function sparesOf(ipam: Ipam, { segment, network }: Place): Promise<readonly Ip[]> {
  const mine = ofNetwork('end', segment, network) + encodeURIComponent(`~${ipam.host?.id ?? ''}.`)
  const { entries } = await ipam.store.range(mine)
  return entries.map((entry) => ipOfHex(nameOfKey(entry.key).split('.').at(-1) ?? ''))
}

/** An endpoint that lives on spares, and is to hold them under its own name. */
export interface OnSpares extends Place {
  readonly endpoint: string
  readonly addresses: readonly Ip[]
  readonly mac: Mac | undefined
  /** What must hold besides. */
  readonly when: readonly Condition[]
  readonly also: readonly Write[]
}

/**
 * Renames spares: the endpoint that took them while the store was away holds them from now on. One
 * transaction. A spare that the store has lost meanwhile is leased anew where it is still free.
 * Repeatable.
 *
 * @returns `held`: somebody else holds an address or the MAC; `named`: somebody holds a lease under
 * the endpoint's name; `gone`: the network has no such pools any more; `changed`: look again
 */
export async function renameSpares(
  ipam: Ipam,
  request: OnSpares,
): Promise<'done' | 'held' | 'named' | 'gone' | 'changed'> {
  const { network, endpoint, addresses, mac } = request
  const segment = await readSegment(ipam, request.segment)
  if (!segment.networks.has(network)) return 'gone'
  const host = ipam.host?.id ?? ''
  const isMine = (entry: Entry): boolean => {
    const by = JSON.parse(entry.value) as Holder
    return by.host === host && by.network === network && isSpare(by.endpoint)
  }
  const endKey = endpointKey('end', segment.name, network, endpoint)
  const stored: StoredLease = {
    addresses: addresses.map(formatIp),
    ...(mac === undefined ? {} : { mac: formatMac(mac) }),
    at: isoNow(ipam),
    host,
  }
  const known = await ipam.store.get(endKey)
  if (known !== undefined) {
    const of = JSON.parse(known.value) as StoredLease
    const same = of.host === host && of.addresses.join() === stored.addresses.join()
    return same ? 'done' : 'named'
  }
  const when: Condition[] = [unchanged(segment), { key: endKey, is: 'absent' }, ...request.when]
  when.push(...(ipam.host?.guards() ?? []))
  const then: Write[] = [{ put: endKey, value: JSON.stringify(stored) }, ...request.also]
  const holder = JSON.stringify({ network, endpoint, mac: stored.mac, at: stored.at, host })
  const keys = addresses.map((ip) => addressKey('ip', segment.name, ip))
  if (mac !== undefined) keys.push(macKey(segment.name, mac))
  for (const key of keys) {
    const entry = await ipam.store.get(key)
    if (entry !== undefined && !isMine(entry)) return 'held'
    when.push(entry === undefined ? { key, is: 'absent' } : { key, modRevision: entry.modRevision })
    then.push({ put: key, value: holder })
  }
  for (const ip of addresses) {
    const kept = addressKey('rsv', segment.name, ip)
    if ((await ipam.store.get(kept)) !== undefined) return 'held'
    when.push({ key: kept, is: 'absent' })
    then.push({ delete: addressKey('cool', segment.name, ip) })
    const key = endpointKey('end', segment.name, network, spareName(host, ip))
    const spare = await ipam.store.get(key)
    if (spare === undefined) continue
    when.push({ key, modRevision: spare.modRevision })
    then.push({ delete: key })
    // The endpoint bears the MAC of one of them.
    const { mac: its = '' } = JSON.parse(spare.value) as StoredLease
    if (its !== '' && its !== stored.mac) then.push({ delete: macKey(segment.name, parseMac(its)) })
  }
  const { done } = await transactSurely(ipam, { when, then, otherwise: [endKey] })
  if (!done) await ipam.host?.refused()
  return done ? 'done' : 'changed'
}
