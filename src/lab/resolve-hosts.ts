/** Hosts: nics with their cables, VLAN links, addresses, routes, sysctls. */
import { tryParseMac, isGroupMac, type Mac } from '../addr/mac.ts'
import type { Prefix } from '../addr/ip.ts'
import { parsePrefix, tryParsePrefix } from '../addr/prefix.ts'
import { LanyardError } from '../errors.ts'
import { type Cables, endKey, resolveCables } from './cables.ts'
import { macFor } from './identity.ts'
import { parseRoute } from './phrases.ts'
import type { Resolving } from './resolving.ts'
import { number } from './resolve-switches.ts'
import type { ContainerFile, HostFile } from './schema.ts'
import type { LabSource, Path } from './source.ts'
import { didYouMean, listed } from './text.ts'
import type { Host, Network, Nic, Route, RunLine, Switch, Upper } from './topology.ts'

const LINK_NAME_BYTES = 15

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
  return { name, ...resolveNode(reading, path, name, host, links), nics, uppers }
}

/** `host h has no link "eth9" (did you mean "eth0"?): it has eth0 and eth1` */
export function noLink(host: string, link: string, links: readonly string[]): string {
  const has = links.length === 0 ? 'it has none' : `it has ${listed(links)}`
  return `host ${host} has no link "${link}"${didYouMean(link, links)}: ${has}`
}

/** VLAN links written down, those a network's parent names, and dummies of parentless networks. */
function resolveUppers(
  { source }: Resolving,
  name: string,
  host: HostFile,
  networks: readonly Network[],
): Upper[] {
  const nics = Object.keys(host.nics ?? {})
  const uppers = new Map<string, Upper>()
  const written = typeof host.vlans === 'string' ? [host.vlans] : (host.vlans ?? [])
  for (const [i, text] of written.entries()) {
    const path: Path = ['hosts', name, 'vlans', ...(typeof host.vlans === 'string' ? [] : [i])]
    const vlan = splitVlan(text)
    if (vlan === undefined)
      source.problem(
        path,
        `"${text}" is no VLAN link: write NIC.ID like eth0.100, ID from 1 to 4094`,
      )
    else if (!nics.includes(vlan.parent)) source.problem(path, noLink(name, vlan.parent, nics))
    else if (uppers.has(text)) source.problem(path, `the VLAN link ${text} is written twice`)
    else if (text.length > LINK_NAME_BYTES) source.problem(path, tooLong(text))
    else uppers.set(text, { name: text, ...vlan, addresses: [] })
  }
  for (const network of networks) {
    if (!network.hosts.includes(name) || nics.includes(network.parent)) continue
    if (uppers.has(network.parent)) continue
    const vlan = splitVlan(network.parent)
    const known = vlan !== undefined && nics.includes(vlan.parent)
    if (known) uppers.set(network.parent, { name: network.parent, ...vlan, addresses: [] })
    else if (network.parent === `dm-${network.name}`) {
      const dummy = { name: network.parent, parent: undefined, id: undefined, addresses: [] }
      uppers.set(network.parent, dummy)
    }
  }
  return [...uppers.values()]
}

/** `eth0.100` as parent and id; the last dot counts. */
export function splitVlan(text: string): { parent: string; id: number } | undefined {
  const match = /^(.+)\.([1-9]\d{0,3})$/.exec(text)
  const id = Number(match?.[2])
  return match?.[1] === undefined || id > 4094 ? undefined : { parent: match[1], id }
}

export function tooLong(name: string): string {
  return `"${name}" has ${name.length} bytes: the name of a link has ${LINK_NAME_BYTES} at most`
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

export function parseMacAt(
  source: LabSource,
  path: Path,
  text: string | undefined,
): Mac | undefined {
  if (text === undefined) return undefined
  const mac = tryParseMac(text)
  if (mac === undefined)
    source.problem(path, `"${text}" is no MAC address: write 02:00:00:00:00:01`)
  else if (isGroupMac(mac))
    source.problem(path, `"${text}" is a group address: the first byte of a link's MAC is even`)
  else return mac
  return undefined
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
