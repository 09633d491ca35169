/**
 * Life of a network device: registered, up, down, renamed, moved, unregistered. The functions
 * imitate those of net/core/dev.c named beside them and tell everybody as the kernel's notifiers
 * do.
 */
import { isGroupMac, type Mac } from '../addr/mac.ts'
import { onAddressListChange, setAllmulti, setPromiscuity } from './address-lists.ts'
import { fireLinkwatch, updateOperState } from './linkwatch.ts'
import { Device, type LinkOps, type Netns, type Refusal, type World } from './model.ts'
import type { NetemState } from './netem.ts'
import { notify } from './notify.ts'
import { EADDRNOTAVAIL, EEXIST, EINVAL, refuse } from './refusal.ts'

/** A random locally administered unicast address (`eth_random_addr`). */
export function randomMac(world: World): Mac {
  const high = world.random.below(0x1000000)
  const low = world.random.below(0x1000000)
  const mac = high * 0x1000000 + low
  // clear the group bit, set the local bit of the first octet
  const first = Math.floor(mac / 0x10000000000)
  return mac + (((first & 0xfe) | 0x02) - first) * 0x10000000000
}

/** `is_valid_ether_addr`. */
export function isValidMac(mac: Mac): boolean {
  return mac !== 0 && !isGroupMac(mac)
}

/** `dev_valid_name`. */
export function isValidName(name: string): boolean {
  return name !== '' && name.length < 16 && name !== '.' && name !== '..' && !/[/:\s]/.test(name)
}

/** `dev_get_valid_name`: a free name, with `%d` replaced by the lowest free number. */
export function findName(netns: Netns, wanted: string): string | Refusal {
  if (!isValidName(wanted)) return EINVAL
  if (!wanted.includes('%')) return netns.byName.has(wanted) ? EEXIST : wanted
  const at = wanted.indexOf('%')
  if (wanted[at + 1] !== 'd' || wanted.indexOf('%', at + 1) >= 0) return EINVAL
  for (let n = 0; ; n++) {
    const name = wanted.slice(0, at) + n + wanted.slice(at + 2)
    if (name.length > 15) return refuse('ENFILE')
    if (!netns.byName.has(name)) return name
  }
}

/** `dev_new_index`: counts on from the last one given, over those in use. */
function newIndex(netns: Netns): number {
  while (netns.byIndex.has(netns.nextIndex)) netns.nextIndex++
  return netns.nextIndex++
}

/** Makes a device that is not yet listed anywhere: `alloc_netdev`. */
export function allocateDevice(
  world: World,
  ops: LinkOps,
  netns: Netns,
  name: string,
  mac: Mac,
): Device {
  const dev = new Device(world.devices.length, ops, netns, 0, name, mac)
  world.devices.push(undefined)
  return dev
}

/**
 * Lists a device in its namespace and tells the stack: `register_netdevice`.
 * @returns a refusal when the name is taken or no name at all
 */
export function registerDevice(world: World, dev: Device, index?: number): Refusal | undefined {
  const name = findName(dev.netns, dev.name)
  if (typeof name !== 'string') return name
  dev.name = name
  dev.index = index ?? newIndex(dev.netns)
  world.devices[dev.id] = dev
  list(dev)
  // linkwatch_init_dev: until a carrier change the state of a device with carrier is unknown
  if (dev.carrier) dev.operState = 'unknown'
  else updateOperState(world, dev)
  notify(world, dev, 'register')
  return undefined
}

function list(dev: Device): void {
  dev.netns.byName.set(dev.name, dev)
  dev.netns.byIndex.set(dev.index, dev)
}

function unlist(dev: Device): void {
  dev.netns.byName.delete(dev.name)
  dev.netns.byIndex.delete(dev.index)
}

/** Gives a device another index; whoever has it moves on. */
export function placeDevice(dev: Device, index: number): void {
  if (dev.index === index) return
  const { netns } = dev
  const there = netns.byIndex.get(index)
  unlist(dev)
  if (there !== undefined) {
    unlist(there)
    there.index = newIndex(netns)
    list(there)
  }
  dev.index = index
  netns.nextIndex = Math.max(netns.nextIndex, index + 1)
  list(dev)
}

/** `unregister_netdevice_many`: takes down, tells, lets go of one device. */
export function unregisterDevice(world: World, dev: Device): void {
  if (dev.dying) return
  dev.dying = true
  closeDevice(world, dev)
  notify(world, dev, 'unregister')
  dev.ops.uninit?.(world, dev)
  unlist(dev)
  world.devices[dev.id] = undefined
  world.taps.delete(dev.id)
}

