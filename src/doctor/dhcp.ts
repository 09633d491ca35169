/** DHCP servers heard, and whether they hand out what a network of ours hands out. */
import { formatIp } from '../addr/ip.ts'
import { type Check, type Finding, finding } from './check.ts'
import type { Facts, Offer } from './facts.ts'
import { handsOut, networkText, rangeText } from './view.ts'

export const dhcpCheck: Check = {
  id: 'dhcp',
  title: 'DHCP servers and their range against ours',
  run: (facts) => facts.active.flatMap(({ parent, offers }) => heard(facts, parent, offers)),
}

function heard(facts: Facts, parent: string, offers: readonly Offer[] | undefined): Finding[] {
  if (offers === undefined) return []
  if (offers.length === 0) {
    const says = `no DHCP server answers at ${parent}`
    return [finding('note', 'dhcp-none', parent, says)]
  }
  const servers = new Map<number, Offer[]>()
  for (const offer of offers) {
    servers.set(offer.server, [...(servers.get(offer.server) ?? []), offer])
  }
  const found = [...servers].map(([server, all]) => {
    const some = [...new Set(all.map((o) => formatIp(o.address)))].join(', ')
    return finding(
      'good',
      'dhcp-server',
      formatIp(server),
      `DHCP server ${formatIp(server)} at ${parent} offers ${some}`,
    )
  })
  if (servers.size > 1) {
    found.push(
      finding(
        'warning',
        'dhcp-several',
        parent,
        `${servers.size} DHCP servers answer at ${parent}: ${[...servers.keys()].map((s) => formatIp(s)).join(', ')}`,
        'turn all but one off, or give them ranges that do not meet',
      ),
    )
  }
  return [...found, ...overlaps(facts, parent, offers)]
}

function overlaps(facts: Facts, parent: string, offers: readonly Offer[]): Finding[] {
  return facts.networks
    .filter((network) => network.parent === parent)
    .flatMap((network) =>
      network.pools.flatMap((pool): Finding[] => {
        const inside = offers.filter((o) => handsOut(pool, o.address))
        const [first] = inside
        if (first === undefined) return []
        return [
          finding(
            'warning',
            'dhcp-overlap',
            network.name,
            `${networkText(network)} hands out ${rangeText(pool)}, and so does DHCP server ${formatIp(first.server)} (it offers ${formatIp(first.address)}): one day two machines have the same address`,
            `make the range of ${network.name} smaller (--ip-range), or that of the DHCP server`,
          ),
        ]
      }),
    )
}
