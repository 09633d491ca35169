/** A macvlan child as a device (drivers/net/macvlan.c). */
import type { Mac } from '../../addr/mac.ts'
import type { Frame } from '../../wire/frame.ts'
import {
  addUnicast,
  removeUnicast,
  setAllmulti,
  setPromiscuity,
  syncLists,
  unsyncLists,
} from '../address-lists.ts'
import { isValidMac, setMac, setMtu, unregisterDevice } from '../device.ts'
import { followCarrier } from '../linkwatch.ts'
import type { Device, DeviceEvent, LinkOps, Refusal, World } from '../model.ts'
import { EADDRINUSE, EADDRNOTAVAIL, EINVAL } from '../refusal.ts'
import { transmitMacvlan } from './macvlan.ts'
import { childOf, flushSources, type MacvlanPort, updateQueueLength } from './macvlan-state.ts'

/** `macvlan_addr_busy` */
function isBusy(port: MacvlanPort, mac: Mac): boolean {
  if (!port.passthru && !port.changingAddress && port.dev.mac === mac) return true
  return port.byMac.has(mac)
}

/** `macvlan_sync_address` */
function takeAddress(world: World, dev: Device, mac: Mac): Refusal | undefined {
  const { port, lower } = childOf(dev)
  if (dev.up) {
    if (isBusy(port, mac)) return EADDRINUSE
    if (!port.passthru) {
      addUnicast(world, lower, mac)
      removeUnicast(world, lower, dev.mac)
    }
    port.byMac.delete(dev.mac)
    port.byMac.set(mac, childOf(dev))
  }
  dev.mac = mac
  if (port.passthru && !port.changingAddress) port.ownMac = mac
  port.changingAddress = false
  return undefined
}

/** `macvlan_port_destroy`: the last child is gone. */
function destroyPort(world: World, port: MacvlanPort): void {
  const { dev } = port
  dev.rxHandler = undefined
  dev.port = undefined
  if (port.passthru && dev.mac !== port.ownMac && !dev.dying) setMac(world, dev, port.ownMac)
}

const macvlan: Omit<LinkOps, 'kind'> = {
  unicastFilter: true,
  transmit: (world: World, dev: Device, frame: Frame): number => transmitMacvlan(world, dev, frame),
  /** `macvlan_open`: only now its address must be nobody else's. */
  open(world: World, dev: Device): Refusal | undefined {
    const child = childOf(dev)
    const { port, lower } = child
    if (port.passthru) {
      if (!child.nopromisc) setPromiscuity(world, lower, 1)
    } else {
      if (isBusy(port, dev.mac)) return EADDRINUSE
      addUnicast(world, lower, dev.mac)
      if (dev.allmulti > 0) setAllmulti(world, lower, 1)
      if (dev.promiscuity > 0) setPromiscuity(world, lower, 1)
    }
    port.byMac.set(dev.mac, child)
    return undefined
  },
  /** `macvlan_stop` */
  stop(world: World, dev: Device): void {
    const child = childOf(dev)
    const { port, lower } = child
    unsyncLists(world, lower, child.synced)
    if (port.passthru) {
      if (!child.nopromisc) setPromiscuity(world, lower, -1)
    } else {
      if (dev.allmulti > 0) setAllmulti(world, lower, -1)
      if (dev.promiscuity > 0) setPromiscuity(world, lower, -1)
      removeUnicast(world, lower, dev.mac)
    }
    port.byMac.delete(dev.mac)
  },
  /** `macvlan_dellink`, `macvlan_uninit` */
  uninit(world: World, dev: Device): void {
    const child = childOf(dev)
    const { port, lower } = child
    flushSources(child)
    port.children = port.children.filter((other) => other !== child)
    lower.uppers = lower.uppers.filter((other) => other !== dev)
    updateQueueLength(port)
    if (port.children.length === 0) destroyPort(world, port)
  },
  /** `macvlan_set_mac_address`: a passthru child changes its parent's. */
  setMac(world: World, dev: Device, mac: Mac): Refusal | undefined {
    if (!isValidMac(mac)) return EADDRNOTAVAIL
    if (mac === dev.mac) return undefined
    const { port, mode, lower } = childOf(dev)
    if (mode === 'passthru') {
      port.changingAddress = true
      return setMac(world, lower, mac)
    }
    if (isBusy(port, mac)) return EADDRINUSE
    return takeAddress(world, dev, mac)
  },
  /** `macvlan_change_mtu` */
  changeMtu: (_world: World, dev: Device, mtu: number): Refusal | undefined =>
    mtu > childOf(dev).lower.mtu ? EINVAL : undefined,
  /** `macvlan_set_mac_lists` */
  rxMode(world: World, dev: Device): void {
    const { lower, synced } = childOf(dev)
    syncLists(world, lower, dev, synced)
  },
  /** `macvlan_change_rx_flags`: a passthru child's `promisc` is not its parent's. */
  rxFlags(world: World, dev: Device, changed: 'promisc' | 'allmulti', on: boolean): void {
    if (!dev.up) return
    const { lower, port } = childOf(dev)
    if (changed === 'allmulti') setAllmulti(world, lower, on ? 1 : -1)
    else if (!port.passthru) setPromiscuity(world, lower, on ? 1 : -1)
  },
  /** `macvlan_device_event` */
  lowerEvent(world: World, dev: Device, lower: Device, event: DeviceEvent): void {
    switch (event) {
      case 'up':
      case 'down':
      case 'carrier':
        return followCarrier(world, lower, dev)
      case 'mtu':
        if (dev.mtu > lower.mtu) setMtu(world, dev, lower.mtu)
        return
      case 'address':
        if (childOf(dev).port.passthru) takeAddress(world, dev, lower.mac)
        return
      case 'unregister':
        return unregisterDevice(world, dev)
      case 'register':
      case 'rename':
      case 'netns':
      case 'promisc':
        return
    }
  },
}

export const MACVLAN: LinkOps = Object.freeze<LinkOps>({ kind: 'macvlan', ...macvlan })
/** A macvlan whose frames a program takes from a character device; as a link it is the same. */
export const MACVTAP: LinkOps = Object.freeze<LinkOps>({ kind: 'macvtap', ...macvlan })
