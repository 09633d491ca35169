/**
 * Snapshots without what must differ between two worlds that did the same plan: indexes are gone,
 * links are named by namespace and name, and a MAC the kernel made up is named after the link it
 * belongs to, wherever it turns up (addresses derived from it, forwarding entries, a VLAN's MAC).
 */
import { eui64Of } from '../addr/eui64.ts'
import { formatIp, type Ip, type Prefix } from '../addr/ip.ts'
import { formatMac, isGroupMac, isLocalMac, isZeroMac, type Mac } from '../addr/mac.ts'
import { formatPrefix } from '../addr/prefix.ts'
import type { Plan } from './plan.ts'
import { ruleWords } from './print-iptables.ts'
import type { LinkSnapshot, NetnsSnapshot, OperState, RouteSnapshot, Snapshot } from './snapshot.ts'

/** What counts in a comparison. */
export interface NormaliseOptions {
  /** MACs that somebody chose: they must be equal. Default: none, see {@link macsOf}. */
  readonly macs?: ReadonlySet<Mac>
  /** Keep neighbours that were learned; they come and go with time. Default: only lasting ones. */
  readonly learnedNeighbours?: boolean
  /** Keep forwarding entries that were learned. Default: only lasting ones. */
  readonly learnedFdb?: boolean
}

export type Table =
  | 'link'
  | 'address'
  | 'route'
  | 'rule'
  | 'filter'
  | 'neighbour'
  | 'fdb'
  | 'vlan'
  | 'sysctl'

/** One row of a table, with its values as text. */
export interface Row {
  readonly netns: string
  readonly table: Table
  /** What tells it from the other rows of its table: a link's name, a route's destination, ... */
  readonly key: string
  readonly fields: Readonly<Record<string, string>>
}

/** The MACs a plan chooses. */
export function macsOf(plan: Plan): Set<Mac> {
  const macs = new Set<Mac>()
  for (const op of plan) {
    if (op.do !== 'link.add' && op.do !== 'link.set') continue
    if (op.address !== undefined) macs.add(op.address)
    if (op.do === 'link.add' && op.spec.kind === 'veth' && op.spec.peer.address !== undefined) {
      macs.add(op.spec.peer.address)
    }
  }
  return macs
}

/**
 * A snapshot as rows of text, in a fixed order.
 *
 * A bridge that nobody gave a MAC takes the lowest of its ports': it is called the MAC of one of
 * its ports, as which one it is depends on chance.
 */
export function normalise(snapshot: Snapshot, options: NormaliseOptions = {}): Row[] {
  const names = nameMacs(snapshot, options.macs ?? new Set())
  const rows = [...names].flatMap(([netns, on]) => rowsOf(netns, on, options))
  return rows.sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1))
}

/** What a row is known by. */
export function idOf(row: Pick<Row, 'netns' | 'table' | 'key'>): string {
  return `${row.netns}\0${row.table}\0${row.key}`
}

/** MACs to their names: made-up ones are named after a link. */
class MacNames {
  readonly #names = new Map<Mac, string>()
  /** Interface identifiers derived from them. */
  readonly #ids = new Map<bigint, string>()

