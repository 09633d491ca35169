/**
 * What one namespace says of itself, whoever is around: a fingerprint of each of its links without
 * the names, MACs and host parts of addresses that tell twins apart, and what makes it special.
 */
import type { Ip, Prefix } from '../addr/ip.ts'
import type {
  AddressSnapshot,
  LinkSnapshot,
  NetnsSnapshot,
  RouteSnapshot,
} from '../fabric/snapshot.ts'
import { Print, type Words } from './reach-hash.ts'

/** A link, and where it leads: another link of its namespace or of another one. */
export interface LinkFacts {
  readonly link: LinkSnapshot
  /** Namespace it leads to, when that is another one. */
  readonly leads: string | undefined
  /** Everything about it but its addresses' host parts and routes to single hosts. */
  readonly print: number
  readonly addresses: readonly AddressSnapshot[]
}

export interface Facts {
  readonly snapshot: NetnsSnapshot
  readonly links: readonly LinkFacts[]
  /** Rules, packet filter, settings of the namespace as a whole. */
  readonly print: number
  /** Addresses others may ask for. */
  readonly ips: readonly Ip[]
  /** Links with a MAC of their own: those that take it over from below have none. */
  readonly cards: readonly LinkSnapshot[]
  /** Next hops of its routes. */
  readonly vias: readonly Ip[]
  /** Addresses and MACs it names: whoever has them is like no other. */
  readonly namedIps: readonly Ip[]
  readonly namedMacs: readonly number[]
  readonly prefixes: readonly Prefix[]
  /** Routes to single addresses: each belongs to whoever has that address. */
  readonly hostRoutes: readonly RouteSnapshot[]
  /** Answers or speaks for others (proxy ARP, local prefixes): it matters to pairs it is not of. */
  readonly meddles: boolean
  /** Like no other. */
  readonly alone: boolean
  /** A child that takes what its parent receives. */
  readonly takes: boolean
  /** First address of each family that others may use. */
  readonly first4: AddressSnapshot | undefined
  readonly first6: AddressSnapshot | undefined
}

const NONE: readonly never[] = []

/** What a key of a sysctl speaks of: a link (empty for the namespace), and which setting. */
interface Key {
  readonly link: string
  readonly id: number
  readonly proxy: boolean
}

/** Fingerprints of settings, by link; the namespace's own under no name. */
interface Settings {
  readonly prints: readonly (readonly [string, number])[]
  readonly proxy: boolean
}

interface Last {
  readonly keys: readonly string[]
  readonly values: readonly string[]
  readonly told: Settings
}

export class FactsReader {
  readonly #words: Words
  readonly #keys = new Map<string, Key>()
  readonly #known = new WeakMap<NetnsSnapshot, Facts>()
  /** By the record they were read from: namespaces set alike may share one. */
  readonly #told = new WeakMap<NetnsSnapshot['sysctls'], Settings>()
  #last: Last = { keys: [], values: [], told: { prints: [], proxy: false } }

  constructor(words: Words) {
    this.#words = words
  }

  /** A namespace whose snapshot is the same object as before is not read again. */
  of(netns: NetnsSnapshot): Facts {
    const known = this.#known.get(netns)
    if (known !== undefined) return known
    const facts = this.#read(netns)
    this.#known.set(netns, facts)
    return facts
  }

