/**
 * Router advertisements as a host takes them (net/ipv6/ndisc.c ndisc_router_discovery, addrconf.c).
 */
import { eui64Of } from '../../addr/eui64.ts'
import type { ReasonCode } from '../../fabric/reason.ts'
import type { Ip6Packet, NdMessage, RouterAdvert } from '../../wire/frame.ts'
import { type Device, EV_ADDRESS_TIMER, type World } from '../model.ts'
import { acceptsRa, type AddressEvent, insertAddress6, plainAddress } from './addrconf.ts'
import { flushRouteCache } from './cache.ts'
import { withSetting } from './conf.ts'
import { makeRoute } from './make-route.ts'
import {
  makeNeighbour,
  UPDATE_OVERRIDE,
  UPDATE_WEAK_OVERRIDE,
  updateNeighbour,
} from './neighbour.ts'
import { isLinkLocal6 } from './route6.ts'
import { type DeviceIp, NUD_STALE, SECOND, TABLE_MAIN } from './state.ts'
import { makeTable } from './tables.ts'

const EXPIRE: AddressEvent = Object.freeze({ what: 'expire' })
const INFINITE = 0xffffffff
const METRIC_RA = 1024

export function receiveRa(
  world: World,
  dev: Device,
  ip: DeviceIp,
  packet: Ip6Packet,
  message: NdMessage,
): ReasonCode | undefined {
  const advert = message.advert
  if (advert === undefined || !isLinkLocal6(packet.src)) return 'ND_INVALID'
  if (!acceptsRa(ip)) return 'RA_IGNORED'
  ip.rsAt = 0
  const n = ip.neighbours6.get(packet.src) ?? makeNeighbour(ip, dev, packet.src)
  const flags = UPDATE_WEAK_OVERRIDE | UPDATE_OVERRIDE
  if (message.linkAddress !== undefined) {
    updateNeighbour(world, n, message.linkAddress, NUD_STALE, flags)
  }
  n.router = true
  if (ip.conf6.accept_ra_defrtr !== 0) defaultRoute(world, dev, ip, packet, advert)
  if (advert.hopLimit !== 0) ip.conf6 = withSetting(ip.conf6, 'hop_limit', advert.hopLimit)
  const mtu = advert.mtu
  if (mtu !== undefined && ip.conf6.accept_ra_mtu !== 0 && mtu >= 1280 && mtu <= dev.mtu) {
    ip.conf6 = withSetting(ip.conf6, 'mtu', mtu)
  }
  if (ip.conf6.accept_ra_pinfo !== 0) {
    for (const prefix of advert.prefixes) takePrefix(world, dev, ip, prefix)
  }
  flushRouteCache(ip.ns, false)
  return undefined
}

function until(world: World, dev: Device, seconds: number): number {
  if (seconds === INFINITE) return 0
  const at = world.now + seconds * SECOND
  world.queue.push(at, EV_ADDRESS_TIMER, dev.id, EXPIRE)
  return at
}

function defaultRoute(
  world: World,
  dev: Device,
  ip: DeviceIp,
  packet: Ip6Packet,
  advert: RouterAdvert,
): void {
  const fib = makeTable(ip.ns, 6, TABLE_MAIN)
  const old = fib
    .at(0n, 0)
    .find((r) => r.dev === dev && r.via === packet.src && r.protocol === 'ra')
  if (advert.lifetime === 0) {
    if (old !== undefined) fib.remove(old)
    return
  }
  const expires = until(world, dev, advert.lifetime)
  if (old !== undefined) old.expires = expires
  else {
    const rest = { via: packet.src, metric: METRIC_RA, protocol: 'ra', expires }
    fib.insert(makeRoute('unicast', 0n, 0, dev, rest))
  }
}

/** `addrconf_prefix_rcv`: on-link route and, for a /64, an address with the EUI-64 of the link. */
function takePrefix(
  world: World,
  dev: Device,
  ip: DeviceIp,
  info: RouterAdvert['prefixes'][number],
): void {
  const { prefix, length, validLifetime } = info
  if (isLinkLocal6(prefix) || info.preferredLifetime > validLifetime) return
  if (info.onLink) {
    const fib = makeTable(ip.ns, 6, TABLE_MAIN)
    const old = fib.at(prefix, length).find((r) => r.dev === dev && r.via === undefined)
    if (validLifetime === 0) {
      if (old !== undefined) fib.remove(old)
    } else if (old !== undefined) {
      if (old.expires !== 0) old.expires = until(world, dev, validLifetime)
    } else {
      const expires = until(world, dev, validLifetime)
      const rest = { metric: 256, protocol: 'kernel', expires }
      fib.insert(makeRoute('unicast', prefix, length, dev, rest))
    }
  }
  if (!info.autonomous || ip.conf6.autoconf === 0 || length !== 64 || validLifetime === 0) return
  const own = prefix | eui64Of(dev.mac, dev.number)
  const validUntil = until(world, dev, validLifetime)
  const preferredUntil =
    info.preferredLifetime === INFINITE ? 0 : world.now + info.preferredLifetime * SECOND
  const old = ip.addresses6.find((a) => a.ip === own)
  if (old !== undefined) {
    if (old.validUntil !== 0) old.validUntil = validUntil
    old.preferredUntil = preferredUntil
    return
  }
  insertAddress6(
    world,
    dev,
    ip,
    { ...plainAddress(own, 64), permanent: false, dynamic: true, validUntil, preferredUntil },
    false,
  )
}
