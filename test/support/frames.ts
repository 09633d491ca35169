/** Arbitrary frames for property tests: every one of them is what a stack could have sent. */
import * as fc from 'fast-check'
import {
  type ArpPacket,
  ETH_8021AD,
  ETH_8021Q,
  ETH_ARP,
  ETH_IP4,
  ETH_IP6,
  type Frame,
  type IcmpMessage,
  type Ip4Packet,
  type Ip6Packet,
  type MldMessage,
  type NdMessage,
  type Packet,
  type Payload,
  PROTO_ICMP,
  PROTO_ICMP6,
  PROTO_TCP,
  PROTO_UDP,
  type RouterAdvert,
  type TcpSegment,
  type UdpDatagram,
} from '../../src/wire/frame.ts'
import { ndSize } from '../../src/wire/nd.ts'

const u8 = fc.nat(0xff)
const u16 = fc.nat(0xffff)
/** Ports: low, or high enough that no dissector claims them. */
const port = fc.oneof(u16, fc.integer({ min: 50001, max: 65535 }))
const u32 = fc.nat(0xffffffff)
const mac = fc.nat(0xffffffffffff)
const ip4 = u32
const ip6 = fc.bigInt({ min: 0n, max: (1n << 128n) - 1n })
const some = fc.nat(100)

interface Carried {
  readonly protocol: number
  readonly payload: Payload
  /** Bytes after the IP header. */
  readonly size: number
}

const udp: fc.Arbitrary<Carried> = fc
  .record<UdpDatagram>({
    kind: fc.constant('udp'),
    srcPort: port,
    dstPort: port,
    data: fc.uint8Array({ maxLength: 60 }),
  })
  .map((payload) => ({ protocol: PROTO_UDP, payload, size: 8 + payload.data.length }))

const tcp: fc.Arbitrary<Carried> = fc
  .record<TcpSegment>({
    kind: fc.constant('tcp'),
    srcPort: port,
    dstPort: port,
    sequence: u32,
    acknowledgement: u32,
    flags: u8,
    window: u16,
    dataLength: some,
  })
  .chain((payload) =>
    fc.nat(10).map((options) => {
      return { protocol: PROTO_TCP, payload, size: 20 + options * 4 + payload.dataLength }
    }),
  )

const unknown: fc.Arbitrary<Carried> = fc
  .tuple(fc.constantFrom(2, 47, 132), fc.uint8Array({ maxLength: 60 }))
  .map(([protocol, bytes]) => ({ protocol, payload: { kind: 'raw', bytes }, size: bytes.length }))

function echo(version: 4 | 6): fc.Arbitrary<Carried> {
  return fc
    .record<IcmpMessage>({
      kind: fc.constant('icmp'),
      version: fc.constant(version),
      type: version === 4 ? fc.constantFrom(0, 8) : fc.constantFrom(128, 129),
      code: fc.constant(0),
      id: u16,
      sequence: u16,
      value: fc.constant(0),
      quoted: fc.constant(undefined),
      dataLength: some,
    })
    .map((payload) => {
      const protocol = version === 4 ? PROTO_ICMP : PROTO_ICMP6
      return { protocol, payload, size: 8 + payload.dataLength }
    })
}

function toIp4(carried: fc.Arbitrary<Carried>): fc.Arbitrary<Ip4Packet> {
  return carried.chain(({ protocol, payload, size }) =>
    fc.record<Ip4Packet>({
      kind: fc.constant('ip4'),
      src: ip4,
      dst: ip4,
      ttl: u8,
      protocol: fc.constant(protocol),
      tos: u8,
      id: u16,
      dontFragment: fc.boolean(),
      moreFragments: fc.constant(false),
      fragmentOffset: fc.constant(0),
      length: fc.constant(20 + size),
      payload: fc.constant(payload),
    }),
  )
}

