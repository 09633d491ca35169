/**
 * Ranges of addresses, both ends included: the part of a subnet that a pool hands out, and what is
 * left of it when the excluded addresses are taken away.
 */
import { LanyardError } from '../errors.ts'
import { addToIp, compareIp, formatIp, type Ip, type Prefix, parseIp, tryParseIp } from './ip.ts'
import { broadcastOf, canonical, formatPrefix, networkOf, tryParsePrefix } from './prefix.ts'

/** From `first` to `last`, both included, of one family, `first` not after `last`. */
export interface Range {
  readonly first: Ip
  readonly last: Ip
}

/** Reads `10.0.0.0/24`, `10.0.0.10-10.0.0.20` or a single address; undefined for anything else. */
export function tryParseRange(text: string): Range | undefined {
  const prefix = tryParsePrefix(text)
  if (prefix !== undefined) {
    return networkOf(prefix) === prefix.address ? rangeOf(prefix) : undefined
  }
  const dash = text.indexOf('-')
  const first = tryParseIp(dash < 0 ? text : text.slice(0, dash))
  const last = dash < 0 ? first : tryParseIp(text.slice(dash + 1))
  if (first === undefined || last === undefined || typeof first !== typeof last) return undefined
  return first <= last ? { first, last } : undefined
}

/**
 * As {@link tryParseRange}, but says what is wrong. A CIDR with host bits (`10.0.0.5/24`) is
 * refused: it names an interface, and whether all of its subnet is meant nobody knows.
 *
 * @throws LanyardError `address-invalid`
 * @example
 * ```ts
 * parseRange('10.0.0.10-10.0.0.20') // { first: 0x0a00000a, last: 0x0a000014 }
 * ```
 */
export function parseRange(text: string): Range {
  const range = tryParseRange(text)
  if (range !== undefined) return range
  throw new LanyardError('address-invalid', { text, kind: 'a range', why: whyNotRange(text) })
}

function whyNotRange(text: string): string {
  const prefix = tryParsePrefix(text)
  if (prefix !== undefined)
    return `it has host bits, the whole is ${formatPrefix(canonical(prefix))}`
  if (text.includes('/')) return 'what stands around "/" is not an address and its prefix length'
  const ends = text.split('-')
  if (ends.length > 2) return 'it has more than one "-"'
  const bad = ends.find((end) => tryParseIp(end) === undefined)
  if (bad !== undefined) return `"${bad}" is not an IP address`
  const families = new Set(ends.map((end) => typeof parseIp(end)))
  if (families.size > 1) return 'its ends are of different families'
  return 'its end lies before its start'
}

/** All addresses of a prefix. */
export function rangeOf(prefix: Prefix): Range {
  return { first: networkOf(prefix), last: broadcastOf(prefix) }
}

/** `10.0.0.10-10.0.0.20`, or the one address. */
export function formatRange(range: Range): string {
  const first = formatIp(range.first)
  return range.first === range.last ? first : `${first}-${formatIp(range.last)}`
}

/** How many addresses it has. */
export function rangeSize(range: Range): bigint {
  return BigInt(range.last) - BigInt(range.first) + 1n
}

/** Whether an address lies in the range; never across families. */
export function rangeContains(range: Range, ip: Ip): boolean {
  return typeof ip === typeof range.first && range.first <= ip && ip <= range.last
}

/** Whether the two share an address. */
export function rangesOverlap(a: Range, b: Range): boolean {
  return rangeContains(a, b.first) || rangeContains(b, a.first)
}

/** The `n`th address, counted from 0; undefined when the range is shorter. */
export function addressAt(range: Range, n: bigint | number): Ip | undefined {
  if (n < 0) return undefined
  const ip = addToIp(range.first, n)
  return ip !== undefined && ip <= range.last ? ip : undefined
}

/** Every address in order, made as it is asked for: a /64 may be walked as long as one stops. */
export function* addressesOf(range: Range): Generator<Ip, void, undefined> {
  if (typeof range.first === 'number') {
    for (let ip = range.first; ip <= range.last; ip++) yield ip
  } else for (let ip = range.first; ip <= range.last; ip++) yield ip
}

/**
 * Cuts a range into `parts` shares in order, their sizes differing by one at the most (a pool
 * shared out among hosts). Fewer come back when there are fewer addresses than parts.
 */
export function splitRange(range: Range, parts: number): Range[] {
  const shares: Range[] = []
  const size = rangeSize(range)
  for (let i = 0n; i < BigInt(parts); i++) {
    const from = (size * i) / BigInt(parts)
    const to = (size * (i + 1n)) / BigInt(parts)
    const first = addressAt(range, from)
    const last = addressAt(range, to - 1n)
    if (from < to && first !== undefined && last !== undefined) shares.push({ first, last })
  }
  return shares
}

/** What is left of the ranges when all of `cut` is taken out; order is kept. */
export function subtractRange(ranges: readonly Range[], cut: Range): Range[] {
  return ranges.flatMap((range) => {
    if (!rangesOverlap(range, cut)) return [range]
    const left: Range[] = []
    const before = range.first < cut.first ? addToIp(cut.first, -1) : undefined
    const after = cut.last < range.last ? addToIp(cut.last, 1) : undefined
    if (before !== undefined) left.push({ first: range.first, last: before })
    if (after !== undefined) left.push({ first: after, last: range.last })
    return left
  })
}

/** Order for sorting: by start, then by end. */
export function compareRange(a: Range, b: Range): number {
  return compareIp(a.first, b.first) || compareIp(a.last, b.last)
}
