/**
 * Big-endian reading and writing. Reading past the end gives zeros and writing past it does
 * nothing, so a codec cannot throw; those who care about the difference check lengths first.
 */
import type { Ip6 } from '../addr/ip.ts'
import type { Mac } from '../addr/mac.ts'

export function read8(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0
}

export function read16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
}

export function read32(bytes: Uint8Array, at: number): number {
  return ((read16(bytes, at) << 16) | read16(bytes, at + 2)) >>> 0
}

/** 48 bits: a MAC address. */
export function read48(bytes: Uint8Array, at: number): Mac {
  return read16(bytes, at) * 0x100000000 + read32(bytes, at + 2)
}

/** 128 bits: an IPv6 address. */
export function read128(bytes: Uint8Array, at: number): Ip6 {
  const high = (BigInt(read32(bytes, at)) << 32n) | BigInt(read32(bytes, at + 4))
  const low = (BigInt(read32(bytes, at + 8)) << 32n) | BigInt(read32(bytes, at + 12))
  return (high << 64n) | low
}

export function write16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8
  bytes[at + 1] = value
}

export function write32(bytes: Uint8Array, at: number, value: number): void {
  write16(bytes, at, value >>> 16)
  write16(bytes, at + 2, value)
}

export function write48(bytes: Uint8Array, at: number, value: Mac): void {
  write16(bytes, at, Math.floor(value / 0x100000000))
  write32(bytes, at + 2, value)
}

export function write128(bytes: Uint8Array, at: number, value: Ip6): void {
  for (let word = 0; word < 4; word++) {
    write32(bytes, at + word * 4, Number((value >> BigInt(96 - word * 32)) & 0xffffffffn))
  }
}
