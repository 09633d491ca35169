/**
 * Links: `IFLA_*` with the data of every kind Lanyard makes. Source: include/uapi/linux/if_link.h,
 * net/core/rtnetlink.c.
 */
import {
  attr,
  be16,
  type Codec,
  eachAttribute,
  ip6,
  be32,
  mac,
  nested,
  repeated,
  s32,
  struct,
  table,
  text,
  u16,
  u32,
  u8,
  type ValueOf,
  words,
  u64,
} from '../attribute.ts'
import { format } from '../message.ts'
import { bridge, bridgePort } from './bridge.ts'
import { ifinfomsg } from './header.ts'

export const MACVLAN_FLAG_NOPROMISC = 1
export const MACVLAN_FLAG_NODST = 2

/** macvlan and macvtap. Modes: 1 private, 2 vepa, 4 bridge, 8 passthru, 16 source. */
export const macvlan = table({
  mode: attr(1, u32),
  flags: attr(2, u16),
  /** What to do with `address` or `addresses`: 0 add, 1 delete, 2 flush, 3 set. */
  addressMode: attr(3, u32),
  address: attr(4, mac),
  addresses: nested(5, table({ list: repeated(4, mac) })),
  addressCount: attr(6, u32),
  broadcastQueueLength: attr(7, u32),
  broadcastQueueLengthUsed: attr(8, u32),
})

export const IPVLAN_F_PRIVATE = 1
export const IPVLAN_F_VEPA = 2

/** Modes: 0 l2, 1 l3, 2 l3s. */
export const ipvlan = table({ mode: attr(1, u16), flags: attr(2, u16) })

export const VLAN_FLAG_REORDER = 1
export const VLAN_FLAG_GVRP = 2
export const VLAN_FLAG_LOOSE = 4
export const VLAN_FLAG_MVRP = 8

const qosMap = table({ list: repeated(1, struct({ from: u32, to: u32 })) })

export const vlan = table({
  id: attr(1, u16),
  flags: attr(2, struct({ flags: u32, mask: u32 })),
  egressQos: nested(3, qosMap),
  ingressQos: nested(4, qosMap),
  /** 0x8100 or 0x88a8 */
  protocol: attr(5, be16),
})

export const vxlan = table({
  id: attr(1, u32),
  remote: attr(2, be32),
  link: attr(3, u32),
  local: attr(4, be32),
  ttl: attr(5, u8),
  learning: attr(7, u8),
  ageing: attr(8, u32),
  port: attr(15, be16),
  remote6: attr(16, ip6),
  local6: attr(17, ip6),
})

/** `TUN` 1 or `TAP` 2 in `type`. */
export const tun = table({
  owner: attr(1, u32),
  group: attr(2, u32),
  type: attr(3, u8),
  persist: attr(6, u8),
})

/** What a veth's other end is made with. */
const peerAttributes = table({
  address: attr(1, mac),
  name: attr(3, text),
  mtu: attr(4, u32),
  netnsFd: attr(28, u32),
})

/** `VETH_INFO_PEER`: a link message inside an attribute. */
const vethPeer: Codec<ValueOf<typeof peerAttributes>> = {
  encode: (writer, value) => {
    ifinfomsg.encode(writer, { family: 0, type: 0, index: 0, flags: 0, change: 0 })
    peerAttributes.encode(writer, value)
  },
  decode: (view, start, end) =>
    end - start < ifinfomsg.size
      ? undefined
      : peerAttributes.decode(view, start + ifinfomsg.size, end),
}

export const veth = table({ peer: attr(1, vethPeer) })

/** Kinds to the data their `IFLA_INFO_DATA` holds, by name of the field it is read into. */
const DATA = { macvlan, ipvlan, vlan, vxlan, bridge, veth, tun } as const
type DataName = keyof typeof DATA
const FIELD_OF_KIND: Readonly<Record<string, DataName>> = {
  macvlan: 'macvlan',
  macvtap: 'macvlan',
  ipvlan: 'ipvlan',
  vlan: 'vlan',
  vxlan: 'vxlan',
  bridge: 'bridge',
  veth: 'veth',
  tun: 'tun',
}

