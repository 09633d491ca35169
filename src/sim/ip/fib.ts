/**
 * A routing table: for every prefix length in use a map from network to its routes, longest first.
 * Routes of one prefix stand in the order of their metric, the oldest first among equals
 * (net/ipv4/fib_trie.c fib_table_insert, net/ipv6/ip6_fib.c fib6_add_rt2node).
 */
import type { Ip } from '../../addr/ip.ts'
import type { Route } from './route.ts'

interface Level {
  readonly length: number
  /** Of the same type as the keys. */
  readonly mask: Ip
  readonly routes: Map<Ip, Route[]>
}

export class Fib {
  readonly levels: Level[] = []

  /** The routes of one prefix. */
  at(to: Ip, length: number): readonly Route[] {
    for (const level of this.levels) {
      if (level.length === length) return level.routes.get(to) ?? NONE
    }
    return NONE
  }

  /** Puts a route behind those of the same metric. */
  insert(route: Route): void {
    const level = levelOf(this, route.length, route.to)
    const routes = level.routes.get(route.to)
    if (routes === undefined) {
      level.routes.set(route.to, [route])
      return
    }
    const after = routes.findIndex((r) => r.metric > route.metric)
    if (after < 0) routes.push(route)
    else routes.splice(after, 0, route)
  }

  /** Puts a route in the place of another of the same prefix. */
  replace(old: Route, route: Route): void {
    const routes = levelOf(this, route.length, route.to).routes.get(route.to)
    const at = routes?.indexOf(old) ?? -1
    if (routes !== undefined && at >= 0) routes[at] = route
  }

  remove(route: Route): boolean {
    const level = this.levels.find((l) => l.length === route.length)
    const routes = level?.routes.get(route.to)
    const at = routes?.indexOf(route) ?? -1
    if (level === undefined || routes === undefined || at < 0) return false
    routes.splice(at, 1)
    if (routes.length === 0) level.routes.delete(route.to)
    if (level.routes.size === 0) this.levels.splice(this.levels.indexOf(level), 1)
    return true
  }

  /** Removes every route the test says yes to; how many. */
  removeAll(test: (route: Route) => boolean): number {
    const doomed: Route[] = []
    for (const route of this.all()) if (test(route)) doomed.push(route)
    for (const route of doomed) this.remove(route)
    return doomed.length
  }

  *all(): Generator<Route, void, undefined> {
    for (let i = this.levels.length - 1; i >= 0; i--) {
      for (const routes of (this.levels[i] as Level).routes.values()) yield* routes
    }
  }
}

const NONE: readonly Route[] = []

/** The IPv4 mask of a length, as an unsigned number. */
export function mask4(length: number): number {
  return length === 0 ? 0 : (0xffffffff << (32 - length)) >>> 0
}

const ALL6 = (1n << 128n) - 1n

/** The IPv6 mask of a length. */
export function mask6(length: number): bigint {
  return (ALL6 << BigInt(128 - length)) & ALL6
}

/** Not a method: a private one would not survive a copy of the world. */
function levelOf(fib: Fib, length: number, key: Ip): Level {
  const levels = fib.levels
  const found = levels.find((l) => l.length === length)
  if (found !== undefined) return found
  const mask = typeof key === 'number' ? mask4(length) : mask6(length)
  const level: Level = { length, mask, routes: new Map() }
  const after = levels.findIndex((l) => l.length < length)
  if (after < 0) levels.push(level)
  else levels.splice(after, 0, level)
  return level
}
