/** An endpoint's link: made in place in its sandbox, addressed, up; and taken away again. */
import { familyOf, type Ip, isLinkLocalIp, type Prefix } from '../addr/ip.ts'
import { broadcastOf, contains } from '../addr/prefix.ts'
import type { Op, Plan } from '../fabric/plan.ts'
import { endpointAlias, groupOf, portName } from './names.ts'
import {
  childSpec,
  type DriverEndpoint,
  type DriverNetwork,
  isRouted,
  siblingSubnets,
} from './network.ts'

/** Where a default route goes, one a family. */
export interface DefaultRoute {
  readonly link: string
  /** Undefined: out of the link without a next hop (ipvlan l3, l3s). */
  readonly gateways: { readonly 4?: Ip | undefined; readonly 6?: Ip | undefined }
  readonly families: readonly (4 | 6)[]
  /** Families whose gateway lies outside of the endpoint's subnets. */
  readonly onlink: readonly (4 | 6)[]
}

/**
 * The link of an endpoint, made by one request in the sandbox itself (`IFLA_LINK` and
 * `IFLA_NET_NS_FD`), so that no link is ever moved or renamed; down until its addresses are on it,
 * so that it never speaks without them. `lo` is left as it is.
 *
 * IPv6 is off where the network has no IPv6 pool; with a gateway of ours, router advertisements do
 * not add a second default route. Addresses are usable at once (`nodad`): the engine asked the LAN
 * before.
 *
 * A crash in the middle leaves a link with our group and alias, which reconcile finds.
 *
 * @param host the namespace of the parent
 */
export function planEndpoint(network: DriverNetwork, endpoint: DriverEndpoint, host: string): Plan {
  const { sandbox: netns, link } = endpoint
  const ops: Op[] = [...planLink(network, endpoint, host)]
  const conf = `net.ipv6.conf.${link.replaceAll('.', '/')}`
  const six = endpoint.addresses.some((a) => familyOf(a.address) === 6)
  if (!six) ops.push({ do: 'sysctl.set', netns, key: `${conf}.disable_ipv6`, value: '1' })
  else if (network.internal || endpoint.gateways.some((ip) => familyOf(ip) === 6))
    ops.push({ do: 'sysctl.set', netns, key: `${conf}.accept_ra`, value: '0' })
  for (const address of endpoint.addresses) ops.push(addressOp(netns, link, address))
  ops.push({ do: 'link.set', netns, name: link, up: true })
  for (const to of siblingSubnets(network, endpoint)) {
    const scope = familyOf(to.address) === 4 ? ({ scope: 'link' } as const) : {}
    ops.push({ do: 'route.replace', netns, to, link, ...scope })
  }
  return ops
}

/**
 * The link of an endpoint beside its parent, down and bare, for a runtime that moves it into the
 * sandbox, names it and gives it its addresses. Mark and MAC go with it.
 *
 * A crash in the middle leaves a link with our group and alias, which reconcile finds.
 */
export function planHandOver(network: DriverNetwork, endpoint: DriverEndpoint, host: string): Plan {
  return planLink(network, { ...endpoint, sandbox: host }, host)
}

/** The link alone, down and bare. */
function planLink(network: DriverNetwork, endpoint: DriverEndpoint, host: string): Plan {
  const { sandbox: netns, link: name, mac } = endpoint
  const marks = {
    group: groupOf(network.id),
    alias: endpointAlias(network.name, endpoint.name),
    ...(network.mtu === undefined ? {} : { mtu: network.mtu }),
  }
  if (network.attach === 'veth') return planPort(network, endpoint, host, marks)
  const spec = childSpec(network)
  const parentNetns = host
  // An ipvlan child has its parent's MAC and takes no other.
  if (spec.kind === 'ipvlan') return [{ do: 'link.add', netns, name, parentNetns, spec, ...marks }]
  return [{ do: 'link.add', netns, name, parentNetns, spec, address: mac, ...marks }]
}

