/**
 * IPv6 addresses: by hand, link-local ones by themselves, duplicate address detection, router
 * solicitation, and what up, down and carrier do to them (net/ipv6/addrconf.c).
 */
import { linkLocalOf, solicitedNodeOf } from '../../addr/eui64.ts'
import type { Ip6 } from '../../addr/ip.ts'
import type { AddressChange } from '../../fabric/plan.ts'
import { makeNa } from '../../wire/make.ts'
import { type Device, EV_ADDRESS_TIMER, type Refusal, type World } from '../model.ts'
import { flushRouteCache } from './cache.ts'
import { withSetting } from './conf.ts'
import { extack } from './extack.ts'
import { mask6 } from './fib.ts'
import { ipvlanConflict } from './ipvlan-conflict.ts'
import { makeRoute } from './make-route.ts'
import { joinGroup6, leaveGroup6, loadGroups6, reportSoon } from './mld.ts'
import { sendDadNs, sendRs, sendToGroup } from './nd-send.ts'
import { flushNeighbours } from './neighbour.ts'
import { isLinkLocal6, isMulticast6, linkLocalOn } from './route6.ts'
import {
  type Address6,
  type DeviceIp,
  deviceIp,
  type NetnsIp,
  type RouteKind,
  SCOPE_GLOBAL,
  SCOPE_HOST,
  SCOPE_LINK,
  SECOND,
  TABLE_LOCAL,
  TABLE_MAIN,
} from './state.ts'
import { makeTable } from './tables.ts'

const ALL_NODES = 0xff020000000000000000000000000001n
const ALL_NODES_HOST = 0xff010000000000000000000000000001n
const ALL_ROUTERS = 0xff020000000000000000000000000002n
const ALL_ROUTERS_HOST = 0xff010000000000000000000000000002n
const ALL_ROUTERS_SITE = 0xff050000000000000000000000000002n
const MULTICAST = 0xffn << 120n
const METRIC_ADDRCONF = 256

/** What EV_ADDRESS_TIMER carries for this file. */
export type AddressEvent =
  | { readonly what: 'dad'; readonly ip: Ip6 }
  | { readonly what: 'rs' }
  | { readonly what: 'expire' }

/** Equivalent to: `ip -6 addr add` */
export function addAddress6(
  world: World,
  dev: Device,
  ip: DeviceIp,
  op: AddressChange,
): Refusal | undefined {
  const own = op.address.address as Ip6
  if (own === 0n) return extack(world, 'EADDRNOTAVAIL', 'ipv6: Invalid address', '6.18')
  if (isMulticast6(own)) {
    const text = 'ipv6: Cannot assign multicast address without "IFA_F_MCAUTOJOIN" flag'
    return extack(world, 'EADDRNOTAVAIL', text, '6.18')
  }
  if (!ip.has6) return { errno: 'EINVAL' }
  if (ip.conf6.disable_ipv6 !== 0) {
    return extack(world, 'EACCES', 'ipv6: IPv6 is disabled on this device', '6.18')
  }
  if (own === 1n && dev.ops.kind !== 'loopback') {
    const text = 'ipv6: Cannot assign loopback address on this device'
    return extack(world, 'EADDRNOTAVAIL', text, '6.18')
  }
  if (ip.addresses6.some((a) => a.ip === own)) {
    return extack(world, 'EEXIST', 'ipv6: address already assigned', '6.18')
  }
  const conflict = ipvlanConflict(dev, own)
  if (conflict !== undefined) return conflict
  enable6(dev, ip)
  insertAddress6(world, dev, ip, {
    ...plainAddress(own, op.address.length),
    noDad: op.nodad ?? false,
    tentative: !(op.nodad ?? false),
    noPrefixRoute: op.noprefixroute ?? false,
  })
  return undefined
}

/** A permanent address set by hand, in every field. */
export function plainAddress(ip: Ip6, length: number): Address6 {
  return {
    ip,
    length,
    scope: ip === 1n ? SCOPE_HOST : isLinkLocal6(ip) ? SCOPE_LINK : SCOPE_GLOBAL,
    noDad: false,
    noPrefixRoute: false,
    permanent: true,
    dynamic: false,
    tentative: true,
    dadFailed: false,
    dadProbes: 0,
    dadNonce: undefined,
    dadAt: 0,
    validUntil: 0,
    preferredUntil: 0,
  }
}