function toIp6(carried: fc.Arbitrary<Carried>): fc.Arbitrary<Ip6Packet> {
  return carried.chain(({ protocol, payload, size }) =>
    fc.record<Ip6Packet>({
      kind: fc.constant('ip6'),
      src: ip6,
      dst: ip6,
      hopLimit: u8,
      nextHeader: fc.constant(protocol),
      trafficClass: u8,
      flowLabel: fc.nat(0xfffff),
      length: fc.constant(40 + size),
      fragment: fc.constant(undefined),
      payload: fc.constant(payload),
    }),
  )
}

/** An error about a packet; `type`, `code` and whether the value has a meaning there. */
function error(version: 4 | 6, quoted: fc.Arbitrary<Ip4Packet | Ip6Packet>): fc.Arbitrary<Carried> {
  const kinds =
    version === 4
      ? fc.oneof(
          fc.tuple(fc.constant(3), fc.constantFrom(0, 1, 2, 3, 9, 10, 13), fc.constant(0)),
          fc.tuple(fc.constant(3), fc.constant(4), u16),
          fc.tuple(fc.constant(5), fc.constantFrom(0, 1), u32),
          fc.tuple(fc.constant(11), fc.constantFrom(0, 1), fc.constant(0)),
          fc.tuple(fc.constant(12), fc.constant(0), u8),
        )
      : fc.oneof(
          fc.tuple(fc.constant(1), fc.nat(6), fc.constant(0)),
          fc.tuple(fc.constant(2), fc.constant(0), u32),
          fc.tuple(fc.constant(3), fc.constantFrom(0, 1), fc.constant(0)),
          fc.tuple(fc.constant(4), fc.nat(2), u32),
        )
  return fc.tuple(kinds, quoted).map(([[type, code, value], quoted]) => ({
    protocol: version === 4 ? PROTO_ICMP : PROTO_ICMP6,
    payload: {
      kind: 'icmp',
      version,
      type,
      code,
      id: 0,
      sequence: 0,
      value,
      quoted,
      dataLength: 0,
    },
    size: 8 + quoted.length,
  }))
}

const advert: fc.Arbitrary<RouterAdvert> = fc.record({
  hopLimit: u8,
  managed: fc.boolean(),
  other: fc.boolean(),
  lifetime: u16,
  mtu: fc.option(u32, { nil: undefined }),
  prefixes: fc.array(
    fc.record({
      prefix: ip6,
      length: fc.nat(128),
      onLink: fc.boolean(),
      autonomous: fc.boolean(),
      validLifetime: u32,
      preferredLifetime: u32,
    }),
    { maxLength: 3 },
  ),
})

const nd: fc.Arbitrary<Carried> = fc
  .constantFrom(133, 134, 135, 136, 137)
  .chain((type) => {
    const flag = type === 136 ? fc.boolean() : fc.constant(false)
    return fc.record<NdMessage>({
      kind: fc.constant('nd'),
      type: fc.constant(type),
      target: type >= 135 ? ip6 : fc.constant(0n),
      destination: type === 137 ? ip6 : fc.constant(0n),
      linkAddress: fc.option(mac, { nil: undefined }),
      router: flag,
      solicited: flag,
      override: flag,
      nonce: type === 135 ? fc.option(mac, { nil: undefined }) : fc.constant(undefined),
      advert: type === 134 ? advert : fc.constant(undefined),
    })
  })
  .map((payload) => ({ protocol: PROTO_ICMP6, payload, size: ndSize(payload) }))

const mld: fc.Arbitrary<Carried> = fc
  .oneof(
    fc.record<MldMessage>({
      kind: fc.constant('mld'),
      type: fc.constantFrom(131, 132),
      recordType: fc.constant(0),
      groups: fc.array(ip6, { minLength: 1, maxLength: 1 }),
    }),
    fc.record<MldMessage>({
      kind: fc.constant('mld'),
      type: fc.constant(143),
      recordType: fc.constantFrom(1, 2, 3, 4),
      groups: fc.array(ip6, { minLength: 1, maxLength: 4 }),
    }),
  )
  .map((payload) => {
    const size = 8 + (payload.type === 143 ? 8 + 20 * payload.groups.length : 24)
    return { protocol: 0, payload, size }
  })

