/**
 * IPv4 route lookup, source addresses and the checks of a received packet's source
 * (net/ipv4/fib_frontend.c, fib_trie.c, route.c, devinet.c).
 */
import type { Ip4 } from '../../addr/ip.ts'
import type { Device } from '../model.ts'
import type { Fib } from './fib.ts'
import { makeRoute } from './make-route.ts'
import {
  type DeviceIp,
  deviceIp,
  holds4,
  type NetnsIp,
  type Output4,
  type Route,
  type RouteException,
  type Rule,
  SCOPE_HOST,
  SCOPE_LINK,
  TABLE_LOCAL,
  TABLE_MAIN,
} from './state.ts'

/** What a rule with an action of its own answers. */
const RULE_VERDICT = {
  blackhole: makeRoute('blackhole', 0, 0, undefined),
  prohibit: makeRoute('prohibit', 0, 0, undefined),
} as const

/** `fib_table_lookup`: longest prefix, lowest metric, oldest. */
export function lookupTable4(
  fib: Fib,
  dst: Ip4,
  oif: Device | undefined,
  scope: number,
  ignoreLinkState: boolean,
): Route | undefined {
  const levels = fib.levels
  for (let i = 0; i < levels.length; i++) {
    const level = levels[i] as (typeof levels)[number]
    const routes = level.routes.get((dst & (level.mask as number)) >>> 0)
    if (routes === undefined) continue
    for (const route of routes) {
      if (route.scope < scope) continue
      const dev = route.dev
      if (dev !== undefined && route.kind !== 'unreachable') {
        if (oif !== undefined && dev !== oif) continue
        if (!dev.carrier && !ignoreLinkState && ignoresLinkDown4(dev)) continue
      }
      return route
    }
  }
  return undefined
}

function ignoresLinkDown4(dev: Device): boolean {
  const ip = deviceIp(dev)
  if (ip === undefined) return false
  const { ignore_routes_with_linkdown: all } = ip.ns.conf4All
  return all !== 0 || ip.conf4.ignore_routes_with_linkdown !== 0
}

/**
 * `fib_lookup`: the rules in order, then their tables. A route of kind unreachable, blackhole or
 * prohibit is a found refusal; undefined is no route at all.
 */
export function lookup4(
  ns: NetnsIp,
  dst: Ip4,
  src: Ip4,
  iif: Device | undefined,
  oif: Device | undefined,
  scope = 0,
  ignoreLinkState = false,
): Route | undefined {
  const cacheable = ns.plain4 && oif === undefined && scope === 0 && !ignoreLinkState
  if (cacheable) {
    if (dst === ns.ownRouteTo) return ns.ownRoute
    if (dst === ns.lastRouteTo) return ns.lastRoute
    const cached = ns.cache4.get(dst)
    if (cached !== undefined) return remember4(ns, dst, cached)
  }
  const route = ns.plain4
    ? plainLookup4(ns, dst, oif, scope, ignoreLinkState)
    : ruleLookup4(ns, dst, src, iif, oif, scope, ignoreLinkState)
  if (cacheable && route !== undefined) {
    ns.cache4.set(dst, route)
    remember4(ns, dst, route)
  }
  return route
}

function remember4(ns: NetnsIp, dst: Ip4, route: Route): Route {
  if (route.kind === 'local') {
    ns.ownRouteTo = dst
    ns.ownRoute = route
  } else {
    ns.lastRouteTo = dst
    ns.lastRoute = route
  }
  return route
}

function plainLookup4(
  ns: NetnsIp,
  dst: Ip4,
  oif: Device | undefined,
  scope: number,
  ignore: boolean,
): Route | undefined {
  for (let table = TABLE_LOCAL; table >= TABLE_MAIN - 1; table--) {
    const fib = ns.tables4.get(table)
    if (fib === undefined) continue
    const route = lookupTable4(fib, dst, oif, scope, ignore)
    if (route !== undefined && route.kind !== 'throw') return route
  }
  return undefined
}

function ruleLookup4(
  ns: NetnsIp,
  dst: Ip4,
  src: Ip4,
  iif: Device | undefined,
  oif: Device | undefined,
  scope: number,
  ignore: boolean,
): Route | undefined {
  for (const rule of ns.rules4) {
    if (!matches(rule, dst, src, iif ?? ns.lo, oif)) continue
    // fib4_rule_action: ENETUNREACH, as where no route is; a route of that kind is EHOSTUNREACH.
    if (rule.action === 'unreachable') return undefined
    if (rule.action !== 'lookup') return RULE_VERDICT[rule.action]
    const fib = ns.tables4.get(rule.table)
    if (fib === undefined) continue
    const route = lookupTable4(fib, dst, oif, scope, ignore)
    if (route !== undefined && route.kind !== 'throw') return route
  }
  return undefined
}

