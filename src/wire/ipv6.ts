/**
 * IPv6 headers (RFC 8200). Of the extension headers the fragment header is understood, and the
 * hop-by-hop header with nothing but the router alert that every MLD message carries (RFC 2711).
 * `length` does not count options of neighbour discovery that were read over, so that a packet
 * always encodes to its length.
 */
import type { PayloadDecoder, PayloadEncoder } from './body.ts'
import { read16, read32, read128, write16, write32, write128 } from './bytes.ts'
import { ndSize } from './nd.ts'
import { type Ip6Fragment, type Ip6Packet, type Payload, PROTO_ICMP6 } from './frame.ts'

const NEXT_HOP_BY_HOP = 0
const NEXT_FRAGMENT = 44

/** Hop-by-hop header: next header ICMPv6, 8 bytes, router alert for MLD, padded. */
const MLD_HEADER: readonly number[] = [PROTO_ICMP6, 0, 5, 2, 0, 0, 1, 0]

/**
 * Undefined when the header is cut short or promises more than there is.
 *
 * @param quoted the packet stands in an ICMPv6 error: its end may be missing
 */
export function decodeIp6(
  bytes: Uint8Array,
  quoted: boolean,
  decodePayload: PayloadDecoder,
): Ip6Packet | undefined {
  if (bytes.length < 40 || (bytes[0] ?? 0) >>> 4 !== 6) return undefined
  const length = 40 + read16(bytes, 4)
  if (!quoted && length > bytes.length) return undefined
  const word = read32(bytes, 0)
  const src = read128(bytes, 8)
  const dst = read128(bytes, 24)
  let protocol = bytes[6] ?? 0
  let body = bytes.subarray(40, length)
  let promised = length - 40
  let fragment: Ip6Fragment | undefined
  if (protocol === NEXT_FRAGMENT && body.length >= 8) {
    const where = read16(body, 2)
    fragment = { id: read32(body, 4), offset: where & 0xfff8, more: (where & 1) === 1 }
    protocol = body[0] ?? 0
    body = body.subarray(8)
    promised -= 8
  }
  const whole = !quoted && fragment === undefined
  const nextHeader = protocol
  let payload: Payload | undefined
  if (fragment === undefined && protocol === NEXT_HOP_BY_HOP) {
    payload = decodeMldBody(body, { src, dst, promised, whole, quoted }, decodePayload)
  } else if (fragment === undefined || fragment.offset === 0) {
    payload = decodePayload(body, { src, dst, protocol, length: promised, whole, quoted })
    // Without the hop-by-hop header it is no MLD message (RFC 3810 5).
    if (payload.kind === 'mld') payload = undefined
  }
  const dropped = payload?.kind === 'nd' ? body.length - ndSize(payload) : 0
  return {
    kind: 'ip6',
    src,
    dst,
    hopLimit: bytes[7] ?? 0,
    nextHeader,
    trafficClass: (word >>> 20) & 0xff,
    flowLabel: word & 0xfffff,
    length: length - dropped,
    fragment,
    payload: payload ?? { kind: 'raw', bytes: body.slice() },
  }
}

/** An MLD message behind its hop-by-hop header; undefined for all else. */
function decodeMldBody(
  body: Uint8Array,
  head: {
    readonly src: bigint
    readonly dst: bigint
    readonly promised: number
    readonly whole: boolean
    readonly quoted: boolean
  },
  decodePayload: PayloadDecoder,
): Payload | undefined {
  if (body.length < 8 || !MLD_HEADER.every((byte, i) => body[i] === byte)) return undefined
  const { src, dst, promised, whole, quoted } = head
  const above = { src, dst, protocol: PROTO_ICMP6, length: promised - 8, whole, quoted }
  const payload = decodePayload(body.subarray(8), above)
  return payload.kind === 'mld' ? payload : undefined
}

/** Fills `out`, which has the size of the packet. */
export function encodeIp6(out: Uint8Array, packet: Ip6Packet, encodePayload: PayloadEncoder): void {
  const { fragment, payload, src, dst } = packet
  write32(out, 0, 0x60000000 | (packet.trafficClass << 20) | (packet.flowLabel & 0xfffff))
  write16(out, 4, out.length - 40)
  const nextHeader = payload.kind === 'mld' ? NEXT_HOP_BY_HOP : packet.nextHeader
  out[6] = fragment === undefined ? nextHeader : NEXT_FRAGMENT
  out[7] = packet.hopLimit
  write128(out, 8, src)
  write128(out, 24, dst)
  let at = 40
  if (fragment !== undefined) {
    out[at] = nextHeader
    write16(out, at + 2, (fragment.offset & 0xfff8) | (fragment.more ? 1 : 0))
    write32(out, at + 4, fragment.id)
    at += 8
  }
  if (payload.kind === 'mld') {
    for (const byte of MLD_HEADER) if (at < out.length) out[at++] = byte
  }
  encodePayload(out.subarray(at), payload, src, dst)
}
