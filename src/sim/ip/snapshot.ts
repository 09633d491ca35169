/** What the stack knows, as a Snapshot says it: the kernel's own local table is left out. */
import { compareIp, type Ip, type Prefix } from '../../addr/ip.ts'
import type {
  AddressSnapshot,
  NeighbourSnapshot,
  RouteSnapshot,
  RuleSnapshot,
} from '../../fabric/snapshot.ts'
import type { NeighbourState } from '../../fabric/plan.ts'
import type { Device, Netns } from '../model.ts'
import {
  type Address4,
  type Address6,
  deviceIp,
  type Neighbour,
  netnsIp,
  NUD_DELAY,
  NUD_FAILED,
  NUD_INCOMPLETE,
  NUD_NOARP,
  NUD_NONE,
  NUD_PERMANENT,
  NUD_PROBE,
  NUD_REACHABLE,
  NUD_STALE,
  type Route,
  type Rule,
  SCOPE_HOST,
  SCOPE_LINK,
  SCOPE_NOWHERE,
  SCOPE_SITE,
  TABLE_LOCAL,
} from './state.ts'
import { fibTables } from './tables.ts'

function scopeName(scope: number): AddressSnapshot['scope'] {
  if (scope === SCOPE_LINK) return 'link'
  if (scope === SCOPE_HOST) return 'host'
  return scope === SCOPE_SITE ? 'site' : 'global'
}

export function listAddresses(dev: Device): AddressSnapshot[] {
  const ip = deviceIp(dev)
  if (ip === undefined) return []
  return [
    ...ip.addresses4.map((a) => address4(dev, a)),
    ...ip.addresses6.map((a) => address6(dev, a)),
  ]
}

const address4 = (dev: Device, a: Address4): AddressSnapshot => ({
  link: dev.name,
  address: { address: a.ip, length: a.length },
  broadcast: a.broadcast,
  scope: scopeName(a.scope),
  secondary: a.secondary,
  tentative: false,
  dadFailed: false,
  dynamic: false,
})

const address6 = (dev: Device, a: Address6): AddressSnapshot => ({
  link: dev.name,
  address: { address: a.ip, length: a.length },
  broadcast: undefined,
  scope: scopeName(a.scope),
  secondary: false,
  tentative: a.tentative,
  dadFailed: a.dadFailed,
  dynamic: a.dynamic,
})

/** In the order of the kernel's dump: by prefix, the longer first where they begin alike. */
export function listRoutes(netns: Netns): RouteSnapshot[] {
  const out: RouteSnapshot[] = []
  for (const fib of fibTables(netnsIp(netns))) {
    const routes = [...fib.all()].filter((r) => r.table !== TABLE_LOCAL || r.protocol !== 'kernel')
    routes.sort((a, b) => compareIp(a.to, b.to) || b.length - a.length)
    out.push(...routes.map(routeSnapshot))
  }
  return out
}

function routeSnapshot(r: Route): RouteSnapshot {
  return {
    to: { address: r.to, length: r.length },
    type: r.kind,
    via: r.via,
    link: r.dev?.name,
    source: r.source,
    metric: r.metric,
    table: r.table,
    scope: r.scope === SCOPE_NOWHERE ? 'nowhere' : scopeName(r.scope),
    protocol: r.protocol,
    linkDown: r.dev !== undefined && r.dev.up && !r.dev.carrier,
    onlink: r.onlink,
  }
}

export function listRules(netns: Netns): RuleSnapshot[] {
  const ns = netnsIp(netns)
  const of = (family: 4 | 6) => (r: Rule) => ({
    family,
    priority: r.priority,
    from: prefix(r.from),
    to: prefix(r.to),
    iif: r.iif,
    oif: r.oif,
    table: r.table,
    action: r.action,
  })
  return [...ns.rules4.map(of(4)), ...ns.rules6.map(of(6))]
}

const prefix = (p: { readonly address: Ip; readonly length: number } | undefined) =>
  p === undefined ? undefined : ({ address: p.address, length: p.length } satisfies Prefix)

const STATES = new Map<number, NeighbourState>([
  [NUD_INCOMPLETE, 'incomplete'],
  [NUD_REACHABLE, 'reachable'],
  [NUD_STALE, 'stale'],
  [NUD_DELAY, 'delay'],
  [NUD_PROBE, 'probe'],
  [NUD_FAILED, 'failed'],
  [NUD_PERMANENT, 'permanent'],
])

/** Neighbours and proxy entries; without NOARP ones, which are made for groups and the like. */
export function listNeighbours(dev: Device): NeighbourSnapshot[] {
  const ip = deviceIp(dev)
  if (ip === undefined) return []
  const known = (n: Neighbour) => n.state !== NUD_NONE && n.state !== NUD_NOARP
  const own = [...ip.neighbours4.values(), ...ip.neighbours6.values()].filter(known)
  const proxies = [...ip.proxies4, ...ip.proxies6]
  return [
    ...own.map((n) => neighbour(dev, n)),
    ...proxies.map((address) => ({
      link: dev.name,
      ip: address,
      mac: undefined,
      state: 'permanent' as const,
      proxy: true,
      router: false,
    })),
  ]
}

function neighbour(dev: Device, n: Neighbour): NeighbourSnapshot {
  // Only an entry that was valid once has an address worth showing (neigh_fill_info, NUD_VALID).
  const valid = (n.state & (NUD_INCOMPLETE | NUD_FAILED)) === 0
  return {
    link: dev.name,
    ip: n.ip,
    mac: valid ? n.mac : undefined,
    state: STATES.get(n.state) ?? 'incomplete',
    proxy: false,
    router: n.router,
  }
}