/** `fib_rule_match`: what was sent here counts as having come in by lo. */
function matches(
  rule: Rule,
  dst: Ip4,
  src: Ip4,
  iif: Device | undefined,
  oif: Device | undefined,
): boolean {
  if (rule.iif !== undefined && rule.iif !== iif?.name) return false
  if (rule.oif !== undefined && rule.oif !== oif?.name) return false
  if (rule.from !== undefined && !inPrefix(src, rule.from)) return false
  return rule.to === undefined || inPrefix(dst, rule.to)
}

function inPrefix(
  ip: Ip4,
  prefix: { readonly address: unknown; readonly length: number },
): boolean {
  if (prefix.length === 0) return true
  return (ip ^ (prefix.address as number)) >>> (32 - prefix.length) === 0
}

/** The errno of a lookup that led nowhere (fib_props). */
export function refusalErrno(route: Route | undefined): string {
  const kind = route?.kind
  if (kind === 'unreachable') return 'EHOSTUNREACH'
  if (kind === 'prohibit') return 'EACCES'
  return kind === 'blackhole' ? 'EINVAL' : 'ENETUNREACH'
}

/** Whether a lookup led to something that can be sent to. */
export function isUsable(route: Route | undefined): route is Route {
  if (route === undefined) return false
  const kind = route.kind
  return kind !== 'unreachable' && kind !== 'prohibit' && kind !== 'blackhole' && kind !== 'throw'
}

export type AddressKind = 'unicast' | 'local' | 'broadcast' | 'multicast'

/** `inet_addr_type_dev_table`: what an address is to this namespace, or to one link of it. */
export function addressKind4(ns: NetnsIp, ip: Ip4, dev?: Device): AddressKind {
  if (ip === 0xffffffff || ip >>> 24 === 0) return 'broadcast'
  if (ip >>> 28 === 0xe) return 'multicast'
  const fib = ns.tables4.get(TABLE_LOCAL)
  const route = fib === undefined ? undefined : lookupTable4(fib, ip, undefined, 0, false)
  if (route === undefined || (dev !== undefined && route.dev !== dev)) return 'unicast'
  return route.kind === 'local' || route.kind === 'broadcast' ? route.kind : 'unicast'
}

/** Whether an address is one of the namespace's own (`__ip_dev_find`). */
export function isLocal4(ns: NetnsIp, ip: Ip4): boolean {
  return holds4(ns, ip) || addressKind4(ns, ip) === 'local'
}

/**
 * `inet_select_addr`: the first primary address of a link, better one in the subnet of `near`; if
 * it has none, the first of all links.
 */
export function selectAddress4(
  ns: NetnsIp,
  dev: Device | undefined,
  near: Ip4,
  scope: number,
): Ip4 {
  const ip = dev === undefined ? undefined : deviceIp(dev)
  let found = 0
  if (ip !== undefined) {
    const localnet = ip.conf4.route_localnet || ns.conf4All.route_localnet ? SCOPE_HOST : SCOPE_LINK
    for (const address of ip.addresses4) {
      if (address.secondary || Math.min(address.scope, localnet) > scope) continue
      if (near === 0 || ((near ^ address.ip) & address.mask) === 0) {
        found = address.ip
        break
      }
      if (found === 0) found = address.ip
    }
  }
  if (found !== 0) return found
  for (const other of ns.netns.byIndex.values()) {
    for (const address of deviceIp(other)?.addresses4 ?? []) {
      if (address.secondary || address.scope === SCOPE_LINK || address.scope > scope) continue
      return address.ip
    }
  }
  return 0
}

/** `fib_result_prefsrc`. */
export function sourceOf4(ns: NetnsIp, route: Route): Ip4 {
  if (route.source !== undefined) return route.source as Ip4
  const near = typeof route.via === 'number' ? route.via : 0
  return selectAddress4(ns, route.dev, near, route.scope)
}

/**
 * `ip_route_output_key_hash_rcu`.
 * @param src 0 = to be chosen
 * @returns an errno when there is no way
 */
export function routeOutput4(
  ns: NetnsIp,
  dst: Ip4,
  src: Ip4,
  oif: Device | undefined,
  anySource = false,
): Output4 | string {
  const lo = ns.lo
  if (lo === undefined) return 'ENETUNREACH'
  if (src !== 0) {
    if (src === 0xffffffff || src >>> 28 === 0xe) return 'EINVAL'
    if (oif === undefined && (dst === 0xffffffff || dst >>> 28 === 0xe)) {
      const holder = holderOf4(ns, src)
      if (holder === undefined && !anySource) return 'EINVAL'
      if (holder !== undefined) return direct(ns, holder, dst, src)
    }
    if (!anySource && !isLocal4(ns, src)) return 'EINVAL'
  }
  if (oif !== undefined) {
    if (!oif.up || deviceIp(oif) === undefined) return 'ENETUNREACH'
    if (dst === 0xffffffff || dst >>> 8 === 0xe00000) {
      return direct(ns, oif, dst, src === 0 ? selectAddress4(ns, oif, 0, SCOPE_LINK) : src)
    }
  }
  const route = lookup4(ns, dst, src, undefined, oif)
  if (!isUsable(route)) {
    // Routing tables are wrong: assume that the destination is on the link.
    if (oif === undefined || route !== undefined) return refusalErrno(route)
    return direct(ns, oif, dst, src === 0 ? selectAddress4(ns, oif, 0, SCOPE_LINK) : src)
  }
  if (route.kind === 'local') {
    const source = src !== 0 ? src : ((route.source as Ip4 | undefined) ?? dst)
    return { route, dev: lo, source, kind: 'local' }
  }
  const dev = route.dev
  if (dev === undefined) return 'ENETUNREACH'
  const source = src === 0 ? sourceOf4(ns, route) : src
  if (source >>> 24 === 127 && dev !== lo && !localnetAllowed(ns, dev)) return 'EINVAL'
  const kind =
    dst >>> 28 === 0xe ? 'multicast' : route.kind === 'broadcast' ? 'broadcast' : 'unicast'
  return outputOf(ns, route, dev, source, dst === 0xffffffff ? 'broadcast' : kind)
}

