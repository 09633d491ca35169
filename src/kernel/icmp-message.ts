/**
 * The bytes of an echo probe and of what answers it, read straight off a raw socket. `wire/`
 * decodes whole frames; here a few fields at known places do, a hundred thousand times a second.
 *
 * RFC 792, RFC 4443, RFC 4861 section 4.5 (redirect).
 */
import type { Ip } from '../addr/ip.ts'
import { addressIn, readIp6 } from '../sys/sockaddr.ts'

/** What tells one probe from another. */
interface EchoKey {
  readonly id: number
  readonly sequence: number
  /** The first bytes of a payload that has room for it. */
  readonly cookie: number
}

interface HeardBase {
  readonly id: number
  readonly sequence: number
  /** Undefined where the payload, or what is quoted of it, is too short. */
  readonly cookie: number | undefined
  readonly responder: Ip
}

/** A reply, or an error or redirect that quotes an echo request to `destination`. */
export type Heard =
  | (HeardBase & { readonly what: 'reply'; readonly ttl: number | undefined })
  | (HeardBase & {
      readonly what: 'error'
      readonly destination: Ip
      readonly type: number
      readonly code: number
      readonly mtu: number | undefined
    })
  | (HeardBase & {
      readonly what: 'redirect'
      readonly destination: Ip
      readonly gateway: Ip
    })

const COOKIE_LENGTH = 4
const REQUEST4 = 8
const REPLY4 = 0
const UNREACHABLE4 = 3
const FRAGMENTATION_NEEDED = 4
const REDIRECT4 = 5
const REQUEST6 = 128
const REPLY6 = 129
const TOO_BIG6 = 2
const REDIRECT6 = 137
const OPTION_REDIRECTED = 4
const FRAGMENT_HEADER = 44

/** An echo request with `size` bytes of payload. The kernel fills in the checksum of ICMPv6. */
export function encodeEcho(family: 4 | 6, key: EchoKey, size: number): Uint8Array {
  const bytes = new Uint8Array(8 + size)
  const view = new DataView(bytes.buffer)
  bytes[0] = family === 4 ? REQUEST4 : REQUEST6
  view.setUint16(4, key.id)
  view.setUint16(6, key.sequence)
  // The payload of ping: counting bytes, here behind the cookie.
  for (let i = COOKIE_LENGTH; i < size; i++) bytes[8 + i] = i & 0xff
  if (size >= COOKIE_LENGTH) view.setUint32(8, key.cookie)
  if (family === 4) view.setUint16(2, checksum(view))
  return bytes
}

/** An IPv4 packet with its header, as a raw socket gives it. */
export function hear4(bytes: Uint8Array): Heard | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (bytes.length < 28) return undefined
  const at = (view.getUint8(0) & 15) * 4
  if (bytes.length < at + 8) return undefined
  const responder = view.getUint32(12)
  const type = view.getUint8(at)
  if (type === REPLY4) {
    return { what: 'reply', ttl: view.getUint8(8), responder, ...echoKey(view, at) }
  }
  // The packet it quotes.
  const inner = at + 8
  if (bytes.length < inner + 20 || view.getUint8(inner + 9) !== 1) return undefined
  const request = inner + (view.getUint8(inner) & 15) * 4
  if (bytes.length < request + 8 || view.getUint8(request) !== REQUEST4) return undefined
  const base = { responder, destination: view.getUint32(inner + 16), ...echoKey(view, request) }
  if (type === REDIRECT4) return { what: 'redirect', gateway: view.getUint32(at + 4), ...base }
  const code = view.getUint8(at + 1)
  const tooBig = type === UNREACHABLE4 && code === FRAGMENTATION_NEEDED
  return { what: 'error', type, code, mtu: tooBig ? view.getUint16(at + 6) : undefined, ...base }
}

/** An ICMPv6 message without its IPv6 header, which a raw socket keeps to itself. */
export function hear6(
  bytes: Uint8Array,
  name: DataView,
  hopLimit: number | undefined,
): Heard | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const responder = addressIn(name)
  if (bytes.length < 8 || responder === undefined) return undefined
  const type = view.getUint8(0)
  if (type === REPLY6) return { what: 'reply', ttl: hopLimit, responder, ...echoKey(view, 0) }
  const inner = type === REDIRECT6 ? redirected(view) : 8
  if (inner === undefined || bytes.length < inner + 40) return undefined
  let request = inner + 40
  let next = view.getUint8(inner + 6)
  if (next === FRAGMENT_HEADER && bytes.length >= request + 8) {
    // Later fragments do not say whose they are.
    if (view.getUint16(request + 2) >> 3 !== 0) return undefined
    next = view.getUint8(request)
    request += 8
  }
  if (next !== 58 || bytes.length < request + 8 || view.getUint8(request) !== REQUEST6) {
    return undefined
  }
  const base = { responder, destination: readIp6(view, inner + 24), ...echoKey(view, request) }
  if (type === REDIRECT6) return { what: 'redirect', gateway: readIp6(view, 8), ...base }
  const mtu = type === TOO_BIG6 ? view.getUint32(4) : undefined
  return { what: 'error', type, code: view.getUint8(1), mtu, ...base }
}

/** Where a redirect's "redirected header" option holds the packet. */
function redirected(view: DataView): number | undefined {
  for (let at = 40; at + 8 <= view.byteLength; ) {
    const length = view.getUint8(at + 1) * 8
    if (length === 0) return undefined
    if (view.getUint8(at) === OPTION_REDIRECTED) return at + 8
    at += length
  }
  return undefined
}

function echoKey(
  view: DataView,
  at: number,
): { id: number; sequence: number; cookie: number | undefined } {
  const hasCookie = view.byteLength >= at + 8 + COOKIE_LENGTH
  return {
    id: view.getUint16(at + 4),
    sequence: view.getUint16(at + 6),
    cookie: hasCookie ? view.getUint32(at + 8) : undefined,
  }
}

/** RFC 1071. */
function checksum(view: DataView): number {
  const { byteLength } = view
  let sum = 0
  for (let i = 0; i + 1 < byteLength; i += 2) sum += view.getUint16(i)
  if (byteLength % 2 === 1) sum += view.getUint8(byteLength - 1) << 8
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}