/** `IFLA_LINKINFO`: kind, its data, and the data a master keeps of its port. */
export type LinkInfo = {
  readonly kind?: string
  readonly slaveKind?: string
  readonly port?: ValueOf<typeof bridgePort>
} & { readonly [N in DataName]?: ValueOf<(typeof DATA)[N]> }

const infoHead = table({ kind: attr(1, text), slaveKind: attr(4, text) })
const infoPort = table({ port: nested(5, bridgePort) })
const infoData = (name: DataName) => table({ data: nested(2, DATA[name] as Codec<unknown>) })

const linkInfo: Codec<LinkInfo> = {
  encode: (writer, value) => {
    infoHead.encode(writer, { kind: value.kind, slaveKind: value.slaveKind })
    const field = value.kind === undefined ? undefined : FIELD_OF_KIND[value.kind]
    if (field !== undefined && value[field] !== undefined) {
      infoData(field).encode(writer, { data: value[field] })
    }
    if (value.port !== undefined) infoPort.encode(writer, { port: value.port })
  },
  decode: (view, start, end) => {
    const info: Record<string, unknown> = { ...infoHead.decode(view, start, end) }
    const field = FIELD_OF_KIND[String(info.kind)]
    eachAttribute(view, start, end, (type, from, to) => {
      if (type === 2 && field !== undefined) info[field] = DATA[field].decode(view, from, to)
      if (type === 5 && info.slaveKind === 'bridge') info.port = bridgePort.decode(view, from, to)
    })
    return info
  },
}

/** The first words of `struct rtnl_link_stats64`. */
const statsHead = struct({
  rxPackets: u64,
  txPackets: u64,
  rxBytes: u64,
  txBytes: u64,
  rxErrors: u64,
  txErrors: u64,
  rxDropped: u64,
  txDropped: u64,
  multicast: u64,
})

/** Longer with every kernel: what we do not know is skipped. */
const stats: Codec<ValueOf<typeof statsHead>> = {
  encode: (writer, value) => statsHead.encode(writer, value),
  decode: (view, start, end) =>
    end - start < statsHead.size
      ? undefined
      : statsHead.decode(view, start, start + statsHead.size),
}

/** Leaves statistics out of the answer. */
export const RTEXT_FILTER_SKIP_STATS = 8
/** AF_BRIDGE dumps: list VLANs. */
export const RTEXT_FILTER_BRVLAN = 2

/** Per-device sysctls: word N-1 is `IPV4_DEVCONF_N`, and word N is `DEVCONF_N` of IPv6. */
const afSpec = table({
  inet: nested(2, table({ conf: attr(1, words) })),
  inet6: nested(10, table({ conf: attr(2, words), addrGenMode: attr(8, u8) })),
})

export const link = format(
  ifinfomsg,
  table({
    address: attr(1, mac),
    broadcast: attr(2, mac),
    name: attr(3, text),
    mtu: attr(4, u32),
    /** Index of the parent or peer, in the namespace `linkNetnsid` says. */
    link: attr(5, u32),
    master: attr(10, u32),
    txQueueLength: attr(13, u32),
    qdisc: attr(6, text),
    operState: attr(16, u8),
    info: nested(18, linkInfo),
    netnsPid: attr(19, u32),
    alias: attr(20, text),
    afSpec: nested(26, afSpec),
    group: attr(27, u32),
    netnsFd: attr(28, u32),
    extMask: attr(29, u32),
    promiscuity: attr(30, u32),
    carrier: attr(33, u8),
    stats: attr(23, stats),
    linkNetnsid: attr(37, s32),
    newNetnsid: attr(45, s32),
    minMtu: attr(50, u32),
    maxMtu: attr(51, u32),
    allmulti: attr(61, u32),
  }),
)

/** Just who a link is: for looking one up by name, a tenth of the work of {@link link}. */
export const linkIdentity = format(
  ifinfomsg,
  table({
    name: attr(3, text),
    info: nested(18, table({ kind: attr(1, text) })),
    extMask: attr(29, u32),
  }),
)