  add(mac: Mac, name: string): void {
    if (this.#names.has(mac)) return
    this.#names.set(mac, name)
    this.#ids.set(eui64Of(mac), name)
  }

  mac(mac: Mac): string {
    return this.#names.get(mac) ?? formatMac(mac)
  }

  ip(ip: Ip): string {
    if (typeof ip === 'number') return formatIp(ip)
    const name = this.#ids.get(ip & 0xffffffffffffffffn)
    return name === undefined ? formatIp(ip) : `${formatIp((ip >> 64n) << 64n)}<eui64 ${name}>`
  }

  prefix(prefix: Prefix): string {
    const text = this.ip(prefix.address)
    return text.endsWith('>') ? `${text}/${prefix.length}` : formatPrefix(prefix)
  }
}

/** The names as they are spoken on a link: a bridge's own MAC may be that of any of its ports. */
type NamesOn = (link: string | undefined) => MacNames

function nameMacs(snapshot: Snapshot, chosen: ReadonlySet<Mac>): Map<NetnsSnapshot, NamesOn> {
  const madeUp = (mac: Mac) =>
    isLocalMac(mac) && !isGroupMac(mac) && !isZeroMac(mac) && !chosen.has(mac)
  const all = snapshot.netns
    .flatMap((netns) => netns.links.map((link) => ({ netns, link })))
    .filter(({ link }) => madeUp(link.address))
    // First those that have a MAC of their own, then those that may have taken another's.
    .toSorted((a, b) => borrows(a.link) - borrows(b.link))
  const names = new MacNames()
  for (const { netns, link } of all) names.add(link.address, `mac of ${netns.name}/${link.name}`)
  const bridges = new Map<string, MacNames>()
  for (const { netns, link } of all) {
    const ports = netns.links.filter((port) => port.master === link.name)
    if (!ports.some((port) => port.address === link.address)) continue
    const own = new MacNames()
    own.add(link.address, `mac of a port of ${netns.name}/${link.name}`)
    for (const other of all) own.add(other.link.address, names.mac(other.link.address))
    bridges.set(`${netns.name}/${link.name}`, own)
  }
  // A VLAN on such a bridge took the same MAC.
  for (const { netns, link } of all) {
    const lower = bridges.get(`${link.parent?.netns}/${link.parent?.name}`)
    if (link.kind === 'vlan' && lower !== undefined)
      bridges.set(`${netns.name}/${link.name}`, lower)
  }
  const on = (netns: NetnsSnapshot): NamesOn => {
    return (link) => bridges.get(`${netns.name}/${link}`) ?? names
  }
  return new Map(snapshot.netns.map((netns) => [netns, on(netns)]))
}

/** Kinds that take the MAC of what they sit on or hold come later. */
function borrows(link: LinkSnapshot): number {
  if (link.kind === 'vlan' || link.kind === 'ipvlan') return 1
  return link.kind === 'bridge' ? 2 : 0
}

function rowsOf(netns: NetnsSnapshot, on: NamesOn, options: NormaliseOptions): Row[] {
  const rows: Row[] = []
  const seen = new Map<string, number>()
  const add = (table: Table, key: string, values: object): void => {
    const times = (seen.get(`${table} ${key}`) ?? 0) + 1
    seen.set(`${table} ${key}`, times)
    const own = times === 1 ? key : `${key} #${times}`
    rows.push({ netns: netns.name, table, key: own, fields: fieldsOf(values) })
  }
  for (const link of netns.links) add('link', link.name, linkValues(link, on(link.name), netns))
  for (const { link, address, broadcast, ...rest } of netns.addresses) {
    const key = `${on(link).prefix(address)} dev ${link}`
    add('address', key, { ...rest, broadcast: maybe(broadcast, formatIp) })
  }
  for (const route of netns.routes) addRoute(route, on(route.link), add)
  for (const { family, priority, ...rule } of netns.rules) {
    const [from, to] = [maybe(rule.from, formatPrefix), maybe(rule.to, formatPrefix)]
    add('rule', `${family} ${priority}`, { ...rule, from, to })
  }
  // Counters depend on what was sent meanwhile; tables nobody put anything into on who looked.
  for (const { family, table, chain, policy, rules } of netns.filters ?? []) {
    const key = `${family} ${table} ${chain}`
    if (policy !== 'accept' || rules.length > 0) add('filter', key, { policy })
    for (const [at, { packets: _p, bytes: _b, ...rule }] of rules.entries())
      add('filter', `${key} ${at + 1}`, { rule: ruleWords(rule, family).join(' ') })
  }
  for (const { link, ip, mac, proxy, ...rest } of netns.neighbours) {
    if (options.learnedNeighbours !== true && !proxy && rest.state !== 'permanent') continue
    const key = `${on(undefined).ip(ip)} dev ${link}${proxy ? ' proxy' : ''}`
    add('neighbour', key, { ...rest, mac: maybe(mac, (mac) => on(undefined).mac(mac)) })
  }
  for (const { link, mac, vlan, on: place, state } of netns.fdb) {
    if (options.learnedFdb !== true && state === 'dynamic') continue
    const tag = vlan === undefined ? '' : ` vlan ${vlan}`
    add('fdb', `${on(link).mac(mac)} dev ${link}${tag} ${place}`, { state })
  }
  for (const { link, vlan, ...rest } of netns.vlans) add('vlan', `${vlan} dev ${link}`, rest)
  for (const [key, value] of Object.entries(netns.sysctls)) add('sysctl', key, { value })
  return rows
}

function addRoute(
  route: RouteSnapshot,
  names: MacNames,
  add: (table: Table, key: string, values: object) => void,
): void {
  const { to, link, via, metric, table, type, source, ...rest } = route
  const end = `${via === undefined ? '' : ` via ${names.ip(via)}`} dev ${link ?? '-'}`
  const key = `${type} ${names.prefix(to)} table ${table} metric ${metric}${end}`
  add('route', key, { ...rest, source: maybe(source, (ip) => names.ip(ip)) })
}

function maybe<T>(value: T | undefined, format: (value: T) => string): string | undefined {
  return value === undefined ? undefined : format(value)
}

function linkValues(link: LinkSnapshot, names: MacNames, netns: NetnsSnapshot): object {
  const { index: _index, name: _name, address, parent, macvlan, bridge, port, ...rest } = link
  const { ipvlan, vlan, vxlan, netem, netemHandle: _handle, ...plain } = rest
  const lower = parent && `${parent.netns ?? '?'}/${parent.name ?? '?'}`
  const operState = operStateOf(link, netns)
  return {
    ...plain,
    operState,
    address: names.mac(address),
    parent: lower,
    ...flat('macvlan', macvlan && { ...macvlan, sources: sources(macvlan.sources) }),
    ...flat('ipvlan', ipvlan),
    ...flat('vlan', vlan),
    ...flat('vxlan', vxlan),
    ...flat('netem', netem),
    ...flat('bridge', bridge),
    ...flat('port', port),
  }
}

/** What it would be however long the link watch took to look. */
function operStateOf(link: LinkSnapshot, netns: NetnsSnapshot): OperState {
  const { kind, operState, parent } = link
  // A bridge with carrier is UNKNOWN until it is looked at.
  if (kind === 'bridge' && operState === 'unknown') return 'up'
  // With the link below elsewhere the kernel asks whoever has its index here, as it is just then.
  if (parent !== undefined && parent.netns !== netns.name && operState === 'lowerlayerdown')
    return 'down'
  return operState
}

function sources(macs: readonly Mac[]): string {
  return macs.map(formatMac).sort().join(' ')
}

/** The options of a kind as fields of their own: `bridge.ageingTime`. */
function flat(name: string, values: object | undefined): Record<string, unknown> {
  if (values === undefined) return {}
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [`${name}.${key}`, value]))
}

/** Values as text; what is absent has no field. */
function fieldsOf(values: object): Record<string, string> {
  const fields: Record<string, string> = {}
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined)
      fields[name] = typeof value === 'string' ? value : JSON.stringify(value)
  }
  return fields
}
