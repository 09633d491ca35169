/** Networks of Docker, podman and Lanyard: parents that are not there, subnets that meet. */
import { formatIp } from '../addr/ip.ts'
import { contains, formatPrefix, overlaps } from '../addr/prefix.ts'
import { type Check, type Finding, finding } from './check.ts'
import type { Facts, LanNetwork } from './facts.ts'
import { gatewayOf, host, hostLink, networkText, subnetsOf } from './view.ts'

export const networksCheck: Check = {
  id: 'networks',
  title: "networks of Docker, podman and Lanyard, and where they get in each other's way",
  run(facts) {
    const onLan = facts.networks.filter(isOnLan)
    return [
      ...onLan.flatMap((network) => [...parentOf(facts, network), ...subnetOf(facts, network)]),
      ...pairs(onLan),
      ...bridges(facts),
    ]
  },
}

const isOnLan = ({ driver }: LanNetwork): boolean => driver === 'macvlan' || driver === 'ipvlan'

function parentOf(facts: Facts, network: LanNetwork): Finding[] {
  const { parent } = network
  if (parent === undefined || hostLink(facts, parent) !== undefined) return []
  const names =
    host(facts)
      ?.links.filter((l) => l.kind !== 'loopback')
      .map((l) => l.name) ?? []
  return [
    finding(
      'problem',
      'network-parent-missing',
      network.name,
      `${networkText(network)} wants parent ${parent}, which is not there`,
      `this host has ${names.slice(0, 8).join(', ')}: make the network anew on one of them`,
    ),
  ]
}

/** What a container gets must be what the wire speaks. */
function subnetOf(facts: Facts, network: LanNetwork): Finding[] {
  const { parent, pools, internal, driver, mode } = network
  if (parent === undefined || internal || (driver === 'ipvlan' && mode?.startsWith('l3'))) return []
  const own = subnetsOf(facts, parent)
  const gateway = gatewayOf(facts, parent)
  return pools.flatMap((pool): Finding[] => {
    if (typeof pool.subnet.address === 'bigint' || own.length === 0) return []
    if (!own.some((p) => overlaps(p, pool.subnet))) {
      return [
        finding(
          'warning',
          'network-subnet',
          network.name,
          `${networkText(network)} hands out ${formatPrefix(pool.subnet)}, and ${parent} is in ${own.map(formatPrefix).join(', ')}: nobody on that LAN answers its containers`,
          `the subnet of the LAN: --subnet ${formatPrefix(networkPrefix(own[0]))}`,
        ),
      ]
    }
    const other = pool.gateway !== undefined && gateway !== undefined && pool.gateway !== gateway
    if (!other || !contains(pool.subnet, gateway)) return []
    return [
      finding(
        'note',
        'network-gateway',
        network.name,
        `${networkText(network)} has gateway ${formatIp(pool.gateway)}, the host itself uses ${formatIp(gateway)}`,
        `--gateway ${formatIp(gateway)}, if containers are to reach the world the same way`,
      ),
    ]
  })
}

function networkPrefix(prefix: { address: number | bigint; length: number } | undefined) {
  if (prefix === undefined || typeof prefix.address === 'bigint') return { address: 0, length: 0 }
  const { address, length } = prefix
  const mask = length === 0 ? 0 : (0xffffffff << (32 - length)) >>> 0
  return { address: (address & mask) >>> 0, length }
}

function pairs(networks: readonly LanNetwork[]): Finding[] {
  return networks.flatMap((a, i) =>
    networks.slice(i + 1).flatMap((b): Finding[] => {
      if (a.parent === undefined || a.parent !== b.parent) return []
      if (a.driver !== b.driver) {
        return [
          finding(
            'problem',
            'network-kinds',
            a.parent,
            `${a.parent} is the parent of a macvlan and of an ipvlan network (${networkText(a)}, ${networkText(b)}): a link can carry one kind only ("device or resource busy")`,
            `one kind for both, or another parent (${a.parent}.10 for a VLAN)`,
          ),
        ]
      }
      // One owner knows what it has handed out.
      if (a.owner === b.owner && a.owner === 'Lanyard') return []
      const meet = a.pools.some((p) => b.pools.some((q) => poolsMeet(p, q)))
      if (!meet) return []
      return [
        finding(
          'warning',
          'network-pools-overlap',
          a.parent,
          `${networkText(a)} and ${networkText(b)} hand out the same addresses at ${a.parent}, and neither knows of the other`,
          'an --ip-range of its own for each',
        ),
      ]
    }),
  )
}

function poolsMeet(a: LanNetwork['pools'][number], b: LanNetwork['pools'][number]): boolean {
  if (typeof a.subnet.address !== typeof b.subnet.address || !overlaps(a.subnet, b.subnet)) {
    return false
  }
  if (a.range === undefined || b.range === undefined) return true
  return a.range.first <= b.range.last && b.range.first <= a.range.last
}

/** A bridge network in a subnet the LAN has as well hides that part of the LAN. */
function bridges(facts: Facts): Finding[] {
  const lan = (host(facts)?.routes ?? []).filter(
    (r) => r.to.length > 0 && r.type === 'unicast' && r.link !== undefined && r.table === 254,
  )
  return facts.networks
    .filter((network) => network.driver === 'bridge')
    .flatMap((network) =>
      network.pools.flatMap((pool): Finding[] => {
        const hit = lan.find(
          (r) =>
            typeof r.to.address === typeof pool.subnet.address &&
            hostLink(facts, r.link ?? '')?.kind !== 'bridge' &&
            overlaps(r.to, pool.subnet),
        )
        if (hit === undefined) return []
        return [
          finding(
            'problem',
            'network-hides-lan',
            network.name,
            `${networkText(network)} (bridge, ${formatPrefix(pool.subnet)}) is where ${hit.link} has ${formatPrefix(hit.to)}: addresses of the one are unreachable behind the other`,
            'make it anew with another --subnet, and set default-address-pools in /etc/docker/daemon.json',
          ),
        ]
      }),
    )
}
