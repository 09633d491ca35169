/** The ops that change routes (net/ipv4/fib_frontend.c, fib_semantics.c, net/ipv6/route.c). */
import { isMulticastIp, type Ip, type Ip4, isLinkLocalIp } from '../../addr/ip.ts'
import { networkOf } from '../../addr/prefix.ts'
import type { RouteChange } from '../../fabric/plan.ts'
import type { Device, Refusal, World } from '../model.ts'
import { flushRouteCache } from './cache.ts'
import { makeRoute } from './make-route.ts'
import { addressKind4, isUsable, lookup4, lookupTable4 } from './route4.ts'
import { isLocal6, lookup6 } from './route6.ts'
import {
  deviceIp,
  type NetnsIp,
  netnsIp,
  type Route,
  SCOPE_GLOBAL,
  SCOPE_HOST,
  SCOPE_LINK,
  TABLE_LOCAL,
  TABLE_MAIN,
} from './state.ts'
import { findTable, makeTable } from './tables.ts'

const say = (errno: string, extack?: string): Refusal =>
  extack === undefined ? { errno } : { errno, extack }

const SCOPES = { global: SCOPE_GLOBAL, link: SCOPE_LINK, host: SCOPE_HOST } as const

/** A gateway that leads to a link, or why it does not. */
type Hop = { readonly dev: Device | undefined } | Refusal

function isRefusal(hop: Hop): hop is Refusal {
  return 'errno' in hop
}

function linkOf(
  ns: NetnsIp,
  op: RouteChange,
): { readonly dev: Device | undefined; readonly refusal: Refusal | undefined } {
  if (op.link === undefined) return { dev: undefined, refusal: undefined }
  const dev = ns.netns.byName.get(op.link)
  return { dev, refusal: dev === undefined ? say('ENODEV') : undefined }
}

/** Equivalent to: `ip route add`, `ip route replace`, `ip route del` */
export function changeRoute(world: World, op: RouteChange): Refusal | undefined {
  const netns = world.netns.get(op.netns)
  if (netns === undefined) return say('ENOENT')
  const ns = netnsIp(netns)
  const { dev, refusal } = linkOf(ns, op)
  if (refusal !== undefined) return refusal
  const family = typeof op.to.address === 'number' ? 4 : 6
  if (op.do === 'route.del') return deleteRoute(ns, op, dev, family)
  const made = family === 4 ? makeRoute4(ns, op, dev) : makeRoute6(ns, op, dev)
  if ('errno' in made) return made
  return insertRoute(ns, op, made, family)
}

function insertRoute(
  ns: NetnsIp,
  op: RouteChange,
  route: Route,
  family: 4 | 6,
): Refusal | undefined {
  const fib = makeTable(ns, family, route.table)
  const same = fib.at(route.to, route.length).filter((r) => r.metric === route.metric)
  const [first] = same
  if (op.do === 'route.replace' && first !== undefined) fib.replace(first, route)
  else if (first !== undefined) return say('EEXIST')
  else fib.insert(route)
  if (route.kind === 'local') ns.localPrefixes = true
  flushRouteCache(ns, false)
  return undefined
}

function isError(kind: RouteChange['type']): boolean {
  return kind === 'unreachable' || kind === 'blackhole' || kind === 'prohibit' || kind === 'throw'
}

function defaultTable(op: RouteChange): number {
  if (op.table !== undefined) return op.table
  return op.type === 'local' || op.type === 'broadcast' ? TABLE_LOCAL : TABLE_MAIN
}

/** `fib_create_info` */
function makeRoute4(ns: NetnsIp, op: RouteChange, link: Device | undefined): Route | Refusal {
  const kind = op.type ?? 'unicast'
  const to = networkOf(op.to) as Ip4
  const length = op.to.length
  if (to !== op.to.address) return say('EINVAL', 'Invalid prefix for given prefix length')
  const direct = op.via === undefined && !isError(kind)
  const scope =
    op.scope !== undefined
      ? SCOPES[op.scope]
      : kind === 'local'
        ? SCOPE_HOST
        : direct
          ? SCOPE_LINK
          : SCOPE_GLOBAL
  let dev = link
  if (!isError(kind)) {
    const hop = op.via === undefined ? checkLink4(kind, link) : checkGateway4(ns, op, link, scope)
    if (isRefusal(hop)) return hop
    dev = hop.dev
  }
  if (op.source !== undefined && !(kind === 'local' && op.source === to)) {
    if (addressKind4(ns, op.source as Ip4) !== 'local')
      return say('EINVAL', 'Invalid prefsrc address')
  }
  return makeRoute(kind, to, length, isError(kind) ? undefined : dev, {
    ...(op.via === undefined ? {} : { via: op.via }),
    ...(op.source === undefined ? {} : { source: op.source }),
    metric: op.metric ?? 0,
    table: defaultTable(op),
    scope,
    onlink: op.onlink ?? false,
    mtu: op.mtu ?? 0,
  })
}