  #read(netns: NetnsSnapshot): Facts {
    const words = this.#words
    const { links, filters = NONE, rules } = netns
    const prints = links.map(() => new Print())
    const whole = new Print()
    const at = (name: string | undefined): Print => prints[indexOf(links, name)] ?? whole
    const proxy = this.#settings(netns, at)
    const named =
      filters.some((c) => c.rules.some((r) => r.match.iif ?? r.match.oif)) ||
      rules.some((r) => r.iif ?? r.oif)
    for (const [i, link] of links.entries()) {
      this.#link(prints[i] as Print, link, links)
      if (named) (prints[i] as Print).value(link.name, words)
    }
    for (const { link, vlan, pvid, untagged } of netns.vlans) {
      at(link).add(vlan).add(Number(pvid)).add(Number(untagged))
    }
    let hostRoutes: RouteSnapshot[] | undefined
    for (const route of netns.routes) {
      if (isHostRoute(route)) (hostRoutes ??= []).push(route)
      else this.route(at(route.link), route, netns.addresses)
    }
    this.#rules(whole, netns)
    if (filters.length > 0) whole.value(filters, words)
    const permanent = some(netns.neighbours, (n) => n.state === 'permanent')
    const fixed = some(netns.fdb, (e) => e.state === 'static')
    if (permanent.length + fixed.length > 0) whole.value(permanent, words).value(fixed, words)
    return factsOf(netns, {
      prints,
      whole,
      hostRoutes: hostRoutes ?? NONE,
      permanent,
      fixed,
      proxy,
    })
  }

  /** A route, with a source of its own told by its place among the addresses. */
  route(print: Print, route: RouteSnapshot, own: readonly AddressSnapshot[]): void {
    const words = this.#words
    const { to, type, via, source, metric, table, scope, protocol, linkDown, onlink } = route
    const place = (ip: Ip): number => own.findIndex((a) => a.address.address === ip)
    const from = source === undefined ? -2 : place(source)
    const prefix = protocol === 'kernel' ? place(to.address) : -1
    if (prefix < 0) print.value(to.address, words)
    else print.add(prefix)
    if (from === -1) print.value(source, words)
    if (via !== undefined) print.value(via, words)
    print.add(to.length).add(from).add(metric).add(table)
    print.add(words.of(type)).add(words.of(scope)).add(words.of(protocol))
    print.add(Number(linkDown) + 2 * Number(onlink))
  }

  #rules(print: Print, { rules }: NetnsSnapshot): void {
    const words = this.#words
    for (const { family, priority, from, to, iif, oif, table, action } of rules) {
      print.add(family).add(priority).add(table).add(words.of(action))
      if (from ?? to ?? iif ?? oif) print.value([from, to, iif, oif], words)
    }
  }

  #link(print: Print, link: LinkSnapshot, links: readonly LinkSnapshot[]): void {
    const words = this.#words
    const { kind, mtu, up, carrier, operState, promisc, allmulticast, arp, parent, master } = link
    print.add(words.of(kind)).add(mtu).add(words.of(operState))
    print.add(
      Number(up) +
        2 * Number(carrier) +
        4 * Number(promisc) +
        8 * Number(allmulticast) +
        16 * Number(arp) +
        32 * Number(parent?.netns === undefined),
    )
    if (master !== undefined) print.add(indexOf(links, master))
    const { macvlan, ipvlan, vlan, vxlan, bridge, port, netem } = link
    for (const kindly of [macvlan, ipvlan, vlan, vxlan, bridge, port, netem]) {
      if (kindly !== undefined) print.value(kindly, words)
    }
  }

  /** @returns whether the namespace answers for others */
  #settings({ sysctls }: NetnsSnapshot, at: (link: string | undefined) => Print): boolean {
    const known = this.#told.get(sysctls)
    const settings = known ?? this.#compareSettings(sysctls)
    if (known === undefined) this.#told.set(sysctls, settings)
    for (const [link, print] of settings.prints) at(link).add(print)
    return settings.proxy
  }

  /** Most namespaces have the settings of the one before. */
  #compareSettings(sysctls: NetnsSnapshot['sysctls']): Settings {
    const { keys, values, told } = this.#last
    let same = keys.length > 0
    let count = 0
    for (const name in sysctls) {
      if (keys[count] !== name || values[count] !== sysctls[name]) same = false
      count++
      if (!same) break
    }
    return same && count === keys.length ? told : this.#readSettings(sysctls)
  }

  #readSettings(sysctls: NetnsSnapshot['sysctls']): Settings {
    const keys = Object.keys(sysctls)
    const values = Object.values(sysctls)
    const prints = new Map<string, Print>()
    let proxy = false
    for (const [i, name] of keys.entries()) {
      const value = values[i] as string
      const key = this.#key(name)
      let print = prints.get(key.link)
      if (print === undefined) {
        print = new Print()
        prints.set(key.link, print)
      }
      print.add(key.id).add(this.#words.of(value))
      if (key.proxy && value !== '0') proxy = true
    }
    const told = { prints: [...prints].map(([link, p]) => [link, p.number] as const), proxy }
    this.#last = { keys, values, told }
    return told
  }

  #key(name: string): Key {
    const known = this.#keys.get(name)
    if (known !== undefined) return known
    const match = /^(net\.ipv[46]\.(?:conf|neigh)\.)([^.]+)\.([^.]+)$/.exec(name)
    const [, before = '', where = '', field = name] = match ?? []
    const link = where === 'all' || where === 'default' ? '' : where.replaceAll('/', '.')
    const id = this.#words.of(link === '' ? name : before + field)
    const key = { link, id, proxy: /^proxy_(?:arp|ndp)/.test(field) }
    this.#keys.set(name, key)
    return key
  }
}

