/**
 * IPv4 headers (RFC 791). Options are read over and not kept: `length` is then what it would be
 * without them, so that a packet always encodes to its length.
 */
import type { PayloadDecoder, PayloadEncoder } from './body.ts'
import { read16, read32, write16, write32 } from './bytes.ts'
import { checksum } from './checksum.ts'
import type { Ip4Packet } from './frame.ts'

/**
 * Undefined when the header is cut short, contradicts itself or has a wrong checksum.
 *
 * @param quoted the packet stands in an ICMP error: its end may be missing and its header may have
 *   been changed on the way, so the checksum is not looked at
 */
export function decodeIp4(
  bytes: Uint8Array,
  quoted: boolean,
  decodePayload: PayloadDecoder,
): Ip4Packet | undefined {
  const first = bytes[0] ?? 0
  const header = (first & 15) * 4
  if (first >>> 4 !== 4 || header < 20 || bytes.length < header) return undefined
  const total = read16(bytes, 2)
  if (total < header || (!quoted && total > bytes.length)) return undefined
  if (!quoted && checksum(bytes, 0, header) !== 0) return undefined
  const fragment = read16(bytes, 6)
  const moreFragments = (fragment & 0x2000) !== 0
  const fragmentOffset = (fragment & 0x1fff) * 8
  const protocol = bytes[9] ?? 0
  const src = read32(bytes, 12)
  const dst = read32(bytes, 16)
  const body = bytes.subarray(header, total)
  const whole = !quoted && !moreFragments && fragmentOffset === 0
  const above = { src, dst, protocol, length: total - header, whole, quoted }
  return {
    kind: 'ip4',
    src,
    dst,
    ttl: bytes[8] ?? 0,
    protocol,
    tos: bytes[1] ?? 0,
    id: read16(bytes, 4),
    dontFragment: (fragment & 0x4000) !== 0,
    moreFragments,
    fragmentOffset,
    length: total - header + 20,
    payload: fragmentOffset > 0 ? { kind: 'raw', bytes: body.slice() } : decodePayload(body, above),
  }
}

/** Fills `out`, which has the size of the packet. */
export function encodeIp4(out: Uint8Array, packet: Ip4Packet, encodePayload: PayloadEncoder): void {
  out[0] = 0x45
  out[1] = packet.tos
  write16(out, 2, out.length)
  write16(out, 4, packet.id)
  const flags = (packet.dontFragment ? 0x4000 : 0) | (packet.moreFragments ? 0x2000 : 0)
  write16(out, 6, flags | (packet.fragmentOffset >>> 3))
  out[8] = packet.ttl
  out[9] = packet.protocol
  write32(out, 12, packet.src)
  write32(out, 16, packet.dst)
  write16(out, 10, checksum(out, 0, 20))
  encodePayload(out.subarray(20), packet.payload, packet.src, packet.dst)
}
