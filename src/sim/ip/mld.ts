/** Multicast groups of IPv6 and the reports about them (net/ipv6/mcast.c). */
import { groupMacOf } from '../../addr/eui64.ts'
import type { Ip6 } from '../../addr/ip.ts'
import { makeMldReport } from '../../wire/make.ts'
import { addMulticast, removeMulticast } from '../address-lists.ts'
import { type Device, EV_ADDRESS_TIMER, type World } from '../model.ts'
import { sendToGroup } from './nd-send.ts'
import { linkLocalOn } from './route6.ts'
import { type DeviceIp, deviceIp, SECOND } from './state.ts'

const CHANGE_TO_EXCLUDE = 4
/** idev->mc_qrv */
const ROBUSTNESS = 2

/** What EV_ADDRESS_TIMER carries for this file. */
export interface MldEvent {
  readonly what: 'mld'
}
const EVENT: MldEvent = Object.freeze({ what: 'mld' })

/** `ipv6_dev_mc_inc` */
export function joinGroup6(world: World, dev: Device, ip: DeviceIp, group: Ip6): void {
  const count = ip.groups6.get(group) ?? 0
  ip.groups6.set(group, count + 1)
  if (count > 0) return
  if (ip.groupsLoaded6) addMulticast(world, dev, groupMacOf(group))
  if (isReported(group)) reportSoon(world, dev, ip)
}

/** `ipv6_dev_mc_dec` */
export function leaveGroup6(world: World, dev: Device, ip: DeviceIp, group: Ip6): void {
  const count = ip.groups6.get(group)
  if (count === undefined) return
  if (count > 1) ip.groups6.set(group, count - 1)
  else {
    ip.groups6.delete(group)
    if (ip.groupsLoaded6) removeMulticast(world, dev, groupMacOf(group))
  }
}

/** `ipv6_mc_up`, `ipv6_mc_down`: puts the groups into the link's filter or takes them out. */
export function loadGroups6(world: World, dev: Device, ip: DeviceIp, on: boolean): void {
  if (ip.groupsLoaded6 !== on) {
    ip.groupsLoaded6 = on
    for (const group of ip.groups6.keys()) {
      if (on) addMulticast(world, dev, groupMacOf(group))
      else removeMulticast(world, dev, groupMacOf(group))
    }
  }
  ip.mldLeft = 0
  ip.mldAt = 0
  if (on) reportSoon(world, dev, ip)
}

/** Nobody reports all nodes, or what stays within the host. */
function isReported(group: Ip6): boolean {
  return group !== 0xff020000000000000000000000000001n && group >> 112n !== 0xff01n
}

/** `mld_ifc_event`: a report now and one within a second. */
export function reportSoon(world: World, dev: Device, ip: DeviceIp): void {
  if (!dev.up || !ip.groupsLoaded6) return
  if (![...ip.groups6.keys()].some(isReported)) return
  ip.mldLeft = ROBUSTNESS
  schedule(world, dev, ip, world.now)
}

function schedule(world: World, dev: Device, ip: DeviceIp, at: number): void {
  ip.mldAt = at
  world.queue.push(at, EV_ADDRESS_TIMER, dev.id, EVENT)
}

/** `mld_ifc_work` */
export function onMldTimer(world: World, dev: Device): void {
  const ip = deviceIp(dev)
  if (ip === undefined || ip.mldAt !== world.now || ip.mldLeft === 0 || !dev.up) return
  ip.mldAt = 0
  const groups = [...ip.groups6.keys()].filter(isReported)
  if (groups.length > 0 && dev.ops.kind !== 'loopback') {
    const source = linkLocalOn(dev) ?? 0n
    sendToGroup(world, dev, makeMldReport(source, CHANGE_TO_EXCLUDE, groups))
  }
  ip.mldLeft--
  if (ip.mldLeft > 0) schedule(world, dev, ip, world.now + world.random.below(SECOND))
}
