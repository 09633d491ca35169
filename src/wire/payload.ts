/** Which codec reads and writes what stands behind an IP header. */
import type { Ip } from '../addr/ip.ts'
import type { Above } from './body.ts'
import {
  type Ip4Packet,
  type Ip6Packet,
  type Payload,
  PROTO_ICMP,
  PROTO_ICMP6,
  PROTO_TCP,
  PROTO_UDP,
} from './frame.ts'
import { decodeIcmp, encodeIcmp } from './icmp.ts'
import { decodeIp4, encodeIp4 } from './ipv4.ts'
import { decodeIp6, encodeIp6 } from './ipv6.ts'
import { decodeMld, encodeMld } from './mld.ts'
import { decodeNd, encodeNd } from './nd.ts'
import { decodeTcp, encodeTcp } from './tcp.ts'
import { decodeUdp, encodeUdp } from './udp.ts'

/** What cannot be read stays as bytes. */
export function decodePayload(bytes: Uint8Array, above: Above): Payload {
  return tryDecode(bytes, above) ?? { kind: 'raw', bytes: bytes.slice() }
}

function tryDecode(bytes: Uint8Array, above: Above): Payload | undefined {
  switch (above.protocol) {
    case PROTO_UDP:
      return decodeUdp(bytes, above)
    case PROTO_TCP:
      return decodeTcp(bytes, above)
    case PROTO_ICMP:
      return typeof above.src === 'number' ? decodeIcmp(bytes, above, decodeQuoted) : undefined
    case PROTO_ICMP6:
      if (typeof above.src === 'number') return undefined
      return (
        decodeNd(bytes, above) ?? decodeMld(bytes, above) ?? decodeIcmp(bytes, above, decodeQuoted)
      )
    default:
      return undefined
  }
}

function decodeQuoted(bytes: Uint8Array, version: 4 | 6): Ip4Packet | Ip6Packet | undefined {
  return version === 4
    ? decodeIp4(bytes, true, decodePayload)
    : decodeIp6(bytes, true, decodePayload)
}

/** Fills `out` with a payload. */
export function encodePayload(out: Uint8Array, payload: Payload, src: Ip, dst: Ip): void {
  switch (payload.kind) {
    case 'raw':
      out.set(payload.bytes.subarray(0, out.length))
      return
    case 'icmp':
      return encodeIcmp(out, payload, src, dst, encodePacket)
    case 'nd':
      return encodeNd(out, payload, src, dst)
    case 'mld':
      return encodeMld(out, payload, src, dst)
    case 'udp':
      return encodeUdp(out, payload, src, dst)
    case 'tcp':
      return encodeTcp(out, payload, src, dst)
  }
}

/** Bytes an IP packet takes. */
export function packetSize(packet: Ip4Packet | Ip6Packet): number {
  return Math.max(packet.kind === 'ip4' ? 20 : 40, packet.length)
}

/** An IP packet as bytes. */
export function encodePacket(packet: Ip4Packet | Ip6Packet): Uint8Array {
  const out = new Uint8Array(packetSize(packet))
  if (packet.kind === 'ip4') encodeIp4(out, packet, encodePayload)
  else encodeIp6(out, packet, encodePayload)
  return out
}
