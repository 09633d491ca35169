/**
 * Makers of frames and packets with the right lengths. Every object of a kind is one literal with
 * its keys in one order, so that the code that reads them stays monomorphic.
 */
import { groupMacOf } from '../addr/eui64.ts'
import type { Ip4, Ip6 } from '../addr/ip.ts'
import type { Mac } from '../addr/mac.ts'
import {
  ETH_ARP,
  ETH_IP4,
  ETH_IP6,
  type Frame,
  type IcmpMessage,
  type Ip4Packet,
  type Ip6Packet,
  type MldMessage,
  type NdMessage,
  NO_TAGS,
  type Packet,
  type Payload,
  PROTO_ICMP,
  PROTO_ICMP6,
  PROTO_UDP,
  type TcpSegment,
  type UdpDatagram,
  type VlanTag,
} from './frame.ts'
import { mldSize } from './mld.ts'

/** Most bytes of an ICMP error the kernel makes (net/ipv4/icmp.c __icmp_send). */
const ICMP_ERROR_LENGTH = 576
/** The same for ICMPv6: IPV6_MIN_MTU (net/ipv6/icmp.c icmp6_send). */
const ICMP6_ERROR_LENGTH = 1280
/** IPTOS_PREC_INTERNETCONTROL, the TOS of ICMP errors. */
const TOS_INTERNETCONTROL = 0xc0

/** ff02::1 */
export const ALL_NODES: Ip6 = 0xff020000000000000000000000000001n
/** ff02::2 */
export const ALL_ROUTERS: Ip6 = 0xff020000000000000000000000000002n
/** ff02::16 */
const ALL_MLD2_ROUTERS: Ip6 = 0xff020000000000000000000000000016n

export function makeFrame(
  dst: Mac,
  src: Mac,
  etherType: number,
  packet: Packet,
  length: number,
  tags: readonly VlanTag[] = NO_TAGS,
): Frame {
  return { dst, src, tags, etherType, packet, length }
}

/** The frame with other MACs, as a router sends it on. */
export function withMacs(frame: Frame, dst: Mac, src: Mac): Frame {
  return makeFrame(dst, src, frame.etherType, frame.packet, frame.length, frame.tags)
}

/** The frame with a tag more, outside of those it has. */
export function pushTag(frame: Frame, tag: VlanTag): Frame {
  return withTags(frame, frame.tags.length === 0 ? [tag] : [tag, ...frame.tags])
}

/** The frame without its outermost tag. */
export function popTag(frame: Frame): Frame {
  return withTags(frame, frame.tags.length === 1 ? NO_TAGS : frame.tags.slice(1))
}

/** The frame with other tags. */
export function withTags(frame: Frame, tags: readonly VlanTag[]): Frame {
  return makeFrame(frame.dst, frame.src, frame.etherType, frame.packet, frame.length, tags)
}

/**
 * An ARP frame.
 *
 * @param operation 1 request, 2 reply
 * @example
 * ```ts
 * // who has 10.0.0.2? tell 10.0.0.1
 * makeArp(MAC_BROADCAST, mac, 1, mac, parseIp4('10.0.0.1'), 0, parseIp4('10.0.0.2'))
 * ```
 */
export function makeArp(
  dst: Mac,
  src: Mac,
  operation: number,
  senderMac: Mac,
  senderIp: Ip4,
  targetMac: Mac,
  targetIp: Ip4,
): Frame {
  const packet: Packet = { kind: 'arp', operation, senderMac, senderIp, targetMac, targetIp }
  return makeFrame(dst, src, ETH_ARP, packet, 28)
}

/** Puts a packet into a frame. */
export function frameOf(dst: Mac, src: Mac, packet: Ip4Packet | Ip6Packet): Frame {
  return makeFrame(dst, src, packet.kind === 'ip4' ? ETH_IP4 : ETH_IP6, packet, packet.length)
}

/** What of an IPv4 header is rarely said. */
export interface Ip4Options {
  readonly tos?: number
  readonly id?: number
  readonly dontFragment?: boolean
}

