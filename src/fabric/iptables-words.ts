/**
 * Names iptables has for numbers: protocols, ICMP types, TCP and UDP ports are said as it says
 * them (libxtables, libipt_icmp.c, libip6t_icmp6.c).
 */

/** Protocols iptables knows without /etc/protocols, by number. */
const PROTOCOLS: Readonly<Record<number, string>> = {
  1: 'icmp',
  6: 'tcp',
  17: 'udp',
  33: 'dccp',
  47: 'gre',
  50: 'esp',
  51: 'ah',
  58: 'ipv6-icmp',
  132: 'sctp',
  135: 'mobility-header',
  136: 'udplite',
}

export function protocolName(number: number): string {
  return PROTOCOLS[number] ?? String(number)
}

/** @returns undefined for a word that names none; 0 is `all` */
export function protocolNumber(word: string): number | undefined {
  const name = word.toLowerCase()
  if (name === 'all') return 0
  if (name === 'icmpv6') return 58
  if (/^\d+$/.test(name)) return Number(name) <= 255 ? Number(name) : undefined
  const found = Object.entries(PROTOCOLS).find(([, known]) => known === name)
  return found === undefined ? undefined : Number(found[0])
}

type IcmpName = readonly [name: string, type: number, code?: number]

/** In the order of the tool's tables: the first that fits a type names it. */
const ICMP4: readonly IcmpName[] = [
  ['echo-reply', 0],
  ['pong', 0],
  ['destination-unreachable', 3],
  ['network-unreachable', 3, 0],
  ['host-unreachable', 3, 1],
  ['protocol-unreachable', 3, 2],
  ['port-unreachable', 3, 3],
  ['fragmentation-needed', 3, 4],
  ['source-route-failed', 3, 5],
  ['network-unknown', 3, 6],
  ['host-unknown', 3, 7],
  ['network-prohibited', 3, 9],
  ['host-prohibited', 3, 10],
  ['TOS-network-unreachable', 3, 11],
  ['TOS-host-unreachable', 3, 12],
  ['communication-prohibited', 3, 13],
  ['host-precedence-violation', 3, 14],
  ['precedence-cutoff', 3, 15],
  ['source-quench', 4],
  ['redirect', 5],
  ['network-redirect', 5, 0],
  ['host-redirect', 5, 1],
  ['TOS-network-redirect', 5, 2],
  ['TOS-host-redirect', 5, 3],
  ['echo-request', 8],
  ['ping', 8],
  ['router-advertisement', 9],
  ['router-solicitation', 10],
  ['time-exceeded', 11],
  ['ttl-exceeded', 11],
  ['ttl-zero-during-transit', 11, 0],
  ['ttl-zero-during-reassembly', 11, 1],
  ['parameter-problem', 12],
  ['ip-header-bad', 12, 0],
  ['required-option-missing', 12, 1],
  ['timestamp-request', 13],
  ['timestamp-reply', 14],
  ['address-mask-request', 17],
  ['address-mask-reply', 18],
]

const ICMP6: readonly IcmpName[] = [
  ['destination-unreachable', 1],
  ['no-route', 1, 0],
  ['communication-prohibited', 1, 1],
  ['beyond-scope', 1, 2],
  ['address-unreachable', 1, 3],
  ['port-unreachable', 1, 4],
  ['failed-policy', 1, 5],
  ['reject-route', 1, 6],
  ['packet-too-big', 2],
  ['time-exceeded', 3],
  ['ttl-exceeded', 3],
  ['ttl-zero-during-transit', 3, 0],
  ['ttl-zero-during-reassembly', 3, 1],
  ['parameter-problem', 4],
  ['bad-header', 4, 0],
  ['unknown-header-type', 4, 1],
  ['unknown-option', 4, 2],
  ['echo-request', 128],
  ['ping', 128],
  ['echo-reply', 129],
  ['pong', 129],
  ['router-solicitation', 133],
  ['router-advertisement', 134],
  ['neighbour-solicitation', 135],
  ['neighbor-solicitation', 135],
  ['neighbour-advertisement', 136],
  ['neighbor-advertisement', 136],
  ['redirect', 137],
]

export interface IcmpType {
  readonly type: number
  readonly code: number | undefined
}

/** `echo-request`, `8`, `3/1`; an unambiguous beginning of a name will do. */
export function parseIcmpType(word: string, family: 4 | 6): IcmpType | undefined {
  const numbers = /^(\d+)(?:\/(\d+))?$/.exec(word)
  if (numbers !== null) {
    const code = numbers[2] === undefined ? undefined : Number(numbers[2])
    const type = Number(numbers[1])
    return type > 255 || (code ?? 0) > 255 ? undefined : { type, code }
  }
  const lower = word.toLowerCase()
  const names = family === 4 ? ICMP4 : ICMP6
  const exact = names.filter(([name]) => name.toLowerCase() === lower)
  const found = exact.length > 0 ? exact : names.filter(([n]) => n.toLowerCase().startsWith(lower))
  const [first] = found
  return found.length === 1 && first !== undefined ? { type: first[1], code: first[2] } : undefined
}

/** The name of a type without or with a code; undefined where the tool has none. */
export function icmpTypeName({ type, code }: IcmpType, family: 4 | 6): string | undefined {
  const names = family === 4 ? ICMP4 : ICMP6
  return names.find(([, t, c]) => t === type && c === code)?.[0]
}
