/**
 * Prefixes: `10.0.0.0/24`, `2001:db8::/64`. Text needs the length; host bits may be set
 * (`10.0.0.5/24` is an interface's address with the length of its subnet).
 */
import { LanyardError } from '../errors.ts'
import { bitsOf, compareIp, formatIp, type Ip, type Prefix, parseIp, tryParseIp } from './ip.ts'

export type { Prefix } from './ip.ts'

/** Reads `ADDRESS/LENGTH`; undefined when the text is anything else. */
export function tryParsePrefix(text: string): Prefix | undefined {
  const slash = text.indexOf('/')
  if (slash < 0) return undefined
  const address = tryParseIp(text.slice(0, slash))
  if (address === undefined) return undefined
  const length = parseLength(text.slice(slash + 1), bitsOf(address))
  return length === undefined ? undefined : { address, length }
}

/**
 * As {@link tryParsePrefix}, but says what is wrong.
 *
 * @throws LanyardError `address-invalid`
 * @example
 * ```ts
 * parsePrefix('10.0.0.0/24') // { address: 0x0a000000, length: 24 }
 * ```
 */
export function parsePrefix(text: string): Prefix {
  const prefix = tryParsePrefix(text)
  if (prefix !== undefined) return prefix
  const kind = 'a prefix'
  const slash = text.indexOf('/')
  if (slash < 0) {
    throw new LanyardError('address-invalid', { text, kind, why: 'its "/length" is missing' })
  }
  const bits = bitsOf(parseIp(text.slice(0, slash)))
  const why = `"${text.slice(slash + 1)}" is not a length from 0 to ${bits}`
  throw new LanyardError('address-invalid', { text, kind, why })
}

/** Decimal, no sign, no leading zero, at most `bits`. */
function parseLength(text: string, bits: number): number | undefined {
  if (!/^(0|[1-9][0-9]{0,2})$/.test(text)) return undefined
  const length = Number(text)
  return length <= bits ? length : undefined
}

/** `10.0.0.0/24`; host bits are kept. */
export function formatPrefix(prefix: Prefix): string {
  return `${formatIp(prefix.address)}/${prefix.length}`
}

/** The netmask of a length: `maskOf(24, 4)` is 255.255.255.0. */
export function maskOf(length: number, family: 4 | 6): Ip {
  if (family === 4) return length === 0 ? 0 : (-1 << (32 - length)) >>> 0
  return (ALL_ONES_6 >> BigInt(128 - length)) << BigInt(128 - length)
}
const ALL_ONES_6 = (1n << 128n) - 1n

/** The length of a netmask; undefined when its ones are not all in front (255.0.255.0). */
export function lengthOfMask(mask: Ip): number | undefined {
  const bits = bitsOf(mask)
  const family = bits === 32 ? 4 : 6
  for (let length = 0; length <= bits; length++) if (maskOf(length, family) === mask) return length
  return undefined
}

/** The first address of the prefix: host bits cleared. */
export function networkOf(prefix: Prefix): Ip {
  const { address, length } = prefix
  if (typeof address === 'number') return length === 0 ? 0 : (address & (-1 << (32 - length))) >>> 0
  const hostBits = BigInt(128 - length)
  return (address >> hostBits) << hostBits
}

/** The last address of the prefix: host bits set. In IPv4 the directed broadcast address. */
export function broadcastOf(prefix: Prefix): Ip {
  const { address, length } = prefix
  if (typeof address === 'number') {
    return length === 32 ? address : (address | (0xffffffff >>> length)) >>> 0
  }
  return address | ((1n << BigInt(128 - length)) - 1n)
}

/** The prefix with its host bits cleared. */
export function canonical(prefix: Prefix): Prefix {
  const address = networkOf(prefix)
  return address === prefix.address ? prefix : { address, length: prefix.length }
}

/** Whether no host bit is set. */
export function isCanonical(prefix: Prefix): boolean {
  return networkOf(prefix) === prefix.address
}

/** The prefix of a single address: /32 or /128. */
export function hostPrefix(ip: Ip): Prefix {
  return { address: ip, length: bitsOf(ip) }
}

/** Whether an address lies in a prefix; never across families. */
export function contains(prefix: Prefix, ip: Ip): boolean {
  const { address, length } = prefix
  if (typeof address === 'number') {
    if (typeof ip !== 'number') return false
    return length === 0 || (address ^ ip) >>> (32 - length) === 0
  }
  return typeof ip === 'bigint' && (address ^ ip) >> BigInt(128 - length) === 0n
}

/** Whether every address of `inner` lies in `outer`. */
export function containsPrefix(outer: Prefix, inner: Prefix): boolean {
  return inner.length >= outer.length && contains(outer, inner.address)
}

/** Whether the two share an address. */
export function overlaps(a: Prefix, b: Prefix): boolean {
  return containsPrefix(a, b) || containsPrefix(b, a)
}

/** Order for sorting: by family, network, length, then host bits. */
export function comparePrefix(a: Prefix, b: Prefix): number {
  return (
    compareIp(networkOf(a), networkOf(b)) || a.length - b.length || compareIp(a.address, b.address)
  )
}

/** Whether both are the same address with the same length. */
export function samePrefix(a: Prefix, b: Prefix): boolean {
  return a.length === b.length && a.address === b.address
}

/**
 * How many hosts fit: IPv4 without network and broadcast address, but both of a /31 (RFC 3021) and
 * the one of a /32; IPv6 has no broadcast and counts all.
 */
export function hostCount(prefix: Prefix): bigint {
  const size = 1n << BigInt(bitsOf(prefix.address) - prefix.length)
  return typeof prefix.address === 'number' && size > 2n ? size - 2n : size
}
