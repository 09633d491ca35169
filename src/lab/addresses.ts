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
import type { Path } from './source.ts'
import type { Host, Network, Subnet } from './topology.ts'

export interface AddressBook {
  /** Enters a fixed address of a container; reports one that cannot be had. */
  fix(network: Network, ip: Ip, holder: string, path: Path): void
  /** The first free address of a subnet; reports a full one. */
  next(network: Network, subnet: Subnet, holder: string, path: Path): Ip | undefined
}

/** A book with the addresses of the hosts entered, duplicates among them reported. */
export function addressBook(
  { source }: Resolving,
  hosts: readonly Host[],
  networks: readonly Network[],
): AddressBook {
  const holders = new Map<Ip, string>()
  const enter = (ip: Ip, holder: string, path: Path): void => {
    const other = holders.get(ip)
    if (other === undefined) holders.set(ip, holder)
    else source.problem(path, `address ${formatIp(ip)} is already used by ${other}`)
  }
  for (const host of hosts) {
    for (const link of [...host.nics, ...host.uppers]) {
      const path: Path = ['hosts', host.name, 'nics', link.name, 'addr']
      for (const { address } of link.addresses)
        enter(address, `host ${host.name} (${link.name})`, path)
    }
  }
  const kept = (ip: Ip): boolean =>
    networks.some((n) => n.aux.includes(ip) || n.subnets.some((s) => s.gateway === ip))
  return {
    fix(network, ip, holder, path) {
      const subnet = network.subnets.find((s) => contains(s.prefix, ip))
      const edge = subnet === undefined ? undefined : edgeOf(subnet, ip)
      if (edge !== undefined) {
        source.problem(
          path,
          `address ${formatIp(ip)} is the ${edge} address of network ${network.name}`,
        )
      } else if (subnet?.gateway === ip) {
        source.problem(path, `address ${formatIp(ip)} is the gateway of network ${network.name}`)
      } else enter(ip, holder, path)
    },
    next(network, subnet, holder, path) {
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
          if (holders.has(ip) || kept(ip) || edgeOf(subnet, ip) !== undefined) continue
          holders.set(ip, holder)
          return ip
        }
      }
      const where = `${formatPrefix(subnet.range)} of network ${network.name}`
      source.problem(path, `no address is free in ${where}`)
      return undefined
    },
  }
}

/** IPv4 keeps the first and last address of a subnet, IPv6 the first (subnet-router anycast). */
function edgeOf(subnet: Subnet, ip: Ip): 'network' | 'broadcast' | undefined {
  const { prefix } = subnet
  const single = prefix.length >= (typeof ip === 'number' ? 31 : 127)
  if (single) return undefined
  if (ip === networkOf(prefix)) return 'network'
  return typeof ip === 'number' && ip === broadcastOf(prefix) ? 'broadcast' : undefined
}
