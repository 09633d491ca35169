/** What the driver must know of networks and endpoints; the engine's records fit as they are. */
import { familyOf, type Ip, type Prefix } from '../addr/ip.ts'
import type { Mac } from '../addr/mac.ts'
import { contains } from '../addr/prefix.ts'
import type { IpvlanFlag, IpvlanMode, LinkSpec, MacvlanMode } from '../fabric/plan.ts'

/** How links of a network are made. */
export interface NetworkOptions {
  readonly name: string
  readonly kind: 'macvlan' | 'ipvlan'
  readonly macvlanMode?: MacvlanMode
  readonly sources?: readonly Mac[]
  readonly ipvlanMode?: IpvlanMode
  readonly ipvlanFlag?: IpvlanFlag
  readonly mtu?: number
  /** What the parent's MTU is raised to, if it is less. */
  readonly parentMtu?: number
  readonly parentPromisc?: boolean
  readonly attach: 'child' | 'veth'
}

/** A network whose parent is known. */
export interface DriverNetwork extends NetworkOptions {
  readonly id: string
  readonly parentLink: string
  readonly vlan?: number
  readonly internal: boolean
  readonly pools: readonly { readonly subnet: Prefix; readonly gateway?: Ip }[]
}

export interface DriverEndpoint {
  readonly name: string
  readonly sandbox: string
  readonly link: string
  readonly mac: Mac
  readonly addresses: readonly Prefix[]
  readonly gateways: readonly Ip[]
}

/** Docker's default, not the kernel's (which is vepa). */
export function macvlanModeOf(network: NetworkOptions): MacvlanMode {
  return network.macvlanMode ?? 'bridge'
}

/** Docker's default, not the kernel's (which is l3). */
export function ipvlanModeOf(network: NetworkOptions): IpvlanMode {
  return network.ipvlanMode ?? 'l2'
}

export function ipvlanFlagOf(network: NetworkOptions): IpvlanFlag {
  return network.ipvlanFlag ?? 'bridge'
}

/** `macvlan bridge`, `ipvlan l3s private`: how sentences call it. */
export function describeMode(network: NetworkOptions): string {
  if (network.kind === 'macvlan') return `macvlan ${macvlanModeOf(network)}`
  return `ipvlan ${ipvlanModeOf(network)} ${ipvlanFlagOf(network)}`
}

/** The link of an endpoint that is a child of its parent. */
export function childSpec(network: DriverNetwork): LinkSpec {
  const parent = network.parentLink
  if (network.kind === 'ipvlan') {
    return {
      kind: 'ipvlan',
      parent,
      mode: ipvlanModeOf(network),
      flag: ipvlanFlagOf(network),
    }
  }
  const mode = macvlanModeOf(network)
  if (mode !== 'source') return { kind: 'macvlan', parent, macvlan: { mode } }
  const sources = { change: 'set', macs: network.sources ?? [] } as const
  return { kind: 'macvlan', parent, macvlan: { mode, sources } }
}

/** Whether children have no place for ARP and gateways: ipvlan's routed modes. */
export function isRouted(network: NetworkOptions): boolean {
  return network.kind === 'ipvlan' && ipvlanModeOf(network) !== 'l2' && network.attach === 'child'
}

/**
 * Other subnets of a routed network, in families the endpoint has: they lie behind its link, and no
 * gateway leads there. A default route over the same link would do, but an internal network has
 * none, and of several networks only one has it.
 */
export function siblingSubnets(
  network: NetworkOptions & Pick<DriverNetwork, 'pools'>,
  { addresses }: Pick<DriverEndpoint, 'addresses'>,
): readonly Prefix[] {
  if (!isRouted(network)) return []
  return network.pools
    .map(({ subnet }) => subnet)
    .filter(
      (subnet) =>
        addresses.some(({ address }) => familyOf(address) === familyOf(subnet.address)) &&
        !addresses.some(({ address }) => contains(subnet, address)),
    )
}
