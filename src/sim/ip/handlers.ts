/** The ops of the protocol stack: IP_HANDLERS for apply. */
import type { FilterOp } from '../../fabric/filter.ts'
import type { AddressChange, OpOf } from '../../fabric/plan.ts'
import type { OpHandlers } from '../apply.ts'
import type { Device, Refusal, World } from '../model.ts'
import { addAddress4, deleteAddress4, removeAddress4 } from './address4.ts'
import { addAddress6, deleteAddress6, removeAddress6 } from './addrconf.ts'
import { flushRouteCache } from './cache.ts'
import { changeFilter } from './netfilter/ops.ts'
import { changeNeighbour, flushNeighbour } from './neighbour-ops.ts'
import { changeRoute } from './route-ops.ts'
import { changeRule } from './rule-ops.ts'
import { type DeviceIp, deviceIp, netnsIp } from './state.ts'
import { writeSysctl } from './sysctl.ts'

type IpOps =
  | 'address.add'
  | 'address.del'
  | 'address.flush'
  | 'route.add'
  | 'route.replace'
  | 'route.del'
  | 'route.flush-cache'
  | 'neighbour.add'
  | 'neighbour.replace'
  | 'neighbour.del'
  | 'neighbour.flush'
  | 'sysctl.set'
  | 'rule.add'
  | 'rule.del'
  | FilterOp['do']

const NO_NETNS: Refusal = Object.freeze({ errno: 'ENOENT' })
const NO_LINK: Refusal = Object.freeze({ errno: 'ENODEV' })

function find(
  world: World,
  netns: string,
  link: string,
): { readonly dev: Device; readonly ip: DeviceIp } | Refusal {
  const there = world.netns.get(netns)
  if (there === undefined) return NO_NETNS
  const dev = there.byName.get(link)
  const ip = dev === undefined ? undefined : deviceIp(dev)
  return dev === undefined || ip === undefined ? NO_LINK : { dev, ip }
}

/** Equivalent to: `ip addr add`, `ip addr del` */
function changeAddress(world: World, op: AddressChange): Refusal | undefined {
  const found = find(world, op.netns, op.link)
  if ('errno' in found) return found
  const { dev, ip } = found
  const { address, length } = op.address
  if (op.do === 'address.add') {
    return typeof address === 'number'
      ? addAddress4(world, dev, ip, op)
      : addAddress6(world, dev, ip, op)
  }
  return typeof address === 'number'
    ? deleteAddress4(world, dev, ip, address, length)
    : deleteAddress6(world, dev, ip, address, length)
}

/** Equivalent to: `ip addr flush dev LINK` */
function flushAddresses(world: World, op: OpOf<'address.flush'>): Refusal | undefined {
  const found = find(world, op.netns, op.link)
  if ('errno' in found) return found
  const { dev, ip } = found
  while (ip.addresses4[0] !== undefined) removeAddress4(dev, ip, ip.addresses4[0])
  for (const address of ip.addresses6.slice()) removeAddress6(world, dev, ip, address)
  return undefined
}

/** Equivalent to: `sysctl -w KEY=VALUE` */
function setSysctl(world: World, op: OpOf<'sysctl.set'>): Refusal | undefined {
  const netns = world.netns.get(op.netns)
  return netns === undefined ? NO_NETNS : writeSysctl(world, netns, op.key, op.value)
}

/** Equivalent to: `ip route flush cache` */
function flushCache(world: World, op: OpOf<'route.flush-cache'>): Refusal | undefined {
  const netns = world.netns.get(op.netns)
  if (netns === undefined) return NO_NETNS
  flushRouteCache(netnsIp(netns), true)
  return undefined
}

/** What the protocol stack does of a plan. */
export const IP_HANDLERS: Pick<OpHandlers, IpOps> = {
  'address.add': changeAddress,
  'address.del': changeAddress,
  'address.flush': flushAddresses,
  'route.add': changeRoute,
  'route.replace': changeRoute,
  'route.del': changeRoute,
  'route.flush-cache': flushCache,
  'neighbour.add': changeNeighbour,
  'neighbour.replace': changeNeighbour,
  'neighbour.del': changeNeighbour,
  'neighbour.flush': flushNeighbour,
  'sysctl.set': setSysctl,
  'rule.add': changeRule,
  'rule.del': changeRule,
  'filter.add': changeFilter,
  'filter.del': changeFilter,
  'filter.flush': changeFilter,
  'filter.policy': changeFilter,
  'filter.chain-add': changeFilter,
  'filter.chain-del': changeFilter,
}
