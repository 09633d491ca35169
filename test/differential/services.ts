/**
 * What a matrix asks besides pings where packets are filtered or translated: ports that answer and
 * ports that do not, and how many packets each rule has met.
 */
import type { Ip } from '../../src/addr/ip.ts'
import type { Closer, Fabric, Probe, Service } from '../../src/fabric/fabric.ts'
import type { Snapshot } from '../../src/fabric/snapshot.ts'
import { ruleWords } from '../../src/fabric/print-iptables.ts'

/** Every namespace answers on these. */
const SERVICES: readonly Service[] = [
  { protocol: 'tcp', port: 80 },
  { protocol: 'udp', port: 53 },
]
/** Asked in turn, one a pair: rules about ports are drawn of the same ones. */
const ASKED = ['tcp/80', 'udp/53', 'tcp/81', 'udp/54'] as const

/** Rules drawn about ports speak of these. */
export const PORTS: readonly number[] = [80, 53, 81, 54]

/** What is asked of an address by the n-th namespace. */
export function asked(snapshot: Snapshot, from: number, to: Ip): readonly string[] {
  if (!hasRules(snapshot)) return ['icmp']
  const number = from + Number(BigInt.asUintN(8, BigInt(to)))
  return ['icmp', ASKED[number % ASKED.length] as string]
}

/** Lets everybody answer, where it is asked. */
export async function listenOn(fabric: Fabric, snapshot: Snapshot): Promise<Closer[]> {
  if (!hasRules(snapshot)) return []
  const opened: Closer[] = []
  for (const { name } of snapshot.netns)
    for (const service of SERVICES) opened.push(await fabric.listen(name, service))
  return opened
}

/** The probe of a word such as `tcp/80`. */
export function probeOf(what: string, from: string, to: Ip): Probe {
  const [protocol, port] = what.split('/')
  if (protocol === 'tcp' || protocol === 'udp') return { from, to, protocol, port: Number(port) }
  return { from, to, protocol: 'icmp' }
}

/**
 * Packets each rule has met, exactly where only what was asked meets it: how many segments a
 * connection takes is its ends' affair, and neighbour discovery (ICMPv6) asks by its own clocks.
 */
export function countersOf(snapshot: Snapshot): Map<string, string> {
  const counted = new Map<string, string>()
  for (const { name, filters } of snapshot.netns)
    for (const { family, table, chain, rules } of filters ?? [])
      for (const [at, rule] of rules.entries()) {
        const { protocol, icmpType, states, not = [] } = rule.match
        const counts = protocol === 1 || protocol === 17 || (protocol === 58 && icmpType === 128)
        const exact = counts && !not.includes('protocol') && !not.includes('icmpType')
        // A second SYN, where an answer was seen and dropped: whether it comes before the probe is
        // given up hangs on how busy the machine is.
        const mayRepeat = !exact && states?.includes('established') === true
        const words = ruleWords(rule, family).join(' ')
        const key = `${name} ${table} ${chain} ${at + 1} (${words})`
        if (!mayRepeat)
          counted.set(key, exact ? `${rule.packets} packets` : rule.packets > 0 ? 'met' : 'not met')
      }
  return counted
}

function hasRules({ netns }: Snapshot): boolean {
  return netns.some(({ filters }) => (filters?.length ?? 0) > 0)
}
