/**
 * IPv4 addresses of links and the routes that come with them (net/ipv4/devinet.c inet_insert_ifa,
 * fib_frontend.c fib_add_ifaddr and fib_del_ifaddr).
 */
import type { Ip4 } from '../../addr/ip.ts'
import type { AddressChange } from '../../fabric/plan.ts'
import type { Device, Refusal, World } from '../model.ts'
import { refuse } from '../refusal.ts'
import { flushRouteCache } from './cache.ts'
import { mask4 } from './fib.ts'
import { ipvlanConflict } from './ipvlan-conflict.ts'
import { makeRoute } from './make-route.ts'
import {
  type Address4,
  countHolder4,
  type DeviceIp,
  type NetnsIp,
  type Route,
  SCOPE_GLOBAL,
  SCOPE_HOST,
  SCOPE_LINK,
  TABLE_LOCAL,
  TABLE_MAIN,
} from './state.ts'
import { findTable, makeTable } from './tables.ts'
import { extack } from './extack.ts'

const SCOPES = { global: SCOPE_GLOBAL, link: SCOPE_LINK, host: SCOPE_HOST } as const

/** Equivalent to: `ip addr add` with an IPv4 address. */
export function addAddress4(
  world: World,
  dev: Device,
  ip: DeviceIp,
  op: AddressChange,
): Refusal | undefined {
  const own = op.address.address as Ip4
  const length = op.address.length
  const mask = mask4(length)
  const scope =
    op.scope === undefined ? (own >>> 24 === 127 ? SCOPE_HOST : SCOPE_GLOBAL) : SCOPES[op.scope]
  if (!ip.has4) return refuse('ENOBUFS')
  ip.conf4AllSet = true
  let secondary = false
  for (const other of ip.addresses4) {
    if (other.mask !== mask || ((other.ip ^ own) & mask) !== 0) continue
    if (other.ip === own) return extack(world, 'EEXIST', 'ipv4: Address already assigned', '6.18')
    if (other.scope !== scope) return extack(world, 'EINVAL', 'ipv4: Invalid scope value', '6.18')
    secondary = true
  }
  const conflict = ipvlanConflict(dev, own)
  if (conflict !== undefined) return conflict
  const address: Address4 = {
    ip: own,
    length,
    mask,
    broadcast: op.broadcast as Ip4 | undefined,
    scope,
    secondary,
    noPrefixRoute: op.noprefixroute ?? false,
  }
  insertAddress4(dev, ip, address)
  return undefined
}

/** Lists an address, primaries by scope before secondaries, and puts its routes in. */
export function insertAddress4(dev: Device, ip: DeviceIp, address: Address4): void {
  let at = ip.addresses4.length
  if (!address.secondary) {
    at = 0
    ip.addresses4.forEach((other, i) => {
      if (!other.secondary && address.scope <= other.scope) at = i + 1
    })
  }
  ip.addresses4.splice(at, 0, address)
  const ns = ip.ns
  countHolder4(ns, address.ip, 1)
  addRoutes4(ns, dev, ip, address)
}

/** The primary address of an address's subnet. */
function primaryOf(ip: DeviceIp, address: Address4): Address4 {
  if (!address.secondary) return address
  return (
    ip.addresses4.find(
      (a) => !a.secondary && a.mask === address.mask && ((a.ip ^ address.ip) & a.mask) === 0,
    ) ?? address
  )
}

/** `fib_add_ifaddr`: also done for every address when the link comes up. */
export function addRoutes4(ns: NetnsIp, dev: Device, ip: DeviceIp, address: Address4): void {
  const source = primaryOf(ip, address).ip
  magic(ns, 'local', address.ip, 32, dev, source)
  flushRouteCache(ns, false)
  if (!dev.up) return
  const { mask, length } = address
  const network = (address.ip & mask) >>> 0
  if (address.broadcast !== undefined && address.broadcast !== 0xffffffff) {
    magic(ns, 'broadcast', address.broadcast, 32, dev, source)
  }
  if (network >>> 24 === 0 || address.secondary) return
  if (network === address.ip && length === 32) return
  if (!address.noPrefixRoute) {
    const kind = dev.ops.kind === 'loopback' ? 'local' : 'unicast'
    magic(ns, kind, network, length, dev, source)
  }
  if (length < 31) magic(ns, 'broadcast', (network | ~mask) >>> 0, 32, dev, source)
}

