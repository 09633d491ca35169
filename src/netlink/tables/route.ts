/** Routes: `RTA_*`. Source: include/uapi/linux/rtnetlink.h, net/ipv4/fib_semantics.c. */
import type { Ip } from '../../addr/ip.ts'
import {
  attr,
  type Codec,
  ip,
  nested,
  s32,
  struct,
  table,
  u16,
  u32,
  u8,
  type ValueOf,
} from '../attribute.ts'
import { align4, LITTLE } from '../bytes.ts'
import { format } from '../message.ts'

/** `RTN_*` by number. */
export const ROUTE_TYPES = [
  'unspec',
  'unicast',
  'local',
  'broadcast',
  'anycast',
  'multicast',
  'blackhole',
  'unreachable',
  'prohibit',
  'throw',
] as const

export const RT_TABLE_MAIN = 254
export const RT_TABLE_LOCAL = 255
export const RTPROT_BOOT = 3
export const RTM_F_CLONED = 0x200
export const RTNH_F_ONLINK = 4
export const RTNH_F_LINKDOWN = 16

/** `struct rtvia`: a gateway of another family. */
const via: Codec<Ip> = {
  encode: (writer, value) => {
    u16.encode(writer, typeof value === 'number' ? 2 : 10)
    ip.encode(writer, value)
  },
  decode: (view, start, end) => ip.decode(view, start + 2, end),
}

const hopAttributes = table({ gateway: attr(5, ip), via: attr(18, via) })
const rtnexthop = struct({ length: u16, flags: u8, hops: u8, index: s32 })
type Nexthop = ValueOf<typeof rtnexthop> & ValueOf<typeof hopAttributes>

/** `RTA_MULTIPATH`: next hops one behind the other, each with attributes. */
const multipath: Codec<readonly Nexthop[]> = {
  encode: (writer, hops) => {
    for (const hop of hops) {
      const start = writer.length
      rtnexthop.encode(writer, hop)
      hopAttributes.encode(writer, { gateway: hop.gateway, via: hop.via })
      writer.view.setUint16(start, writer.length - start, LITTLE)
    }
  },
  decode: (view, start, end) => {
    const hops: Nexthop[] = []
    let at = start
    while (at + rtnexthop.size <= end) {
      const hop = rtnexthop.decode(view, at, end)
      if (hop === undefined || hop.length < rtnexthop.size || at + hop.length > end) break
      hops.push({ ...hop, ...hopAttributes.decode(view, at + rtnexthop.size, at + hop.length) })
      at += align4(hop.length)
    }
    return hops
  },
}

/** `struct rtmsg` with its attributes. */
export const route = format(
  struct({
    family: u8,
    dstLength: u8,
    srcLength: u8,
    tos: u8,
    table: u8,
    protocol: u8,
    scope: u8,
    type: u8,
    flags: u32,
  }),
  table({
    dst: attr(1, ip),
    src: attr(2, ip),
    oif: attr(4, u32),
    gateway: attr(5, ip),
    priority: attr(6, u32),
    prefsrc: attr(7, ip),
    metrics: nested(8, table({ lock: attr(1, u32), mtu: attr(2, u32), advmss: attr(8, u32) })),
    multipath: attr(9, multipath),
    cacheInfo: attr(
      12,
      struct({ clntref: u32, lastuse: u32, expires: s32, error: s32, used: u32 }),
    ),
    table: attr(15, u32),
    via: attr(18, via),
    preference: attr(20, u8),
  }),
)
