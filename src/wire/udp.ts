/**
 * UDP (RFC 768). The checksum is made but not checked: on a virtual link the kernel leaves it to
 * the hardware that is not there.
 */
import type { Ip } from '../addr/ip.ts'
import type { Above } from './body.ts'
import { read16, write16 } from './bytes.ts'
import { checksum, pseudoSum } from './checksum.ts'
import { PROTO_UDP, type UdpDatagram } from './frame.ts'

/** Undefined when it is cut short or of another length than it says. */
export function decodeUdp(bytes: Uint8Array, above: Above): UdpDatagram | undefined {
  if (bytes.length < 8 || (above.whole && read16(bytes, 4) !== bytes.length)) return undefined
  return {
    kind: 'udp',
    srcPort: read16(bytes, 0),
    dstPort: read16(bytes, 2),
    data: bytes.slice(8),
  }
}

/** Fills `out`. */
export function encodeUdp(out: Uint8Array, datagram: UdpDatagram, src: Ip, dst: Ip): void {
  write16(out, 0, datagram.srcPort)
  write16(out, 2, datagram.dstPort)
  // A first fragment tells the length of the whole.
  write16(out, 4, Math.max(out.length, 8 + datagram.data.length))
  if (out.length > 8) out.set(datagram.data.subarray(0, out.length - 8), 8)
  const sum = checksum(out, 0, out.length, pseudoSum(src, dst, PROTO_UDP, out.length))
  // 0 would mean "no checksum".
  write16(out, 6, sum === 0 ? 0xffff : sum)
}
