/**
 * ICMP (RFC 792) and ICMPv6 (RFC 4443): echo and errors. Echo data is written as ping(8) does, byte
 * n being n: only its length is kept.
 */
import type { Ip } from '../addr/ip.ts'
import type { Above } from './body.ts'
import { read16, read32, write16, write32 } from './bytes.ts'
import { checksum, pseudoSum } from './checksum.ts'
import { type IcmpMessage, type Ip4Packet, type Ip6Packet, PROTO_ICMP6 } from './frame.ts'

/** Reads the packet an error quotes. */
export type QuoteDecoder = (bytes: Uint8Array, version: 4 | 6) => Ip4Packet | Ip6Packet | undefined
/** Writes it in full. */
export type QuoteEncoder = (packet: Ip4Packet | Ip6Packet) => Uint8Array

/** Echo request and reply. */
export function isEcho(version: 4 | 6, type: number): boolean {
  return version === 4 ? type === 8 || type === 0 : type === 128 || type === 129
}

/** Unreachable, source quench, redirect, time exceeded, parameter problem; in ICMPv6 1 to 4. */
export function isIcmpError(version: 4 | 6, type: number): boolean {
  if (version === 6) return type >= 1 && type <= 4
  return type === 3 || type === 4 || type === 5 || type === 11 || type === 12
}

/** Whether the message is intact: of a packet that lost a part nobody can tell. */
export function icmpIntact(bytes: Uint8Array, above: Above): boolean {
  if (!above.whole) return true
  return checksum(bytes, 0, bytes.length, icmpSeed(above.src, above.dst, bytes.length)) === 0
}

/** ICMPv6 counts the pseudo header in, ICMP does not. */
function icmpSeed(src: Ip, dst: Ip, length: number): number {
  return typeof src === 'bigint' ? pseudoSum(src, dst, PROTO_ICMP6, length) : 0
}

/** Writes the checksum of a message that fills `out`. */
export function sealIcmp(out: Uint8Array, src: Ip, dst: Ip): void {
  write16(out, 2, 0)
  write16(out, 2, checksum(out, 0, out.length, icmpSeed(src, dst, out.length)))
}

/** Undefined for other types, messages cut short, and errors in a quote (nobody may send those). */
export function decodeIcmp(
  bytes: Uint8Array,
  above: Above,
  decodeQuoted: QuoteDecoder,
): IcmpMessage | undefined {
  const version = typeof above.src === 'number' ? 4 : 6
  const type = bytes[0] ?? 0
  const echo = isEcho(version, type)
  if (bytes.length < 8 || above.length < 8 || !icmpIntact(bytes, above)) return undefined
  if (!echo && (above.quoted || !isIcmpError(version, type))) return undefined
  const code = bytes[1] ?? 0
  return {
    kind: 'icmp',
    version,
    type,
    code,
    id: echo ? read16(bytes, 4) : 0,
    sequence: echo ? read16(bytes, 6) : 0,
    value: echo ? 0 : decodeValue(bytes, version, type, code),
    quoted: echo ? undefined : decodeQuoted(bytes.subarray(8), version),
    dataLength: echo ? above.length - 8 : 0,
  }
}

/** How the four bytes after the checksum of an error are used. */
function valueAs(version: 4 | 6, type: number, code: number): 'word' | 'mtu' | 'pointer' | 'none' {
  if (version === 6) return type === 2 || type === 4 ? 'word' : 'none'
  if (type === 5) return 'word'
  if (type === 3 && code === 4) return 'mtu'
  return type === 12 ? 'pointer' : 'none'
}

function decodeValue(bytes: Uint8Array, version: 4 | 6, type: number, code: number): number {
  const use = valueAs(version, type, code)
  if (use === 'word') return read32(bytes, 4)
  if (use === 'mtu') return read16(bytes, 6)
  return use === 'pointer' ? (bytes[4] ?? 0) : 0
}

/** Fills `out`: an echo with data, an error with as much of its quote as there is room for. */
export function encodeIcmp(
  out: Uint8Array,
  message: IcmpMessage,
  src: Ip,
  dst: Ip,
  encodeQuoted: QuoteEncoder,
): void {
  const { version, type, code } = message
  out[0] = type
  out[1] = code
  if (isEcho(version, type)) {
    write16(out, 4, message.id)
    write16(out, 6, message.sequence)
    for (let at = 8; at < out.length; at++) out[at] = at - 8
  } else {
    encodeValue(out, message)
    if (message.quoted !== undefined && out.length > 8) {
      out.set(encodeQuoted(message.quoted).subarray(0, out.length - 8), 8)
    }
  }
  sealIcmp(out, src, dst)
}

function encodeValue(out: Uint8Array, message: IcmpMessage): void {
  const use = valueAs(message.version, message.type, message.code)
  if (use === 'word') write32(out, 4, message.value)
  else if (use === 'mtu') write16(out, 6, message.value)
  else if (use === 'pointer') out[4] = message.value
}