/** `dev_open`. */
export function openDevice(world: World, dev: Device): Refusal | undefined {
  if (dev.up) return undefined
  const refusal = dev.ops.open?.(world, dev)
  if (refusal !== undefined) return refusal
  dev.up = true
  dev.opened = true
  onAddressListChange(world, dev)
  notify(world, dev, 'up')
  return undefined
}

/** `qdisc_reset`: frames that wait are thrown away. */
function resetNetem(dev: Device): void {
  dev.netemEpoch++
  if (dev.netem !== undefined) dev.netem.waiting = 0
}

/** Gives a device another root queueing discipline, or its default one back. */
export function setNetem(dev: Device, netem: NetemState | undefined): void {
  resetNetem(dev)
  dev.netem = netem
}

/** `dev_close`. */
export function closeDevice(world: World, dev: Device): void {
  if (!dev.up) return
  dev.ops.stop?.(world, dev)
  dev.up = false
  resetNetem(dev)
  notify(world, dev, 'down')
}

/** `dev_set_mac_address`. */
export function setMac(world: World, dev: Device, mac: Mac): Refusal | undefined {
  const special = dev.ops.setMac
  if (special !== undefined) {
    const refusal = special(world, dev, mac)
    if (refusal !== undefined) return refusal
  } else {
    if (!isValidMac(mac)) return EADDRNOTAVAIL
    dev.mac = mac
  }
  dev.macSet = true
  notify(world, dev, 'address')
  return undefined
}

/** `dev_validate_mtu`. */
export function checkMtu(
  dev: { readonly minMtu: number; readonly maxMtu: number },
  mtu: number,
): Refusal | undefined {
  if (mtu < 0 || mtu < dev.minMtu) return refuse('EINVAL', 'mtu less than device minimum')
  if (dev.maxMtu > 0 && mtu > dev.maxMtu) {
    return refuse('EINVAL', 'mtu greater than device maximum')
  }
  return undefined
}

/** `dev_set_mtu_ext`. */
export function setMtu(world: World, dev: Device, mtu: number): Refusal | undefined {
  if (mtu === dev.mtu) return undefined
  const refusal = checkMtu(dev, mtu) ?? dev.ops.changeMtu?.(world, dev, mtu)
  if (refusal !== undefined) return refusal
  dev.mtu = mtu
  notify(world, dev, 'mtu')
  return undefined
}

/** `dev_change_name`. Kernel 6.1 refuses it for a device that is up. */
export function renameDevice(world: World, dev: Device, wanted: string): Refusal | undefined {
  if (dev.up && world.traits.version === '6.1') return refuse('EBUSY')
  if (wanted === dev.name) return undefined
  const name = findName(dev.netns, wanted)
  if (typeof name !== 'string') return name
  unlist(dev)
  dev.name = name
  list(dev)
  notify(world, dev, 'rename')
  return undefined
}

/**
 * `__dev_change_net_namespace`: the device goes down, keeps its index when that is free there, and
 * starts anew for the protocol stack.
 */
export function moveDevice(world: World, dev: Device, netns: Netns): Refusal | undefined {
  if (dev.netns === netns) return undefined
  if (dev.ops.kind === 'loopback' || dev.ops.kind === 'bridge') {
    return world.traits.version === '6.1'
      ? EINVAL
      : refuse('EINVAL', 'The interface netns is immutable')
  }
  if (netns.byName.has(dev.name)) {
    return world.traits.version === '6.1'
      ? EEXIST
      : refuse('EEXIST', 'An interface with the same name exists in the target netns')
  }
  closeDevice(world, dev)
  unlist(dev)
  // The old namespace's stack and bridge forget it; what sits on it stays, for it lives on.
  world.stack.deviceEvent(world, dev, 'unregister')
  dev.master?.ops.lowerEvent?.(world, dev.master, dev, 'unregister')
  dev.netns = netns
  dev.netnsId = netns.id
  // dev_shutdown: without a queueing discipline until it comes up again.
  dev.opened = false
  setNetem(dev, undefined)
  if (netns.byIndex.has(dev.index)) dev.index = newIndex(netns)
  list(dev)
  world.stack.deviceEvent(world, dev, 'register')
  notify(world, dev, 'netns')
  fireLinkwatch(world, dev)
  return undefined
}

/** Administrative flags: `__dev_change_flags`. */
export function setPromiscFlag(world: World, dev: Device, on: boolean): void {
  if (dev.promiscFlag === on) return
  dev.promiscFlag = on
  setPromiscuity(world, dev, on ? 1 : -1)
}

export function setAllmultiFlag(world: World, dev: Device, on: boolean): void {
  if (dev.allmultiFlag === on) return
  dev.allmultiFlag = on
  setAllmulti(world, dev, on ? 1 : -1)
}
