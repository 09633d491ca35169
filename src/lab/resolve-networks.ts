/** Networks as Docker has them, and the containers on them. */
import { formatIp, type Ip, type Prefix, tryParseIp, parseIp } from '../addr/ip.ts'
import {
  canonical,
  contains,
  containsPrefix,
  formatPrefix,
  isCanonical,
  parsePrefix,
  tryParsePrefix,
} from '../addr/prefix.ts'
import { type AddressBook, addressBook } from './addresses.ts'
import { macFor } from './identity.ts'
import { parseNet } from './phrases.ts'
import { type Resolving, unknownName } from './resolving.ts'
import { noLink, parseMacAt } from './links.ts'
import { checkNetworks, checkPassthru } from './parents.ts'
import { each, resolveNode, sentenceOf } from './resolve-hosts.ts'
import { splitVlan, vlanMistake } from './resolve-vlans.ts'
import type { ContainerFile, HostFile, NetworkFile } from './schema.ts'
import type { Path } from './source.ts'
import { listed } from './text.ts'
import type { Child, ChildKind, Container, Host, Network, Subnet, Switch } from './topology.ts'

const MACVLAN_MODES = ['bridge', 'private', 'vepa', 'passthru', 'source'] as const
const IPVLAN_MODES = ['l2', 'l3', 'l3s'] as const

export function resolveNetworks(reading: Resolving): Network[] {
  const networks = Object.entries(reading.file.networks ?? {}).map(([name, typed]) => {
    const { source, file } = reading
    const path: Path = ['networks', name]
    const parent = typed.parent ?? `dm-${name}`
    const subnets = resolveSubnets(reading, path, typed)
    const known = Object.keys(file.hosts ?? {})
    const named = each(typed.hosts).filter(({ text, sub }) => {
      if (known.includes(text)) return true
      unknownName(source, [...path, 'hosts', ...sub], 'host', text, known)
      return false
    })
    const nic = splitVlan(parent)?.parent ?? parent
    const nicsOf = (host: string) => Object.keys(file.hosts?.[host]?.nics ?? {})
    const linksOf = (host: string) => [...nicsOf(host), ...vlansOf(file.hosts?.[host])]
    const fits = (host: string) => linksOf(host).includes(parent) || nicsOf(host).includes(nic)
    const mistaken = (host: string) =>
      linksOf(host).includes(parent) || splitVlan(parent) === undefined
        ? undefined
        : vlanMistake(parent, nicsOf(host))
    const hosts =
      typed.hosts === undefined
        ? known.filter((h) => typed.parent === undefined || fits(h))
        : named.map((h) => h.text)
    const at: Path = [...path, 'parent']
    if (parent === 'lo') source.problem(at, 'the loopback link cannot be a parent')
    else if (parent.length > 15)
      source.problem(
        typed.parent === undefined ? path : at,
        `the parent "${parent}" has ${parent.length} bytes: the name of a link has 15 at most`,
      )
    else if (typed.parent !== undefined) {
      if (typed.hosts === undefined && hosts.length === 0) {
        const all = [...new Set(known.flatMap(linksOf))]
        const say = known.map(mistaken).find((m) => m !== undefined)
        source.problem(at, say ?? `no host has a link "${parent}": they have ${listed(all)}`)
      }
      for (const host of hosts) {
        const say = mistaken(host) ?? (fits(host) ? '' : noLink(host, parent, linksOf(host)))
        if (say !== '') source.problem(at, say)
      }
    }
    return {
      name,
      kind: resolveKind(reading, path, typed),
      parent,
      subnets,
      aux: Object.entries(typed.aux ?? {}).flatMap(([key, text]) => {
        const ip = parseIpAt(reading, [...path, 'aux', key], text)
        return ip === undefined ? [] : [ip]
      }),
      internal: typed.internal === true || typed.parent === undefined,
      hosts,
    }
  })
  checkNetworks(reading, networks)
  return networks
}

/** Names of the VLAN links a host writes down. */
function vlansOf(host: HostFile | undefined): string[] {
  const written = typeof host?.vlans === 'string' ? [host.vlans] : (host?.vlans ?? [])
  return written.map((v) => (typeof v === 'string' ? v : (v.name ?? `${v.parent}.${v.id}`)))
}

