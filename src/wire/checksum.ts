/** The Internet checksum (RFC 1071) and the pseudo headers that go into it. */
import type { Ip } from '../addr/ip.ts'

/** Adds the 16-bit words of `bytes[from..to)` to a sum; an odd last byte is a high half. */
export function sumWords(bytes: Uint8Array, from: number, to: number, sum = 0): number {
  let total = sum
  for (let at = from; at + 1 < to; at += 2) total += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
  if ((to - from) % 2 === 1) total += (bytes[to - 1] ?? 0) << 8
  return total
}

/** The ones' complement of a sum, folded to 16 bits: what stands in a header. */
export function finishChecksum(sum: number): number {
  let folded = sum
  while (folded > 0xffff) folded = (folded % 0x10000) + Math.floor(folded / 0x10000)
  return ~folded & 0xffff
}

/**
 * The checksum of bytes. Over bytes that hold their own checksum it is 0 when they are intact.
 *
 * @param sum a sum to start from, as that of a pseudo header
 */
export function checksum(bytes: Uint8Array, from: number, to: number, sum = 0): number {
  return finishChecksum(sumWords(bytes, from, to, sum))
}

/** The sum of the pseudo header of TCP, UDP and ICMPv6 (RFC 9293 3.1, RFC 8200 8.1). */
export function pseudoSum(src: Ip, dst: Ip, protocol: number, length: number): number {
  return sumAddress(src) + sumAddress(dst) + protocol + length
}

function sumAddress(ip: Ip): number {
  if (typeof ip === 'number') return (ip >>> 16) + (ip & 0xffff)
  let sum = 0
  for (let rest = ip; rest > 0n; rest >>= 16n) sum += Number(rest & 0xffffn)
  return sum
}