/** A port of the bridge that owns the wanted parent, its other end in the sandbox. */
function planPort(
  network: DriverNetwork,
  endpoint: DriverEndpoint,
  host: string,
  marks: { readonly group: number; readonly alias: string; readonly mtu?: number },
): Plan {
  const port = portName(network.name, endpoint.name)
  const { sandbox: netns, link: name, mac: address } = endpoint
  const { mtu } = marks
  const spec = {
    kind: 'veth',
    peer: { name: port, netns: host, ...(mtu === undefined ? {} : { mtu }) },
  } as const
  const ops: Op[] = [
    { do: 'link.add', netns, name, spec, address, ...marks },
    { do: 'sysctl.set', netns: host, key: `net.ipv6.conf.${port}.disable_ipv6`, value: '1' },
    {
      do: 'link.set',
      netns: host,
      name: port,
      master: network.parentLink,
      group: marks.group,
      alias: marks.alias,
    },
  ]
  if (network.vlan !== undefined) {
    const { vlan } = network
    ops.push(
      { do: 'bridge-vlan.del', netns: host, link: port, from: 1 },
      {
        do: 'bridge-vlan.add',
        netns: host,
        link: port,
        from: vlan,
        pvid: true,
        untagged: true,
      },
    )
  }
  ops.push({ do: 'link.set', netns: host, name: port, up: true })
  return ops
}

function addressOp(netns: string, link: string, address: Prefix): Op {
  if (familyOf(address.address) === 6)
    return { do: 'address.add', netns, link, address, nodad: true }
  // /31 and /32 have no broadcast address (RFC 3021).
  if (address.length > 30) return { do: 'address.add', netns, link, address }
  return { do: 'address.add', netns, link, address, broadcast: broadcastOf(address) }
}

/** Takes an endpoint's link away; what hangs on it goes with it. */
export function planLeave(endpoint: { readonly sandbox: string; readonly link: string }): Plan {
  return [{ do: 'link.del', netns: endpoint.sandbox, name: endpoint.link }]
}

/** Where an endpoint would send what no other route takes; undefined when it has no say. */
export function defaultRouteOf(
  network: DriverNetwork,
  endpoint: DriverEndpoint,
): DefaultRoute | undefined {
  if (network.internal) return undefined
  const families = ([4, 6] as const).filter((family) =>
    isRouted(network)
      ? endpoint.addresses.some((a) => familyOf(a.address) === family)
      : endpoint.gateways.some((ip) => familyOf(ip) === family),
  )
  if (families.length === 0) return undefined
  const gateway = (family: 4 | 6): Ip | undefined =>
    isRouted(network) ? undefined : endpoint.gateways.find((ip) => familyOf(ip) === family)
  const isFar = (ip: Ip | undefined): boolean =>
    ip !== undefined && !isLinkLocalIp(ip) && !endpoint.addresses.some((a) => contains(a, ip))
  const onlink = families.filter((family) => isFar(gateway(family)))
  return { link: endpoint.link, gateways: { 4: gateway(4), 6: gateway(6) }, families, onlink }
}

/** Everywhere. */
export const ANY4: Prefix = { address: 0, length: 0 }
export const ANY6: Prefix = { address: 0n, length: 0 }

/**
 * Makes routes the sandbox's default, in place of one of ours that is there.
 *
 * @param only families to set; default all the route has
 */
export function planDefaultRoute(
  sandbox: string,
  route: DefaultRoute,
  only: readonly (4 | 6)[] = route.families,
): Plan {
  return only
    .filter((family) => route.families.includes(family))
    .map((family): Op => {
      const via = route.gateways[family]
      const to = family === 4 ? ANY4 : ANY6
      const op = { do: 'route.replace', netns: sandbox, to, link: route.link } as const
      if (via !== undefined)
        return route.onlink.includes(family) ? { ...op, via, onlink: true } : { ...op, via }
      return family === 4 ? { ...op, scope: 'link' } : op
    })
}
