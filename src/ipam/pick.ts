/**
 * Choosing an address that may be handed out. Nothing is taken here: that is the transaction's
 * part, which finds out whether somebody was faster.
 */
import { addToIp, formatIp, type Ip } from '../addr/ip.ts'
import { contains, formatPrefix } from '../addr/prefix.ts'
import { type Range, rangeContains, rangeSize } from '../addr/range.ts'
import { LanyardError } from '../errors.ts'
import type { Entry } from '../store/store.ts'
import { type Holder, holderText, type Ipam } from './ipam.ts'
import { addressKey, hexOfIp, ipOfHex, lastWord, ofNetwork, under } from './keys.ts'
import type { StoredRest } from './release.ts'
import { type Pool, rangeOfPool, ruledOut, type Segment } from './segment.ts'

/** An address that was free when looked at. */
export interface Candidate {
  readonly ip: Ip
  readonly pool: Pool
  /** That it is kept for the asker; it stays so, unless it was claimed only. */
  readonly reserved: Entry | undefined
  /** That it rests; the transaction takes it off. */
  readonly resting: Entry | undefined
  /** Must it be this one? Then the LAN's objection is the answer, not a reason to go on. */
  readonly exact: boolean
}

export interface Asker {
  readonly segment: Segment
  readonly network: string
  readonly endpoint: string
  /** Addresses not to be handed out besides: the host's own, and what was tried in vain. */
  readonly avoid: (ip: Ip) => boolean
  /** Kept under their own names (a claim) for this asker, who takes them over. */
  readonly claimed?: readonly Ip[]
  /** Told of a free address before anybody else of this process looks: of a hundred that ask at
   * once each finds another. */
  readonly claim?: (ip: Ip, pool: Pool) => void
}

/** Who or what stands against one address for this asker; a candidate when nothing does. */
export async function examine(
  ipam: Ipam,
  asker: Asker,
  ip: Ip,
  wish: { readonly exact: boolean; readonly askLan: boolean },
): Promise<Candidate | LanyardError> {
  const { segment, network, endpoint } = asker
  const address = formatIp(ip)
  const pools = segment.networks.get(network) ?? []
  const pool = pools.find((p) => contains(p.subnet, ip))
  const why =
    pool === undefined
      ? `It does not belong to any of this network's subnets (${pools.map((p) => formatPrefix(p.subnet)).join(', ')})`
      : (ruledOut(pool.subnet, ip) ?? segment.kept.get(ip))
  if (pool === undefined || why !== undefined)
    return new LanyardError('address-not-usable', { address, network, why: why ?? '' })
  const read = (kind: 'ip' | 'rsv' | 'cool') => ipam.view.get(addressKey(kind, segment.name, ip))
  const [seen, reserved, resting] = await Promise.all([read('ip'), read('rsv'), read('cool')])
  // Who holds it only the store itself can say.
  const held = seen && (await ipam.store.get(seen.key))
  const taken = (what: string, by: { readonly network: string }): LanyardError =>
    new LanyardError('address-in-use', { address, holder: what, network: by.network })
  if (held !== undefined) {
    const by = JSON.parse(held.value) as Holder
    return taken(await holderText(ipam, by), by)
  }
  if (reserved !== undefined) {
    const by = JSON.parse(reserved.value) as { network: string; name: string }
    const names = asker.claimed?.includes(ip) === true ? [endpoint, address] : [endpoint]
    if (by.network !== network || !names.includes(by.name))
      return taken(`reservation "${by.name}"`, by)
  }
  if (resting !== undefined) {
    const rest = JSON.parse(resting.value) as StoredRest
    const mine = rest.network === network && rest.endpoint === endpoint
    // Who names the address may have it, but not unasked from a stranger on the LAN.
    if (rest.kind === 'conflict' ? !wish.askLan : !mine && !wish.exact)
      return taken(rest.why ?? `the cooldown of endpoint "${rest.endpoint}"`, rest)
  }
  return { ip, pool, reserved, resting, exact: wish.exact }
}

/** Where a search in a pool starts: a hint, and the key it lies under. */
export const hintKey = (segment: string, network: string, pool: Pool): string =>
  ofNetwork('next', segment, network) + hexOfIp(pool.subnet.address)

const WINDOW = 64
const WINDOW_LIMIT = 1024