/** Most packets of a host leave as the one before did: then this is the same object. */
function outputOf(
  ns: NetnsIp,
  route: Route,
  dev: Device,
  source: Ip4,
  kind: Output4['kind'],
): Output4 {
  const last = ns.lastOutput
  if (last?.route === route && last.dev === dev && last.source === source && last.kind === kind) {
    return last
  }
  const output = { route, dev, source, kind }
  ns.lastOutput = output
  return output
}

function direct(_ns: NetnsIp, dev: Device, dst: Ip4, source: Ip4): Output4 {
  const kind = dst === 0xffffffff ? 'broadcast' : dst >>> 28 === 0xe ? 'multicast' : 'unicast'
  return { route: undefined, dev, source, kind }
}

/** The link that holds an address. */
export function holderOf4(ns: NetnsIp, ip: Ip4): Device | undefined {
  for (const dev of ns.netns.byIndex.values()) {
    for (const address of deviceIp(dev)?.addresses4 ?? []) if (address.ip === ip) return dev
  }
  return undefined
}

export function localnetAllowed(ns: NetnsIp, dev: Device): boolean {
  return (ns.conf4All.route_localnet || deviceIp(dev)?.conf4.route_localnet || 0) !== 0
}

/** The source is one of ours, or comes from nowhere sensible: a martian. */
export const SOURCE_MARTIAN = -1
/** The way back leads out of another link: reverse path filter. */
export const SOURCE_RP_FILTER = -2

/**
 * `fib_validate_source`.
 * @returns 1 when the source is directly connected to that link, 0 when it is acceptable
 */
export function validateSource4(
  ns: NetnsIp,
  dev: Device,
  ip: DeviceIp,
  src: Ip4,
  dst: Ip4,
  oif: Device | undefined,
): number {
  const all = ns.conf4All
  const rpFilter = Math.max(all.rp_filter, ip.conf4.rp_filter)
  const acceptLocal = all.accept_local !== 0 || ip.conf4.accept_local !== 0
  const redirects = all.send_redirects !== 0 || ip.conf4.send_redirects !== 0
  if (rpFilter === 0 && (dev !== oif || !redirects)) {
    if (acceptLocal) return 0
    if (ns.plain4) return holds4(ns, src) ? SOURCE_MARTIAN : 0
  }
  const route = lookup4(ns, src, dst, oif ?? ns.lo, undefined)
  if (!isUsable(route)) return rpFilter !== 0 ? SOURCE_RP_FILTER : 0
  if (route.kind !== 'unicast' && (route.kind !== 'local' || !acceptLocal)) return SOURCE_MARTIAN
  if (route.dev === dev) return route.via === undefined ? 1 : 0
  if (ip.addresses4.length === 0) return rpFilter !== 0 ? SOURCE_RP_FILTER : 0
  if (rpFilter === 1) return SOURCE_RP_FILTER
  const other = lookup4(ns, src, dst, oif ?? ns.lo, dev, 0, true)
  return isUsable(other) && other.kind === 'unicast' && other.via === undefined ? 1 : 0
}

/** `find_exception`: what was learned about the way to a destination. */
export function exceptionOf(
  route: Route,
  dst: Ip4 | bigint,
  now: number,
): RouteException | undefined {
  const found = route.exceptions?.get(dst)
  return found === undefined || found.expires < now ? undefined : found
}

/** `update_or_create_fnhe`. */
export function learnException(
  route: Route,
  dst: Ip4 | bigint,
  gateway: Ip4 | bigint | undefined,
  mtu: number,
  expires: number,
): void {
  route.exceptions ??= new Map()
  const old = route.exceptions.get(dst)
  route.exceptions.set(dst, {
    gateway: gateway ?? old?.gateway,
    mtu: mtu === 0 ? (old?.mtu ?? 0) : mtu,
    expires,
  })
}

/** The identification of the next IPv4 packet that may be cut (ip_select_ident). */
export function nextId(ns: NetnsIp): number {
  ns.ipId = (ns.ipId + 1) & 0xffff
  return ns.ipId
}
