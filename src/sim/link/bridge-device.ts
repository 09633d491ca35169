/** The bridge as a device, and making one (net/bridge/br_device.c, br_netlink.c, br.c). */
import type { Mac } from '../../addr/mac.ts'
import type { BridgeOptions, PortOptions } from '../../fabric/plan.ts'
import type { Frame } from '../../wire/frame.ts'
import { allocateDevice, isValidMac, randomMac, registerDevice } from '../device.ts'
import type { Device, DeviceEvent, LinkOps, Refusal, World } from '../model.ts'
import { notify } from '../notify.ts'
import { EADDRNOTAVAIL, EINVAL, EOPNOTSUPP, ERANGE } from '../refusal.ts'
import { transmitBridge } from './bridge.ts'
import { changeLocal } from './bridge-fdb.ts'
import {
  adjustMtu,
  changeAddress,
  managePromisc,
  recalculateAddress,
  removePort,
} from './bridge-port.ts'
import { BridgeState, bridgeOf, portOf, STATE_BLOCKING, STATE_DISABLED } from './bridge-state.ts'
import { checkPort, disablePort, enablePort, isOperational, selectStates } from './bridge-stp.ts'
import { addVlan, setDefaultPvid } from './bridge-vlan.ts'
import type { Kind, NewLink } from './kind.ts'

export const BRIDGE: LinkOps = Object.freeze<LinkOps>({
  kind: 'bridge',
  unicastFilter: false,
  transmit: (world: World, dev: Device, frame: Frame): number => transmitBridge(world, dev, frame),
  /** `br_dev_open` */
  open(world: World, dev: Device): undefined {
    for (const port of bridgeOf(dev).ports) if (isOperational(port.dev)) enablePort(world, port)
  },
  /** `br_dev_stop` */
  stop(world: World, dev: Device): void {
    for (const port of bridgeOf(dev).ports) {
      if (port.state !== STATE_DISABLED) disablePort(world, port)
    }
  },
  /** `br_dev_delete` */
  uninit(world: World, dev: Device): void {
    for (const port of [...bridgeOf(dev).ports]) removePort(world, port.dev)
  },
  /** `br_set_mac_address` */
  setMac(world: World, dev: Device, mac: Mac): Refusal | undefined {
    if (!isValidMac(mac)) return EADDRNOTAVAIL
    if (dev.mac !== mac) changeAddress(world, dev, mac)
    return undefined
  },
  changeMtu(_world: World, dev: Device): undefined {
    bridgeOf(dev).mtuByUser = true
  },
  rxFlags(world: World, dev: Device): void {
    managePromisc(world, dev)
  },
  /** `br_device_event`, for one of the ports. */
  lowerEvent(world: World, dev: Device, lower: Device, event: DeviceEvent): void {
    const port = portOf(lower)
    switch (event) {
      case 'mtu':
        return adjustMtu(world, dev)
      case 'address':
        changeLocal(world, dev, port, lower.mac)
        if (recalculateAddress(world, dev)) notify(world, dev, 'address')
        return
      case 'up':
      case 'down':
      case 'carrier':
        return checkPort(world, port)
      case 'unregister':
        return removePort(world, lower)
      case 'register':
      case 'rename':
      case 'netns':
      case 'promisc':
        return
    }
  },
})

/** `br_changelink`, in the order of br_netlink.c; checked whole before anything changes. */
export function changeBridge(
  world: World,
  dev: Device,
  options: BridgeOptions,
): Refusal | undefined {
  const own = bridgeOf(dev)
  const stp = options.stp ?? own.stp
  const { forwardDelay, ageingTime, vlanDefaultPvid, groupForwardMask } = options
  if (forwardDelay !== undefined && own.stp && (forwardDelay < 2 || forwardDelay > 30)) {
    return ERANGE
  }
  if (options.vlanFiltering === true && !world.traits.bridgeVlanFiltering) return EOPNOTSUPP
  if (vlanDefaultPvid !== undefined && (vlanDefaultPvid < 0 || vlanDefaultPvid > 4094)) {
    return EINVAL
  }
  // Bits 0, 1 and 2: STP, pause and LACP frames are never forwarded.
  if (groupForwardMask !== undefined && (groupForwardMask & 7) !== 0) return EINVAL
  if (forwardDelay !== undefined) own.forwardDelay = forwardDelay
  if (ageingTime !== undefined) own.ageingTime = ageingTime
  if (stp !== own.stp) {
    own.stp = stp
    if (stp) own.forwardDelay = Math.min(30, Math.max(2, own.forwardDelay))
    if (dev.up) selectStates(world, dev)
  }
  if (options.vlanFiltering !== undefined && options.vlanFiltering !== own.vlanFiltering) {
    own.vlanFiltering = options.vlanFiltering
    managePromisc(world, dev)
  }
  if (vlanDefaultPvid !== undefined) setDefaultPvid(world, dev, vlanDefaultPvid)
  if (groupForwardMask !== undefined) own.groupForwardMask = groupForwardMask
  if (options.multicastSnooping !== undefined) own.multicastSnooping = options.multicastSnooping
  return undefined
}