function resolveKind({ source }: Resolving, path: Path, typed: NetworkFile): ChildKind {
  const mode = typed.mode
  if (typed.driver === 'ipvlan') {
    const fits = IPVLAN_MODES.find((m) => m === (mode ?? 'l2'))
    if (fits === undefined) {
      source.problem(
        [...path, 'mode'],
        `ipvlan has no mode "${mode}": it has ${listed(IPVLAN_MODES)}`,
      )
    }
    const flag = (['bridge', 'private', 'vepa'] as const).find((f) => f === typed.flag)
    return { driver: 'ipvlan', mode: fits ?? 'l2', flag: flag ?? 'bridge' }
  }
  const fits = MACVLAN_MODES.find((m) => m === (mode ?? 'bridge'))
  if (fits === undefined) {
    source.problem(
      [...path, 'mode'],
      `macvlan has no mode "${mode}": it has ${listed(MACVLAN_MODES)}`,
    )
  }
  if (typed.flag !== undefined) source.problem([...path, 'flag'], 'only ipvlan has flags', 'key')
  return { driver: 'macvlan', mode: fits ?? 'bridge' }
}

function resolveSubnets(reading: Resolving, path: Path, typed: NetworkFile): Subnet[] {
  const { source } = reading
  const prefixes = each(typed.subnet).flatMap(({ text, sub }) => {
    const prefix = parsePrefixAt(reading, [...path, 'subnet', ...sub], text)
    return prefix === undefined ? [] : [prefix]
  })
  const gateways = each(typed.gateway).flatMap(({ text, sub }) => {
    const at: Path = [...path, 'gateway', ...sub]
    const ip = parseIpAt(reading, at, text)
    if (ip === undefined) return []
    if (prefixes.some((p) => contains(p, ip))) return [ip]
    source.problem(at, outside('gateway', text, prefixes))
    return []
  })
  const ranges = each(typed.ipRange).flatMap(({ text, sub }) => {
    const at: Path = [...path, 'ipRange', ...sub]
    const range = parsePrefixAt(reading, at, text)
    if (range === undefined) return []
    if (prefixes.some((p) => containsPrefix(p, range))) return [range]
    source.problem(at, outside('range', text, prefixes))
    return []
  })
  return prefixes.map((prefix) => ({
    prefix,
    gateway: gateways.find((ip) => contains(prefix, ip)),
    range: ranges.find((range) => containsPrefix(prefix, range)) ?? prefix,
  }))
}

function outside(what: string, text: string, prefixes: readonly Prefix[]): string {
  if (prefixes.length === 0) return `${what} ${text} needs a subnet: the network has none`
  return `${what} ${text} lies outside the subnet ${listed(prefixes.map(formatPrefix))}`
}

function parsePrefixAt({ source }: Resolving, path: Path, text: string): Prefix | undefined {
  const prefix = tryParsePrefix(text)
  if (prefix === undefined)
    source.problem(
      path,
      sentenceOf(() => parsePrefix(text)),
    )
  else if (!isCanonical(prefix)) {
    source.problem(path, `${text} has host bits: the subnet is ${formatPrefix(canonical(prefix))}`)
    return canonical(prefix)
  }
  return prefix
}

function parseIpAt({ source }: Resolving, path: Path, text: string): Ip | undefined {
  const ip = tryParseIp(text)
  if (ip === undefined)
    source.problem(
      path,
      sentenceOf(() => parseIp(text)),
    )
  return ip
}

interface Attachment {
  readonly path: Path
  readonly network: Network
  readonly fixed: readonly { readonly ip: Ip; readonly length: number }[]
  readonly mac: string | undefined
  readonly nic: string
}

export function resolveContainers(
  reading: Resolving,
  networks: readonly Network[],
  hosts: readonly Host[],
  switches: readonly Switch[],
): Container[] {
  const typed = Object.entries(reading.file.containers ?? {})
  const attached = typed.map(([name, container]) => ({
    name,
    container,
    attachments: resolveAttachments(reading, networks, hosts, name, container),
  }))
  const book = addressBook(reading, switches, hosts, networks)
  for (const { name, container, attachments } of attached) {
    for (const a of attachments) {
      for (const fixed of a.fixed) {
        book.fix(a.network, fixed.ip, { container: name, host: container.host, path: a.path })
      }
    }
  }
  const containers = attached.map(({ name, container, attachments }) =>
    resolveContainer(reading, book, name, container, attachments),
  )
  checkPassthru(reading, containers)
  return containers
}

