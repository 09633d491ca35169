/**
 * Neighbour discovery (RFC 4861) with the options a link-layer address, a prefix, an MTU and a
 * nonce (RFC 7527). Other options are read over and not kept.
 */
import type { Ip } from '../addr/ip.ts'
import type { Mac } from '../addr/mac.ts'
import { type Above } from './body.ts'
import { read16, read32, read48, read128, write16, write32, write48, write128 } from './bytes.ts'
import type { NdMessage, RouterAdvert } from './frame.ts'
import { icmpIntact, sealIcmp } from './icmp.ts'

const RS = 133
const RA = 134
const NS = 135
const NA = 136
const REDIRECT = 137

const OPT_SOURCE = 1
const OPT_TARGET = 2
const OPT_PREFIX = 3
const OPT_MTU = 5
const OPT_NONCE = 14

type AdvertPrefix = RouterAdvert['prefixes'][number]

/** Bytes before the options; undefined for a type that is not neighbour discovery. */
function fixedSize(type: number): number | undefined {
  switch (type) {
    case RS:
      return 8
    case RA:
      return 16
    case NS:
    case NA:
      return 24
    case REDIRECT:
      return 40
    default:
      return undefined
  }
}

/** Which option carries the link-layer address of a message. */
function linkOption(type: number): number {
  return type === NA || type === REDIRECT ? OPT_TARGET : OPT_SOURCE
}

/** Bytes a message takes. */
export function ndSize(message: NdMessage): number {
  const { advert } = message
  let size = fixedSize(message.type) ?? 8
  if (message.linkAddress !== undefined) size += 8
  if (message.nonce !== undefined) size += 8
  if (advert?.mtu !== undefined) size += 8
  return size + 32 * (advert?.prefixes.length ?? 0)
}

interface Options {
  linkAddress: Mac | undefined
  nonce: number | undefined
  mtu: number | undefined
  readonly prefixes: AdvertPrefix[]
}

/** Undefined for other types, messages cut short and options without a length. */
export function decodeNd(bytes: Uint8Array, above: Above): NdMessage | undefined {
  const type = bytes[0] ?? 0
  const fixed = fixedSize(type)
  if (fixed === undefined || bytes.length < fixed || bytes[1] !== 0) return undefined
  if (!icmpIntact(bytes, above)) return undefined
  const options = decodeOptions(bytes, fixed, linkOption(type))
  if (options === undefined) return undefined
  const flags = type === NA ? (bytes[4] ?? 0) : 0
  return {
    kind: 'nd',
    type,
    target: fixed >= 24 ? read128(bytes, 8) : 0n,
    destination: type === REDIRECT ? read128(bytes, 24) : 0n,
    linkAddress: options.linkAddress,
    router: (flags & 0x80) !== 0,
    solicited: (flags & 0x40) !== 0,
    override: (flags & 0x20) !== 0,
    nonce: options.nonce,
    advert: type === RA ? decodeAdvert(bytes, options) : undefined,
  }
}

function decodeAdvert(bytes: Uint8Array, options: Options): RouterAdvert {
  const flags = bytes[5] ?? 0
  return {
    hopLimit: bytes[4] ?? 0,
    managed: (flags & 0x80) !== 0,
    other: (flags & 0x40) !== 0,
    lifetime: read16(bytes, 6),
    mtu: options.mtu,
    prefixes: options.prefixes,
  }
}

function decodeOptions(bytes: Uint8Array, from: number, link: number): Options | undefined {
  const found: Options = {
    linkAddress: undefined,
    nonce: undefined,
    mtu: undefined,
    prefixes: [],
  }
  for (let at = from; at < bytes.length; ) {
    const type = bytes[at] ?? 0
    const size = (bytes[at + 1] ?? 0) * 8
    if (size === 0 || at + size > bytes.length) return undefined
    if (type === link && size === 8) found.linkAddress = read48(bytes, at + 2)
    else if (type === OPT_NONCE && size === 8) found.nonce = read48(bytes, at + 2)
    else if (type === OPT_MTU && size === 8) found.mtu = read32(bytes, at + 4)
    else if (type === OPT_PREFIX && size === 32) found.prefixes.push(decodePrefix(bytes, at))
    at += size
  }
  return found
}

function decodePrefix(bytes: Uint8Array, at: number): AdvertPrefix {
  const flags = bytes[at + 3] ?? 0
  return {
    prefix: read128(bytes, at + 16),
    length: bytes[at + 2] ?? 0,
    onLink: (flags & 0x80) !== 0,
    autonomous: (flags & 0x40) !== 0,
    validLifetime: read32(bytes, at + 4),
    preferredLifetime: read32(bytes, at + 8),
  }
}

/** Fills `out`, which has {@link ndSize} bytes. */
export function encodeNd(out: Uint8Array, message: NdMessage, src: Ip, dst: Ip): void {
  const { type, advert } = message
  const fixed = fixedSize(type) ?? 8
  out[0] = type
  if (type === NA) {
    const { router, solicited, override } = message
    out[4] = (router ? 0x80 : 0) | (solicited ? 0x40 : 0) | (override ? 0x20 : 0)
  }
  if (fixed >= 24) write128(out, 8, message.target)
  if (type === REDIRECT) write128(out, 24, message.destination)
  let at = fixed
  if (message.linkAddress !== undefined) {
    at = putOption(out, at, linkOption(type), 1)
    write48(out, at - 6, message.linkAddress)
  }
  if (message.nonce !== undefined) {
    at = putOption(out, at, OPT_NONCE, 1)
    write48(out, at - 6, message.nonce)
  }
  if (type === RA && advert !== undefined) encodeAdvert(out, at, advert)
  sealIcmp(out, src, dst)
}

/** Writes type and length of an option; returns where the next one starts. */
function putOption(out: Uint8Array, at: number, type: number, eights: number): number {
  out[at] = type
  out[at + 1] = eights
  return at + eights * 8
}

function encodeAdvert(out: Uint8Array, from: number, advert: RouterAdvert): void {
  let at = from
  out[4] = advert.hopLimit
  out[5] = (advert.managed ? 0x80 : 0) | (advert.other ? 0x40 : 0)
  write16(out, 6, advert.lifetime)
  if (advert.mtu !== undefined) {
    at = putOption(out, at, OPT_MTU, 1)
    write32(out, at - 4, advert.mtu)
  }
  for (const prefix of advert.prefixes) {
    const start = at
    at = putOption(out, at, OPT_PREFIX, 4)
    out[start + 2] = prefix.length
    out[start + 3] = (prefix.onLink ? 0x80 : 0) | (prefix.autonomous ? 0x40 : 0)
    write32(out, start + 4, prefix.validLifetime)
    write32(out, start + 8, prefix.preferredLifetime)
    write128(out, start + 16, prefix.prefix)
  }
}
