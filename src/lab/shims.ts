/**
 * Host access: macvlan and ipvlan children never speak to the link they sit on, but to a child of
 * the host's own they do. It needs no address: with a route to each container whose source is the
 * parent's address, both sides use the addresses they have.
 */
import { formatIp, type Ip, type Prefix, tryParseIp } from '../addr/ip.ts'
import { contains, formatPrefix } from '../addr/prefix.ts'
import { macFor } from './identity.ts'
import { LINK_NAME_BYTES } from './links.ts'
import { type Resolving, unknownName } from './resolving.ts'
import type { HostFile } from './schema.ts'
import type { Path } from './source.ts'
import { listed } from './text.ts'
import type { Container, Host, Network, Route, Shim } from './topology.ts'

/** The hosts with their shims, whose routes need the addresses of the containers. */
export function withShims(
  reading: Resolving,
  hosts: readonly Host[],
  networks: readonly Network[],
  containers: readonly Container[],
): Host[] {
  return hosts.map((host) => {
    const written = shimsOf(reading.file.hosts?.[host.name]?.shim)
    const shims = written.flatMap(({ network, address, sub }): Shim[] => {
      const path: Path = ['hosts', host.name, 'shim', ...sub]
      const known = networks.find((n) => n.name === network)
      if (known === undefined) {
        const names = networks.map((n) => n.name)
        unknownName(reading.source, path, 'network', network, names)
        return []
      }
      const shim = resolveShim(reading, path, host, known, address, containers)
      return shim === undefined ? [] : [shim]
    })
    return { ...host, shims }
  })
}

/** The addresses shims ask for, where they are good: nobody else may have them. */
export function shimAddresses(
  { file }: Resolving,
  networks: readonly Network[],
): { host: string; network: Network; ip: Ip; path: Path }[] {
  return Object.entries(file.hosts ?? {}).flatMap(([host, { shim }]) =>
    shimsOf(shim).flatMap(({ network, address, sub }) => {
      const ip = tryParseIp(address)
      const known = networks.find((n) => n.name === network)
      if (ip === undefined || known === undefined) return []
      return [{ host, network: known, ip, path: ['hosts', host, 'shim', ...sub] }]
    }),
  )
}

/** The names of the links that give a host access, for what speaks of them. */
export function shimNames(host: HostFile): string[] {
  return shimsOf(host.shim).map(({ network }) => shimName(network))
}

function shimName(network: string): string {
  return `shim-${network}`.slice(0, LINK_NAME_BYTES)
}

interface Written {
  readonly network: string
  readonly address: string
  readonly sub: Path
}

function shimsOf(typed: HostFile['shim']): Written[] {
  if (typed === undefined) return []
  if (typeof typed === 'string') return [{ network: typed, address: 'none', sub: [] }]
  if (Array.isArray(typed)) {
    return typed.map((network, i) => ({ network, address: 'none', sub: [i] }))
  }
  return Object.entries(typed).map(([network, address]) => ({ network, address, sub: [network] }))
}

function resolveShim(
  { source, file }: Resolving,
  path: Path,
  host: Host,
  network: Network,
  text: string,
  containers: readonly Container[],
): Shim | undefined {
  const { kind, parent } = network
  const name = shimName(network.name)
  if (!network.hosts.includes(host.name)) {
    const where = listed(network.hosts)
    source.problem(path, `network ${network.name} is not on host ${host.name}: it is on ${where}`)
    return undefined
  }
  const apart = kind.driver === 'macvlan' ? kind.mode : kind.flag
  if (apart !== 'bridge') {
    source.problem(
      path,
      `a shim reaches children in mode bridge only, and network ${network.name} is in mode ${apart}`,
    )
    return undefined
  }
  if (kind.driver === 'ipvlan' && kind.mode === 'l2' && text === 'none') {
    source.problem(
      path,
      `a shim of ipvlan l2 is found by its address: write shim: {${network.name}: ADDRESS}`,
    )
    return undefined
  }
  const own = text === 'none' ? undefined : addressAt(source, path, text, network)
  const links = [...host.nics, ...host.uppers]
  const above = links.find((l) => l.name === parent)?.addresses ?? []
  const sourceFor = (ip: Ip): Ip | undefined => {
    const same = (p: Prefix): boolean => typeof p.address === typeof ip
    if (own !== undefined && same(own)) return own.address
    return (above.find((p) => contains(p, ip)) ?? above.find(same))?.address
  }
  const routes = containers
    .filter((c) => c.host === host.name)
    .flatMap((c) => c.children.filter((child) => child.network === network.name))
    .flatMap((child) => child.addresses.map((a) => a.address))
    // A source of the parent's is not enough in IPv6: only the shim's own addresses answer there.
    .filter((ip) => typeof ip === 'number' || typeof own?.address === 'bigint')
    .map((ip): Route => {
      const to = { address: ip, length: typeof ip === 'number' ? 32 : 128 }
      return { to, via: undefined, link: name, source: sourceFor(ip), metric: undefined }
    })
  return {
    ...{ name, network: network.name, parent, kind, routes },
    mac: kind.driver === 'ipvlan' ? undefined : macFor(file.lab, host.name, name),
    addresses: own === undefined ? [] : [own],
  }
}

/** The shim's own address: of the network, and alone, so that it brings no second subnet route. */
function addressAt(
  source: Resolving['source'],
  path: Path,
  text: string,
  network: Network,
): Prefix | undefined {
  const address = tryParseIp(text)
  if (address === undefined) {
    source.problem(path, `"${text}" is no address: write one without "/length", or none`)
    return undefined
  }
  if (!network.subnets.some((s) => contains(s.prefix, address))) {
    const subnets = listed(network.subnets.map((s) => formatPrefix(s.prefix)))
    const say = `address ${formatIp(address)} lies outside network ${network.name}`
    source.problem(path, `${say}: its subnet is ${subnets}`)
  }
  return { address, length: typeof address === 'number' ? 32 : 128 }
}
