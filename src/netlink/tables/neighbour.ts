/**
 * Neighbours and forwarding entries: `NDA_*`. AF_BRIDGE messages are entries of a forwarding
 * database. Source: include/uapi/linux/neighbour.h, net/core/neighbour.c, net/bridge/br_fdb.c.
 */
import { attr, ip, mac, pad, s32, struct, table, u16, u32, u8 } from '../attribute.ts'
import { format } from '../message.ts'

export const NUD = {
  incomplete: 0x01,
  reachable: 0x02,
  stale: 0x04,
  delay: 0x08,
  probe: 0x10,
  failed: 0x20,
  noarp: 0x40,
  permanent: 0x80,
} as const

export const NTF_SELF = 0x02
export const NTF_MASTER = 0x04
export const NTF_PROXY = 0x08
export const NTF_STICKY = 0x40
export const NTF_ROUTER = 0x80

/** `struct ndmsg` with its attributes. */
export const neighbour = format(
  struct({ family: u8, pad: pad(3), index: s32, state: u16, flags: u8, type: u8 }),
  table({
    dst: attr(1, ip),
    mac: attr(2, mac),
    vlan: attr(5, u16),
    vni: attr(7, u32),
    master: attr(9, u32),
  }),
)
