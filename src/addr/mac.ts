/** MAC addresses: a 48-bit integer inside, `02:42:ac:10:00:02` at the edges. */

/** A MAC address as a 48-bit unsigned integer. */
export type Mac = number

/** ff:ff:ff:ff:ff:ff */
export const MAC_BROADCAST: Mac = 0xffffffffffff

/** Whether the group bit is set (broadcast counts). */
export function isGroupMac(mac: Mac): boolean {
  return ((mac / 0x10000000000) & 1) === 1
}