const bytes8 = fc.integer({ min: 1, max: 8 }).chain((eights) => {
  return fc.uint8Array({ minLength: eights * 8, maxLength: eights * 8 })
})

/** A later piece of a packet: nothing but bytes. */
const piece4: fc.Arbitrary<Ip4Packet> = fc
  .tuple(
    toIp4(
      bytes8.map((bytes) => ({
        protocol: 17,
        payload: { kind: 'raw', bytes },
        size: bytes.length,
      })),
    ),
    fc.integer({ min: 1, max: 0x1fff }),
    fc.boolean(),
  )
  .map(([packet, eights, more]) => {
    return { ...packet, moreFragments: more, fragmentOffset: eights * 8, dontFragment: false }
  })

const piece6: fc.Arbitrary<Ip6Packet> = fc
  .tuple(
    toIp6(
      bytes8.map((bytes) => ({
        protocol: 17,
        payload: { kind: 'raw', bytes },
        size: bytes.length + 8,
      })),
    ),
    fc.record({
      id: u32,
      offset: fc.integer({ min: 1, max: 0x1fff }).map((n) => n * 8),
      more: fc.boolean(),
    }),
  )
  .map(([packet, fragment]) => ({ ...packet, fragment }))

/** The first piece of a packet keeps its payload. */
const firstPiece4: fc.Arbitrary<Ip4Packet> = toIp4(fc.oneof(udp, echo(4))).map((packet) => {
  return { ...packet, moreFragments: true }
})

export const ip4Packets: fc.Arbitrary<Ip4Packet> = fc.oneof(
  toIp4(fc.oneof(udp, tcp, echo(4), unknown)),
  toIp4(error(4, toIp4(fc.oneof(udp, tcp, echo(4), unknown)))),
  piece4,
  firstPiece4,
)

export const ip6Packets: fc.Arbitrary<Ip6Packet> = fc.oneof(
  toIp6(fc.oneof(udp, tcp, echo(6), nd, mld, unknown)),
  toIp6(error(6, toIp6(fc.oneof(udp, tcp, echo(6), nd, unknown)))),
  piece6,
)

const arp: fc.Arbitrary<ArpPacket> = fc.record({
  kind: fc.constant('arp'),
  operation: fc.constantFrom(1, 2, 3),
  senderMac: mac,
  senderIp: ip4,
  targetMac: mac,
  targetIp: ip4,
})

const carried: fc.Arbitrary<{ etherType: number; packet: Packet; size: number }> = fc.oneof(
  arp.map((packet) => ({ etherType: ETH_ARP, packet, size: 28 })),
  ip4Packets.map((packet) => ({ etherType: ETH_IP4, packet, size: packet.length })),
  ip6Packets.map((packet) => ({ etherType: ETH_IP6, packet, size: packet.length })),
  fc.uint8Array({ maxLength: 60 }).map((bytes) => {
    return { etherType: 0x88cc, packet: { kind: 'raw', bytes } as const, size: bytes.length }
  }),
)

const tag = fc.record({
  protocol: fc.constantFrom(ETH_8021Q, ETH_8021AD),
  id: fc.nat(4095),
  priority: fc.nat(7),
})

/** Any frame; some carry padding behind their packet. */
export const frames: fc.Arbitrary<Frame> = fc
  .tuple(carried, mac, mac, fc.array(tag, { maxLength: 3 }), fc.constantFrom(0, 0, 6, 18))
  .map(([{ etherType, packet, size }, dst, src, tags, padding]) => ({
    dst,
    src,
    tags,
    etherType,
    packet,
    length: packet.kind === 'raw' ? size : size + padding,
  }))
