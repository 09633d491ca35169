/**
 * IPv6 addresses: an unsigned 128-bit `bigint` inside, RFC 5952 text at the edges.
 *
 * An IPv4-mapped address (`::ffff:10.0.0.1`) stays an IPv6 address: it is never turned into the
 * IPv4 one, so nothing gets past a check by being spelt in the other family.
 */
import { LanyardError } from '../errors.ts'
import { hexDigit } from './hex.ts'
import { formatIp4, tryParseIp4, whyNotIp4 } from './ip4.ts'

/** An IPv6 address as an unsigned 128-bit integer. */
export type Ip6 = bigint

/**
 * Reads RFC 4291 text: eight groups, one `::`, perhaps a dotted quad as the last 32 bits. No zone
 * id: which link is meant is said elsewhere.
 *
 * @returns undefined when the text is anything else
 */
export function tryParseIp6(text: string): Ip6 | undefined {
  const end = text.length
  if (end < 2 || end > 45) return undefined
  const groups: number[] = []
  let gap = -1
  let at = 0
  if (text.charCodeAt(0) === 58) {
    if (text.charCodeAt(1) !== 58) return undefined
    gap = 0
    at = 2
  }
  while (at < end) {
    const start = at
    let value = 0
    let digit: number
    while (at < end && (digit = hexDigit(text.charCodeAt(at))) >= 0) {
      value = value * 16 + digit
      at++
    }
    const next = at < end ? text.charCodeAt(at) : 0
    if (next === 46) {
      const tail = tryParseIp4(text.slice(start))
      if (tail === undefined) return undefined
      groups.push(tail >>> 16, tail & 0xffff)
      break
    }
    if (at === start || at - start > 4) return undefined
    groups.push(value)
    if (at === end) break
    if (next !== 58) return undefined
    at++
    if (at === end) return undefined
    if (text.charCodeAt(at) === 58) {
      if (gap >= 0) return undefined
      gap = groups.length
      at++
    }
  }
  return join(groups, gap)
}

/** @param gap index of the first group after `::`, or -1 */
function join(groups: number[], gap: number): Ip6 | undefined {
  // `::` stands for at least one group (RFC 4291 2.2).
  if (gap < 0 ? groups.length !== 8 : groups.length > 7) return undefined
  if (gap >= 0) groups.splice(gap, 0, ...Array.from({ length: 8 - groups.length }, () => 0))
  let ip = 0n
  for (let i = 0; i < 8; i += 2) {
    ip = (ip << 32n) | BigInt((groups[i] ?? 0) * 0x10000 + (groups[i + 1] ?? 0))
  }
  return ip
}

/**
 * As {@link tryParseIp6}, but says what is wrong.
 *
 * @throws LanyardError `address-invalid`
 * @example
 * ```ts
 * parseIp6('fe80::1') // 0xfe800000000000000000000000000001n
 * ```
 */
export function parseIp6(text: string): Ip6 {
  const ip = tryParseIp6(text)
  if (ip !== undefined) return ip
  throw new LanyardError('address-invalid', { text, kind: 'an IPv6 address', why: whyNotIp6(text) })
}

/** The eight 16-bit groups of an address. */
function groupsOf(ip: Ip6): number[] {
  const groups: number[] = []
  for (let shift = 96n; shift >= 0n; shift -= 32n) {
    const word = Number((ip >> shift) & 0xffffffffn)
    groups.push(word >>> 16, word & 0xffff)
  }
  return groups
}

/**
 * RFC 5952 text: lower case, the first longest run of two or more zero groups as `::`. As
 * inet_ntop(3), mapped (`::ffff:10.0.0.1`) and compatible (`::10.0.0.1`) addresses end in a quad.
 */
export function formatIp6(ip: Ip6): string {
  const groups = groupsOf(ip)
  let best = 0
  let length = 1
  for (let i = 0; i < 8; i++) {
    let run = 0
    while (i + run < 8 && groups[i + run] === 0) run++
    if (run > length) {
      best = i
      length = run
    }
    if (run > 0) i += run
  }
  const hex = groups.map((group) => group.toString(16))
  if (length < 2) return hex.join(':')
  if (best === 0 && (length === 6 || (length === 5 && groups[5] === 0xffff))) {
    const quad = formatIp4(Number(ip & 0xffffffffn))
    return length === 6 ? `::${quad}` : `::ffff:${quad}`
  }
  return `${hex.slice(0, best).join(':')}::${hex.slice(best + length).join(':')}`
}

/** Whether it is `::ffff:0:0/96`; it stays an IPv6 address all the same. */
export function isMappedIp6(ip: Ip6): boolean {
  return ip >> 32n === 0xffffn
}

function whyNotIp6(text: string): string {
  if (text.includes('%')) return 'a zone id is not part of an address, name the link instead'
  if (text.split('::').length > 2 || text.includes(':::')) return '"::" may stand only once'
  if (!text.includes(':')) return 'it has no ":"'
  const parts = text.split(':')
  const last = parts.at(-1) ?? ''
  if (last.includes('.') && tryParseIp4(last) === undefined) {
    return `its tail "${last}" is not an IPv4 address, ${whyNotIp4(last)}`
  }
  const inner = last.includes('.') ? parts.slice(0, -1) : parts
  const bad = inner.find((part) => part !== '' && !/^[0-9a-fA-F]{1,4}$/.test(part))
  if (bad !== undefined) return `"${bad}" is not a group of 1 to 4 hex digits`
  const groups = inner.filter((part) => part !== '').length + (last.includes('.') ? 2 : 0)
  if (text.includes('::')) return groups > 7 ? '"::" stands for no group' : 'a group is missing'
  return groups === 8 ? 'a group is missing' : `it has ${groups} of 8 groups`
}
