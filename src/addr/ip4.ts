/** IPv4 addresses: an unsigned 32-bit integer inside, a dotted quad at the edges. */
import { LanyardError } from '../errors.ts'

/** An IPv4 address as an unsigned 32-bit integer. */
export type Ip4 = number

/**
 * Reads a dotted quad: four decimal numbers 0..255 without leading zeros. Neither the octal nor the
 * short forms of inet_aton(3): `010.0.0.1` and `10.1` mean something else to every second program.
 *
 * @returns undefined when the text is anything else
 */
export function tryParseIp4(text: string): Ip4 | undefined {
  const end = text.length
  if (end < 7 || end > 15) return undefined
  let value = 0
  let octet = -1
  let dots = 0
  for (let i = 0; i < end; i++) {
    const code = text.charCodeAt(i)
    if (code === 46) {
      if (octet < 0 || dots === 3) return undefined
      value = value * 256 + octet
      octet = -1
      dots++
      continue
    }
    // A digit after a 0 would be a leading zero.
    if (code < 48 || code > 57 || octet === 0) return undefined
    octet = octet < 0 ? code - 48 : octet * 10 + code - 48
    if (octet > 255) return undefined
  }
  return dots === 3 && octet >= 0 ? value * 256 + octet : undefined
}

/**
 * As {@link tryParseIp4}, but says what is wrong.
 *
 * @throws LanyardError `address-invalid`
 * @example
 * ```ts
 * parseIp4('172.16.0.2') // 0xac100002
 * ```
 */
export function parseIp4(text: string): Ip4 {
  const ip = tryParseIp4(text)
  if (ip !== undefined) return ip
  throw new LanyardError('address-invalid', { text, kind: 'an IPv4 address', why: whyNotIp4(text) })
}

/** `172.16.0.2` */
export function formatIp4(ip: Ip4): string {
  return `${ip >>> 24}.${(ip >>> 16) & 255}.${(ip >>> 8) & 255}.${ip & 255}`
}

/** The first thing wrong with a dotted quad. */
export function whyNotIp4(text: string): string {
  const parts = text.split('.')
  const odd = parts.find((part) => !/^[0-9]+$/.test(part))
  if (odd !== undefined) return odd === '' ? 'a number is missing' : `"${odd}" is not a number`
  if (parts.length !== 4) return `it has ${parts.length} of 4 numbers`
  const zero = parts.find((part) => part.length > 1 && part.startsWith('0'))
  if (zero !== undefined) return `"${zero}" has a leading zero`
  return `${parts.find((part) => Number(part) > 255)} is over 255`
}
