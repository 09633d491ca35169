/**
 * IP addresses: IPv4 is a uint32 `number`, IPv6 a 128-bit `bigint`; `typeof` tells the family.
 * Numbers inside, text at the edges.
 */
import { LanyardError } from '../errors.ts'
import { formatIp4, type Ip4, parseIp4, tryParseIp4 } from './ip4.ts'
import { formatIp6, type Ip6, parseIp6, tryParseIp6 } from './ip6.ts'

export type { Ip4 } from './ip4.ts'
export type { Ip6 } from './ip6.ts'

/** Either family: `typeof ip === 'number'` is IPv4. */
export type Ip = Ip4 | Ip6

/**
 * An address with a prefix length; host bits may be set (an interface address) or not (a route).
 */
export interface Prefix {
  readonly address: Ip
  readonly length: number
}

/** An address of either family; undefined when the text is none. */
export function tryParseIp(text: string): Ip | undefined {
  return text.includes(':') ? tryParseIp6(text) : tryParseIp4(text)
}

/**
 * An address of either family: what contains a `:` is read as IPv6, all else as IPv4.
 *
 * @throws LanyardError `address-invalid`
 * @example
 * ```ts
 * parseIp('10.0.0.1') // 0x0a000001
 * parseIp('fe80::1') // 0xfe800000000000000000000000000001n
 * ```
 */
export function parseIp(text: string): Ip {
  if (text.includes(':')) return parseIp6(text)
  if (/[0-9]\.[0-9]/.test(text)) return parseIp4(text)
  const ip = tryParseIp4(text)
  if (ip !== undefined) return ip
  const why = 'it has neither the dots of an IPv4 nor the colons of an IPv6'
  throw new LanyardError('address-invalid', { text, kind: 'an IP address', why })
}

/** Text of an address of either family. */
export function formatIp(ip: Ip): string {
  return typeof ip === 'number' ? formatIp4(ip) : formatIp6(ip)
}

export function familyOf(ip: Ip): 4 | 6 {
  return typeof ip === 'number' ? 4 : 6
}

/** Bits of an address of this one's family: 32 or 128. */
export function bitsOf(ip: Ip): 32 | 128 {
  return typeof ip === 'number' ? 32 : 128
}

/** Order for sorting: IPv4 before IPv6, then by value. */
export function compareIp(a: Ip, b: Ip): number {
  if (typeof a !== typeof b) return typeof a === 'number' ? -1 : 1
  return a < b ? -1 : a > b ? 1 : 0
}

/**
 * The address `by` after this one (before it when negative); undefined outside the family's space.
 */
export function addToIp(ip: Ip, by: bigint | number): Ip | undefined {
  const sum = BigInt(ip) + BigInt(by)
  if (sum < 0n || sum >> BigInt(bitsOf(ip)) !== 0n) return undefined
  return typeof ip === 'number' ? Number(sum) : sum
}

/** 224.0.0.0/4 or ff00::/8. */
export function isMulticastIp(ip: Ip): boolean {
  return typeof ip === 'number' ? ip >>> 28 === 14 : ip >> 120n === 0xffn
}

/** 169.254.0.0/16 or fe80::/10. */
export function isLinkLocalIp(ip: Ip): boolean {
  return typeof ip === 'number' ? ip >>> 16 === 0xa9fe : ip >> 118n === 0x3fan
}

/** 127.0.0.0/8 or ::1. */
export function isLoopbackIp(ip: Ip): boolean {
  return typeof ip === 'number' ? ip >>> 24 === 127 : ip === 1n
}

/** 0.0.0.0 or ::. */
export function isUnspecifiedIp(ip: Ip): boolean {
  return typeof ip === 'number' ? ip === 0 : ip === 0n
}