/** @param payloadLength bytes after the header */
export function makeIp4(
  src: Ip4,
  dst: Ip4,
  ttl: number,
  protocol: number,
  payload: Payload,
  payloadLength: number,
  options?: Ip4Options,
): Ip4Packet {
  return {
    kind: 'ip4',
    src,
    dst,
    ttl,
    protocol,
    tos: options?.tos ?? 0,
    id: options?.id ?? 0,
    dontFragment: options?.dontFragment ?? false,
    moreFragments: false,
    fragmentOffset: 0,
    length: 20 + payloadLength,
    payload,
  }
}

/** @param payloadLength bytes after the fixed header */
export function makeIp6(
  src: Ip6,
  dst: Ip6,
  hopLimit: number,
  nextHeader: number,
  payload: Payload,
  payloadLength: number,
): Ip6Packet {
  return {
    kind: 'ip6',
    src,
    dst,
    hopLimit,
    nextHeader,
    trafficClass: 0,
    flowLabel: 0,
    length: 40 + payloadLength,
    fragment: undefined,
    payload,
  }
}

/** The packet with another TTL, as a router forwards it. */
export function withTtl4(packet: Ip4Packet, ttl: number): Ip4Packet {
  return {
    kind: 'ip4',
    src: packet.src,
    dst: packet.dst,
    ttl,
    protocol: packet.protocol,
    tos: packet.tos,
    id: packet.id,
    dontFragment: packet.dontFragment,
    moreFragments: packet.moreFragments,
    fragmentOffset: packet.fragmentOffset,
    length: packet.length,
    payload: packet.payload,
  }
}

/** The packet with another hop limit, as a router forwards it. */
export function withHopLimit6(packet: Ip6Packet, hopLimit: number): Ip6Packet {
  return {
    kind: 'ip6',
    src: packet.src,
    dst: packet.dst,
    hopLimit,
    nextHeader: packet.nextHeader,
    trafficClass: packet.trafficClass,
    flowLabel: packet.flowLabel,
    length: packet.length,
    fragment: packet.fragment,
    payload: packet.payload,
  }
}

export function makeIcmp(
  version: 4 | 6,
  type: number,
  code: number,
  value: number,
  quoted: Ip4Packet | Ip6Packet | undefined,
): IcmpMessage {
  return { kind: 'icmp', version, type, code, id: 0, sequence: 0, value, quoted, dataLength: 0 }
}

/** An ICMP or ICMPv6 echo message; its type is 8/0 in version 4 and 128/129 in version 6. */
export function makeEcho(
  version: 4 | 6,
  reply: boolean,
  id: number,
  sequence: number,
  dataLength: number,
): IcmpMessage {
  const type = version === 4 ? (reply ? 0 : 8) : reply ? 129 : 128
  const quoted = undefined
  return { kind: 'icmp', version, type, code: 0, id, sequence, value: 0, quoted, dataLength }
}

/** The packet of an echo message. */
export function makeEcho4(
  src: Ip4,
  dst: Ip4,
  ttl: number,
  message: IcmpMessage,
  options?: Ip4Options,
): Ip4Packet {
  return makeIp4(src, dst, ttl, PROTO_ICMP, message, 8 + message.dataLength, options)
}

export function makeEcho6(src: Ip6, dst: Ip6, hopLimit: number, message: IcmpMessage): Ip6Packet {
  return makeIp6(src, dst, hopLimit, PROTO_ICMP6, message, 8 + message.dataLength)
}

/**
 * The ICMP error the kernel sends about a packet: to its source, quoting as much as fits into 576
 * bytes (net/ipv4/icmp.c __icmp_send).
 */
export function icmpError4(
  src: Ip4,
  ttl: number,
  type: number,
  code: number,
  value: number,
  quoted: Ip4Packet,
  id = 0,
): Ip4Packet {
  const length = Math.min(ICMP_ERROR_LENGTH, 28 + quoted.length) - 20
  const message = makeIcmp(4, type, code, value, quoted)
  const options = { tos: (quoted.tos & 0x1e) | TOS_INTERNETCONTROL, id, dontFragment: false }
  return makeIp4(src, quoted.src, ttl, PROTO_ICMP, message, length, options)
}

