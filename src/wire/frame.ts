/**
 * What travels: an Ethernet frame as a flat, immutable object of numbers with its decoded packet.
 *
 * The simulator moves these objects and never bytes; bytes appear at the edges (capture, raw
 * ports), where the codecs of this folder turn one into the other. A frame is never changed after
 * it was made: a tag pushed, a TTL decremented or an address translated makes a new object, so a
 * flood shares one frame among all its receivers and a forked world shares them with its origin.
 */
import type { Ip4, Ip6 } from '../addr/ip.ts'
import type { Mac } from '../addr/mac.ts'

/** EtherTypes. */
export const ETH_IP4 = 0x0800
export const ETH_ARP = 0x0806
export const ETH_8021Q = 0x8100
export const ETH_IP6 = 0x86dd
export const ETH_8021AD = 0x88a8

/** IP protocol numbers. */
export const PROTO_ICMP = 1
export const PROTO_TCP = 6
export const PROTO_UDP = 17
export const PROTO_ICMP6 = 58

/** One VLAN tag. */
export interface VlanTag {
  /** {@link ETH_8021Q} or {@link ETH_8021AD}. */
  readonly protocol: number
  /** VLAN id, 0..4095. */
  readonly id: number
  /** Priority code point, 0..7. */
  readonly priority: number
}

/** An Ethernet frame. */
export interface Frame {
  readonly dst: Mac
  readonly src: Mac
  /** Tags, outermost first; the empty array is shared ({@link NO_TAGS}). */
  readonly tags: readonly VlanTag[]
  /** EtherType after the tags. */
  readonly etherType: number
  readonly packet: Packet
  /** Bytes after the Ethernet header and the tags (what the MTU limits). */
  readonly length: number
}

/** The tags of an untagged frame. */
export const NO_TAGS: readonly VlanTag[] = []

/** What a frame carries. */
export type Packet = ArpPacket | Ip4Packet | Ip6Packet | RawPacket

/** Anything not decoded further. */
export interface RawPacket {
  readonly kind: 'raw'
  readonly bytes: Uint8Array
}

/** RFC 826, Ethernet and IPv4 only. */
export interface ArpPacket {
  readonly kind: 'arp'
  /** 1 request, 2 reply. */
  readonly operation: number
  readonly senderMac: Mac
  readonly senderIp: Ip4
  readonly targetMac: Mac
  readonly targetIp: Ip4
}

/** RFC 791, without options. `payload` of a non-first fragment is raw. */
export interface Ip4Packet {
  readonly kind: 'ip4'
  readonly src: Ip4
  readonly dst: Ip4
  readonly ttl: number
  readonly protocol: number
  readonly tos: number
  readonly id: number
  readonly dontFragment: boolean
  readonly moreFragments: boolean
  /** In bytes. */
  readonly fragmentOffset: number
  /** Header and payload, in bytes. */
  readonly length: number
  readonly payload: Payload
}

/**
 * RFC 8200. Extension headers: a fragment header is `fragment`, the hop-by-hop header of an MLD
 * message goes without saying, others make the payload raw.
 */
export interface Ip6Packet {
  readonly kind: 'ip6'
  readonly src: Ip6
  readonly dst: Ip6
  readonly hopLimit: number
  /** What the payload is, after a fragment header; 0 (hop-by-hop) with MLD, as on the wire. */
  readonly nextHeader: number
  readonly trafficClass: number
  readonly flowLabel: number
  /** Whole packet with its fixed header of 40 and its extension headers, in bytes. */
  readonly length: number
  /** Undefined when whole. The payload of a non-first fragment is raw. */
  readonly fragment: Ip6Fragment | undefined
  readonly payload: Payload
}

/** The fragment header (RFC 8200 4.5). */
export interface Ip6Fragment {
  readonly id: number
  /** In bytes. */
  readonly offset: number
  readonly more: boolean
}

export type Payload = IcmpMessage | NdMessage | MldMessage | UdpDatagram | TcpSegment | RawPayload

export interface RawPayload {
  readonly kind: 'raw'
  readonly bytes: Uint8Array
}

/** ICMP and ICMPv6 other than neighbour discovery and MLD: echo and errors. */
export interface IcmpMessage {
  readonly kind: 'icmp'
  readonly version: 4 | 6
  readonly type: number
  readonly code: number
  /** Echo identifier; 0 in errors. */
  readonly id: number
  /** Echo sequence number; 0 in errors. */
  readonly sequence: number
  /**
   * Next-hop MTU (fragmentation needed, packet too big), gateway (IPv4 redirect), pointer
   * (parameter problem), else 0.
   */
  readonly value: number
  /** The packet an error quotes. */
  readonly quoted: Ip4Packet | Ip6Packet | undefined
  /** Echo payload bytes: only their count matters inside the simulator. */
  readonly dataLength: number
}

/** RFC 4861 neighbour and router solicitation, advertisement and redirect. */
export interface NdMessage {
  readonly kind: 'nd'
  /** 133 RS, 134 RA, 135 NS, 136 NA, 137 redirect. */
  readonly type: number
  /** NS/NA target, redirect target; 0n in RS/RA. */
  readonly target: Ip6
  /** Redirect destination; 0n otherwise. */
  readonly destination: Ip6
  /**
   * Source (RS, RA, NS) or target (NA, redirect) link-layer address option; undefined when absent.
   */
  readonly linkAddress: Mac | undefined
  /** NA flags. */
  readonly router: boolean
  readonly solicited: boolean
  readonly override: boolean
  /** Enhanced DAD nonce (RFC 7527); undefined when absent. */
  readonly nonce: number | undefined
  /** RA only. */
  readonly advert: RouterAdvert | undefined
}

export interface RouterAdvert {
  readonly hopLimit: number
  readonly managed: boolean
  readonly other: boolean
  /** Seconds; 0 = not a default router. */
  readonly lifetime: number
  readonly mtu: number | undefined
  readonly prefixes: readonly {
    readonly prefix: Ip6
    readonly length: number
    readonly onLink: boolean
    readonly autonomous: boolean
    readonly validLifetime: number
    readonly preferredLifetime: number
  }[]
}

/** MLD (RFC 2710, 3810): the groups spoken of. */
export interface MldMessage {
  readonly kind: 'mld'
  /** 131 report, 132 done (both version 1, one group), 143 report version 2. */
  readonly type: number
  /** Of all records of a version 2 report: 4 join, 3 leave, 2 and 1 current state; else 0. */
  readonly recordType: number
  readonly groups: readonly Ip6[]
}

export interface UdpDatagram {
  readonly kind: 'udp'
  readonly srcPort: number
  readonly dstPort: number
  readonly data: Uint8Array
}

export interface TcpSegment {
  readonly kind: 'tcp'
  readonly srcPort: number
  readonly dstPort: number
  readonly sequence: number
  readonly acknowledgement: number
  /** FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32. */
  readonly flags: number
  readonly window: number
  readonly dataLength: number
}
