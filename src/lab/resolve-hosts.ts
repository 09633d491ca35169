/** Hosts: nics with their cables, VLAN links, addresses, routes, sysctls. */
import type { Prefix } from '../addr/ip.ts'
import { parsePrefix, tryParsePrefix } from '../addr/prefix.ts'
import type { FilterOp } from '../fabric/filter.ts'
import type { Service } from '../fabric/fabric.ts'
import { LanyardError } from '../errors.ts'
import { type Cables, endKey, resolveCables } from './cables.ts'
import { resolveFirewall } from './firewall.ts'
import { resolveImpair } from './impair.ts'
import { macFor } from './identity.ts'
import { parseRoute, parseService } from './phrases.ts'
import type { Resolving } from './resolving.ts'
import { number } from './resolve-switches.ts'
import type { ContainerFile, HostFile } from './schema.ts'
import type { LabSource, Path } from './source.ts'
import { noLink, parseMacAt } from './links.ts'
import { shimNames } from './shims.ts'
import { resolveUppers } from './resolve-vlans.ts'
import type { Host, Network, Nic, Route, RunLine, Switch } from './topology.ts'

/** The hosts, and the switches with what is plugged into their ports. */
export function resolveHosts(
  reading: Resolving,
  switches: readonly Switch[],
  networks: readonly Network[],
): { hosts: Host[]; ports: Switch[] } {
  const cables = resolveCables(reading, switches)
  const hosts = Object.entries(reading.file.hosts ?? {}).map(([name, host]) =>
    resolveHost(reading, name, host, cables, networks),
  )
  const ports = switches.map((sw) => ({
    ...sw,
    ports: sw.ports.map((port) => ({ ...port, peer: cables.get(endKey(sw.name, port.name)) })),
  }))
  return { hosts, ports }
}

function resolveHost(
  reading: Resolving,
  name: string,
  host: HostFile,
  cables: Cables,
  networks: readonly Network[],
): Host {
  const { source } = reading
  const path: Path = ['hosts', name]
  const extra = new Map(Object.entries(host.addr ?? {}))
  const addressesOf = (link: string, own: string | readonly string[] | undefined, at: Path) => [
    ...parseAddresses(source, at, own),
    ...parseAddresses(source, [...path, 'addr', link], extra.get(link)),
  ]
  const nics = Object.entries(host.nics ?? {}).map(([link, typed]): Nic => {
    const at: Path = [...path, 'nics', link]
    const nic = typeof typed === 'string' ? {} : typed
    return {
      name: link,
      mac: parseMacAt(source, [...at, 'mac'], nic.mac) ?? macFor(reading.file.lab, name, link),
      mtu: number(nic.mtu),
      promisc: nic.promisc === true,
      up: nic.up !== false,
      addresses: addressesOf(link, nic.addr, [...at, 'addr']),
      impair: resolveImpair(source, [...at, 'impair'], nic.impair),
      peer: cables.get(endKey(name, link)),
    }
  })
  const uppers = resolveUppers(reading, name, host, networks).map((upper) => ({
    ...upper,
    addresses: addressesOf(upper.name, undefined, path),
  }))
  const links = [...nics, ...uppers].map((l) => l.name)
  for (const link of extra.keys()) {
    if (links.includes(link)) continue
    source.problem([...path, 'addr', link], noLink(name, link, links), 'key')
  }
  if (links.includes('lo')) {
    source.problem([...path, 'nics', 'lo'], 'lo is the loopback link every node has', 'key')
  }
  return {
    name,
    ...resolveNode(reading, path, name, host, [...links, ...shimNames(host)]),
    nics,
    uppers,
    shims: [],
  }
}

/** What hosts and containers share. */
export function resolveNode(
  reading: Resolving,
  path: Path,
  name: string,
  node: HostFile | ContainerFile,
  links: readonly string[],
): {
  lo: boolean
  sysctls: (readonly [string, string])[]
  routes: Route[]
  firewall: FilterOp[]
  listen: Service[]
  run: RunLine[]
} {
  const { source, file } = reading
  const sysctls = Object.entries(node.sysctl ?? {}).map(
    ([key, value]) => [key, value === true ? '1' : value === false ? '0' : String(value)] as const,
  )
  for (const [key] of sysctls) {
    if (/^net\.[\w./-]+$/.test(key)) continue
    source.problem(
      [...path, 'sysctl', key],
      `"${key}" is no sysctl of a namespace: they begin with "net."`,
      'key',
    )
  }
  if ('forward' in node && node.forward === true) {
    sysctls.unshift(['net.ipv4.ip_forward', '1'], ['net.ipv6.conf.all.forwarding', '1'])
  }
  const lo = node.lo ?? file.lo
  return {
    lo: lo !== false,
    sysctls,
    routes: each(node.routes).flatMap(({ text, sub }) => {
      const at = [...path, 'routes', ...sub]
      const parsed = parseRoute(text)
      if (!parsed.ok) source.problem(at, parsed.sentence)
      else if (parsed.value.link !== undefined && !['lo', ...links].includes(parsed.value.link)) {
        source.problem(at, noLink(name, parsed.value.link, links).replace(/^host/, 'node'))
      } else return [parsed.value]
      return []
    }),
    firewall: resolveFirewall(reading, path, name, node, links),
    listen: each(node.listen).flatMap(({ text, sub }) => {
      const parsed = parseService(text)
      if (!parsed.ok) source.problem([...path, 'listen', ...sub], parsed.sentence)
      return parsed.ok ? [parsed.value] : []
    }),
    run: each(node.run).map(({ text, sub }) => ({
      node: name,
      text,
      line: source.lineOf([...path, 'run', ...sub]),
    })),
  }
}

/** One text or a list of them, with the rest of the path to each. */
export function each(value: string | readonly string[] | undefined): { text: string; sub: Path }[] {
  if (value === undefined) return []
  if (typeof value === 'string') return [{ text: value, sub: [] }]
  return value.map((text, i) => ({ text, sub: [i] }))
}

function parseAddresses(
  source: LabSource,
  path: Path,
  value: string | readonly string[] | undefined,
): Prefix[] {
  return each(value).flatMap(({ text, sub }) => {
    const prefix = tryParsePrefix(text)
    if (prefix !== undefined) return [prefix]
    source.problem(
      [...path, ...sub],
      sentenceOf(() => parsePrefix(text)),
    )
    return []
  })
}

/** The sentence of what a strict parser throws. */
export function sentenceOf(parse: () => unknown): string {
  try {
    parse()
  } catch (error) {
    if (error instanceof LanyardError) return error.message
    throw error
  }
  return 'is not understood'
}
