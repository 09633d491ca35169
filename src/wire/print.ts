/**
 * Frames in one line, in the words of tcpdump 4.99 with `-n -t -S` (numbers, no time, absolute
 * sequence numbers). What tcpdump looks into and we do not (DNS, LLC, ...) is named by its type and
 * length; what it dumps in hexadecimal below the line is left out.
 */
import { formatIp } from '../addr/ip.ts'
import { formatIp4 } from '../addr/ip4.ts'
import { formatMac } from '../addr/mac.ts'
import {
  type ArpPacket,
  ETH_8021AD,
  ETH_8021Q,
  ETH_ARP,
  ETH_IP4,
  ETH_IP6,
  type Frame,
  type Ip4Packet,
  type Ip6Packet,
  type Payload,
  type TcpSegment,
} from './frame.ts'
import { printIcmp } from './print-icmp.ts'
import { printMld, printNd } from './print-nd.ts'
import { printRaw } from './print-raw.ts'

/**
 * A frame as tcpdump prints it.
 *
 * @param options `link`: with MACs, VLAN tags and frame length, as `tcpdump -e`
 * @example
 * ```ts
 * printFrame(frame) // 'ARP, Request who-has 10.9.0.2 tell 10.9.0.1, length 28'
 * printFrame(frame, { link: true }) // '02:00:00:00:00:0a > ff:ff:ff:ff:ff:ff, ethertype ...'
 * ```
 */
export function printFrame(frame: Frame, options?: { readonly link?: boolean }): string {
  if (options?.link === true) return printLink(frame) + printInside(frame)
  switch (frame.packet.kind) {
    case 'arp':
      return `ARP, ${printInside(frame)}`
    case 'ip4':
      return `IP ${printInside(frame)}`
    case 'ip6':
      return `IP6 ${printInside(frame)}`
    case 'raw':
    default:
      return printLink(frame).trimEnd()
  }
}

/** What is inside the Ethernet header; nothing for what is not decoded. */
function printInside(frame: Frame): string {
  switch (frame.packet.kind) {
    case 'arp':
      return printArp(frame.packet, frame.length)
    case 'ip4':
    case 'ip6':
      return printPacket(frame.packet)
    case 'raw':
    default:
      return ''
  }
}

/** `SRC > DST, ethertype IPv4 (0x0800), length 98: `, tags after the colon. */
function printLink(frame: Frame): string {
  const { tags, etherType } = frame
  const total = 14 + 4 * tags.length + frame.length
  const macs = `${formatMac(frame.src)} > ${formatMac(frame.dst)}, `
  const first = tags[0]
  if (first === undefined) return `${macs}${etherName(etherType)}, length ${total}: `
  const words = tags.map((tag, i) => {
    const next = tags[i + 1]?.protocol ?? etherType
    return `vlan ${tag.id}, p ${tag.priority}, ${etherName(next)}, `
  })
  return `${macs}${etherName(first.protocol)}, length ${total}: ${words.join('')}`
}

const ETHER_NAMES: Readonly<Record<number, string>> = {
  [ETH_IP4]: 'IPv4',
  [ETH_ARP]: 'ARP',
  [ETH_IP6]: 'IPv6',
  [ETH_8021Q]: '802.1Q',
  [ETH_8021AD]: '802.1Q-QinQ',
  0x8035: 'Reverse ARP',
  0x8809: 'Slow Protocols',
  0x888e: 'EAPOL',
  0x88cc: 'LLDP',
}

function etherName(etherType: number): string {
  if (etherType <= 1500) return '802.3'
  const name = ETHER_NAMES[etherType] ?? 'Unknown'
  return `ethertype ${name} (0x${etherType.toString(16).padStart(4, '0')})`
}

