/** ICMP and ICMPv6 echo and errors in tcpdump's words (print-icmp.c, print-icmp6.c). */
import { formatIp } from '../addr/ip.ts'
import { formatIp4 } from '../addr/ip4.ts'
import { read16 } from './bytes.ts'
import { type IcmpMessage, type Ip4Packet, type Ip6Packet, PROTO_TCP, PROTO_UDP } from './frame.ts'
import { isEcho } from './icmp.ts'

/** @param length bytes of the message */
export function printIcmp(message: IcmpMessage, length: number): string {
  const { version, type } = message
  if (isEcho(version, type)) {
    const verb = type === 8 || type === 128 ? 'request' : 'reply'
    const name = version === 4 ? 'ICMP echo' : 'ICMP6, echo'
    return `${name} ${verb}, id ${message.id}, seq ${message.sequence}, length ${length}`
  }
  return version === 4 ? printError4(message, length) : printError6(message, length)
}

/** Destination port and protocol name of a quoted TCP or UDP packet, else undefined. */
function portOf(quoted: Ip4Packet | Ip6Packet): { name: string; port: number } | undefined {
  const protocol = quoted.kind === 'ip4' ? quoted.protocol : quoted.nextHeader
  if (protocol !== PROTO_TCP && protocol !== PROTO_UDP) return undefined
  const name = protocol === PROTO_TCP ? 'tcp' : 'udp'
  const { payload } = quoted
  if (payload.kind === 'tcp' || payload.kind === 'udp') return { name, port: payload.dstPort }
  // The quote may have been cut behind the ports.
  return { name, port: payload.kind === 'raw' ? read16(payload.bytes, 2) : 0 }
}

function printError4(message: IcmpMessage, length: number): string {
  const words = errorWords4(message)
  return words === undefined ? 'ICMP [|icmp]' : `ICMP ${words}, length ${length}`
}

/** Undefined when the words need a quoted packet and there is none. */
function errorWords4(message: IcmpMessage): string | undefined {
  const { type, code, value, quoted } = message
  switch (type) {
    case 4:
      return 'source quench'
    case 11:
      if (code > 1) return `time exceeded-#${code}`
      return code === 0 ? 'time exceeded in-transit' : 'ip reassembly time exceeded'
    case 12:
      return code === 0 ? `parameter problem - octet ${value}` : `parameter problem - code ${code}`
    case 5:
      return quoted === undefined
        ? undefined
        : redirectWords(code, formatIp(quoted.dst), formatIp4(value))
    default:
      return quoted?.kind === 'ip4' ? unreachableWords(code, value, quoted) : undefined
  }
}

function redirectWords(code: number, dst: string, gateway: string): string {
  const to = ['net ', 'host ', 'net ', 'host '][code] ?? ''
  const kind = code > 3 ? `redirect-#${code}` : code > 1 ? 'redirect-tos' : 'redirect'
  return `${kind} ${dst} to ${to}${gateway}`
}

/** What precedes and follows the destination, by code. */
const UNREACHABLE: Readonly<Record<number, readonly [string, string]>> = {
  0: ['net ', ''],
  1: ['host ', ''],
  5: ['', ' - source route failed'],
  6: ['net ', ' - unknown'],
  7: ['host ', ' - unknown'],
  8: ['', ' - source host isolated'],
  9: ['net ', ' - admin prohibited'],
  10: ['host ', ' - admin prohibited'],
  11: ['net ', ' - tos prohibited'],
  12: ['host ', ' - tos prohibited'],
  13: ['host ', ' - admin prohibited filter'],
  14: ['host ', ' - host precedence violation'],
  15: ['host ', ' - precedence cutoff'],
}

function unreachableWords(code: number, mtu: number, quoted: Ip4Packet): string {
  const dst = formatIp4(quoted.dst)
  const words = UNREACHABLE[code]
  if (words !== undefined) return `${words[0]}${dst} unreachable${words[1]}`
  if (code === 2) return `${dst} protocol ${quoted.protocol} unreachable`
  if (code === 3) {
    const to = portOf(quoted)
    if (to !== undefined) return `${dst} ${to.name} port ${to.port} unreachable`
    const port = quoted.payload.kind === 'raw' ? read16(quoted.payload.bytes, 2) : 0
    return `${dst} protocol ${quoted.protocol} port ${port} unreachable`
  }
  if (code === 4) return `${dst} unreachable - need to frag${mtu > 0 ? ` (mtu ${mtu})` : ''}`
  return `${dst} unreachable - #${code}`
}

function printError6(message: IcmpMessage, length: number): string {
  const { type, code, value, quoted } = message
  const end = `, length ${length}`
  switch (type) {
    case 2:
      return `ICMP6, packet too big, mtu ${value}${end}`
    case 4: {
      const kinds = ['erroneous', 'next header', 'option', 'incomplete header chain']
      const kind = kinds[code]
      if (kind === undefined) return `ICMP6, parameter problem, code-#${code}${end}`
      return `ICMP6, parameter problem, ${kind} - octet ${value}${end}`
    }
    case 3:
      if (quoted === undefined) return 'ICMP6, [|icmp6]'
      if (code === 0) return `ICMP6, time exceeded in-transit for ${formatIp(quoted.dst)}${end}`
      if (code === 1) return `ICMP6, time exceeded in-transit (reassembly)${end}`
      return `ICMP6, time exceeded in-transit, unknown code (${code})${end}`
    default:
      return `ICMP6, destination unreachable, ${unreachable6(code, quoted, end)}`
  }
}

function unreachable6(
  code: number,
  quoted: Ip4Packet | Ip6Packet | undefined,
  end: string,
): string {
  if (code > 4) return `unknown unreach code (${code})`
  if (quoted === undefined) return '[|icmp6]'
  const dst = formatIp(quoted.dst)
  switch (code) {
    case 0:
      return `unreachable route ${dst}${end}`
    case 1:
      return ` unreachable prohibited ${dst}${end}`
    case 2:
      return `beyond scope ${dst}, source address ${formatIp(quoted.src)}${end}`
    case 3:
      return `unreachable address ${dst}${end}`
    default: {
      const to = portOf(quoted)
      if (to === undefined) return 'unreachable port [|icmp6]'
      return `unreachable port, ${dst} ${to.name} port ${to.port}${end}`
    }
  }
}
