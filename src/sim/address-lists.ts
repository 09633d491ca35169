/**
 * What a device listens to beside its own address: unicast and multicast lists, promiscuity and
 * allmulti counts, and their way down to the device below (net/core/dev_addr_lists.c, dev.c).
 */
import type { Mac } from '../addr/mac.ts'
import type { Device, World } from './model.ts'
import { notify } from './notify.ts'

/** `dev_set_promiscuity`. */
export function setPromiscuity(world: World, dev: Device, by: 1 | -1): void {
  const before = dev.promiscuity
  dev.promiscuity = before + by
  if (before > 0 === dev.promiscuity > 0) return
  const on = dev.promiscuity > 0
  dev.ops.rxFlags?.(world, dev, 'promisc', on)
  onAddressListChange(world, dev)
  notify(world, dev, 'promisc')
}

/** `dev_set_allmulti`. */
export function setAllmulti(world: World, dev: Device, by: 1 | -1): void {
  const before = dev.allmulti
  dev.allmulti = before + by
  if (before > 0 === dev.allmulti > 0) return
  dev.ops.rxFlags?.(world, dev, 'allmulti', dev.allmulti > 0)
  onAddressListChange(world, dev)
}

/** `dev_mc_add`: one more who wants the group. */
export function addMulticast(world: World, dev: Device, mac: Mac): void {
  const count = dev.multicast.get(mac) ?? 0
  dev.multicast.set(mac, count + 1)
  if (count === 0) onAddressListChange(world, dev)
}

/** `dev_mc_del`. @returns false when nobody had joined */
export function removeMulticast(world: World, dev: Device, mac: Mac): boolean {
  return remove(world, dev, dev.multicast, mac)
}

/** `dev_uc_add`. */
export function addUnicast(world: World, dev: Device, mac: Mac): void {
  const count = dev.unicast.get(mac) ?? 0
  dev.unicast.set(mac, count + 1)
  if (count === 0) onAddressListChange(world, dev)
}

/** `dev_uc_del`. @returns false when it was not there */
export function removeUnicast(world: World, dev: Device, mac: Mac): boolean {
  return remove(world, dev, dev.unicast, mac)
}

function remove(world: World, dev: Device, list: Map<Mac, number>, mac: Mac): boolean {
  const count = list.get(mac)
  if (count === undefined) return false
  if (count > 1) list.set(mac, count - 1)
  else {
    list.delete(mac)
    onAddressListChange(world, dev)
  }
  return true
}

/** `__dev_set_rx_mode`: a device that cannot filter unicast goes promiscuous for its list. */
export function onAddressListChange(world: World, dev: Device): void {
  if (!dev.up) return
  if (!dev.ops.unicastFilter) {
    const wanted = dev.unicast.size > 0
    if (wanted !== dev.unicastPromisc) {
      dev.unicastPromisc = wanted
      setPromiscuity(world, dev, wanted ? 1 : -1)
    }
  }
  dev.ops.rxMode?.(world, dev)
}

/** What an upper device has put into the lists of the one below. */
export interface SyncedLists {
  readonly unicast: Set<Mac>
  readonly multicast: Set<Mac>
}

export function newSyncedLists(): SyncedLists {
  return { unicast: new Set(), multicast: new Set() }
}

/** `dev_uc_sync` and `dev_mc_sync`: the lower device listens to what the upper one does. */
export function syncLists(world: World, lower: Device, dev: Device, synced: SyncedLists): void {
  for (const mac of dev.unicast.keys()) {
    if (synced.unicast.has(mac)) continue
    synced.unicast.add(mac)
    addUnicast(world, lower, mac)
  }
  for (const mac of [...synced.unicast]) {
    if (dev.unicast.has(mac)) continue
    synced.unicast.delete(mac)
    removeUnicast(world, lower, mac)
  }
  for (const mac of dev.multicast.keys()) {
    if (synced.multicast.has(mac)) continue
    synced.multicast.add(mac)
    addMulticast(world, lower, mac)
  }
  for (const mac of [...synced.multicast]) {
    if (dev.multicast.has(mac)) continue
    synced.multicast.delete(mac)
    removeMulticast(world, lower, mac)
  }
}

/** `dev_uc_unsync` and `dev_mc_unsync`. */
export function unsyncLists(world: World, lower: Device, synced: SyncedLists): void {
  for (const mac of synced.unicast) removeUnicast(world, lower, mac)
  for (const mac of synced.multicast) removeMulticast(world, lower, mac)
  synced.unicast.clear()
  synced.multicast.clear()
}
