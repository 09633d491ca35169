/**
 * IP addresses: IPv4 is a uint32 `number`, IPv6 a 128-bit `bigint`; `typeof` tells the family.
 * Numbers inside, text at the edges.
 */

/** An IPv4 address as an unsigned 32-bit integer. */
export type Ip4 = number
/** An IPv6 address as an unsigned 128-bit integer. */
export type Ip6 = bigint
/** Either family: `typeof ip === 'number'` is IPv4. */
export type Ip = Ip4 | Ip6

/**
 * An address with a prefix length; host bits may be set (an interface address) or not (a route).
 */
export interface Prefix {
  readonly address: Ip
  readonly length: number
}
