/**
 * `fdb.*` and `multicast.*`: forwarding entries and group addresses set by hand
 * (net/core/rtnetlink.c).
 */
import { isGroupMac } from '../addr/mac.ts'
import type { FdbChange, OpOf } from '../fabric/plan.ts'
import { addMulticast, addUnicast, removeMulticast, removeUnicast } from './address-lists.ts'
import { createEntry, flushLearned } from './link/bridge-fdb.ts'
import {
  type BridgePort,
  bridgeOf,
  portOf,
  STATE_FORWARDING,
  STATE_LEARNING,
} from './link/bridge-state.ts'
import { childOf, isMacvlan } from './link/macvlan-state.ts'
import type { Device, Refusal, World } from './model.ts'
import { EEXIST, EINVAL, ENODEV, ENOENT, EOPNOTSUPP, refuse } from './refusal.ts'

function findLink(
  world: World,
  op: { readonly netns: string; readonly link: string },
): Device | Refusal {
  const netns = world.netns.get(op.netns)
  if (netns === undefined) return ENOENT
  return netns.byName.get(op.link) ?? ENODEV
}

/** `rtnl_fdb_add`, `rtnl_fdb_del` */
export function changeFdb(world: World, op: FdbChange): Refusal | undefined {
  const dev = findLink(world, op)
  if ('errno' in dev) return dev
  if (op.vlan !== undefined && (op.vlan <= 0 || op.vlan >= 4095)) {
    return refuse('EINVAL', 'invalid vlan id')
  }
  if (op.on === 'master') {
    if (dev.rxHandler?.name !== 'bridge') return EOPNOTSUPP
    const port = portOf(dev)
    return changeBridgeFdb(world, port.bridge, port, op)
  }
  if (dev.ops.kind === 'bridge') return changeBridgeFdb(world, dev, undefined, op)
  return changeOwnList(world, dev, op)
}

/** `br_fdb_add`, `br_fdb_delete`: without a VLAN also for every VLAN of the port. */
function changeBridgeFdb(
  world: World,
  bridge: Device,
  port: BridgePort | undefined,
  op: FdbChange,
): Refusal | undefined {
  const own = bridgeOf(bridge)
  const group = port === undefined ? own.vlans : port.vlans
  if (op.do === 'fdb.del') {
    const vids = op.vlan === undefined ? [0, ...group.untagged.keys()] : [op.vlan]
    let found = false
    for (const vid of vids) {
      const table = own.fdb.get(vid)
      if (table?.get(op.mac)?.port !== port || !table?.delete(op.mac)) continue
      found = true
    }
    return found ? undefined : ENOENT
  }
  if (op.mac === 0) return EINVAL
  if (op.vlan !== undefined && !group.untagged.has(op.vlan)) return EINVAL
  const vids = op.vlan === undefined ? [0, ...group.untagged.keys()] : [op.vlan]
  for (const vid of vids) {
    const refusal = checkEntry(bridge, port, op, vid)
    if (refusal !== undefined) return refusal
  }
  for (const vid of vids) setEntry(world, bridge, port, op, vid)
  return undefined
}

/** The refusals of `fdb_add_entry`. */
function checkEntry(
  bridge: Device,
  port: BridgePort | undefined,
  op: FdbChange,
  vid: number,
): Refusal | undefined {
  const state = op.state ?? 'permanent'
  const open = port?.state === STATE_LEARNING || port?.state === STATE_FORWARDING
  if (port !== undefined && state === 'dynamic' && !open) return refuse('EPERM')
  if (port === undefined && state !== 'permanent') return EINVAL
  if (op.sticky === true && state === 'permanent') return EINVAL
  const exists = bridgeOf(bridge).fdb.get(vid)?.has(op.mac) === true
  return exists && op.do === 'fdb.add' ? EEXIST : undefined
}

function setEntry(
  world: World,
  bridge: Device,
  port: BridgePort | undefined,
  op: FdbChange,
  vid: number,
): void {
  const own = bridgeOf(bridge)
  const state = op.state ?? 'permanent'
  const entry = own.fdb.get(vid)?.get(op.mac) ?? createEntry(world, own, port, op.mac, vid)
  entry.port = port
  entry.byUser = true
  entry.local = state === 'permanent'
  entry.static = state !== 'dynamic'
  entry.sticky = op.sticky === true
  entry.updatedNs = world.now
}

/** `ndo_dflt_fdb_add`, `macvlan_fdb_add`: the device's own unicast and multicast lists. */
function changeOwnList(world: World, dev: Device, op: FdbChange): Refusal | undefined {
  const unicast = !isGroupMac(op.mac)
  if (isMacvlan(dev)) {
    if (unicast && !childOf(dev).port.passthru) return EOPNOTSUPP
    if (op.do === 'fdb.replace') return EOPNOTSUPP
  } else {
    if ((op.state ?? 'permanent') !== 'permanent') {
      return refuse('EINVAL', 'default FDB implementation only supports local addresses')
    }
    if (op.vlan !== undefined) {
      return refuse('EINVAL', "vlans aren't supported yet for dev_uc|mc_add()")
    }
  }
  const list = unicast ? dev.unicast : dev.multicast
  if (op.do === 'fdb.del') {
    const remove = unicast ? removeUnicast : removeMulticast
    return remove(world, dev, op.mac) ? undefined : ENOENT
  }
  if (list.has(op.mac)) return op.do === 'fdb.add' ? EEXIST : undefined
  if (unicast) addUnicast(world, dev, op.mac)
  else addMulticast(world, dev, op.mac)
  return undefined
}

/** `br_fdb_flush` as `ip link set dev BRIDGE type bridge fdb_flush` asks for it. */
export function flushFdb(world: World, op: OpOf<'fdb.flush'>): Refusal | undefined {
  const dev = findLink(world, { netns: op.netns, link: op.bridge })
  if ('errno' in dev) return dev
  if (dev.ops.kind !== 'bridge') return EOPNOTSUPP
  flushLearned(bridgeOf(dev))
  return undefined
}

/** SIOCADDMULTI and SIOCDELMULTI (net/core/dev_ioctl.c): joined once, however often asked. */
export function changeMulticast(
  world: World,
  op: OpOf<'multicast.add' | 'multicast.del'>,
): Refusal | undefined {
  const dev = findLink(world, op)
  if ('errno' in dev) return dev
  if (dev.ops.kind === 'loopback' || dev.ops.kind === 'tun') return EINVAL
  if (op.do === 'multicast.add') {
    if (dev.multicastByHand.has(op.mac)) return undefined
    dev.multicastByHand.add(op.mac)
    addMulticast(world, dev, op.mac)
    return undefined
  }
  if (!dev.multicastByHand.delete(op.mac)) return ENOENT
  removeMulticast(world, dev, op.mac)
  return undefined
}
