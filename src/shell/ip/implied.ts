/**
 * What every namespace has without anybody having set it, and a snapshot therefore leaves out: the
 * local table that follows from the addresses (net/ipv4/fib_frontend.c fib_add_ifaddr,
 * net/ipv6/addrconf.c) and the rules a namespace begins with.
 */
import { compareIp, type Ip, type Prefix } from '../../addr/ip.ts'
import { broadcastOf, contains, networkOf } from '../../addr/prefix.ts'
import type {
  AddressSnapshot,
  NetnsSnapshot,
  RouteSnapshot,
  RuleSnapshot,
} from '../../fabric/snapshot.ts'

const LOCAL_TABLE = 255

/** The routes of a snapshot with those of the local table. */
export function allRoutes(netns: NetnsSnapshot): readonly RouteSnapshot[] {
  if (netns.routes.some((r) => r.table === LOCAL_TABLE)) return netns.routes
  const up = new Set(netns.links.filter((l) => l.up).map((l) => l.name))
  const local = netns.addresses
    .filter((a) => up.has(a.link))
    .flatMap((a) => localRoutes(netns, a))
    .sort((a, b) => compareIp(a.to.address, b.to.address) || a.to.length - b.to.length)
  const seen = new Set<string>()
  const once = local.filter((r) => {
    const key = `${r.type} ${r.to.address}/${r.to.length} ${r.link}`
    return seen.has(key) ? false : seen.add(key)
  })
  return [...netns.routes, ...once]
}

function localRoutes(netns: NetnsSnapshot, a: AddressSnapshot): RouteSnapshot[] {
  const { address, length } = a.address
  if (typeof address === 'bigint') {
    if (a.tentative || a.dadFailed) return []
    return [route(a, 'local', { address, length: 128 }, undefined)]
  }
  const source = primaryOf(netns, a)
  const out = [route(a, 'local', { address, length: 32 }, source)]
  if (length >= 31) return out
  if (address >>> 24 === 127) {
    out.push(route(a, 'local', { address: networkOf(a.address), length }, source))
  }
  out.push(route(a, 'broadcast', { address: broadcastOf(a.address), length: 32 }, source))
  if (a.broadcast !== undefined && a.broadcast !== broadcastOf(a.address)) {
    out.push(route(a, 'broadcast', { address: a.broadcast, length: 32 }, source))
  }
  return out
}

/** A secondary address's routes prefer the primary one as their source. */
function primaryOf(netns: NetnsSnapshot, a: AddressSnapshot): Ip {
  if (!a.secondary) return a.address.address
  const primary = netns.addresses.find(
    (o) => o.link === a.link && !o.secondary && contains(o.address, a.address.address),
  )
  return (primary ?? a).address.address
}

function route(
  a: AddressSnapshot,
  type: 'local' | 'broadcast',
  to: Prefix,
  source: Ip | undefined,
): RouteSnapshot {
  return {
    to,
    type,
    via: undefined,
    link: a.link,
    source,
    metric: 0,
    table: LOCAL_TABLE,
    scope: type === 'local' ? 'host' : 'link',
    protocol: 'kernel',
    linkDown: false,
    onlink: false,
  }
}

const plainRule = (family: 4 | 6, priority: number, table: number): RuleSnapshot => ({
  family,
  priority,
  from: undefined,
  to: undefined,
  iif: undefined,
  oif: undefined,
  table,
  action: 'lookup',
})

/** The rules of a snapshot with the three (IPv6: two) a namespace begins with, by priority. */
export function allRules(netns: NetnsSnapshot): readonly RuleSnapshot[] {
  const born = [
    plainRule(4, 0, 255),
    plainRule(4, 32766, 254),
    plainRule(4, 32767, 253),
    plainRule(6, 0, 255),
    plainRule(6, 32766, 254),
  ]
  const isThere = (r: RuleSnapshot) =>
    netns.rules.some((o) => o.family === r.family && o.priority === r.priority)
  return [...netns.rules, ...born.filter((r) => !isThere(r))].sort(
    (a, b) => a.priority - b.priority,
  )
}
