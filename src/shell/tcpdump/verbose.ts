/**
 * `tcpdump -v` and `-vv`: headers in full, checksums, the packet an error quotes, options of
 * neighbour discovery, records of MLD (print-ip.c, print-tcp.c, print-udp.c, print-icmp.c,
 * print-icmp6.c of tcpdump 4.99). Checksums are read off the bytes and are right: nothing in the
 * simulator leaves them to a card.
 */
import { formatIp6 } from '../../addr/ip6.ts'
import { formatMac } from '../../addr/mac.ts'
import type {
  Frame,
  Ip4Packet,
  Ip6Packet,
  MldMessage,
  NdMessage,
  Payload,
} from '../../wire/frame.ts'
import { printFrame, printPacket } from '../../wire/print.ts'

/** How often `-v` was said: more than twice changes nothing here. */
export type Verbosity = 0 | 1 | 2

/** A frame without its link's header: `ARP, ...`, `IP (...)`, `IP6 (...)`. */
export function verboseFrame(frame: Frame, bytes: Uint8Array, level: Verbosity): string {
  const { packet } = frame
  const inner = bytes.subarray(14 + 4 * frame.tags.length)
  if (packet.kind === 'arp') {
    return printFrame(frame).replace(/^ARP, /, 'ARP, Ethernet (len 6), IPv4 (len 4), ')
  }
  if (packet.kind === 'ip4') return `IP ${packet4(packet, inner, level)}`
  if (packet.kind === 'ip6') return `IP6 ${head6(packet)} ${body6(packet, inner, level)}`
  return printFrame(frame)
}

function packet4(packet: Ip4Packet, bytes: Uint8Array, level: Verbosity): string {
  const { payload } = packet
  let text = printPacket(packet)
  const whole = packet.fragmentOffset === 0 && !packet.moreFragments
  if (whole) text = withSums(text, payload, bytes.subarray(20), level > 1)
  if (payload.kind === 'icmp' && payload.quoted?.kind === 'ip4') {
    text += `\n\tIP ${packet4(payload.quoted, bytes.subarray(28), level)}`
  }
  return `${head4(packet)}\n    ${text}`
}

/** @param bytes of the segment or datagram; @param udp: its checksum is told, too */
function withSums(text: string, payload: Payload, bytes: Uint8Array, udp: boolean): string {
  if (payload.kind === 'tcp') {
    const sum = ((bytes[16] ?? 0) * 256 + (bytes[17] ?? 0)).toString(16).padStart(4, '0')
    return text.replace(/(Flags \[[^\]]*\])/, `$1, cksum 0x${sum} (correct)`)
  }
  return payload.kind === 'udp' && udp ? text.replace(/(?<= > \S+): /, ': [udp sum ok] ') : text
}

