/**
 * Bridges and their ports: `IFLA_BR_*`, `IFLA_BRPORT_*`, VLAN membership (AF_BRIDGE link
 * messages). Source: include/uapi/linux/if_link.h, if_bridge.h; net/bridge/br_netlink.c.
 */
import {
  attr,
  be16,
  mac,
  nested,
  repeated,
  struct,
  table,
  text,
  u16,
  u32,
  u8,
} from '../attribute.ts'
import { format } from '../message.ts'
import { ifinfomsg } from './header.ts'

/** `IFLA_INFO_DATA` of a bridge. Times are hundredths of a second. */
export const bridge = table({
  forwardDelay: attr(1, u32),
  helloTime: attr(2, u32),
  maxAge: attr(3, u32),
  ageingTime: attr(4, u32),
  stpState: attr(5, u32),
  priority: attr(6, u16),
  vlanFiltering: attr(7, u8),
  vlanProtocol: attr(8, be16),
  groupForwardMask: attr(9, u16),
  groupAddress: attr(20, mac),
  /** Written (any value) it empties the forwarding database of what was learned. */
  fdbFlush: attr(21, u8),
  multicastSnooping: attr(23, u8),
  vlanDefaultPvid: attr(39, u16),
})

/** Options of a port: `IFLA_PROTINFO` of AF_BRIDGE messages, `IFLA_INFO_SLAVE_DATA` of others. */
export const bridgePort = table({
  state: attr(1, u8),
  priority: attr(2, u16),
  cost: attr(3, u32),
  hairpin: attr(4, u8),
  guard: attr(5, u8),
  protect: attr(6, u8),
  fastLeave: attr(7, u8),
  learning: attr(8, u8),
  flood: attr(9, u8),
  proxyArp: attr(10, u8),
  flush: attr(24, u8),
  multicastFlood: attr(27, u8),
  broadcastFlood: attr(30, u8),
  groupForwardMask: attr(31, u16),
  neighbourSuppress: attr(32, u8),
  isolated: attr(33, u8),
  locked: attr(39, u8),
})

export const VLAN_PVID = 0x2
export const VLAN_UNTAGGED = 0x4
export const VLAN_RANGE_BEGIN = 0x8
export const VLAN_RANGE_END = 0x10

/** `IFLA_BRIDGE_FLAGS`: who an AF_BRIDGE request is for. */
export const BRIDGE_FLAGS_MASTER = 1
export const BRIDGE_FLAGS_SELF = 2

/** AF_BRIDGE link messages: `RTM_SETLINK`, `RTM_DELLINK` and dumps with `RTEXT_FILTER_BRVLAN`. */
export const bridgeLink = format(
  ifinfomsg,
  table({
    name: attr(3, text),
    master: attr(10, u32),
    port: nested(12, bridgePort),
    afSpec: nested(
      26,
      table({
        flags: attr(0, u16),
        vlans: repeated(2, struct({ flags: u16, vid: u16 })),
      }),
    ),
    extMask: attr(29, u32),
  }),
)
