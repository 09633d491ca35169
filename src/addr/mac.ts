/** MAC addresses: a 48-bit integer inside, `02:42:ac:10:00:02` at the edges. */
import { LanyardError } from '../errors.ts'
import { hexDigit } from './hex.ts'

/** A MAC address as a 48-bit unsigned integer. */
export type Mac = number

/** ff:ff:ff:ff:ff:ff */
export const MAC_BROADCAST: Mac = 0xffffffffffff

/** Whether the group bit is set (broadcast counts). */
export function isGroupMac(mac: Mac): boolean {
  return ((mac / 0x10000000000) & 1) === 1
}

/**
 * Whether the locally-administered bit is set (made up by software, not by a maker of hardware).
 */
export function isLocalMac(mac: Mac): boolean {
  return ((mac / 0x10000000000) & 2) === 2
}

/** Whether it is 00:00:00:00:00:00. */
export function isZeroMac(mac: Mac): boolean {
  return mac === 0
}

/**
 * Reads six pairs of hex digits with `:` between them, in either case. Nothing shorter:
 * `2:42:0:0:0:1` is a typing error more often than a wish.
 *
 * @returns undefined when the text is anything else
 */
export function tryParseMac(text: string): Mac | undefined {
  if (text.length !== 17) return undefined
  let mac = 0
  for (let at = 0; at < 17; at += 3) {
    const high = hexDigit(text.charCodeAt(at))
    const low = hexDigit(text.charCodeAt(at + 1))
    if (high < 0 || low < 0) return undefined
    if (at < 15 && text.charCodeAt(at + 2) !== 58) return undefined
    mac = mac * 256 + high * 16 + low
  }
  return mac
}

/**
 * As {@link tryParseMac}, but says what is wrong.
 *
 * @throws LanyardError `address-invalid`
 * @example
 * ```ts
 * parseMac('02:42:ac:10:00:02') // 0x0242ac100002
 * ```
 */
export function parseMac(text: string): Mac {
  const mac = tryParseMac(text)
  if (mac !== undefined) return mac
  throw new LanyardError('address-invalid', { text, kind: 'a MAC address', why: whyNotMac(text) })
}

/** `02:42:ac:10:00:02` */
export function formatMac(mac: Mac): string {
  const hex = mac.toString(16).padStart(12, '0')
  const high = `${hex.slice(0, 2)}:${hex.slice(2, 4)}:${hex.slice(4, 6)}`
  return `${high}:${hex.slice(6, 8)}:${hex.slice(8, 10)}:${hex.slice(10)}`
}

function whyNotMac(text: string): string {
  if (text.includes('-')) return 'pairs are separated by ":", not "-"'
  const pairs = text.split(':')
  if (pairs.length !== 6) return `it has ${pairs.length} of 6 pairs of hex digits`
  const bad = pairs.find((pair) => !/^[0-9a-fA-F]{2}$/.test(pair))
  return `"${bad}" is not a pair of hex digits`
}
