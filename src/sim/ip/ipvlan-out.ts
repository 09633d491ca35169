/** Packets of ipvlan children in l3 mode, routed by the parent's namespace. */
import type { Ip4Packet, Ip6Packet } from '../../wire/frame.ts'
import type { Device, World } from '../model.ts'
import { sendLocal4 } from './output4.ts'
import { sendLocal6 } from './output6.ts'
import { routeOutput4 } from './route4.ts'
import { isLinkLocal6, isMulticast6, routeOutput6 } from './route6.ts'
import { netnsIp } from './state.ts'

const ENOBUFS = 105
/** The errors of routes and rules. */
const ERRNO: Readonly<Record<string, number>> = {
  EACCES: 13,
  EINVAL: 22,
  ENETUNREACH: 101,
  EHOSTUNREACH: 113,
}

/**
 * `ipvlan_process_v4_outbound`, `ipvlan_process_v6_outbound`: as a packet made by the namespace of
 * the parent, out of the parent, whatever its source; its TTL stays. Where the parent's namespace
 * has no route the sender of an IPv4 packet sees ENOBUFS, of an IPv6 packet the route's error.
 */
export function routeOut(world: World, dev: Device, packet: Ip4Packet | Ip6Packet): number {
  const ns = netnsIp(dev.netns)
  if (packet.kind === 'ip4') {
    const out = routeOutput4(ns, packet.dst, packet.src, dev, true)
    if (typeof out === 'string' || (out.kind !== 'unicast' && out.kind !== 'local')) return ENOBUFS
    return sendLocal4(world, ns, out, packet) === 0 ? 0 : ENOBUFS
  }
  const strict = isLinkLocal6(packet.dst) || isMulticast6(packet.dst)
  const out = routeOutput6(ns, packet.dst, packet.src, dev, world.now, strict)
  if (typeof out === 'string') return ERRNO[out] ?? ENOBUFS
  return sendLocal6(world, ns, out, packet) === 0 ? 0 : ENOBUFS
}