/** `fib_magic`: a route of the kernel's own, unless it stands. */
function magic(
  ns: NetnsIp,
  kind: 'local' | 'broadcast' | 'unicast',
  to: Ip4,
  length: number,
  dev: Device,
  source: Ip4,
): void {
  const table = kind === 'unicast' ? TABLE_MAIN : TABLE_LOCAL
  const fib = makeTable(ns, 4, table)
  const same = (r: Route): boolean =>
    r.kind === kind && r.dev === dev && r.source === source && r.protocol === 'kernel'
  if (fib.at(to, length).some(same)) return
  if (kind === 'local' && length < 32 && to >>> 24 !== 127) ns.localPrefixes = true
  const scope = kind === 'local' ? SCOPE_HOST : SCOPE_LINK
  fib.insert(makeRoute(kind, to, length, dev, { table, scope, source, protocol: 'kernel' }))
}

/** Equivalent to: `ip addr del` with an IPv4 address. */
export function deleteAddress4(
  world: World,
  dev: Device,
  ip: DeviceIp,
  own: Ip4,
  length: number,
): Refusal | undefined {
  const address = ip.addresses4.find((a) => a.ip === own && a.length === length)
  if (address === undefined) {
    return extack(world, 'EADDRNOTAVAIL', 'ipv4: Address not found', '6.18')
  }
  removeAddress4(dev, ip, address)
  return undefined
}

/**
 * `__inet_del_ifa`: with a primary address its secondaries go, or with promote_secondaries the
 * first of them takes its place.
 */
export function removeAddress4(dev: Device, ip: DeviceIp, address: Address4): void {
  const doomed = [address]
  let heir: Address4 | undefined
  const promote = ip.ns.conf4All.promote_secondaries !== 0 || ip.conf4.promote_secondaries !== 0
  if (!address.secondary) {
    const heirs = ip.addresses4.filter(
      (a) => a.secondary && a.mask === address.mask && ((a.ip ^ address.ip) & a.mask) === 0,
    )
    if (promote) heir = heirs[0]
    else doomed.push(...heirs)
  }
  for (const a of doomed) {
    ip.addresses4.splice(ip.addresses4.indexOf(a), 1)
    countHolder4(ip.ns, a.ip, -1)
  }
  if (heir !== undefined) {
    heir.secondary = false
    ip.addresses4.splice(ip.addresses4.indexOf(heir), 1)
    const at = ip.addresses4.findIndex((a) => a.secondary)
    ip.addresses4.splice(at < 0 ? ip.addresses4.length : at, 0, heir)
  }
  for (const a of doomed) removeRoutes4(dev, ip, a)
  if (doomed.length > 0 || heir !== undefined) {
    for (const a of ip.addresses4) addRoutes4(ip.ns, dev, ip, a)
  }
  flushRouteCache(ip.ns, false)
}

/** `fib_del_ifaddr`, and `fib_sync_down_addr` for routes with the address as their source. */
function removeRoutes4(dev: Device, ip: DeviceIp, address: Address4): void {
  const ns = ip.ns
  const { mask, length } = address
  const network = (address.ip & mask) >>> 0
  const broadcast = (network | ~mask) >>> 0
  const others = ip.addresses4
  const kernel = (r: Route): boolean => r.dev === dev && r.protocol === 'kernel'
  const local = findTable(ns, 4, TABLE_LOCAL)
  local?.removeAll(
    (r) =>
      kernel(r) &&
      r.length === 32 &&
      ((r.kind === 'local' && r.to === address.ip) ||
        (r.kind === 'broadcast' &&
          (r.to === broadcast || r.to === address.broadcast) &&
          r.source === address.ip)),
  )
  const sameNet = others.some(
    (a) => !a.secondary && a.length === length && ((a.ip ^ address.ip) & mask) === 0,
  )
  for (const table of [TABLE_MAIN, TABLE_LOCAL]) {
    findTable(ns, 4, table)?.removeAll(
      (r) =>
        kernel(r) &&
        r.to === network &&
        r.length === length &&
        length < 32 &&
        (r.source === address.ip || !sameNet),
    )
  }
  if (ns.local4.has(address.ip)) return
  for (const fib of ns.tables4.values()) fib.removeAll((r) => r.source === address.ip)
}
