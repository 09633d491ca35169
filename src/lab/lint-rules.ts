/**
 * What a lab file may say without an error, and few mean: one rule an entry. A rule looks at one
 * resolved topology and names the places; what it says of them stands once, in its table.
 */
import { formatIp } from '../addr/ip.ts'
import { contains, formatPrefix } from '../addr/prefix.ts'
import {
  addressesOf,
  farEnd,
  forwards,
  holdersOf,
  legsOf,
  membersOn,
  neighboursOf,
  portOf,
  portPath,
  portsOf,
} from './lint-places.ts'
import type { Path } from './source.ts'
import { listed } from './text.ts'
import type { Topology } from './topology.ts'

/** A place a rule found. */
export interface Spot {
  readonly path: Path
  readonly sentence: string
}

export interface Rule {
  /** `warning`: something will not work as written; `note`: it is so on Linux, and surprises. */
  readonly level: 'warning' | 'note'
  /** What the rule looks for, for the page of rules. */
  readonly about: string
  readonly mend: string
  find(topology: Topology): readonly Spot[]
}

export const LINT_RULES = {
  'hairpin-to-switch': {
    level: 'warning',
    about:
      'A port in hairpin mode whose cable ends at another switch: each broadcast comes back to a ' +
      'bridge that learns, which then looks for its sender on the wrong port.',
    mend: 'hairpin only on ports that face a host with macvlan children',
    find: ({ switches }) =>
      portsOf(switches).flatMap(({ sw, port }) => {
        const far = switches.find((s) => s.name === port.peer?.node)
        const farPort = far?.ports.find((p) => p.name === port.peer?.link)
        if (!port.hairpin || far === undefined || farPort?.learning !== true) return []
        const sentence = `hairpin towards switch ${far.name}, which learns`
        return [{ path: [...portPath(sw, port), 'hairpin'], sentence }]
      }),
  },
  'vepa-without-hairpin': {
    level: 'warning',
    about:
      'Several containers of a macvlan network in mode vepa on one host whose switch port is not in ' +
      'hairpin mode: what one sends to another ends at the switch.',
    mend: 'hairpin: true at the port, or mode: bridge',
    find: (topology) =>
      topology.networks.flatMap((network) => {
        if (network.kind.driver !== 'macvlan' || network.kind.mode !== 'vepa') return []
        return topology.hosts.flatMap((host) => {
          const names = membersOn(topology, network, host)
          const at = portOf(topology, host, network.parent)
          if (names.length < 2 || at === undefined || at.port.hairpin) return []
          const where = `${at.sw.name}:${at.port.name}`
          const sentence = `${listed(names)} on ${host.name} cannot reach each other: ${where} has no hairpin`
          return [{ path: ['networks', network.name, 'mode'], sentence }]
        })
      }),
  },
  'passthru-on-a-spoken-parent': {
    level: 'warning',
    about:
      'A macvlan network in mode passthru on a parent that the host itself has addresses on: the ' +
      'child takes all that the parent receives, and the host is cut off.',
    mend: 'a nic of its own for the network, or mode: bridge',
    find: (topology) =>
      topology.networks.flatMap((network) => {
        if (network.kind.driver !== 'macvlan' || network.kind.mode !== 'passthru') return []
        return topology.hosts.flatMap((host) => {
          const used = membersOn(topology, network, host).length > 0
          if (!used || addressesOf(host, network.parent).length === 0) return []
          const sentence = `${host.name} itself no longer hears anything on ${network.parent}`
          return [{ path: ['networks', network.name, 'mode'], sentence }]
        })
      }),
  },
  'vlan-not-on-port': {
    level: 'warning',
    about:
      'A VLAN link of a host on a nic whose switch port does not carry this VLAN tagged: the switch ' +
      'drops what it sends.',
    mend: 'the VLAN in the trunk list of the port',
    find: (topology) =>
      topology.hosts.flatMap((host) =>
        host.uppers.flatMap((upper) => {
          const nic = host.nics.find((n) => n.name === upper.parent)
          const at = nic === undefined ? undefined : portOf(topology, host, nic.name)
          if (at?.sw.vlanFiltering !== true || upper.id === undefined) return []
          if (upper.protocol !== '802.1Q' || at.port.tagged.includes(upper.id)) return []
          const has =
            at.port.tagged.length === 0
              ? 'no tagged VLAN'
              : `the tagged VLANs ${listed(at.port.tagged.map(String))}`
          const sentence = `${upper.name} sends VLAN ${upper.id}, and ${at.sw.name}:${at.port.name} has ${has}`
          return [{ path: ['hosts', host.name, 'vlans'], sentence }]
        }),
      ),
  },
  'untagged-on-trunk': {
    level: 'warning',
    about:
      'Addresses, or a network, on a nic itself whose switch port takes tagged frames only: the ' +
      'switch drops what is sent without a tag.',
    mend: 'native: VLAN at the port, or the addresses on a VLAN link',
    find: (topology) =>
      topology.hosts.flatMap((host) =>
        host.nics.flatMap((nic) => {
          const at = portOf(topology, host, nic.name)
          if (at?.sw.vlanFiltering !== true || at.port.pvid !== undefined) return []
          const users = [
            ...(nic.addresses.length > 0 ? [host.name] : []),
            ...topology.networks
              .filter((n) => n.parent === nic.name && membersOn(topology, n, host).length > 0)
              .map((n) => `network ${n.name}`),
          ]
          if (users.length === 0) return []
          const sentence = `${listed(users)} would send untagged, and ${at.sw.name}:${at.port.name} takes tagged frames only`
          return [{ path: ['hosts', host.name, 'nics', nic.name], sentence }]
        }),
      ),
  },
  'cable-mtu': {
    level: 'warning',
    about:
      'Two ends of a cable with different MTUs: what the larger end sends in full is dropped at the ' +
      'smaller one, without a word.',
    mend: 'the same mtu at both ends',
    find: (topology) =>
      topology.hosts.flatMap((host) =>
        host.nics.flatMap((nic) => {
          const far = farEnd(topology, nic)
          const [mine, theirs] = [nic.mtu ?? 1500, far?.mtu ?? 1500]
          const { peer } = nic
          if (far === undefined || peer === undefined || mine === theirs) return []
          const sentence = `${mine} here, ${theirs} at ${peer.node}:${peer.link}`
          return [{ path: ['hosts', host.name, 'nics', nic.name], sentence }]
        }),
      ),
  },
  'gateway-nobody-has': {
    level: 'warning',
    about:
      'A gateway that no node of the lab holds: its containers have a default route to nobody.',
    mend: 'the address on a node, another gateway, or internal: true',
    find: (topology) =>
      topology.networks.flatMap((network) =>
        network.subnets.flatMap(({ gateway }) => {
          const used = topology.hosts.some((h) => membersOn(topology, network, h).length > 0)
          // In l3 a default route needs no neighbour.
          const routed = network.kind.driver === 'ipvlan' && network.kind.mode !== 'l2'
          if (!used || network.internal || routed || gateway === undefined) return []
          if (holdersOf(topology, gateway).length > 0) return []
          const sentence = `no node has ${formatIp(gateway)}`
          return [{ path: ['networks', network.name, 'gateway'], sentence }]
        }),
      ),
  },
  'router-does-not-forward': {
    level: 'warning',
    about: 'A node that others have as gateway or next hop, and that does not forward packets.',
    mend: 'forward: true at the node',
    find: (topology) => {
      const hops = [
        ...topology.networks
          .filter((n) => !n.internal && !(n.kind.driver === 'ipvlan' && n.kind.mode !== 'l2'))
          .filter((n) => topology.hosts.some((h) => membersOn(topology, n, h).length > 0))
          .flatMap((n) => n.subnets.map((s) => s.gateway)),
        ...[...topology.hosts, ...topology.containers].flatMap((n) => n.routes.map((r) => r.via)),
      ]
      return topology.hosts.flatMap((host) => {
        const asked = hops.find((ip) => ip !== undefined && holdersOf(topology, ip).includes(host))
        // A gateway with one leg is where the lab ends: nothing lies behind it.
        if (asked === undefined || legsOf(host) < 2 || forwards(host, asked)) return []
        const sentence = `${host.name} is the next hop ${formatIp(asked)} of others and drops what it should pass on`
        return [{ path: ['hosts', host.name], sentence }]
      })
    },
  },
  'l3-without-way-back': {
    level: 'warning',
    about:
      'An ipvlan network in mode l3 or l3s whose containers nobody else has a route to: in these ' +
      'modes nobody answers ARP for them, so the way back must be written.',
    mend: 'routes: [SUBNET via ADDRESS-OF-THE-HOST] at the others, or mode: l2',
    find: (topology) =>
      topology.networks.flatMap((network) => {
        if (network.kind.driver !== 'ipvlan' || network.kind.mode === 'l2') return []
        return topology.hosts.flatMap((host) => {
          if (membersOn(topology, network, host).length === 0) return []
          const others = neighboursOf(topology, host, network.parent)
          const subnet = network.subnets[0]?.prefix
          if (others.length === 0 || subnet === undefined) return []
          const back = others.some((h) =>
            h.routes.some((r) => r.via !== undefined && contains(r.to, subnet.address)),
          )
          if (back) return []
          const sentence = `${listed(others.map((h) => h.name))} ${others.length === 1 ? 'has' : 'have'} no route to ${formatPrefix(subnet)}`
          return [{ path: ['networks', network.name, 'mode'], sentence }]
        })
      }),
  },
  'host-apart': {
    level: 'note',
    about:
      'A host with an address of its own in the subnet of its containers: between a parent and its ' +
      'macvlan or ipvlan children nothing passes, so the two do not reach each other.',
    mend: 'shim: NETWORK at the host (host access)',
    find: (topology) =>
      topology.networks.flatMap((network) =>
        topology.hosts.flatMap((host) => {
          if (membersOn(topology, network, host).length === 0) return []
          if (host.shims.some((s) => s.network === network.name)) return []
          const at = portOf(topology, host, network.parent)
          const turned = network.kind.driver === 'macvlan' && at?.port.hairpin === true
          const own = addressesOf(host, network.parent).some((a) =>
            network.subnets.some((s) => contains(s.prefix, a.address)),
          )
          const cutOff = network.kind.driver === 'macvlan' && network.kind.mode === 'passthru'
          if (!own || turned || cutOff) return []
          const sentence = `${host.name} and its containers of ${network.name} do not reach each other`
          return [{ path: ['hosts', host.name], sentence }]
        }),
      ),
  },
} as const satisfies Record<string, Rule>

export type LintRule = keyof typeof LINT_RULES