/**
 * The next free address after the one given out last, round about, so that one just released is
 * the last to come again. When all that is free is resting, the one that rests longest.
 */
export async function firstFree(
  ipam: Ipam,
  asker: Asker,
  pool: Pool,
): Promise<Candidate | undefined> {
  const range = rangeOfPool(pool)
  const start = await startOf(ipam, asker, pool, range)
  const parts: Range[] = [{ first: start, last: range.last }]
  const before = start === range.first ? undefined : addToIp(start, -1)
  if (before !== undefined) parts.push({ first: range.first, last: before })
  let oldest: { readonly ip: Ip; readonly entry: Entry } | undefined
  for (const part of parts) {
    // The next one is mostly free: nothing is read beyond it then.
    let size = 1
    for (let first: Ip | undefined = part.first; first !== undefined && first <= part.last; ) {
      const end = addToIp(first, size - 1)
      const last: Ip = end === undefined || end > part.last ? part.last : end
      const found = await searchWindow(ipam, asker, pool, { first, last })
      if (found.free !== undefined)
        return { ip: found.free, pool, reserved: undefined, resting: undefined, exact: false }
      // By the store's order of events, not by the clocks of whoever wrote them.
      for (const rest of found.resting)
        if (oldest === undefined || rest.entry.modRevision < oldest.entry.modRevision) oldest = rest
      first = addToIp(last, 1)
      size = Math.min(Math.max(size * 2, WINDOW), WINDOW_LIMIT)
    }
  }
  if (oldest === undefined) return undefined
  return { ip: oldest.ip, pool, reserved: undefined, resting: oldest.entry, exact: false }
}

async function startOf(ipam: Ipam, asker: Asker, pool: Pool, range: Range): Promise<Ip> {
  const key = hintKey(asker.segment.name, asker.network, pool)
  const known = ipam.next.get(key)
  if (known !== undefined && rangeContains(range, known)) return known
  if (ipam.host !== undefined) return part(range, ipam.host.slot)
  const stored = await ipam.store.get(key)
  const hint = stored === undefined ? undefined : ipOfHex(stored.value)
  return hint !== undefined && rangeContains(range, hint) ? hint : range.first
}

/** The address that lies so far (0 to 1) into a range. */
export function part(range: Range, slot: number): Ip {
  const offset = (rangeSize(range) * BigInt(Math.floor(slot * 2 ** 32))) >> 32n
  return typeof range.first === 'number' ? range.first + Number(offset) : range.first + offset
}

interface Found {
  readonly free: Ip | undefined
  readonly resting: readonly { readonly ip: Ip; readonly entry: Entry }[]
}

async function searchWindow(ipam: Ipam, asker: Asker, pool: Pool, window: Range): Promise<Found> {
  const { segment } = asker
  const last = hexOfIp(window.last)
  const limit = Number(BigInt(window.last) - BigInt(window.first)) + 1
  const read = async (kind: 'ip' | 'rsv' | 'cool'): Promise<Map<string, Entry>> => {
    const prefix = under(kind, segment.name)
    const page = await ipam.view.range(prefix, { from: prefix + hexOfIp(window.first), limit })
    const inside = page.entries.map((e) => [lastWord(e.key), e] as const)
    return new Map(inside.filter(([hex]) => hex <= last))
  }
  const [held, reserved, resting] = await Promise.all([read('ip'), read('rsv'), read('cool')])
  const rests: { ip: Ip; entry: Entry }[] = []
  for (let ip: Ip | undefined = window.first; ip !== undefined && ip <= window.last; ) {
    const hex = hexOfIp(ip)
    const may =
      !held.has(hex) &&
      !reserved.has(hex) &&
      !segment.kept.has(ip) &&
      !ipam.trying.has(addressKey('ip', segment.name, ip)) &&
      ruledOut(pool.subnet, ip) === undefined &&
      !asker.avoid(ip)
    const rest = resting.get(hex)
    if (may && rest === undefined) {
      asker.claim?.(ip, pool)
      return { free: ip, resting: [] }
    }
    if (may && rest !== undefined) {
      const { kind } = JSON.parse(rest.value) as StoredRest
      if (kind === 'cooldown') rests.push({ ip, entry: rest })
    }
    ip = addToIp(ip, 1)
  }
  return { free: undefined, resting: rests }
}