/** `ipv6_add_addr`, prefix route, DAD. Within a scope the newest address stands first. */
export function insertAddress6(
  world: World,
  dev: Device,
  ip: DeviceIp,
  address: Address6,
  prefixRoute = true,
): void {
  const before = ip.addresses6.findIndex((a) => address.scope <= a.scope)
  if (before < 0) ip.addresses6.push(address)
  else ip.addresses6.splice(before, 0, address)
  if (prefixRoute && !address.noPrefixRoute) addPrefixRoute(ip.ns, dev, address)
  startDad(world, dev, ip, address)
  flushRouteCache(ip.ns, false)
}

/** `addrconf_prefix_route`; a link that is down takes no routes. */
function addPrefixRoute(ns: NetnsIp, dev: Device, address: Address6): void {
  if (!dev.up) return
  const to = address.ip & mask6(address.length)
  kernelRoute(
    ns,
    'unicast',
    to,
    address.length,
    dev,
    TABLE_MAIN,
    METRIC_ADDRCONF,
    address.validUntil,
  )
}

function kernelRoute(
  ns: NetnsIp,
  kind: RouteKind,
  to: Ip6,
  length: number,
  dev: Device,
  table: number,
  metric: number,
  expires = 0,
): void {
  const fib = makeTable(ns, 6, table)
  const old = fib
    .at(to, length)
    .find((r) => r.dev === dev && r.metric === metric && r.via === undefined)
  if (old !== undefined) {
    old.expires = expires
    return
  }
  fib.insert(makeRoute(kind, to, length, dev, { table, metric, protocol: 'kernel', expires }))
}

/** `addrconf_add_dev`: the route of all groups. */
function enable6(dev: Device, ip: DeviceIp): void {
  if (!dev.up || dev.ops.kind === 'loopback') return
  kernelRoute(ip.ns, 'multicast', MULTICAST, 8, dev, TABLE_LOCAL, METRIC_ADDRCONF)
}

/** `addrconf_dad_begin` */
function startDad(world: World, dev: Device, ip: DeviceIp, address: Address6): void {
  joinSolicited(world, dev, ip, address.ip)
  const noDad =
    !dev.arp ||
    dev.ops.kind === 'loopback' ||
    (ip.ns.conf6All.accept_dad < 1 && ip.conf6.accept_dad < 1) ||
    !address.tentative
  if (noDad) completeDad(world, dev, ip, address)
  else if (ip.ready6) kickDad(world, dev, ip, address)
  else if (!address.permanent) removeAddress6(world, dev, ip, address)
}

function joinSolicited(world: World, dev: Device, ip: DeviceIp, address: Ip6): void {
  if (dev.ops.kind === 'loopback' || !dev.arp) return
  joinGroup6(world, dev, ip, solicitedNodeOf(address))
}

/** `addrconf_dad_kick`: the first NS within a second. */
function kickDad(world: World, dev: Device, ip: DeviceIp, address: Address6): void {
  const within = Math.max(ip.conf6.router_solicitation_delay, 0) * SECOND
  const delay = within === 0 ? 0 : world.random.below(within)
  const enhanced = ip.ns.conf6All.enhanced_dad !== 0 || ip.conf6.enhanced_dad !== 0
  address.dadNonce = enhanced ? 1 + world.random.below(0xffffffff) : undefined
  address.dadProbes = ip.conf6.dad_transmits
  dadTimer(world, dev, address, world.now + delay)
}

function dadTimer(world: World, dev: Device, address: Address6, at: number): void {
  address.dadAt = at
  const data: AddressEvent = { what: 'dad', ip: address.ip }
  world.queue.push(at, EV_ADDRESS_TIMER, dev.id, data)
}

/** `addrconf_dad_work` */
function onDadTimer(world: World, dev: Device, ip: DeviceIp, own: Ip6): void {
  const address = ip.addresses6.find((a) => a.ip === own)
  if (address === undefined || address.dadAt !== world.now || !address.tentative) return
  if (address.dadProbes === 0) {
    completeDad(world, dev, ip, address)
    return
  }
  address.dadProbes--
  const wait = Math.max(ip.neighbourConf6.retrans_time_ms, 10) * 1_000_000
  dadTimer(world, dev, address, world.now + wait)
  sendDadNs(world, dev, address.ip, address.dadNonce)
}

