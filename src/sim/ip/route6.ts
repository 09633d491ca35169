/**
 * IPv6 route lookup and source addresses (net/ipv6/route.c, addrconf.c ipv6_dev_get_saddr,
 * addrlabel.c).
 */
import type { Ip6 } from '../../addr/ip.ts'
import type { Device } from '../model.ts'
import { makeRoute } from './make-route.ts'
import type { Fib } from './fib.ts'
import { isUsable, refusalErrno } from './route4.ts'
import {
  type Address6,
  deviceIp,
  type NetnsIp,
  type Route,
  TABLE_LOCAL,
  TABLE_MAIN,
} from './state.ts'

const RULE_VERDICT = {
  blackhole: makeRoute('blackhole', 0n, 0, undefined),
  prohibit: makeRoute('prohibit', 0n, 0, undefined),
} as const

export function isMulticast6(ip: Ip6): boolean {
  return ip >> 120n === 0xffn
}

export function isLinkLocal6(ip: Ip6): boolean {
  return ip >> 118n === 0x3fan
}

/** Whether an address only means something together with a link (`rt6_need_strict`). */
export function needsLink(ip: Ip6): boolean {
  return isLinkLocal6(ip) || ip >> 112n === 0xff02n || ip >> 112n === 0xff01n || ip === 1n
}

/** `__ipv6_addr_src_scope` */
export function scopeOf6(ip: Ip6): number {
  if (isMulticast6(ip)) return Number((ip >> 112n) & 0xfn)
  if (ip === 1n || isLinkLocal6(ip)) return 2
  return ip >> 118n === 0x3fbn ? 5 : 14
}

function lookupTable6(
  fib: Fib,
  dst: Ip6,
  oif: Device | undefined,
  strict: boolean,
): Route | undefined {
  for (const level of fib.levels) {
    const routes = level.routes.get(dst & (level.mask as bigint))
    if (routes === undefined) continue
    let second: Route | undefined
    for (const route of routes) {
      const dev = route.dev
      const error = route.kind === 'unreachable' || route.kind === 'prohibit'
      if (dev !== undefined && !error && route.kind !== 'blackhole') {
        if (!dev.carrier && (deviceIp(dev)?.conf6.ignore_routes_with_linkdown ?? 0) !== 0) continue
        if (oif !== undefined && dev !== oif) {
          if (!strict) second ??= route
          continue
        }
      }
      return route
    }
    if (second !== undefined) return second
  }
  return undefined
}

/** `fib6_rule_lookup` */
export function lookup6(
  ns: NetnsIp,
  dst: Ip6,
  src: Ip6,
  iif: Device | undefined,
  oif: Device | undefined,
  strict: boolean,
): Route | undefined {
  const cacheable = ns.plain6 && oif === undefined
  if (cacheable) {
    const cached = ns.cache6.get(dst)
    if (cached !== undefined) return cached
  }
  const route = ns.plain6
    ? plainLookup6(ns, dst, oif, strict)
    : ruleLookup6(ns, dst, src, iif, oif, strict)
  if (cacheable && route !== undefined) ns.cache6.set(dst, route)
  return route
}

function plainLookup6(
  ns: NetnsIp,
  dst: Ip6,
  oif: Device | undefined,
  strict: boolean,
): Route | undefined {
  for (const table of [TABLE_LOCAL, TABLE_MAIN]) {
    const fib = ns.tables6.get(table)
    const route = fib === undefined ? undefined : lookupTable6(fib, dst, oif, strict)
    if (route !== undefined && route.kind !== 'throw') return route
  }
  return undefined
}

function ruleLookup6(
  ns: NetnsIp,
  dst: Ip6,
  src: Ip6,
  iif: Device | undefined,
  oif: Device | undefined,
  strict: boolean,
): Route | undefined {
  const from = iif ?? ns.lo
  for (const rule of ns.rules6) {
    if (rule.iif !== undefined && rule.iif !== from?.name) continue
    if (rule.oif !== undefined && rule.oif !== oif?.name) continue
    if (rule.from !== undefined && !inPrefix(src, rule.from)) continue
    if (rule.to !== undefined && !inPrefix(dst, rule.to)) continue
    if (rule.action === 'unreachable') return undefined
    if (rule.action !== 'lookup') return RULE_VERDICT[rule.action]
    const fib = ns.tables6.get(rule.table)
    const route = fib === undefined ? undefined : lookupTable6(fib, dst, oif, strict)
    if (route !== undefined && route.kind !== 'throw') return route
  }
  return undefined
}

function inPrefix(
  ip: Ip6,
  prefix: { readonly address: unknown; readonly length: number },
): boolean {
  const shift = BigInt(128 - prefix.length)
  return ip >> shift === (prefix.address as bigint) >> shift
}

/** Whether an address that is past DAD belongs to the namespace, or to one link of it. */
export function isLocal6(ns: NetnsIp, ip: Ip6, dev?: Device): boolean {
  const one = dev !== undefined && isLinkLocal6(ip)
  for (const other of one ? [dev] : ns.netns.byIndex.values()) {
    for (const a of deviceIp(other)?.addresses6 ?? []) if (a.ip === ip && !a.tentative) return true
  }
  return false
}

