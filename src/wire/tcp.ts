/**
 * The TCP header (RFC 9293). Options are not kept: the room they took is filled with no-operation
 * options. The checksum is made but not checked, see udp.ts; data is zeros.
 */
import type { Ip } from '../addr/ip.ts'
import type { Above } from './body.ts'
import { read16, read32, write16, write32 } from './bytes.ts'
import { checksum, pseudoSum } from './checksum.ts'
import { PROTO_TCP, type TcpSegment } from './frame.ts'

/** Undefined when it is cut short. */
export function decodeTcp(bytes: Uint8Array, above: Above): TcpSegment | undefined {
  const header = ((bytes[12] ?? 0) >>> 4) * 4
  if (bytes.length < 20 || header < 20 || above.length < header) return undefined
  return {
    kind: 'tcp',
    srcPort: read16(bytes, 0),
    dstPort: read16(bytes, 2),
    sequence: read32(bytes, 4),
    acknowledgement: read32(bytes, 8),
    flags: bytes[13] ?? 0,
    window: read16(bytes, 14),
    dataLength: above.length - header,
  }
}

/** Fills `out`; what is not data is header. */
export function encodeTcp(out: Uint8Array, segment: TcpSegment, src: Ip, dst: Ip): void {
  write16(out, 0, segment.srcPort)
  write16(out, 2, segment.dstPort)
  write32(out, 4, segment.sequence)
  write32(out, 8, segment.acknowledgement)
  const room = out.length - segment.dataLength
  const header = Math.min(60, Math.max(20, room - (room % 4)))
  out[12] = header << 2
  out[13] = segment.flags
  write16(out, 14, segment.window)
  out.fill(1, 20, header)
  write16(out, 16, checksum(out, 0, out.length, pseudoSum(src, dst, PROTO_TCP, out.length)))
}