/** `addrconf_dad_completed` */
function completeDad(world: World, dev: Device, ip: DeviceIp, address: Address6): void {
  address.tentative = false
  address.dadFailed = false
  address.dadAt = 0
  kernelRoute(ip.ns, 'local', address.ip, 128, dev, TABLE_LOCAL, 0)
  flushRouteCache(ip.ns, false)
  if (dev.ops.kind === 'loopback' || !ip.ready6) return
  if (ip.conf6.ndisc_notify !== 0 || ip.ns.conf6All.ndisc_notify !== 0)
    announce(world, dev, ip, address)
  if (!isLinkLocal6(address.ip)) return
  reportSoon(world, dev, ip)
  if (!acceptsRa(ip) || ip.conf6.router_solicitations === 0) return
  sendRs(world, dev, address.ip)
  ip.rsSent = 1
  ip.rsInterval = spread(world, ip.conf6.router_solicitation_interval * SECOND)
  rsTimer(world, dev, ip)
}

/** Unsolicited NA to all nodes (ndisc_notify). */
function announce(world: World, dev: Device, ip: DeviceIp, address: Address6): void {
  const router = ip.conf6.forwarding !== 0
  const flags = { router, solicited: false, override: true }
  sendToGroup(world, dev, makeNa(address.ip, ALL_NODES, address.ip, dev.mac, flags))
}

/** +-10 % (rfc3315_s14_backoff) */
function spread(world: World, base: number): number {
  return Math.round(base * (0.9 + 0.2 * world.random.next()))
}

function rsTimer(world: World, dev: Device, ip: DeviceIp): void {
  ip.rsAt = world.now + ip.rsInterval
  const data: AddressEvent = { what: 'rs' }
  world.queue.push(ip.rsAt, EV_ADDRESS_TIMER, dev.id, data)
}

/** `addrconf_rs_timer`: until a router answers, twice as long each time, up to an hour. */
function onRsTimer(world: World, dev: Device, ip: DeviceIp): void {
  if (ip.rsAt !== world.now || !ip.ready6 || !acceptsRa(ip)) return
  const limit = ip.conf6.router_solicitations
  if (limit >= 0 && ip.rsSent >= limit) return
  const source = linkLocalOn(dev)
  if (source === undefined) return
  sendRs(world, dev, source)
  ip.rsSent++
  const max = ip.conf6.router_solicitation_max_interval * SECOND
  ip.rsInterval = Math.min(max, spread(world, ip.rsInterval * 2))
  rsTimer(world, dev, ip)
}

/** `ipv6_accept_ra` */
export function acceptsRa(ip: DeviceIp): boolean {
  return ip.conf6.forwarding !== 0 ? ip.conf6.accept_ra === 2 : ip.conf6.accept_ra !== 0
}

/** `addrconf_dad_failure`: somebody else has the address; an autoconfigured one goes. */
export function failDad(world: World, dev: Device, address: Address6): void {
  const ip = deviceIp(dev)
  if (ip === undefined) return
  address.dadAt = 0
  if (!address.permanent) {
    removeAddress6(world, dev, ip, address)
    return
  }
  address.tentative = true
  address.dadFailed = true
  if (ip.conf6.accept_dad > 1 && isLinkLocal6(address.ip)) {
    setDisabled6(world, ip.ns, undefined, dev, 1)
  }
}

/** Equivalent to: `ip -6 addr del` */
export function deleteAddress6(
  world: World,
  dev: Device,
  ip: DeviceIp,
  own: Ip6,
  length: number,
): Refusal | undefined {
  const address = ip.addresses6.find((a) => a.ip === own && a.length === length)
  if (address === undefined) {
    return extack(world, 'EADDRNOTAVAIL', 'ipv6: address not found', '6.18')
  }
  removeAddress6(world, dev, ip, address)
  return undefined
}

