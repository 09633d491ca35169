/** The ops that change neighbours (net/core/neighbour.c neigh_add, neigh_delete). */
import { type Ip, isMulticastIp } from '../../addr/ip.ts'
import type { NeighbourChange, NeighbourState, OpOf } from '../../fabric/plan.ts'
import type { Refusal, World } from '../model.ts'
import {
  eventSend,
  makeNeighbour,
  neighboursOf,
  UPDATE_ADMIN,
  UPDATE_OVERRIDE,
  updateNeighbour,
} from './neighbour.ts'
import { dropTimer } from './neighbour-timers.ts'
import {
  deviceIp,
  type Neighbour,
  NUD_DELAY,
  NUD_FAILED,
  NUD_INCOMPLETE,
  NUD_NOARP,
  NUD_PERMANENT,
  NUD_PROBE,
  NUD_REACHABLE,
  NUD_STALE,
} from './state.ts'

export const STATE_BITS: Readonly<Record<NeighbourState, number>> = {
  incomplete: NUD_INCOMPLETE,
  reachable: NUD_REACHABLE,
  stale: NUD_STALE,
  delay: NUD_DELAY,
  probe: NUD_PROBE,
  failed: NUD_FAILED,
  noarp: NUD_NOARP,
  permanent: NUD_PERMANENT,
}

/** Equivalent to: `ip neigh add`, `ip neigh replace`, `ip neigh del` */
export function changeNeighbour(world: World, op: NeighbourChange): Refusal | undefined {
  const netns = world.netns.get(op.netns)
  if (netns === undefined) return { errno: 'ENOENT' }
  const dev = netns.byName.get(op.link)
  const ip = dev === undefined ? undefined : deviceIp(dev)
  if (dev === undefined || ip === undefined) return { errno: 'ENODEV' }
  if (op.proxy === true) {
    const proxies = (typeof op.ip === 'number' ? ip.proxies4 : ip.proxies6) as Set<unknown>
    if (op.do !== 'neighbour.del') proxies.add(op.ip)
    else if (!proxies.delete(op.ip)) return { errno: 'ENOENT' }
    return undefined
  }
  const map = neighboursOf(ip, op.ip)
  const old = map.get(op.ip)
  if (op.do === 'neighbour.del') {
    if (old === undefined) return { errno: 'ENOENT' }
    updateNeighbour(world, old, undefined, NUD_FAILED, UPDATE_OVERRIDE | UPDATE_ADMIN)
    map.delete(op.ip)
    ip.news++
    dropTimer(old)
    return undefined
  }
  if (op.do === 'neighbour.add' && old !== undefined) return { errno: 'EEXIST' }
  const state = STATE_BITS[op.state ?? 'permanent']
  if (op.mac === undefined && (state & ~(NUD_FAILED | NUD_INCOMPLETE)) !== 0) {
    return { errno: 'EINVAL', extack: 'No link layer address given' }
  }
  if (isMulticastIp(op.ip)) return undefined
  const n = old ?? makeNeighbour(ip, dev, op.ip)
  if (state === NUD_INCOMPLETE) eventSend(world, n, undefined)
  else updateNeighbour(world, n, op.mac, state, UPDATE_OVERRIDE | UPDATE_ADMIN)
  return undefined
}

/** Equivalent to: `ip neigh flush`, which leaves permanent entries. */
export function flushNeighbour(world: World, op: OpOf<'neighbour.flush'>): Refusal | undefined {
  const netns = world.netns.get(op.netns)
  if (netns === undefined) return { errno: 'ENOENT' }
  if (op.link !== undefined && !netns.byName.has(op.link)) return { errno: 'ENODEV' }
  for (const dev of netns.byIndex.values()) {
    const ip = deviceIp(dev)
    if (ip === undefined || (op.link !== undefined && dev.name !== op.link)) continue
    ip.news++
    if (op.family !== 6) deleteAll(world, ip.neighbours4)
    if (op.family !== 4) deleteAll(world, ip.neighbours6)
  }
  return undefined
}

/** One by one, as neigh_delete does it: who still waits for an answer is told that none came. */
function deleteAll<K extends Ip>(world: World, map: Map<K, Neighbour>): void {
  for (const [key, n] of map) {
    if ((n.state & NUD_PERMANENT) !== 0) continue
    updateNeighbour(world, n, undefined, NUD_FAILED, UPDATE_OVERRIDE | UPDATE_ADMIN)
    map.delete(key)
    dropTimer(n)
  }
}
