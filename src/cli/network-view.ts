/** A network as Docker shows it: the keys of `docker network ls --format json` and of `inspect`. */
import { formatIp, type Ip } from '../addr/ip.ts'
import { formatMac } from '../addr/mac.ts'
import { formatPrefix, type Prefix } from '../addr/prefix.ts'
import type { Endpoint, Network } from '../engine/types.ts'
import { formatRange } from './network-pools.ts'

const isSix = ({ address }: Prefix): boolean => typeof address === 'bigint'
const hasSix = (network: Network): boolean => network.pools.some(({ subnet }) => isSix(subnet))
const hasFour = (network: Network): boolean => network.pools.some(({ subnet }) => !isSix(subnet))

/** Docker's keys, then ours. */
export function listView(network: Network, endpoints: number) {
  const { id, name, kind, labels, createdAt, internal, parentLink, segment } = network
  return {
    ID: id.slice(0, 12),
    Name: name,
    Driver: kind,
    Scope: 'local',
    CreatedAt: createdAt,
    IPv4: String(hasFour(network)),
    IPv6: String(hasSix(network)),
    Internal: String(internal),
    Labels: Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(','),
    Parent: parentLink,
    Segment: segment,
    Subnets: network.pools.map(({ subnet }) => formatPrefix(subnet)).join(','),
    Endpoints: endpoints,
  }
}

/** In Docker's key order; what Docker does not know stands under `Lanyard`. */
export function inspectView(network: Network, endpoints: readonly Endpoint[]) {
  const { id, name, kind, labels, createdAt, internal } = network
  return {
    Name: name,
    Id: id,
    Created: createdAt,
    Scope: 'local',
    Driver: kind,
    EnableIPv4: hasFour(network),
    EnableIPv6: hasSix(network),
    IPAM: {
      Driver: 'lanyard',
      Options: {},
      Config: network.pools.map(({ subnet, range, gateway, exclude }) => ({
        Subnet: formatPrefix(subnet),
        ...(range && { IPRange: formatRange(range) }),
        ...(gateway !== undefined && { Gateway: formatIp(gateway) }),
        ...(exclude.length > 0 && { AuxiliaryAddresses: auxiliary(exclude) }),
      })),
    },
    Internal: internal,
    Attachable: false,
    Ingress: false,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    Containers: Object.fromEntries(
      endpoints.map((one) => [one.id, { Name: one.name, ...addressesOf(one) }]),
    ),
    Options: optionsOf(network),
    Labels: labels,
    Lanyard: {
      Segment: network.segment,
      ParentLink: network.parentLink,
      ParentOwned: network.parentOwned,
      HostAccess: network.hostAccess,
      Check: network.check,
      Attach: network.attach,
    },
  }
}

function addressesOf({ id, mac, addresses, sandbox, link }: Endpoint) {
  const of = (six: boolean) => addresses.filter((a) => isSix(a) === six).map(formatPrefix)
  return {
    EndpointID: id,
    MacAddress: formatMac(mac),
    IPv4Address: of(false).join(','),
    IPv6Address: of(true).join(','),
    Sandbox: sandbox,
    Link: link,
  }
}

function auxiliary(exclude: readonly { readonly name: string; readonly address: Ip }[]) {
  return Object.fromEntries(
    exclude.map(({ name, address }) => [name === '' ? formatIp(address) : name, formatIp(address)]),
  )
}

/** The `-o` options that were given. */
function optionsOf(network: Network): Record<string, string> {
  const { parent, macvlanMode, ipvlanMode, ipvlanFlag, vlan, mtu, sources } = network
  const { parentMtu, parentPromisc } = network
  const all = {
    parent,
    macvlan_mode: macvlanMode,
    ipvlan_mode: ipvlanMode,
    ipvlan_flag: ipvlanFlag,
    vlan,
    mtu,
    parent_mtu: parentMtu,
    promisc: parentPromisc,
    sources: sources?.map(formatMac).join(','),
  }
  return Object.fromEntries(
    Object.entries(all)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => [key, String(value)]),
  )
}
