/** Interface addresses: `IFA_*`. Source: include/uapi/linux/if_addr.h, net/ipv4/devinet.c. */
import { attr, ip, struct, table, text, u32, u8 } from '../attribute.ts'
import { format } from '../message.ts'

export const IFA_F_SECONDARY = 0x01
export const IFA_F_NODAD = 0x02
export const IFA_F_DADFAILED = 0x08
export const IFA_F_TENTATIVE = 0x40
export const IFA_F_PERMANENT = 0x80
export const IFA_F_NOPREFIXROUTE = 0x200

/** Who put an IPv6 address there (`IFA_PROTO`). */
export const IFAPROT_KERNEL_RA = 2
export const IFAPROT_KERNEL_LL = 3

/** `struct ifaddrmsg` with its attributes. */
export const address = format(
  struct({ family: u8, length: u8, flags: u8, scope: u8, index: u32 }),
  table({
    /** The other end of a point-to-point link, else the address itself. */
    address: attr(1, ip),
    local: attr(2, ip),
    label: attr(3, text),
    broadcast: attr(4, ip),
    cacheInfo: attr(6, struct({ preferred: u32, valid: u32, created: u32, updated: u32 })),
    flags: attr(8, u32),
    metric: attr(9, u32),
    protocol: attr(11, u8),
  }),
)
