/** Neighbour discovery and MLD in tcpdump's words (print-icmp6.c). */
import { formatIp6 } from '../addr/ip6.ts'
import type { MldMessage, NdMessage } from './frame.ts'

export function printNd(message: NdMessage, length: number): string {
  return `ICMP6, ${ndWords(message)}, length ${length}`
}

function ndWords(message: NdMessage): string {
  const target = formatIp6(message.target)
  switch (message.type) {
    case 133:
      return 'router solicitation'
    case 134:
      return 'router advertisement'
    case 135:
      return `neighbor solicitation, who has ${target}`
    case 136:
      return `neighbor advertisement, tgt is ${target}`
    default:
      return `redirect, ${formatIp6(message.destination)} to ${target}`
  }
}

/** tcpdump 4.99 forgets the blank after a version 1 report or done. */
export function printMld(message: MldMessage, length: number): string {
  const { type, groups } = message
  if (type === 143) {
    const count = `${groups.length} group record(s)`
    return `HBH ICMP6, multicast listener report v2, ${count}, length ${length}`
  }
  const verb = type === 131 ? 'report' : 'done'
  const group = formatIp6(groups[0] ?? 0n)
  return `HBH ICMP6, multicast listener ${verb}max resp delay: 0 addr: ${group}, length ${length}`
}