/** An address of a link, tentative or not (`ipv6_get_ifaddr`). */
export function addressOn(dev: Device, ip: Ip6): Address6 | undefined {
  const list = deviceIp(dev)?.addresses6
  if (list === undefined) return undefined
  for (const a of list) if (a.ip === ip) return a
  return undefined
}

/** The link-local address of a link that is past DAD: `ipv6_get_lladdr`. */
export function linkLocalOn(dev: Device): Ip6 | undefined {
  for (const a of deviceIp(dev)?.addresses6 ?? []) {
    if (isLinkLocal6(a.ip) && !a.tentative) return a.ip
  }
  return undefined
}

/** Labels of RFC 6724 as the kernel has them (net/ipv6/addrlabel.c). */
const LABELS: readonly (readonly [prefix: bigint, length: bigint, label: number])[] = [
  [1n, 128n, 0],
  [0xffffn << 32n, 96n, 4],
  [0n, 96n, 3],
  [0x20010000n << 96n, 32n, 6],
  [0x20010010n << 96n, 28n, 7],
  [0x3ffen << 112n, 16n, 12],
  [0x2002n << 112n, 16n, 2],
  [0xfec0n << 112n, 10n, 11],
  [0xfc00n << 112n, 7n, 5],
]

function labelOf(ip: Ip6): number {
  for (const [prefix, length, label] of LABELS) {
    const shift = 128n - length
    if (ip >> shift === prefix >> shift) return label
  }
  return 1
}

function commonBits(a: Ip6, b: Ip6): number {
  const diff = a ^ b
  return diff === 0n ? 128 : 128 - diff.toString(2).length
}

/** One candidate's merits, in the order they are compared; greater is better. */
function scores(
  a: Address6,
  dev: Device,
  dst: Ip6,
  out: Device | undefined,
  now: number,
): number[] {
  const scope = scopeOf6(a.ip)
  const wanted = scopeOf6(dst)
  const deprecated = a.preferredUntil !== 0 && a.preferredUntil <= now
  return [
    a.ip === dst ? 1 : 0,
    scope >= wanted ? -scope : scope - 128,
    deprecated ? 0 : 1,
    out === undefined || out === dev ? 1 : 0,
    labelOf(a.ip) === labelOf(dst) ? 1 : 0,
    Math.min(commonBits(a.ip, dst), a.length),
  ]
}

/** `ipv6_dev_get_saddr`: the source address for a destination behind a link. */
export function selectSource6(
  ns: NetnsIp,
  dst: Ip6,
  out: Device | undefined,
  now = 0,
): Ip6 | undefined {
  const only =
    out !== undefined &&
    (isMulticast6(dst) ||
      scopeOf6(dst) <= 2 ||
      ns.conf6All.use_oif_addrs_only !== 0 ||
      (deviceIp(out)?.conf6.use_oif_addrs_only ?? 0) !== 0)
  let best: Address6 | undefined
  let bestScores: number[] = []
  for (const dev of only ? [out] : ns.netns.byIndex.values()) {
    for (const a of deviceIp(dev)?.addresses6 ?? []) {
      if (a.tentative) continue
      const own = scores(a, dev, dst, out, now)
      if (best !== undefined && !better(own, bestScores)) continue
      best = a
      bestScores = own
    }
  }
  return best?.ip
}

function better(a: readonly number[], b: readonly number[]): boolean {
  for (let i = 0; i < a.length; i++) {
    const x = a[i] as number
    const y = b[i] as number
    if (x !== y) return x > y
  }
  return false
}

export interface Output6 {
  readonly route: Route
  readonly dev: Device
  readonly source: Ip6
}

/**
 * `ip6_dst_lookup_flow`.
 * @param src 0n = to be chosen
 * @param strict whether the link must be that of the route (RT6_LOOKUP_F_IFACE), or is preferred
 * @returns an errno when there is no way
 */
export function routeOutput6(
  ns: NetnsIp,
  dst: Ip6,
  src: Ip6,
  oif: Device | undefined,
  now = 0,
  strict = oif !== undefined,
): Output6 | string {
  if (ns.lo === undefined) return 'ENETUNREACH'
  const route = lookup6(ns, dst, src, undefined, oif, strict)
  const holder = isUsable(route) ? route.dev : undefined
  if (!isUsable(route) || holder === undefined) {
    // ip6_dst_lookup_tail looks for a source before it looks at the route's error.
    if (src === 0n && !hasAddress6(ns)) return 'EADDRNOTAVAIL'
    return isUsable(route) ? 'ENETUNREACH' : refusalErrno(route)
  }
  const dev = route.kind === 'local' || route.kind === 'anycast' ? ns.lo : holder
  if (src !== 0n) return { route, dev, source: src }
  const chosen = (route.source as Ip6 | undefined) ?? selectSource6(ns, dst, holder, now)
  return chosen === undefined ? 'EADDRNOTAVAIL' : { route, dev, source: chosen }
}

/** Whether any link of the namespace has an address that may be used. */
function hasAddress6(ns: NetnsIp): boolean {
  for (const dev of ns.netns.byName.values())
    if (deviceIp(dev)?.addresses6.some((address) => !address.tentative) === true) return true
  return false
}
