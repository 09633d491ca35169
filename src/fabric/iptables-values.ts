/** Values of iptables' options: hosts and networks, ports, targets of translation. */
import { type Ip, type Prefix, tryParseIp } from '../addr/ip.ts'
import type { PortRange } from './filter.ts'

/** The names of services a guide is likely to use, by port. */
export const SERVICES: Readonly<Record<number, string>> = {
  20: 'ftp-data',
  21: 'ftp',
  22: 'ssh',
  23: 'telnet',
  25: 'smtp',
  53: 'domain',
  67: 'bootps',
  68: 'bootpc',
  69: 'tftp',
  80: 'http',
  110: 'pop3',
  123: 'ntp',
  143: 'imap2',
  161: 'snmp',
  179: 'bgp',
  389: 'ldap',
  443: 'https',
  445: 'microsoft-ds',
  514: 'syslog',
  993: 'imaps',
  1194: 'openvpn',
  3306: 'mysql',
  5060: 'sip',
  5432: 'postgresql',
  8080: 'http-alt',
  8081: 'tproxy',
}

/** Whether a protocol has ports to translate: TCP, UDP, DCCP, SCTP, UDP-Lite. */
export function hasPorts(protocol: number): boolean {
  return [6, 17, 33, 132, 136].includes(protocol)
}

/** `80`, `80:90`, `:90`, `http`. @returns what the tool says of anything else */
export function parsePortRange(text: string, between: ':' | '-'): PortRange | string {
  const at = text.indexOf(between)
  const [low, high] = at < 0 ? [text, text] : [text.slice(0, at), text.slice(at + 1)]
  const first = low === '' && at >= 0 ? 0 : parsePort(low)
  const last = high === '' && at >= 0 ? 65_535 : parsePort(high)
  if (first === undefined) return `invalid port/service \`${low}' specified`
  if (last === undefined) return `invalid port/service \`${high}' specified`
  return first > last ? 'invalid portrange (min > max)' : { first, last }
}

function parsePort(text: string): number | undefined {
  if (/^\d+$/.test(text)) return Number(text) <= 65_535 ? Number(text) : undefined
  const named = Object.entries(SERVICES).find(([, name]) => name === text)
  return named === undefined ? undefined : Number(named[0])
}

/**
 * A list of hosts and networks, `10.0.0.0/8`, `10.0.0.1/255.255.255.0`; one undefined for "all".
 * @returns what the tool says of anything else
 */
export function parseHosts(
  text: string | undefined,
  family: 4 | 6,
): readonly (Prefix | undefined)[] | string {
  if (text === undefined) return [undefined]
  const found: (Prefix | undefined)[] = []
  for (const word of text.split(',')) {
    const slash = word.indexOf('/')
    const host = slash < 0 ? word : word.slice(0, slash)
    const ip = tryParseIp(host)
    if (ip === undefined || (typeof ip === 'number') !== (family === 4))
      return `host/network \`${host}' not found`
    const bits = family === 4 ? 32 : 128
    const length = slash < 0 ? bits : parseMask(word.slice(slash + 1), bits)
    if (length === undefined) return `invalid mask \`${word.slice(slash + 1)}' specified`
    found.push(length === 0 ? undefined : { address: cut(ip, length), length })
  }
  return found
}

function parseMask(text: string, bits: 32 | 128): number | undefined {
  if (/^\d+$/.test(text)) return Number(text) <= bits ? Number(text) : undefined
  const mask = tryParseIp(text)
  if (typeof mask !== 'number' || bits !== 32) return undefined
  const length = mask.toString(2).replaceAll('0', '').length
  return mask === maskOf(length) ? length : undefined
}

function maskOf(length: number): number {
  return length === 0 ? 0 : (0xffffffff << (32 - length)) >>> 0
}

function cut(ip: Ip, length: number): Ip {
  if (typeof ip === 'number') return (ip & maskOf(length)) >>> 0
  const rest = BigInt(128 - length)
  return (ip >> rest) << rest
}

/** `10.0.0.2:80-90`, `[fd00::2]:80`, `:80`, taken apart. */
export function parseTarget(text: string): {
  readonly address: string
  readonly ports: string | undefined
} {
  const bracket = /^\[([^\]]*)\](?::(.*))?$/.exec(text)
  if (bracket !== null) return { address: bracket[1] ?? '', ports: bracket[2] }
  const parts = text.split(':')
  if (parts.length !== 2) return { address: text, ports: undefined }
  return { address: parts[0] ?? '', ports: parts[1] }
}
