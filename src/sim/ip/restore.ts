/** Loads the stack's part of a snapshot: addresses, routes, rules, neighbours and sysctls. */
import type { Prefix } from '../../addr/ip.ts'
import type {
  AddressSnapshot,
  NeighbourSnapshot,
  NetnsSnapshot,
  RouteSnapshot,
} from '../../fabric/snapshot.ts'
import type { Device, Netns, World } from '../model.ts'
import { insertAddress4, removeAddress4 } from './address4.ts'
import { insertAddress6, plainAddress, removeAddress6 } from './addrconf.ts'
import { flushRouteCache } from './cache.ts'
import { mask4 } from './fib.ts'
import { makeRoute } from './make-route.ts'
import { makeNeighbour, UPDATE_ADMIN, UPDATE_OVERRIDE, updateNeighbour } from './neighbour.ts'
import { dropTimer } from './neighbour-timers.ts'
import { STATE_BITS } from './neighbour-ops.ts'
import { restoreFilters } from './netfilter/ops.ts'
import { frozenRules, initRules, markPlain } from './rule-ops.ts'
import {
  type DeviceIp,
  deviceIp,
  type NetnsIp,
  netnsIp,
  NUD_FAILED,
  NUD_STALE,
  SCOPE_GLOBAL,
  SCOPE_HOST,
  SCOPE_LINK,
  SCOPE_NOWHERE,
  SCOPE_SITE,
  TABLE_LOCAL,
} from './state.ts'
import { writeSysctl } from './sysctl.ts'
import { listSysctls } from './sysctl-list.ts'
import { fibTables, makeTable } from './tables.ts'

/** The stack's part of a namespace's snapshot. */
export type IpSnapshot = Pick<
  NetnsSnapshot,
  'addresses' | 'filters' | 'routes' | 'rules' | 'neighbours' | 'sysctls'
>

const SCOPES: Readonly<Record<RouteSnapshot['scope'], number>> = {
  global: SCOPE_GLOBAL,
  site: SCOPE_SITE,
  link: SCOPE_LINK,
  host: SCOPE_HOST,
  nowhere: SCOPE_NOWHERE,
}

function* links(netns: Netns): Generator<readonly [Device, DeviceIp]> {
  for (const dev of netns.byIndex.values()) {
    const ip = deviceIp(dev)
    if (ip !== undefined) yield [dev, ip]
  }
}

/**
 * Puts a namespace's stack into the state a snapshot tells. Its links must be there, named and up
 * as they should be; what came with them by itself (link-local addresses, connected routes) is
 * replaced by what the snapshot says.
 */
export function restoreIp(world: World, netns: Netns, snapshot: IpSnapshot): void {
  const ns = netnsIp(netns)
  restoreSysctls(world, netns, snapshot.sysctls)
  for (const [dev, ip] of links(netns)) {
    while (ip.addresses4[0] !== undefined) removeAddress4(dev, ip, ip.addresses4[0])
    for (const address of ip.addresses6.slice()) removeAddress6(world, dev, ip, address)
  }
  // Lists put the newest first: from the last to the first gives their order back.
  for (const address of snapshot.addresses.toReversed()) {
    if (typeof address.address.address === 'bigint') restoreAddress(world, netns, address)
  }
  for (const address of snapshot.addresses) {
    if (typeof address.address.address === 'number') restoreAddress(world, netns, address)
  }
  for (const fib of fibTables(ns)) {
    fib.removeAll((r) => r.table !== TABLE_LOCAL || r.protocol !== 'kernel')
  }
  for (const route of snapshot.routes) restoreRoute(ns, route)
  initRules(ns)
  ns.rules4 = frozenRules(snapshot.rules.filter((r) => r.family === 4).map((r) => ({ ...r })))
  ns.rules6 = frozenRules(snapshot.rules.filter((r) => r.family === 6).map((r) => ({ ...r })))
  markPlain(ns)
  restoreFilters(world, ns, snapshot.filters ?? [])
  for (const [dev] of links(netns)) {
    const own = snapshot.neighbours.filter((n) => n.link === dev.name)
    restoreNeighbours(world, dev, own)
  }
  flushRouteCache(ns, true)
}

/**
 * Sets what a namespace and the links in it are set to. Done before there are links, too, it spares
 * them the addresses they would get and lose again.
 */
export function restoreSysctls(world: World, netns: Netns, sysctls: IpSnapshot['sysctls']): void {
  // One written may change others: again then, until nothing is left that can be.
  for (let round = 0; round < ROUNDS; round++) {
    const now = listSysctls(netns)
    if (now === sysctls) return
    let written = false
    for (const key in sysctls) {
      const value = sysctls[key] as string
      if (now[key] === value || (round > 0 && now[key] === undefined)) continue
      writeSysctl(world, netns, key, value)
      written = true
    }
    if (!written) return
  }
}

/** `all` sets the links, `forwarding` sets `accept_redirects`; nothing follows from those. */
const ROUNDS = 3

function restoreAddress(world: World, netns: Netns, one: AddressSnapshot): void {
  const dev = netns.byName.get(one.link)
  const ip = dev === undefined ? undefined : deviceIp(dev)
  if (dev === undefined || ip === undefined) return
  const { address, length } = one.address
  if (typeof address === 'number') {
    insertAddress4(dev, ip, {
      ip: address,
      length,
      mask: mask4(length),
      broadcast: one.broadcast as number | undefined,
      scope: SCOPES[one.scope],
      secondary: one.secondary,
      noPrefixRoute: false,
    })
    return
  }
  insertAddress6(world, dev, ip, {
    ...plainAddress(address, length),
    tentative: one.tentative,
    dadFailed: one.dadFailed,
    dynamic: one.dynamic,
  })
}

function restoreRoute(ns: NetnsIp, r: RouteSnapshot): void {
  const family = typeof r.to.address === 'number' ? 4 : 6
  const dev = r.link === undefined ? undefined : ns.netns.byName.get(r.link)
  if (r.link !== undefined && dev === undefined) return
  const to: Prefix = r.to
  if (r.type === 'local') ns.localPrefixes = true
  makeTable(ns, family, r.table).insert(
    makeRoute(r.type, to.address, to.length, dev, {
      ...(r.via === undefined ? {} : { via: r.via }),
      ...(r.source === undefined ? {} : { source: r.source }),
      metric: r.metric,
      table: r.table,
      scope: SCOPES[r.scope],
      protocol: r.protocol,
      onlink: r.onlink,
    }),
  )
}

function restoreNeighbours(world: World, dev: Device, list: readonly NeighbourSnapshot[]): void {
  const ip = deviceIp(dev)
  if (ip === undefined) return
  for (const n of [...ip.neighbours4.values(), ...ip.neighbours6.values()]) dropTimer(n)
  ip.news++
  ip.neighbours4.clear()
  ip.neighbours6.clear()
  for (const one of list) {
    if (one.proxy) {
      if (typeof one.ip === 'number') ip.proxies4.add(one.ip)
      else ip.proxies6.add(one.ip)
      continue
    }
    const bit = STATE_BITS[one.state]
    if (one.mac === undefined && bit !== NUD_FAILED) continue
    const n = makeNeighbour(ip, dev, one.ip)
    n.router = one.router
    // In the middle of being asked for: it is known, but not for sure.
    const between = one.state === 'delay' || one.state === 'probe'
    updateNeighbour(world, n, one.mac, between ? NUD_STALE : bit, UPDATE_OVERRIDE | UPDATE_ADMIN)
  }
}
