/**
 * Addresses that follow from others: link-local from a MAC, group addresses from what they serve.
 */
import type { Ip, Ip6 } from './ip.ts'
import type { Mac } from './mac.ts'

/**
 * The interface identifier of a MAC, modified EUI-64 (RFC 4291 appendix A): `ff:fe` in the middle,
 * universal bit inverted. Links that share a MAC have a number that stands in the middle instead,
 * and the bit stays (net/ipv6/addrconf.c addrconf_ifid_eui48).
 *
 * @param number `dev_id`, as ipvlan children have one; 0 = none
 */
export function eui64Of(mac: Mac, number = 0): bigint {
  const bits = BigInt(mac)
  if (number !== 0) {
    return ((bits >> 24n) << 40n) | (BigInt(number & 0xffff) << 24n) | (bits & 0xffffffn)
  }
  return (((bits >> 24n) << 40n) | 0xfffe000000n | (bits & 0xffffffn)) ^ 0x0200000000000000n
}

/**
 * The link-local address the kernel gives a link with this MAC (addr_gen_mode 0).
 *
 * @example
 * ```ts
 * formatIp(linkLocalOf(parseMac('02:42:ac:10:00:02'))) // 'fe80::42:acff:fe10:2'
 * ```
 */
export function linkLocalOf(mac: Mac, number = 0): Ip6 {
  return (0xfe80n << 112n) | eui64Of(mac, number)
}

/** `ff02::1:ffXX:XXXX`, where neighbour solicitations for an address are sent (RFC 4291 2.7.1). */
export function solicitedNodeOf(ip: Ip6): Ip6 {
  return 0xff0200000000000000000001ff000000n | (ip & 0xffffffn)
}

/** The MAC a group's frames go to: `01:00:5e` and 23 bits (RFC 1112), `33:33` and 32 (RFC 2464). */
export function groupMacOf(group: Ip): Mac {
  if (typeof group === 'number') return 0x01005e000000 + (group & 0x7fffff)
  return 0x333300000000 + Number(group & 0xffffffffn)
}