function resolveContainer(
  reading: Resolving,
  book: AddressBook,
  name: string,
  container: ContainerFile,
  attachments: readonly Attachment[],
): Container {
  const { source, file } = reading
  const path: Path = ['containers', name]
  const gateways: Ip[] = []
  const children = attachments.map((a): Child => {
    const { kind, subnets, internal } = a.network
    const addresses = a.fixed.map((f) => ({ address: f.ip, length: f.length }))
    for (const subnet of subnets) {
      const own = addresses.some((x) => contains(subnet.prefix, x.address))
      const first = subnets.find((s) => typeof s.prefix.address === typeof subnet.prefix.address)
      // Docker gives one address a family: from the first subnet, unless one is fixed elsewhere.
      const has = addresses.some((x) => typeof x.address === typeof subnet.prefix.address)
      if (!has && first === subnet) {
        const holder = { container: name, host: container.host, path: a.path }
        const ip = book.next(a.network, subnet, holder)
        if (ip !== undefined) addresses.push({ address: ip, length: subnet.prefix.length })
      }
      const uses = own || (!has && first === subnet)
      const gateway = subnet.gateway
      if (gateway === undefined || internal || !uses) continue
      if (!gateways.some((g) => typeof g === typeof gateway)) gateways.push(gateway)
    }
    const inherits = kind.driver === 'ipvlan' || kind.mode === 'passthru'
    const mac = parseMacAt(source, [...a.path, 'mac'], a.mac)
    if (a.mac !== undefined && kind.driver === 'ipvlan') {
      source.problem(
        [...a.path, 'mac'],
        `an ipvlan child has the MAC of its parent ${a.network.parent} (the kernel: "Operation not ` +
          'supported"): leave mac out, or use macvlan',
        'key',
      )
    }
    return {
      name: a.nic,
      network: a.network.name,
      parent: a.network.parent,
      kind,
      mac: mac ?? (inherits ? undefined : macFor(file.lab, name, a.nic)),
      promisc: container.promisc === true,
      addresses,
    }
  })
  const links = children.map((c) => c.name)
  const node = resolveNode(reading, path, name, container, links)
  const defaults = gateways
    .filter((g) => !node.routes.some((r) => r.to.length === 0 && typeof r.to.address === typeof g))
    .map((via) => ({
      to: { address: typeof via === 'number' ? 0 : 0n, length: 0 },
      via,
      link: undefined,
      source: undefined,
      metric: undefined,
    }))
  return { name, host: container.host, ...node, routes: [...defaults, ...node.routes], children }
}

function resolveAttachments(
  reading: Resolving,
  networks: readonly Network[],
  hosts: readonly Host[],
  name: string,
  container: ContainerFile,
): Attachment[] {
  const { source } = reading
  const path: Path = ['containers', name]
  const hostNames = hosts.map((h) => h.name)
  const host = hostNames.includes(container.host)
  if (!host) unknownName(source, [...path, 'host'], 'host', container.host, hostNames)
  const list = Array.isArray(container.net) ? container.net : [container.net]
  const taken = new Set<string>()
  return list.flatMap((item, i): Attachment[] => {
    const at: Path = [...path, 'net', ...(Array.isArray(container.net) ? [i] : [])]
    const short = typeof item === 'string' ? parseNet(item) : undefined
    const long = typeof item === 'string' ? undefined : item
    const wanted = short?.network ?? long?.network ?? ''
    const network = networks.find((n) => n.name === wanted)
    if (network === undefined) {
      unknownName(
        source,
        at,
        'network',
        wanted,
        networks.map((n) => n.name),
      )
      return []
    }
    if (host && !network.hosts.includes(container.host)) {
      source.problem(
        at,
        `network ${wanted} is not on host ${container.host}: it is on ${listed(network.hosts)}`,
      )
    }
    const nic = long?.nic ?? `eth${i}`
    if (nic === 'lo' || taken.has(nic))
      source.problem(at, `the container already has a link "${nic}"`)
    taken.add(nic)
    if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$/.test(nic)) {
      source.problem(
        long === undefined ? at : [...at, 'nic'],
        `"${nic}" is no name of a link: at most 15 bytes, letters, digits, ".", "-" and "_"`,
      )
    }
    const texts = short?.addresses ?? each(long?.addr).map((a) => a.text)
    return [
      {
        path: at,
        network,
        nic,
        mac: long?.mac,
        fixed: fixedAddresses(reading, at, network, texts),
      },
    ]
  })
}

function fixedAddresses(
  reading: Resolving,
  path: Path,
  network: Network,
  texts: readonly string[],
): { ip: Ip; length: number }[] {
  const { source } = reading
  return texts.flatMap((text) => {
    const written = text.includes('/') ? tryParsePrefix(text) : undefined
    const ip = written?.address ?? parseIpAt(reading, path, text)
    if (ip === undefined) return []
    const subnet = network.subnets.find((s) => contains(s.prefix, ip))
    if (subnet !== undefined) return [{ ip, length: written?.length ?? subnet.prefix.length }]
    if (network.subnets.length === 0 && written !== undefined)
      return [{ ip, length: written.length }]
    const prefixes = network.subnets.map((s) => formatPrefix(s.prefix))
    const say =
      prefixes.length === 0
        ? `network ${network.name} has no subnet: write the address with its prefix length, ${formatIp(ip)}/24`
        : `address ${formatIp(ip)} lies outside network ${network.name}: its subnet is ${listed(prefixes)}`
    source.problem(path, say)
    return []
  })
}