/** `br_setport` */
export function changePort(world: World, dev: Device, options: PortOptions): Refusal | undefined {
  if (dev.rxHandler?.name !== 'bridge') return EOPNOTSUPP
  const port = portOf(dev)
  const { state } = options
  if (state !== undefined) {
    // br_set_port_state: not above blocking, and with the kernel's STP not by hand
    if (state < 0 || state > STATE_BLOCKING) return EINVAL
    if (bridgeOf(port.bridge).stp) return { errno: 'EBUSY' }
    if (!isOperational(dev) && state !== STATE_DISABLED) return { errno: 'ENETDOWN' }
  }
  if (options.hairpin !== undefined) port.hairpin = options.hairpin
  if (options.isolated !== undefined) port.isolated = options.isolated
  if (options.learning !== undefined) port.learning = options.learning
  if (options.flood !== undefined) port.flood = options.flood
  if (options.multicastFlood !== undefined) port.multicastFlood = options.multicastFlood
  if (options.broadcastFlood !== undefined) port.broadcastFlood = options.broadcastFlood
  if (options.locked !== undefined) port.locked = options.locked
  if (state !== undefined) {
    port.state = state
    port.timer++
    setCarrierOfBridge(world, port.bridge)
  }
  managePromisc(world, port.bridge)
  return undefined
}

/** `br_port_state_selection` without moving ports that were put into a state by hand. */
function setCarrierOfBridge(world: World, bridge: Device): void {
  const ports = bridgeOf(bridge).ports.filter((port) => port.state === STATE_BLOCKING)
  for (const port of ports) port.state = STATE_DISABLED
  selectStates(world, bridge)
  for (const port of ports) port.state = STATE_BLOCKING
}

export const BRIDGE_KIND: Kind<'bridge'> = {
  minMtu: 68,
  maxMtu: 65535,
  /** `br_dev_newlink` */
  create(request: NewLink<'bridge'>): Device | Refusal {
    const { world, op, spec, netns } = request
    const dev = allocateDevice(world, BRIDGE, netns, op.name, op.address ?? randomMac(world))
    dev.macSet = op.address !== undefined
    dev.mtu = op.mtu ?? 1500
    dev.own = new BridgeState()
    const own = bridgeOf(dev)
    if (!world.traits.bridgeVlanFiltering) own.defaultPvid = 0
    if (spec.bridge !== undefined) {
      // What the options refuse shows before the device does.
      const trial = allocateTrial(dev)
      const refusal = changeBridge(world, trial, spec.bridge)
      if (refusal !== undefined) return refusal
    }
    const refusal = registerDevice(world, dev)
    if (refusal !== undefined) return refusal
    changeLocal(world, dev, undefined, dev.mac)
    // With a MAC given at birth br_stp_change_bridge_id looks for a live port, and there is none.
    if (op.address !== undefined) selectStates(world, dev)
    if (own.defaultPvid !== 0) {
      addVlan(world, dev, undefined, own.defaultPvid, { pvid: true, untagged: true })
    }
    if (spec.bridge !== undefined) changeBridge(world, dev, spec.bridge)
    return dev
  },
}

/** The same bridge, not listed anywhere, to try options on. */
function allocateTrial(dev: Device): Device {
  const trial: Device = Object.assign(Object.create(Object.getPrototypeOf(dev)), dev)
  trial.own = new BridgeState()
  return trial
}