/** The ICMPv6 error about a packet, quoting as much as fits into 1280 bytes (icmp6_send). */
export function icmpError6(
  src: Ip6,
  hopLimit: number,
  type: number,
  code: number,
  value: number,
  quoted: Ip6Packet,
): Ip6Packet {
  const length = Math.min(ICMP6_ERROR_LENGTH, 48 + quoted.length) - 40
  return makeIp6(
    src,
    quoted.src,
    hopLimit,
    PROTO_ICMP6,
    makeIcmp(6, type, code, value, quoted),
    length,
  )
}

function makeNd(
  type: number,
  target: Ip6,
  linkAddress: Mac | undefined,
  flags: { readonly router: boolean; readonly solicited: boolean; readonly override: boolean },
  nonce: number | undefined,
): NdMessage {
  const { router, solicited, override } = flags
  const destination = 0n
  const advert = undefined
  return {
    kind: 'nd',
    type,
    target,
    destination,
    linkAddress,
    router,
    solicited,
    override,
    nonce,
    advert,
  }
}

const NO_FLAGS = { router: false, solicited: false, override: false }

/** A neighbour solicitation; with a nonce and without link address it is a DAD probe (RFC 7527). */
export function makeNs(
  src: Ip6,
  dst: Ip6,
  target: Ip6,
  linkAddress: Mac | undefined,
  nonce: number | undefined,
): Ip6Packet {
  const length = 24 + (linkAddress === undefined ? 0 : 8) + (nonce === undefined ? 0 : 8)
  const message = makeNd(135, target, linkAddress, NO_FLAGS, nonce)
  return makeIp6(src, dst, 255, PROTO_ICMP6, message, length)
}

/** A neighbour advertisement. */
export function makeNa(
  src: Ip6,
  dst: Ip6,
  target: Ip6,
  linkAddress: Mac | undefined,
  flags: { readonly router: boolean; readonly solicited: boolean; readonly override: boolean },
): Ip6Packet {
  const message = makeNd(136, target, linkAddress, flags, undefined)
  return makeIp6(src, dst, 255, PROTO_ICMP6, message, linkAddress === undefined ? 24 : 32)
}

/** A router solicitation to all routers. */
export function makeRs(src: Ip6, linkAddress: Mac | undefined): Ip6Packet {
  const message = makeNd(133, 0n, linkAddress, NO_FLAGS, undefined)
  return makeIp6(src, ALL_ROUTERS, 255, PROTO_ICMP6, message, linkAddress === undefined ? 8 : 16)
}

/** A version 2 MLD report, one record a group: type 4 joins, 3 leaves. */
export function makeMldReport(src: Ip6, recordType: number, groups: readonly Ip6[]): Ip6Packet {
  const message: MldMessage = { kind: 'mld', type: 143, recordType, groups }
  // 8 bytes of hop-by-hop header with the router alert go in front.
  return makeIp6(src, ALL_MLD2_ROUTERS, 1, 0, message, 8 + mldSize(message))
}

export function makeUdp(srcPort: number, dstPort: number, data: Uint8Array): UdpDatagram {
  return { kind: 'udp', srcPort, dstPort, data }
}

export function makeUdp4(src: Ip4, dst: Ip4, ttl: number, udp: UdpDatagram): Ip4Packet {
  return makeIp4(src, dst, ttl, PROTO_UDP, udp, 8 + udp.data.length)
}

export function makeUdp6(src: Ip6, dst: Ip6, hopLimit: number, udp: UdpDatagram): Ip6Packet {
  return makeIp6(src, dst, hopLimit, PROTO_UDP, udp, 8 + udp.data.length)
}

export function makeTcp(
  srcPort: number,
  dstPort: number,
  sequence: number,
  acknowledgement: number,
  flags: number,
  window: number,
  dataLength: number,
): TcpSegment {
  return {
    kind: 'tcp',
    srcPort,
    dstPort,
    sequence,
    acknowledgement,
    flags,
    window,
    dataLength,
  }
}

/** The frame of a packet to an IPv6 or IPv4 group: its MAC follows from the group. */
export function groupFrame(src: Mac, packet: Ip4Packet | Ip6Packet): Frame {
  return frameOf(groupMacOf(packet.dst), src, packet)
}
