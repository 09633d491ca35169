/** Rate limits of ICMP (net/ipv4/inetpeer.c inet_peer_xrlim_allow, icmp.c, route.c ip_error). */
import type { Ip } from '../../addr/ip.ts'
import type { World } from '../model.ts'
import { type NetnsIp, type Peer, SECOND } from './state.ts'

/** XRLIM_BURST_FACTOR */
const BURST = 6
/** ip_rt_error_burst and ip_rt_error_cost, seconds. */
const ERROR_BURST = 5
const MS = 1_000_000
/** The kernel counts these times in jiffies: now, cut to a millisecond (HZ = 1000). */
export function jiffies(world: World): number {
  return world.now - (world.now % MS)
}

/** `inet_getpeer`: a host not met before starts with a full bucket. */
export function peerOf(world: World, ns: NetnsIp, ip: Ip): Peer {
  const peers = (typeof ip === 'number' ? ns.peers4 : ns.peers6) as Map<Ip, Peer>
  let peer = peers.get(ip)
  if (peer === undefined) {
    peer = { tokens: 0, last: jiffies(world) - 60 * SECOND, redirects: 0 }
    peers.set(ip, peer)
  }
  return peer
}

/**
 * `inet_peer_xrlim_allow`: a bucket of six errors, one more every `costNs`. Newer kernels cut it to
 * that size only when time has passed since it was last asked, which with a cost of 0 leaves
 * {@link allowRouteError} its own.
 */
export function allow(world: World, peer: Peer, costNs: number): boolean {
  const now = jiffies(world)
  const elapsed = now - peer.last
  const cut = elapsed > 0 || world.traits.version === '6.1'
  const tokens = cut ? Math.min(peer.tokens + elapsed, BURST * costNs) : peer.tokens
  peer.last = now
  const allowed = tokens >= costNs
  peer.tokens = allowed ? tokens - costNs : tokens
  return allowed
}

/** The first of the two tolls an error about a missing route pays: `ip_error`. */
export function allowRouteError(world: World, peer: Peer): boolean {
  const now = jiffies(world)
  peer.tokens = Math.min(peer.tokens + now - peer.last, ERROR_BURST * SECOND)
  peer.last = now
  if (peer.tokens < SECOND) return false
  peer.tokens -= SECOND
  return true
}

/** `icmp_global_allow`: what the namespace as a whole may send. */
export function allowGlobal(world: World, ns: NetnsIp): boolean {
  const { icmp_msgs_per_sec: rate, icmp_msgs_burst: burst } = ns.conf
  const elapsed = Math.min(world.now - ns.icmpStamp, SECOND)
  if (ns.icmpStamp === 0) {
    ns.icmpCredit = burst
    ns.icmpStamp = world.now || 1
  } else if (elapsed >= SECOND / 50) {
    ns.icmpCredit = Math.min(burst, ns.icmpCredit + Math.floor((rate * elapsed) / SECOND))
    ns.icmpStamp = world.now
  }
  if (ns.icmpCredit < 1) return false
  ns.icmpCredit--
  return true
}

/** `icmpv4_xrlim_allow` with the mask of limited types; frag needed and lo are never limited. */
export function allowIcmp4(
  world: World,
  ns: NetnsIp,
  to: number,
  type: number,
  code: number,
  loopback: boolean,
): boolean {
  if (((1 << type) & ns.conf.icmp_ratemask) === 0) return true
  if (type === 3 && code === 4) return true
  if (!loopback && !allow(world, peerOf(world, ns, to), ns.conf.icmp_ratelimit * MS)) return false
  return loopback || allowGlobal(world, ns)
}

/** `icmpv6_xrlim_allow`: errors but "packet too big", faster towards shorter prefixes. */
export function allowIcmp6(
  world: World,
  ns: NetnsIp,
  to: bigint,
  type: number,
  prefixLength: number,
  loopback: boolean,
): boolean {
  if (type >= 128 || type === 2 || loopback) return true
  let cost = ns.conf['ipv6.icmp.ratelimit'] * MS
  if (prefixLength < 128) cost /= 2 ** ((128 - prefixLength) >> 5)
  if (!allow(world, peerOf(world, ns, to), cost)) return false
  return allowGlobal(world, ns)
}