/** `ipv6_del_addr` */
export function removeAddress6(world: World, dev: Device, ip: DeviceIp, address: Address6): void {
  const at = ip.addresses6.indexOf(address)
  if (at < 0) return
  ip.addresses6.splice(at, 1)
  if (dev.ops.kind !== 'loopback' && dev.arp) {
    leaveGroup6(world, dev, ip, solicitedNodeOf(address.ip))
  }
  const network = address.ip & mask6(address.length)
  const shared = ip.addresses6.some(
    (a) => a.length === address.length && (a.ip & mask6(a.length)) === network && !a.noPrefixRoute,
  )
  ip.ns.tables6
    .get(TABLE_LOCAL)
    ?.removeAll((r) => r.dev === dev && r.kind === 'local' && r.to === address.ip)
  if (!shared && !address.noPrefixRoute) {
    ip.ns.tables6
      .get(TABLE_MAIN)
      ?.removeAll(
        (r) =>
          r.dev === dev &&
          r.protocol === 'kernel' &&
          r.to === network &&
          r.length === address.length &&
          r.via === undefined,
      )
  }
  for (const fib of ip.ns.tables6.values()) fib.removeAll((r) => r.source === address.ip)
  flushRouteCache(ip.ns, false)
}

/** A link was registered: groups everybody is in (`ipv6_add_dev`). */
export function register6(world: World, dev: Device, ip: DeviceIp): void {
  ip.groupsLoaded6 = true
  if (dev.ops.kind === 'loopback' || !dev.arp) ip.conf6 = withSetting(ip.conf6, 'accept_dad', -1)
  ip.conf6 = withSetting(ip.conf6, 'mtu', dev.mtu)
  joinGroup6(world, dev, ip, ALL_NODES_HOST)
  joinGroup6(world, dev, ip, ALL_NODES)
  if (ip.conf6.forwarding !== 0) routerGroups(world, dev, ip, true)
}

function routerGroups(world: World, dev: Device, ip: DeviceIp, on: boolean): void {
  for (const group of [ALL_ROUTERS, ALL_ROUTERS_HOST, ALL_ROUTERS_SITE]) {
    if (on) joinGroup6(world, dev, ip, group)
    else leaveGroup6(world, dev, ip, group)
  }
}

/** NETDEV_UP: permanent addresses get their routes back, then the link is ready or waits. */
export function up6(world: World, dev: Device, ip: DeviceIp): void {
  if (ip.conf6.disable_ipv6 !== 0 || dev.mtu < 1280) return
  loadGroups6(world, dev, ip, true)
  for (const address of ip.addresses6.slice()) {
    if (!address.permanent) continue
    if (!address.noPrefixRoute) addPrefixRoute(ip.ns, dev, address)
    if (!address.tentative) kernelRoute(ip.ns, 'local', address.ip, 128, dev, TABLE_LOCAL, 0)
  }
  flushRouteCache(ip.ns, false)
  if (dev.carrier) makeReady(world, dev, ip)
}

/** IF_READY: link-local address and DAD of what waited. */
function makeReady(world: World, dev: Device, ip: DeviceIp): void {
  ip.ready6 = true
  if (dev.ops.kind === 'loopback') {
    if (!ip.addresses6.some((a) => a.ip === 1n)) {
      // init_loopback: no prefix route, only the local one.
      const loopback = { ...plainAddress(1n, 128), tentative: false, noPrefixRoute: true }
      insertAddress6(world, dev, ip, loopback)
    }
    return
  }
  enable6(dev, ip)
  for (const address of ip.addresses6.slice()) {
    if (address.tentative && !address.dadFailed) kickDad(world, dev, ip, address)
  }
  addLinkLocal(world, dev, ip)
}

/** `addrconf_addr_gen`, of its modes only EUI-64 (0); 1 = none. */
function addLinkLocal(world: World, dev: Device, ip: DeviceIp): void {
  const own = linkLocalOf(dev.mac, dev.number)
  if (ip.conf6.addr_gen_mode === 1) return
  if (ip.addresses6.some((a) => a.ip === own)) return
  insertAddress6(world, dev, ip, { ...plainAddress(own, 64), dynamic: true })
}

/** Carrier came or went. */
export function carrier6(world: World, dev: Device, ip: DeviceIp): void {
  flushRouteCache(ip.ns, false)
  if (ip.conf6.disable_ipv6 !== 0 || dev.mtu < 1280) return
  if (dev.carrier) {
    if (ip.ready6) reportSoon(world, dev, ip)
    else makeReady(world, dev, ip)
    return
  }
  const evict = ip.ns.conf6All.ndisc_evict_nocarrier !== 0 && ip.conf6.ndisc_evict_nocarrier !== 0
  if (evict) flushNeighbours(world, dev, 6, true)
}