function body6(packet: Ip6Packet, bytes: Uint8Array, level: Verbosity): string {
  const { payload, fragment } = packet
  const text = printPacket(packet)
  if (fragment !== undefined) {
    const id = fragment.id.toString(16).padStart(8, '0')
    return text.replace(/: frag \(/, `: frag (0x${id}:`).replace(/, length \d+$/, '')
  }
  const ends = text.slice(0, text.indexOf(': ', text.indexOf(' > ')) + 2)
  const words = text.slice(ends.length)
  const inner = bytes.subarray(40)
  if (payload.kind === 'icmp') return `${ends}[icmp6 sum ok] ${words.replace(/, length \d+$/, '')}`
  if (payload.kind === 'nd') return `${ends}[icmp6 sum ok] ${nd(words, payload, inner, level)}`
  if (payload.kind === 'mld') return ends + mld(words, payload, level)
  return withSums(text, payload, inner, true)
}

const OPTIONS: Readonly<Record<number, string>> = {
  1: 'source link-address option (1)',
  2: 'destination link-address option (2)',
}
/** Bytes before the first option, by type. */
const BEFORE_OPTIONS: Readonly<Record<number, number>> = { 133: 8, 135: 24, 136: 24 }

function nd(text: string, message: NdMessage, bytes: Uint8Array, level: Verbosity): string {
  const { type } = message
  const start = BEFORE_OPTIONS[type]
  // Nothing in the simulator sends an advertisement of a router, or a redirect of IPv6, at length.
  if (start === undefined) return text
  const length = /, length (\d+)$/.exec(text)?.[1] ?? ''
  const words = text.replace(/, length \d+$/, '')
  const comma = words.indexOf(',', 'ICMP6, '.length)
  const [verb, rest] = comma < 0 ? [words, ''] : [words.slice(0, comma), words.slice(comma)]
  const flags = [
    message.router ? 'router' : '',
    message.solicited ? 'solicited' : '',
    message.override ? 'override' : '',
  ].filter((flag) => flag !== '')
  const told = type === 136 ? `, Flags [${flags.length === 0 ? 'none' : flags.join(', ')}]` : ''
  return `${verb}, length ${length}${rest}${told}${ndOptions(bytes.subarray(start), level)}`
}

function ndOptions(bytes: Uint8Array, level: Verbosity): string {
  let text = ''
  for (let at = 0; at + 8 <= bytes.length; ) {
    const [type = 0, units = 0] = bytes.subarray(at)
    const length = Math.max(1, units) * 8
    const data = bytes.subarray(at + 2, at + length)
    const known = OPTIONS[type]
    const mac = data.reduce((sum, byte) => sum * 256 + byte, 0)
    const name = known ?? `unknown option (${type})`
    const value = known === undefined ? '' : formatMac(mac)
    text += `\n\t  ${name}, length ${length} (${units}): ${value}`
    // The unknown are shown as they are, and the known, too, where more is asked for.
    if (level > 1) text += `\n\t    0x0000:  ${hexWords(data)}`
    else if (known === undefined) text += `\n\t  0x0000:  ${hexWords(data)}`
    at += length
  }
  return text
}

function hexWords(bytes: Uint8Array): string {
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return hex.match(/.{1,4}/g)?.join(' ') ?? ''
}

const RECORDS: Readonly<Record<number, string>> = { 1: 'is_in', 2: 'is_ex', 3: 'to_in', 4: 'to_ex' }

function mld(text: string, message: MldMessage, level: Verbosity): string {
  const words = text.replace(/^HBH /, 'HBH (rtalert: 0x0000) (padn) [icmp6 sum ok] ')
  if (message.type !== 143) return words.replace(/, length \d+$/, '')
  const sources = level > 1 ? ' { }' : ', 0 source(s)'
  const kind = RECORDS[message.recordType] ?? `(${message.recordType})`
  const records = message.groups.map((group) => ` [gaddr ${formatIp6(group)} ${kind}${sources}]`)
  return `${words.replace(/, length \d+$/, '')}${records.join('')}`
}

const PROTOCOLS: Readonly<Record<number, string>> = {
  0: 'Options',
  1: 'ICMP',
  2: 'IGMP',
  6: 'TCP',
  17: 'UDP',
  44: 'Fragment',
  58: 'ICMPv6',
}

const protocolText = (n: number): string => `${PROTOCOLS[n] ?? 'unknown'} (${n})`

function head4(p: Ip4Packet): string {
  const { tos, ttl, id, fragmentOffset, protocol, length } = p
  const set = [p.moreFragments ? '+' : '', p.dontFragment ? 'DF' : ''].filter((f) => f !== '')
  const flags = `flags [${set.length === 0 ? 'none' : set.join(', ')}]`
  const head = `tos 0x${tos.toString(16)}, ttl ${ttl}, id ${id}, offset ${fragmentOffset}`
  return `(${head}, ${flags}, proto ${protocolText(protocol)}, length ${length})`
}

function head6(p: Ip6Packet): string {
  const label =
    p.flowLabel === 0 ? '' : `flowlabel 0x${p.flowLabel.toString(16).padStart(5, '0')}, `
  const kind = p.trafficClass === 0 ? '' : `class 0x${p.trafficClass.toString(16)}, `
  const first = p.fragment === undefined ? p.nextHeader : 44
  const next = `next-header ${protocolText(first)} payload length: ${p.length - 40}`
  return `(${kind}${label}hlim ${p.hopLimit}, ${next})`
}