function printArp(packet: ArpPacket, length: number): string {
  const senderIp = formatIp4(packet.senderIp)
  const targetIp = formatIp4(packet.targetIp)
  const sender = formatMac(packet.senderMac)
  const target = formatMac(packet.targetMac)
  switch (packet.operation) {
    case 1: {
      const known = packet.targetMac === 0 ? '' : ` (${target})`
      return `Request who-has ${targetIp}${known} tell ${senderIp}, length ${length}`
    }
    case 2:
      return `Reply ${senderIp} is-at ${sender}, length ${length}`
    case 3:
      return `Reverse Request who-is ${target} tell ${sender}, length ${length}`
    case 4:
      return `Reverse Reply ${target} at ${targetIp}, length ${length}`
    case 8:
      return `Inverse Request who-is ${target} tell ${sender}, length ${length}`
    case 9:
      return `Inverse Reply ${sender} at ${senderIp}, length ${length}`
    default:
      return `Unknown (${packet.operation})`
  }
}

/** An IP packet without `IP ` or `IP6 ` in front. */
export function printPacket(packet: Ip4Packet | Ip6Packet): string {
  const src = formatIp(packet.src)
  const dst = formatIp(packet.dst)
  if (packet.kind === 'ip4') {
    if (packet.fragmentOffset > 0) return `${src} > ${dst}: ip-proto-${packet.protocol}`
    const words = printPayload(packet.payload, packet.protocol, packet.length - 20)
    return `${withPorts(src, dst, packet.payload)}: ${words}`
  }
  const { fragment, payload, nextHeader } = packet
  if (fragment !== undefined) {
    const length = packet.length - 48
    const where = `${src} > ${dst}: frag (${fragment.offset}|${length})`
    if (fragment.offset > 0) return where
    const ports = hasPorts(payload) ? `${payload.srcPort} > ${payload.dstPort}: ` : ''
    return `${where} ${ports}${printPayload(payload, nextHeader, length)}`
  }
  const length = packet.length - (payload.kind === 'mld' ? 48 : 40)
  return `${withPorts(src, dst, payload)}: ${printPayload(payload, nextHeader, length)}`
}

function hasPorts(payload: Payload): payload is Extract<Payload, { readonly srcPort: number }> {
  return payload.kind === 'udp' || payload.kind === 'tcp'
}

function withPorts(src: string, dst: string, payload: Payload): string {
  return hasPorts(payload)
    ? `${src}.${payload.srcPort} > ${dst}.${payload.dstPort}`
    : `${src} > ${dst}`
}

/** @param length bytes of the payload */
function printPayload(payload: Payload, protocol: number, length: number): string {
  switch (payload.kind) {
    case 'udp':
      return `UDP, length ${payload.data.length}`
    case 'tcp':
      return printTcp(payload)
    case 'icmp':
      return printIcmp(payload, length)
    case 'nd':
      return printNd(payload, length)
    case 'mld':
      return printMld(payload, length)
    case 'raw':
    default:
      return printRaw(payload.bytes, protocol, length)
  }
}

const TCP_FLAGS = ['F', 'S', 'R', 'P', '.', 'U', 'E', 'W']
const TCP_BEGIN_OR_END = 1 | 2 | 4
const TCP_ACK = 16
const TCP_URG = 32

function printTcp(segment: TcpSegment): string {
  const { flags, sequence, dataLength } = segment
  const letters = TCP_FLAGS.filter((_, bit) => (flags & (1 << bit)) !== 0).join('')
  let line = `Flags [${letters === '' ? 'none' : letters}]`
  if (dataLength > 0) line += `, seq ${sequence}:${(sequence + dataLength) >>> 0}`
  else if ((flags & TCP_BEGIN_OR_END) !== 0) line += `, seq ${sequence}`
  if ((flags & TCP_ACK) !== 0) line += `, ack ${segment.acknowledgement}`
  line += `, win ${segment.window}`
  if ((flags & TCP_URG) !== 0) line += ', urg 0'
  return `${line}, length ${dataLength}`
}