/**
 * `addrconf_ifdown`: every route of the link goes, and every address unless keep_addr_on_down.
 * @param gone the link is being unregistered: nothing stays
 */
export function down6(world: World, dev: Device, ip: DeviceIp, gone: boolean): void {
  const ns = ip.ns
  for (const fib of ns.tables6.values()) fib.removeAll((r) => r.dev === dev)
  flushNeighbours(world, dev, 6, false)
  ip.ready6 = false
  ip.rsAt = 0
  const keep = !gone && (ip.conf6.keep_addr_on_down || ns.conf6All.keep_addr_on_down) !== 0
  for (const address of ip.addresses6.slice()) {
    if (keep && address.permanent && !isLinkLocal6(address.ip)) {
      address.tentative = !address.noDad
      address.dadAt = 0
    } else removeAddress6(world, dev, ip, address)
  }
  loadGroups6(world, dev, ip, false)
  flushRouteCache(ns, false)
}

/** Handler of EV_ADDRESS_TIMER for this file. */
export function onAddressEvent(world: World, dev: Device, event: AddressEvent): void {
  const ip = deviceIp(dev)
  if (ip === undefined) return
  if (event.what === 'dad') onDadTimer(world, dev, ip, event.ip)
  else if (event.what === 'rs') onRsTimer(world, dev, ip)
  else expire(world, dev, ip)
}

/** Lets autoconfigured addresses and routes end. */
function expire(world: World, dev: Device, ip: DeviceIp): void {
  for (const address of ip.addresses6.slice()) {
    if (address.validUntil !== 0 && address.validUntil <= world.now) {
      removeAddress6(world, dev, ip, address)
    }
  }
  for (const fib of ip.ns.tables6.values()) {
    fib.removeAll((r) => r.dev === dev && r.expires !== 0 && r.expires <= world.now)
  }
  flushRouteCache(ip.ns, false)
}

/** `addrconf_fixup_forwarding` */
export function setForwarding6(
  world: World,
  ns: NetnsIp,
  level: 'all' | 'default' | undefined,
  dev: Device | undefined,
  value: number,
): void {
  if (level === 'default') {
    ns.conf6Default = withSetting(ns.conf6Default, 'forwarding', value)
    return
  }
  if (level === 'all') {
    ns.conf6All = withSetting(ns.conf6All, 'forwarding', value)
    ns.conf6Default = withSetting(ns.conf6Default, 'forwarding', value)
  }
  for (const one of level === 'all' ? ns.netns.byIndex.values() : dev === undefined ? [] : [dev]) {
    const ip = deviceIp(one)
    if (ip === undefined) continue
    const changed = (ip.conf6.forwarding === 0) !== (value === 0)
    ip.conf6 = withSetting(ip.conf6, 'forwarding', value)
    if (changed) routerGroups(world, one, ip, value !== 0)
    if (value !== 0) {
      for (const fib of ns.tables6.values()) {
        fib.removeAll((r) => r.dev === one && r.protocol === 'ra' && ip.conf6.accept_ra !== 2)
      }
    }
  }
  flushRouteCache(ns, false)
}

/** `addrconf_disable_ipv6` */
export function setDisabled6(
  world: World,
  ns: NetnsIp,
  level: 'all' | 'default' | undefined,
  dev: Device | undefined,
  value: number,
): void {
  if (level === 'default') {
    ns.conf6Default = withSetting(ns.conf6Default, 'disable_ipv6', value)
    return
  }
  if (level === 'all') {
    ns.conf6All = withSetting(ns.conf6All, 'disable_ipv6', value)
    ns.conf6Default = withSetting(ns.conf6Default, 'disable_ipv6', value)
  }
  for (const one of level === 'all' ? ns.netns.byIndex.values() : dev === undefined ? [] : [dev]) {
    const ip = deviceIp(one)
    if (ip === undefined) continue
    const changed = (ip.conf6.disable_ipv6 === 0) !== (value === 0)
    ip.conf6 = withSetting(ip.conf6, 'disable_ipv6', value)
    if (!changed) continue
    if (value !== 0) down6(world, one, ip, false)
    else if (one.up) up6(world, one, ip)
  }
}
