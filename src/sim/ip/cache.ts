/** The cache of route lookups by destination (the kernel's per-nexthop dst entries). */
import { fibTables } from './tables.ts'
import type { NetnsIp } from './state.ts'

/**
 * Forgets looked-up routes after something they rest on changed (rt_cache_flush).
 * @param exceptions also what redirects and path MTU discovery taught (fnhe_genid)
 */
export function flushRouteCache(ns: NetnsIp, exceptions: boolean): void {
  ns.cache4.clear()
  ns.ownRouteTo = -1
  ns.ownRoute = undefined
  ns.lastRouteTo = -1
  ns.lastRoute = undefined
  ns.lastOutput = undefined
  ns.cache6.clear()
  if (!exceptions) return
  for (const fib of fibTables(ns)) for (const route of fib.all()) route.exceptions = undefined
}
