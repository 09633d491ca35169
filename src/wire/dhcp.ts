/**
 * DHCP for IPv4 (RFC 2131, options of RFC 2132): the payload of a UDP datagram from port 68 to 67
 * or back. Options that are not named here are kept as bytes.
 */
import type { Ip4 } from '../addr/ip.ts'
import type { Mac } from '../addr/mac.ts'
import { read16, read32, read48, read8, write16, write32, write48 } from './bytes.ts'

export const DHCP_SERVER_PORT = 67
export const DHCP_CLIENT_PORT = 68

/** Before the options: op to file, and the magic cookie. */
const FIXED = 240
const COOKIE = 0x63825363
const BROADCAST = 0x8000
/** RFC 1542, 2.1: what BOOTP relays expect at least. */
const SHORTEST = 300

const TYPES = [
  'discover',
  'offer',
  'request',
  'decline',
  'ack',
  'nak',
  'release',
  'inform',
] as const
export type DhcpType = (typeof TYPES)[number]

export interface DhcpMessage {
  readonly type: DhcpType
  readonly transaction: number
  /** Seconds since the client began. */
  readonly seconds: number
  /** Asks for an answer to everybody: a client without an address hears no other. */
  readonly broadcast: boolean
  /** The client's own address, when it has one. */
  readonly client: Ip4
  /** The address given. */
  readonly your: Ip4
  readonly relay: Ip4
  readonly mac: Mac
  readonly options: DhcpOptions
}

export interface DhcpOptions {
  readonly subnetMask?: Ip4
  readonly routers?: readonly Ip4[]
  readonly dnsServers?: readonly Ip4[]
  readonly hostName?: string
  readonly domainName?: string
  readonly requested?: Ip4
  /** Seconds. */
  readonly leaseTime?: number
  readonly server?: Ip4
  readonly parameters?: readonly number[]
  readonly message?: string
  /** Seconds until the lease is to be renewed (T1) and rebound (T2). */
  readonly renewalTime?: number
  readonly rebindingTime?: number
  readonly clientId?: Uint8Array
  /** All others, by code. */
  readonly others?: readonly { readonly code: number; readonly bytes: Uint8Array }[]
}

type Form = 'ip' | 'ips' | 'text' | 'seconds' | 'bytes' | 'list'

const OPTIONS = {
  1: ['subnetMask', 'ip'],
  3: ['routers', 'ips'],
  6: ['dnsServers', 'ips'],
  12: ['hostName', 'text'],
  15: ['domainName', 'text'],
  50: ['requested', 'ip'],
  51: ['leaseTime', 'seconds'],
  54: ['server', 'ip'],
  55: ['parameters', 'list'],
  56: ['message', 'text'],
  58: ['renewalTime', 'seconds'],
  59: ['rebindingTime', 'seconds'],
  61: ['clientId', 'bytes'],
} as const satisfies Record<number, readonly [keyof DhcpOptions, Form]>

const MESSAGE_TYPE = 53
const PAD = 0
const END = 255

/** @returns undefined when it is no DHCP message, or one that is cut off */
export function decodeDhcp(bytes: Uint8Array): DhcpMessage | undefined {
  if (bytes.length < FIXED || read32(bytes, 236) !== COOKIE) return undefined
  // Ethernet, six bytes of address.
  if (read8(bytes, 1) !== 1 || read8(bytes, 2) !== 6) return undefined
  const raw = splitOptions(bytes)
  if (raw === undefined) return undefined
  const type = TYPES[(raw.get(MESSAGE_TYPE)?.[0] ?? 0) - 1]
  if (type === undefined) return undefined
  const options: Record<string, unknown> = {}
  const others: { code: number; bytes: Uint8Array }[] = []
  for (const [code, value] of raw) {
    if (code === MESSAGE_TYPE) continue
    const known = (OPTIONS as Record<number, readonly [string, Form]>)[code]
    if (known === undefined) {
      others.push({ code, bytes: value })
      continue
    }
    const read = decodeOption(value, known[1])
    if (read !== undefined) options[known[0]] = read
  }
  if (others.length > 0) options['others'] = others
  return {
    type,
    transaction: read32(bytes, 4),
    seconds: read16(bytes, 8),
    broadcast: (read16(bytes, 10) & BROADCAST) !== 0,
    client: read32(bytes, 12),
    your: read32(bytes, 16),
    relay: read32(bytes, 24),
    mac: read48(bytes, 28),
    options,
  }
}

/** RFC 3396: an option that comes in pieces is one. */
function splitOptions(bytes: Uint8Array): Map<number, Uint8Array> | undefined {
  const found = new Map<number, Uint8Array>()
  let at = FIXED
  while (at < bytes.length) {
    const code = read8(bytes, at++)
    if (code === END) return found
    if (code === PAD) continue
    if (at >= bytes.length) return undefined
    const length = read8(bytes, at++)
    if (at + length > bytes.length) return undefined
    const piece = bytes.slice(at, at + length)
    at += length
    const before = found.get(code)
    found.set(code, before === undefined ? piece : new Uint8Array([...before, ...piece]))
  }
  // Some servers leave the end away.
  return found
}

function decodeOption(bytes: Uint8Array, form: Form): unknown {
  switch (form) {
    case 'ip':
    case 'seconds':
      return bytes.length === 4 ? read32(bytes, 0) : undefined
    case 'ips':
      if (bytes.length === 0 || bytes.length % 4 !== 0) return undefined
      return Array.from({ length: bytes.length / 4 }, (_, i) => read32(bytes, i * 4))
    case 'text':
      // Some servers count a final NUL.
      return String.fromCharCode(...bytes).replace(/\0+$/, '')
    case 'list':
      return [...bytes]
    case 'bytes':
    default:
      return bytes
  }
}

/** @example `encodeDhcp({ type: 'discover', transaction: 7, ...})` */
export function encodeDhcp(message: DhcpMessage): Uint8Array {
  const options: number[] = []
  const put = (code: number, value: readonly number[]): void => {
    for (let at = 0; at === 0 || at < value.length; at += 255) {
      const piece = value.slice(at, at + 255)
      options.push(code, piece.length, ...piece)
    }
  }
  put(MESSAGE_TYPE, [TYPES.indexOf(message.type) + 1])
  for (const [code, [name, form]] of Object.entries(OPTIONS)) {
    const value = message.options[name]
    if (value !== undefined) put(Number(code), encodeOption(value, form))
  }
  for (const { code, bytes } of message.options.others ?? []) put(code, [...bytes])
  options.push(END)
  const out = new Uint8Array(Math.max(SHORTEST, FIXED + options.length))
  const fromServer = ['offer', 'ack', 'nak'].includes(message.type)
  out[0] = fromServer ? 2 : 1
  out[1] = 1
  out[2] = 6
  write32(out, 4, message.transaction)
  write16(out, 8, message.seconds)
  write16(out, 10, message.broadcast ? BROADCAST : 0)
  write32(out, 12, message.client)
  write32(out, 16, message.your)
  write32(out, 24, message.relay)
  write48(out, 28, message.mac)
  write32(out, 236, COOKIE)
  out.set(options, FIXED)
  return out
}

function encodeOption(value: unknown, form: Form): number[] {
  const four = (n: number): number[] => [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255]
  switch (form) {
    case 'ip':
    case 'seconds':
      return four(value as number)
    case 'ips':
      return (value as readonly number[]).flatMap(four)
    case 'text':
      return Array.from(value as string, (c) => (c.codePointAt(0) ?? 0) & 255)
    case 'list':
    case 'bytes':
    default:
      return [...(value as Iterable<number>)]
  }
}
