/**
 * Settings of a namespace and its links that the kernel also tells by netlink. Source:
 * include/uapi/linux/netconf.h, net/ipv4/devinet.c `inet_netconf_dump_devconf`.
 */
import { attr, pad, s32, struct, table, u8 } from '../attribute.ts'
import { format } from '../message.ts'

/** `ifindex` of the settings that stand for all links, and for links to come. */
export const NETCONF_ALL = -1
export const NETCONF_DEFAULT = -2

/** `struct netconfmsg` with its attributes. */
export const netconf = format(
  struct({ family: u8, pad: pad(3) }),
  table({
    index: attr(1, s32),
    forwarding: attr(2, s32),
    rpFilter: attr(3, s32),
    /** `proxy_arp`, or `proxy_ndp` of IPv6. */
    proxyNeighbour: attr(5, s32),
  }),
)
