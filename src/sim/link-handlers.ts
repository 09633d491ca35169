/** The ops of the link layer. */
import type { OpHandlers } from './apply.ts'
import { unregisterDevice } from './device.ts'
import { createNetns, deleteNetns } from './netns.ts'
import { changeBridgeVlan } from './ops-bridge-vlan.ts'
import { changeQdisc } from './ops-qdisc.ts'
import { changeFdb, changeMulticast, flushFdb } from './ops-fdb.ts'
import { addLink } from './ops-link-add.ts'
import { setLink } from './ops-link-set.ts'
import { EEXIST, ENODEV, ENOENT, EOPNOTSUPP, refuse } from './refusal.ts'

export type LinkOpName =
  | 'netns.add'
  | 'netns.del'
  | 'link.add'
  | 'link.set'
  | 'link.del'
  | 'link.del-group'
  | 'fdb.add'
  | 'fdb.replace'
  | 'fdb.del'
  | 'fdb.flush'
  | 'bridge-vlan.add'
  | 'bridge-vlan.del'
  | 'multicast.add'
  | 'multicast.del'
  | 'qdisc.add'
  | 'qdisc.change'
  | 'qdisc.replace'
  | 'qdisc.del'

export const LINK_HANDLERS: Pick<OpHandlers, LinkOpName> = {
  'netns.add': (world, { netns }) => {
    if (world.netns.has(netns)) return EEXIST
    createNetns(world, netns)
    return undefined
  },
  'netns.del': (world, { netns: name }) => {
    const netns = world.netns.get(name)
    if (netns === undefined) return ENOENT
    deleteNetns(world, netns)
    return undefined
  },
  'link.add': addLink,
  'link.set': setLink,
  'link.del': (world, op) => {
    const netns = world.netns.get(op.netns)
    if (netns === undefined) return ENOENT
    const dev = netns.byName.get(op.name)
    if (dev === undefined) return ENODEV
    if (dev.ops.kind === 'loopback') return EOPNOTSUPP
    unregisterDevice(world, dev)
    return undefined
  },
  'link.del-group': (world, op) => {
    const netns = world.netns.get(op.netns)
    if (netns === undefined) return ENOENT
    if (op.group === 0) return refuse('EPERM')
    const members = [...netns.byIndex.values()].filter((dev) => dev.group === op.group)
    if (members.length === 0) return ENODEV
    // rtnl_group_dellink: one that cannot be deleted refuses all
    if (members.some((dev) => dev.ops.kind === 'loopback')) return EOPNOTSUPP
    for (const dev of members) if (!dev.dying) unregisterDevice(world, dev)
    return undefined
  },
  'fdb.add': changeFdb,
  'fdb.replace': changeFdb,
  'fdb.del': changeFdb,
  'fdb.flush': flushFdb,
  'bridge-vlan.add': changeBridgeVlan,
  'bridge-vlan.del': changeBridgeVlan,
  'multicast.add': changeMulticast,
  'multicast.del': changeMulticast,
  'qdisc.add': changeQdisc,
  'qdisc.change': changeQdisc,
  'qdisc.replace': changeQdisc,
  'qdisc.del': changeQdisc,
}
