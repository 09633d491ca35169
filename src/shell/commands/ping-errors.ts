/** What iputils says of an ICMP error: pr_icmph() of ping.c, print_icmp() of ping6_common.c. */
import type { ProbeResult } from '../../fabric/fabric.ts'

type IcmpError = Extract<ProbeResult, { outcome: 'icmp-error' }>

const UNREACHABLE_4: Readonly<Record<number, string>> = {
  0: 'Destination Net Unreachable',
  1: 'Destination Host Unreachable',
  2: 'Destination Protocol Unreachable',
  3: 'Destination Port Unreachable',
  5: 'Source Route Failed',
  6: 'Destination Net Unknown',
  7: 'Destination Host Unknown',
  8: 'Source Host Isolated',
  9: 'Destination Net Prohibited',
  10: 'Destination Host Prohibited',
  11: 'Destination Net Unreachable for Type of Service',
  12: 'Destination Host Unreachable for Type of Service',
  13: 'Packet filtered',
  14: 'Precedence Violation',
  15: 'Precedence Cutoff',
}

const UNREACHABLE_6: Readonly<Record<number, string>> = {
  0: 'No route',
  1: 'Administratively prohibited',
  2: 'Beyond scope of source address',
  3: 'Address unreachable',
  4: 'Port unreachable',
}

export function icmpErrorText(version: 4 | 6, e: IcmpError): string {
  return version === 4 ? text4(e) : text6(e)
}

function text4(e: IcmpError): string {
  if (e.type === 3) {
    if (e.code === 4) return `Frag needed and DF set (mtu = ${e.mtu ?? 0})`
    return UNREACHABLE_4[e.code] ?? `Dest Unreachable, Bad Code: ${e.code}`
  }
  if (e.type === 11) {
    return e.code === 0 ? 'Time to live exceeded' : 'Frag reassembly time exceeded'
  }
  return e.type === 12 ? 'Parameter problem: pointer = 0' : `Bad ICMP type: ${e.type}`
}

function text6(e: IcmpError): string {
  if (e.type === 1) {
    return `Destination unreachable: ${UNREACHABLE_6[e.code] ?? `Unknown code ${e.code}`}`
  }
  if (e.type === 2) return `Packet too big: mtu=${e.mtu ?? 0}`
  if (e.type === 3) {
    return `Time exceeded: ${e.code === 0 ? 'Hop limit' : 'Defragmentation failure'}`
  }
  return `unknown icmp type: ${e.type}`
}