interface Read {
  readonly prints: readonly Print[]
  readonly whole: Print
  readonly hostRoutes: readonly RouteSnapshot[]
  readonly permanent: NetnsSnapshot['neighbours']
  readonly fixed: NetnsSnapshot['fdb']
  readonly proxy: boolean
}

function factsOf(netns: NetnsSnapshot, read: Read): Facts {
  const { links, name, addresses, routes } = netns
  const { prints, whole, hostRoutes, permanent, fixed, proxy } = read
  const sources = links.flatMap((l) => l.macvlan?.sources ?? NONE)
  const loop = links.find((l) => l.kind === 'loopback')?.name
  const usable = (family: 4 | 6) => (a: AddressSnapshot) => isUsable(a, family) && a.link !== loop
  const alone = permanent.length > 0 || fixed.length > 0 || sources.length > 0
  const vias = some(routes, (r) => r.via !== undefined)
  return {
    snapshot: netns,
    links: links.map((link, i) => ({
      link,
      leads: link.parent?.netns === name ? undefined : link.parent?.netns,
      print: (prints[i] as Print).number,
      addresses: some(addresses, (a) => a.link === link.name),
    })),
    print: whole.number,
    ips: some(addresses, (a) => a.scope !== 'host').map((a) => a.address.address),
    cards: some(links, hasOwnMac),
    vias: vias.length === 0 ? NONE : vias.map((r) => r.via as Ip),
    namedIps: permanent.length === 0 ? NONE : permanent.map((n) => n.ip),
    namedMacs: alone
      ? [...permanent.flatMap((n) => n.mac ?? NONE), ...fixed.map((e) => e.mac), ...sources]
      : NONE,
    prefixes: prefixesOf(netns),
    hostRoutes,
    meddles:
      proxy ||
      permanent.some((n) => n.proxy) ||
      routes.some((r) => r.type === 'local' && r.protocol !== 'kernel'),
    alone,
    takes: links.some((l) => l.macvlan?.mode === 'passthru' || l.macvlan?.mode === 'source'),
    first4: addresses.find(usable(4)),
    first6: addresses.find(usable(6)),
  }
}

/** Whether others may use an address. */
export function isUsable({ address, scope }: AddressSnapshot, family: 4 | 6): boolean {
  const own = scope === 'host' || scope === 'link'
  return !own && (typeof address.address === 'bigint') === (family === 6)
}

function isHostRoute({ to, protocol, type }: RouteSnapshot): boolean {
  const single = to.length === (typeof to.address === 'bigint' ? 128 : 32)
  return single && protocol !== 'kernel' && type === 'unicast'
}

function indexOf(links: readonly LinkSnapshot[], name: string | undefined): number {
  if (name === undefined) return -1
  for (let i = 0; i < links.length; i++) if ((links[i] as LinkSnapshot).name === name) return i
  return -1
}

/** A filter that makes no list where nothing or everything passes, and none with room to spare. */
function some<T>(list: readonly T[], is: (one: T) => boolean): readonly T[] {
  let count = 0
  let last: T | undefined
  for (const one of list) {
    if (!is(one)) continue
    count++
    last = one
  }
  if (count === 0) return NONE
  if (count === list.length) return list
  return count === 1 ? [last as T] : list.filter(is)
}

/** Prefixes that tell one address from another: of routes, rules, filters and the links' own. */
function prefixesOf(netns: NetnsSnapshot): Prefix[] {
  const out: Prefix[] = netns.addresses.map((a) => a.address)
  for (const route of netns.routes) {
    const { to, via } = route
    if (!isHostRoute(route)) out.push(to)
    if (via !== undefined) out.push(hostPrefix(via))
  }
  for (const { from, to } of netns.rules) {
    if (from !== undefined) out.push(from)
    if (to !== undefined) out.push(to)
  }
  for (const { rules } of netns.filters ?? []) {
    for (const { match, verdict } of rules) {
      if (match.from !== undefined) out.push(match.from)
      if (match.to !== undefined) out.push(match.to)
      if ('to' in verdict && verdict.to !== undefined) out.push(hostPrefix(verdict.to))
    }
  }
  // Kept for long, without the room a list grows by.
  return out.slice()
}

export function hostPrefix(ip: Ip): Prefix {
  return { address: ip, length: typeof ip === 'bigint' ? 128 : 32 }
}

/** Not of links that have the MAC of what they sit on, or of one of their ports. */
function hasOwnMac({ kind, macvlan }: LinkSnapshot): boolean {
  return (
    kind !== 'loopback' &&
    kind !== 'ipvlan' &&
    kind !== 'vlan' &&
    kind !== 'bridge' &&
    macvlan?.mode !== 'passthru'
  )
}
