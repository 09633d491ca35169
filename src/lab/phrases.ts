/** The short texts of a lab file: ports, cables, attachments, routes. Parsed; checked elsewhere. */
import { tryParsePrefix } from '../addr/prefix.ts'
import { type Ip, type Prefix, tryParseIp } from '../addr/ip.ts'
import type { FilterMatch, FilterVerdict } from '../fabric/filter.ts'
import type { Route } from './topology.ts'

export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly sentence: string }

const yes = <T>(value: T): Parsed<T> => ({ ok: true, value })
const no = (sentence: string): { readonly ok: false; readonly sentence: string } => ({
  ok: false,
  sentence,
})

/** `access 100`, `trunk 100 200 native 1` */
export interface PortWords {
  readonly access?: number
  readonly trunk?: readonly number[]
  readonly native?: number
}

/** What is said of a port that is both. */
export const ONE_SORT =
  'a port is either access (one VLAN, untagged) or trunk (a list of VLANs, tagged, and native)'
const PORT_FORM = 'write "access 100" or "trunk 100 200 native 1"'

export function parsePort(text: string): Parsed<PortWords> {
  const words = text
    .trim()
    .split(/[\s,]+/)
    .filter((w) => w !== '')
  const kind = words.shift()
  if (kind === undefined) return yes({})
  if (kind !== 'access' && kind !== 'trunk') {
    return no(`"${text}" is no port: ${PORT_FORM}`)
  }
  const other = kind === 'access' ? 'trunk' : 'access'
  if (words.includes(other) || (kind === 'access' && words.includes('native'))) {
    return no(`"${text}" says two things: ${ONE_SORT}`)
  }
  const split = words.indexOf('native')
  const ids = (split < 0 ? words : words.slice(0, split)).map(Number)
  const natives = split < 0 ? [] : words.slice(split + 1).map(Number)
  const bad = [...ids, ...natives].findIndex((id) => !isVlanId(id))
  if (bad >= 0) {
    return no(`"${words.filter((w) => w !== 'native')[bad]}" is no VLAN id: ids go from 1 to 4094`)
  }
  if (kind === 'access') {
    if (ids.length !== 1 || split >= 0) return no('an access port has one VLAN: write "access 100"')
    return yes({ access: ids[0] as number })
  }
  if (ids.length === 0 || (split >= 0 && natives.length !== 1)) {
    return no(`"${text}" is no trunk: write "trunk 100 200" or "trunk 100 200 native 1"`)
  }
  return yes(natives[0] === undefined ? { trunk: ids } : { trunk: ids, native: natives[0] })
}

export function isVlanId(id: number): boolean {
  return Number.isInteger(id) && id >= 1 && id <= 4094
}

/** `NODE:LINK`; undefined for `none`. */
export function parseEnd(text: string): Parsed<{ node: string; link: string } | undefined> {
  if (text === 'none') return yes(undefined)
  const match = /^([^:\s]+):([^:\s]+)$/.exec(text)
  const [, node, link] = match ?? []
  if (node === undefined || link === undefined) {
    return no(`"${text}" is no end of a cable: write SWITCH:PORT, HOST:NIC or none`)
  }
  return yes({ node, link })
}

/** `lan`, `lan=10.0.0.5`, `lan=10.0.0.5,fd00::5` */
export function parseNet(text: string): { network: string; addresses: readonly string[] } {
  const at = text.indexOf('=')
  if (at < 0) return { network: text.trim(), addresses: [] }
  return {
    network: text.slice(0, at).trim(),
    addresses: text
      .slice(at + 1)
      .split(',')
      .map((a) => a.trim()),
  }
}

const DEFAULT_4: Prefix = { address: 0, length: 0 }
const DEFAULT_6: Prefix = { address: 0n, length: 0 }
const ROUTE_FORM =
  'write TO [via IP] [dev LINK] [src IP] [metric N], TO being "default" or a prefix'

