/**
 * The addresses of a lab: who has which, none twice in one segment, and the next free one.
 *
 * Automatic addresses are the first free ones of the range after the gateway, in the order of the
 * file, so the same file always gives the same addresses.
 */
import { addToIp, formatIp, type Ip } from '../addr/ip.ts'
import { broadcastOf, contains, formatPrefix, networkOf } from '../addr/prefix.ts'
import { addressesOf, rangeOf } from '../addr/range.ts'
import type { Resolving } from './resolving.ts'
import { segmentsOf } from './segments.ts'
import { shimAddresses } from './shims.ts'
import type { Path } from './source.ts'
import type { Host, Network, Subnet, Switch } from './topology.ts'

export interface AddressBook {
  /** Enters a fixed address of a container; reports one that cannot be had. */
  fix(network: Network, ip: Ip, holder: Holder): void
  /** The first free address of a subnet; reports a full one. */
  next(network: Network, subnet: Subnet, holder: Holder): Ip | undefined
}

/** A container that asks for an address. */
export interface Holder {
  readonly container: string
  readonly host: string
  /** Where it asks. */
  readonly path: Path
}

/** A book with the addresses of the hosts entered, duplicates among them reported. */
export function addressBook(
  reading: Resolving,
  switches: readonly Switch[],
  hosts: readonly Host[],
  networks: readonly Network[],
): AddressBook {
  const { source } = reading
  const segmentOf = segmentsOf(switches, hosts)
  const holders = new Map<string, string>()
  /** Automatic addresses keep clear of the whole lab, whatever its segments: easier to read. */
  const everywhere = new Set<Ip>()
  /** One address table a segment, and one a network even where its hosts are not joined. */
  const keysOf = (ip: Ip, network: Network, host: string): string[] => [
    `${segmentOf(host, network.parent)} ${formatIp(ip)}`,
    `network ${network.name} ${formatIp(ip)}`,
  ]
  const enter = (keys: readonly string[], ip: Ip, holder: string, path: Path): void => {
    const other = keys.map((key) => holders.get(key)).find((h) => h !== undefined)
    if (other !== undefined) {
      source.problem(path, `address ${formatIp(ip)} is already used by ${other}`)
    }
    for (const key of keys) holders.set(key, other ?? holder)
    everywhere.add(ip)
  }
  for (const { host, link, ip, path } of hostAddresses(hosts)) {
    enter([`${segmentOf(host, link)} ${formatIp(ip)}`], ip, `host ${host} (${link})`, path)
  }
  for (const { host, network, ip, path } of shimAddresses(reading, networks)) {
    enter(keysOf(ip, network, host), ip, `the shim of host ${host}`, path)
  }
  const kept = (ip: Ip): boolean =>
    networks.some((n) => n.aux.includes(ip) || n.subnets.some((s) => s.gateway === ip))
  return {
    fix(network, ip, { container, host, path }) {
      const subnet = network.subnets.find((s) => contains(s.prefix, ip))
      const edge = subnet === undefined ? undefined : edgeOf(subnet, ip)
      if (edge !== undefined) {
        source.problem(
          path,
          `address ${formatIp(ip)} is the ${edge} address of network ${network.name}`,
        )
      } else if (subnet?.gateway === ip) {
        source.problem(path, `address ${formatIp(ip)} is the gateway of network ${network.name}`)
      } else enter(keysOf(ip, network, host), ip, `container ${container}`, path)
    },
    next(network, subnet, { container, host, path }) {
      const range = rangeOf(subnet.range)
      const start =
        subnet.gateway !== undefined && contains(subnet.range, subnet.gateway)
          ? addToIp(subnet.gateway, 1)
          : range.first
      const after = start === undefined || start > range.last ? range.first : start
      for (const part of [
        { first: after, last: range.last },
        { first: range.first, last: after },
      ]) {
        for (const ip of addressesOf(part)) {
          if (everywhere.has(ip) || kept(ip) || edgeOf(subnet, ip) !== undefined) continue
          enter(keysOf(ip, network, host), ip, `container ${container}`, path)
          return ip
        }
      }
      const where = `${formatPrefix(subnet.range)} of network ${network.name}`
      source.problem(path, `no address is free in ${where}`)
      return undefined
    },
  }
}

function hostAddresses(
  hosts: readonly Host[],
): { host: string; link: string; ip: Ip; path: Path }[] {
  return hosts.flatMap((host) =>
    [...host.nics, ...host.uppers].flatMap((link) =>
      link.addresses.map(({ address: ip }) => {
        const path: Path = ['hosts', host.name, 'nics', link.name, 'addr']
        return { host: host.name, link: link.name, ip, path }
      }),
    ),
  )
}

/** IPv4 keeps the first and last address of a subnet, IPv6 the first (subnet-router anycast). */
function edgeOf(subnet: Subnet, ip: Ip): 'network' | 'broadcast' | undefined {
  const { prefix } = subnet
  const single = prefix.length >= (typeof ip === 'number' ? 31 : 127)
  if (single) return undefined
  if (ip === networkOf(prefix)) return 'network'
  return typeof ip === 'number' && ip === broadcastOf(prefix) ? 'broadcast' : undefined
}
