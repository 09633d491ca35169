/**
 * Where ipam keeps what in the store. Addresses are hex of fixed width after their family, so that
 * ranges of keys are ranges of addresses.
 *
 * | key | what |
 * |---|---|
 * | `ipam/seg/S` | the pools of all networks of segment S |
 * | `ipam/ip/S/HEX` | who holds an address |
 * | `ipam/end/S/NETWORK/ENDPOINT` | what an endpoint holds; its createRevision names the lease |
 * | `ipam/mac/S/HEX` | who bears a MAC |
 * | `ipam/rsv/S/HEX` | for which name an address is kept |
 * | `ipam/name/S/NETWORK/NAME/HEX` | the addresses kept for a name |
 * | `ipam/cool/S/HEX` | not handed out for a while; goes by its ttl |
 * | `ipam/was/S/NETWORK/ENDPOINT` | what an endpoint had; goes by its ttl |
 * | `ipam/next/S/NETWORK/HEX` | where to look next in the subnet of that address; a hint |
 */
import type { Ip } from '../addr/ip.ts'
import type { Mac } from '../addr/mac.ts'

/** Names go into keys as they would into a URL: no name contains a `/`. */
const word = encodeURIComponent

export const hexOfIp = (ip: Ip): string =>
  typeof ip === 'number'
    ? `4${ip.toString(16).padStart(8, '0')}`
    : `6${ip.toString(16).padStart(32, '0')}`

export function ipOfHex(hex: string): Ip {
  return hex.startsWith('4') ? Number.parseInt(hex.slice(1), 16) : BigInt(`0x${hex.slice(1)}`)
}

/** No endpoint's name begins so. */
const SPARE = '~'

/** The name under which a host holds an address for an endpoint to come (spare.ts). */
export const spareName = (host: string, ip: Ip): string => `${SPARE}${host}.${hexOfIp(ip)}`
export const isSpare = (endpoint: string): boolean => endpoint.startsWith(SPARE)

/** The last word of a key: the hex of an address. */
export const lastWord = (key: string): string => key.slice(key.lastIndexOf('/') + 1)

/** The segment a key of {@link under} is of. */
export const segmentOfKey = (key: string): string => decodeURIComponent(key.split('/')[2] ?? '')

export const SEGMENTS = 'ipam/seg/'
export const segmentKey = (segment: string): string => `${SEGMENTS}${word(segment)}`

type Kind = 'ip' | 'end' | 'mac' | 'rsv' | 'name' | 'cool' | 'was' | 'next'

/** What a host copies to choose addresses by (store/mirror.ts). */
export const MIRRORED = [
  { prefix: SEGMENTS },
  { prefix: 'ipam/ip/', keysOnly: true },
  { prefix: 'ipam/rsv/' },
  { prefix: 'ipam/name/' },
  { prefix: 'ipam/cool/' },
  { prefix: 'ipam/was/' },
] as const

/** Prefix of all keys of a kind in a segment; without one, in all segments. */
export const under = (kind: Kind, segment?: string): string =>
  segment === undefined ? `ipam/${kind}/` : `ipam/${kind}/${word(segment)}/`

export const addressKey = (kind: 'ip' | 'rsv' | 'cool', segment: string, ip: Ip): string =>
  under(kind, segment) + hexOfIp(ip)

export const macKey = (segment: string, mac: Mac): string =>
  under('mac', segment) + mac.toString(16).padStart(12, '0')

/** Prefix of what one network has of a kind. */
export const ofNetwork = (
  kind: 'end' | 'was' | 'name' | 'next',
  segment: string,
  network: string,
): string => `${under(kind, segment)}${word(network)}/`

export const endpointKey = (
  kind: 'end' | 'was',
  segment: string,
  network: string,
  endpoint: string,
): string => ofNetwork(kind, segment, network) + word(endpoint)

export const namePrefix = (segment: string, network: string, name: string): string =>
  `${ofNetwork('name', segment, network)}${word(name)}/`

/** The last word of an endpoint's key, as a name. */
export const nameOfKey = (key: string): string => decodeURIComponent(lastWord(key))