export function parseRoute(text: string): Parsed<Route> {
  const words = text.trim().split(/\s+/)
  const target = words.shift() ?? ''
  const found: { via?: Ip; dev?: string; src?: Ip; metric?: number } = {}
  while (words.length > 0) {
    const key = words.shift() as string
    const value = words.shift()
    if (value === undefined)
      return no(`"${text}": a value is missing after "${key}"; ${ROUTE_FORM}`)
    if (key === 'via' || key === 'src') {
      const ip = tryParseIp(value)
      if (ip === undefined) return no(`"${value}" is no address`)
      found[key] = ip
    } else if (key === 'dev') found.dev = value
    else if (key === 'metric' && /^\d{1,9}$/.test(value)) found.metric = Number(value)
    else return no(`"${key} ${value}" is not understood in a route: ${ROUTE_FORM}`)
  }
  const to = routeTarget(target, found.via ?? found.src)
  if (to === undefined)
    return no(`"${target}" is no destination: "default", a prefix or an address`)
  if (found.via === undefined && found.dev === undefined) {
    return no(`route "${text}" leads nowhere: add via IP or dev LINK`)
  }
  if (found.via !== undefined && typeof found.via !== typeof to.address) {
    return no(`route "${text}" mixes IPv4 and IPv6`)
  }
  return yes({
    to,
    via: found.via,
    link: found.dev,
    source: found.src,
    metric: found.metric,
  })
}

function routeTarget(text: string, sibling: Ip | undefined): Prefix | undefined {
  if (text === 'default') return typeof sibling === 'bigint' ? DEFAULT_6 : DEFAULT_4
  const ip = tryParseIp(text)
  if (ip !== undefined) return { address: ip, length: typeof ip === 'bigint' ? 128 : 32 }
  return tryParsePrefix(text)
}

/** `tcp/80` */
export function parseService(text: string): Parsed<{ protocol: 'tcp' | 'udp'; port: number }> {
  const match = /^(tcp|udp)\/(\d{1,5})$/.exec(text)
  const port = Number(match?.[2])
  if (match === null || port < 1 || port > 65_535) {
    return no(`"${text}" is no port: write tcp/80 or udp/53, the number from 1 to 65535`)
  }
  return yes({ protocol: match[1] === 'tcp' ? 'tcp' : 'udp', port })
}

/** A rule of the table nat. */
export interface Translation {
  readonly chain: 'PREROUTING' | 'POSTROUTING'
  readonly match: FilterMatch
  readonly verdict: FilterVerdict
}

const NAT_FORM =
  'write "masquerade out LINK [from PREFIX]", "snat out LINK to IP [from PREFIX]" or ' +
  '"dnat in LINK tcp/PORT to IP[:PORT]"'

/** `masquerade out eth0`, `snat out eth0 to 192.0.2.1`, `dnat in eth0 tcp/80 to 10.0.0.5:8080` */
export function parseNat(text: string): Parsed<Translation> {
  const [kind, ...words] = text.trim().split(/\s+/)
  if (kind !== 'masquerade' && kind !== 'snat' && kind !== 'dnat') {
    return no(`"${text}" is no address translation: ${NAT_FORM}`)
  }
  const chain = kind === 'dnat' ? 'PREROUTING' : 'POSTROUTING'
  const match: { -readonly [K in keyof FilterMatch]: FilterMatch[K] } = {}
  let to: { ip: number; port: number | undefined } | undefined
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as string
    const service = parseService(word)
    if (service.ok) {
      match.protocol = service.value.protocol === 'tcp' ? 6 : 17
      match.destinationPorts = { first: service.value.port, last: service.value.port }
      continue
    }
    const value = words[++i] ?? ''
    if (word === 'out' && chain === 'POSTROUTING' && value !== '') match.oif = value
    else if (word === 'in' && chain === 'PREROUTING' && value !== '') match.iif = value
    else if (word === 'from') {
      const from = routeTarget(value, undefined)
      if (from === undefined) return no(`"${value}" is neither an address nor a prefix`)
      match.from = from
    } else if (word === 'to' && kind !== 'masquerade') {
      const [, ip = '', port] = /^([\d.]+)(?::(\d{1,5}))?$/.exec(value) ?? []
      const address = tryParseIp(ip)
      if (typeof address !== 'number') return no(`"${value}" is no IPv4 address: ${NAT_FORM}`)
      to = { ip: address, port: port === undefined ? undefined : Number(port) }
    } else return no(`"${word} ${value}" is not understood in "${text}": ${NAT_FORM}`)
  }
  if (kind === 'masquerade') return yes({ chain, match, verdict: { do: kind } })
  if (to === undefined) return no(`"${text}" does not say to which address: ${NAT_FORM}`)
  if (to.port !== undefined && match.protocol === undefined) {
    return no(`"${text}" needs tcp/PORT or udp/PORT: only they have ports`)
  }
  const ports = to.port === undefined ? {} : { ports: { first: to.port, last: to.port } }
  return yes({ chain, match, verdict: { do: kind, to: to.ip, ...ports } })
}