/** `fib_check_nh_nongw` */
function checkLink4(kind: string, dev: Device | undefined): Hop {
  if (dev === undefined) return say('ENODEV')
  if (kind !== 'local' && !dev.up) return say('ENETDOWN', 'Device for nexthop is not up')
  return { dev }
}

/** `fib_check_nh_v4_gw`; a gateway may be an IPv6 one (`fib_check_nh_v6_gw`). */
function checkGateway4(ns: NetnsIp, op: RouteChange, dev: Device | undefined, scope: number): Hop {
  if (typeof op.via !== 'number') return checkGateway6(ns, op, dev)
  const via = op.via
  if (scope >= SCOPE_LINK) return say('EINVAL', 'Nexthop has invalid scope')
  if (op.onlink === true) {
    if (dev === undefined) return say('ENODEV', 'Nexthop device required for onlink')
    if (!dev.up) return say('ENETDOWN', 'Nexthop device is not up')
    if (addressKind4(ns, via, dev) !== 'unicast')
      return say('EINVAL', 'Nexthop has invalid gateway')
    return { dev }
  }
  const fib = op.table === undefined ? undefined : findTable(ns, 4, op.table)
  const inTable = fib === undefined ? undefined : lookupTable4(fib, via, dev, SCOPE_LINK, true)
  const route = inTable ?? lookup4(ns, via, 0, undefined, dev, SCOPE_LINK, true)
  if (!isUsable(route)) {
    const errno = route === undefined ? 'ENETUNREACH' : 'EINVAL'
    return say(errno, 'Nexthop has invalid gateway')
  }
  if (route.kind !== 'unicast' && route.kind !== 'local') {
    return say('EINVAL', 'Nexthop has invalid gateway')
  }
  if (route.dev === undefined) return say('EINVAL', 'No egress device for nexthop gateway')
  if (!route.dev.up) return say('ENETDOWN')
  return { dev: route.dev }
}

/** `ip6_route_info_create`; host bits of the prefix are cut off without a word. */
function makeRoute6(ns: NetnsIp, op: RouteChange, link: Device | undefined): Route | Refusal {
  const kind = op.type ?? 'unicast'
  const to = networkOf(op.to)
  let dev = link
  if (isError(kind)) dev = ns.lo
  else {
    const hop = op.via === undefined ? { dev } : checkGateway6(ns, op, dev)
    if (isRefusal(hop)) return hop
    dev = hop.dev
    if (dev === undefined) return say('ENODEV')
    if (deviceIp(dev)?.conf6.disable_ipv6)
      return say('EACCES', 'IPv6 is disabled on nexthop device')
    if (!dev.up) return say('ENETDOWN', 'Nexthop device is not up')
  }
  if (op.source !== undefined && !isLocal6(ns, op.source as bigint)) {
    return say('EINVAL', 'Invalid source address')
  }
  return makeRoute(kind, to, op.to.length, dev, {
    ...(op.via === undefined ? {} : { via: op.via }),
    ...(op.source === undefined ? {} : { source: op.source }),
    metric: op.metric === undefined || op.metric === 0 ? 1024 : op.metric,
    table: defaultTable(op),
    onlink: op.onlink ?? false,
    mtu: op.mtu ?? 0,
  })
}

/** `ip6_validate_gw` */
function checkGateway6(ns: NetnsIp, op: RouteChange, dev: Device | undefined): Hop {
  const via: Ip = op.via as Ip
  if (typeof via !== 'bigint') return say('EINVAL', 'Invalid gateway address')
  if (isLocal6(ns, via, dev)) return say('EINVAL', 'Gateway can not be a local address')
  if (isLinkLocalIp(via)) {
    return dev === undefined ? say('EINVAL', 'Egress device not specified') : { dev }
  }
  if (isMulticastIp(via) || via === 0n) return say('EINVAL', 'Invalid gateway address')
  if (op.onlink === true) {
    if (dev === undefined) return say('EINVAL', 'Egress device not specified')
    return { dev }
  }
  const route = lookup6(ns, via, 0n, undefined, dev, dev !== undefined)
  if (!isUsable(route) || route.via !== undefined || route.dev === undefined) {
    return say('EHOSTUNREACH')
  }
  return { dev: route.dev }
}

function deleteRoute(
  ns: NetnsIp,
  op: RouteChange,
  dev: Device | undefined,
  family: 4 | 6,
): Refusal | undefined {
  const fib = findTable(ns, family, defaultTable(op))
  if (fib === undefined) return say('ESRCH', 'FIB table does not exist')
  const to = networkOf(op.to)
  if (family === 4 && to !== op.to.address) {
    return say('EINVAL', 'Invalid prefix for given prefix length')
  }
  const found = fib
    .at(to, op.to.length)
    .find(
      (r) =>
        (op.metric === undefined || op.metric === 0 || r.metric === op.metric) &&
        (op.type === undefined || r.kind === op.type) &&
        (op.via === undefined || r.via === op.via) &&
        (dev === undefined || r.dev === dev) &&
        (op.source === undefined || r.source === op.source),
    )
  if (found === undefined) return say('ESRCH')
  fib.remove(found)
  flushRouteCache(ns, false)
  return undefined
}
