/** VLAN devices: a tag on the way out, matched on the way in (net/8021q/vlan_dev.c, vlan.c). */
import type { Mac } from '../../addr/mac.ts'
import { ETH_8021AD, ETH_8021Q, type Frame } from '../../wire/frame.ts'
import { pushTag } from '../../wire/make.ts'
import {
  addUnicast,
  newSyncedLists,
  removeUnicast,
  setAllmulti,
  setPromiscuity,
  type SyncedLists,
  syncLists,
  unsyncLists,
} from '../address-lists.ts'
import { transmit } from '../core.ts'
import { countSent, HEADER } from '../counters.ts'
import {
  allocateDevice,
  closeDevice,
  isValidMac,
  openDevice,
  registerDevice,
  setMtu,
  unregisterDevice,
} from '../device.ts'
import { fireLinkwatch, followCarrier, setCarrier } from '../linkwatch.ts'
import type { Device, DeviceEvent, LinkOps, Refusal, World } from '../model.ts'
import { notify } from '../notify.ts'
import { EADDRNOTAVAIL, EINVAL, ENETDOWN, ERANGE, refuse } from '../refusal.ts'
import type { Kind, NewLink } from './kind.ts'

export class VlanState {
  readonly lower: Device
  readonly id: number
  readonly protocol: number
  reorderHeader: boolean
  looseBinding: boolean
  /** Registration protocols: remembered, spoken by nobody here. */
  gvrp = false
  mvrp = false
  ingressQos: readonly (readonly [number, number])[]
  egressQos: readonly (readonly [number, number])[]
  /** The address of the lower device as last seen (`real_dev_addr`). */
  lowerMac: Mac
  readonly synced: SyncedLists = newSyncedLists()

  constructor(lower: Device, id: number, protocol: number) {
    this.lower = lower
    this.id = id
    this.protocol = protocol
    this.reorderHeader = true
    this.looseBinding = false
    this.ingressQos = []
    this.egressQos = []
    this.lowerMac = lower.mac
  }
}

export function vlanOf(dev: Device): VlanState {
  return dev.own as VlanState
}

/** `vlan_dev_inherit_address`: as long as nobody gave it one of its own. */
function inherit(world: World, dev: Device, lower: Device): boolean {
  if (dev.macSet) return false
  dev.mac = lower.mac
  notify(world, dev, 'address')
  return true
}

/** `vlan_sync_address` */
function syncAddress(world: World, dev: Device, lower: Device): void {
  const own = vlanOf(dev)
  const old = own.lowerMac
  if (old === lower.mac) return
  if (!inherit(world, dev, lower)) {
    if (dev.mac !== old && dev.mac === lower.mac) removeUnicast(world, lower, dev.mac)
    if (dev.mac === old && dev.mac !== lower.mac) addUnicast(world, lower, dev.mac)
  }
  own.lowerMac = lower.mac
}

export const VLAN: LinkOps = Object.freeze<LinkOps>({
  kind: 'vlan',
  unicastFilter: true,
  /** `vlan_dev_hard_start_xmit` */
  transmit(world: World, dev: Device, frame: Frame): number {
    const { protocol, id, lower, egressQos } = vlanOf(dev)
    const priority = egressQos.length === 0 ? 0 : (egressQos.find(([from]) => from === 0)?.[1] ?? 0)
    const result = transmit(world, lower, pushTag(frame, { protocol, id, priority }))
    // Tags of VLANs above are part of the frame by now, the own one is not.
    if (result === 0) countSent(dev, frame.length + HEADER + 4 * frame.tags.length)
    else dev.txDropped++
    return result
  },
  /** `vlan_dev_open` */
  open(world: World, dev: Device): Refusal | undefined {
    const { lower, looseBinding } = vlanOf(dev)
    if (!lower.up && !looseBinding) return ENETDOWN
    if (dev.mac !== lower.mac && !inherit(world, dev, lower)) addUnicast(world, lower, dev.mac)
    vlanOf(dev).lowerMac = lower.mac
    if (lower.carrier) setCarrier(world, dev, true)
    return undefined
  },
  /** `vlan_dev_stop` */
  stop(world: World, dev: Device): void {
    const { lower, synced } = vlanOf(dev)
    unsyncLists(world, lower, synced)
    if (dev.mac !== lower.mac) removeUnicast(world, lower, dev.mac)
    setCarrier(world, dev, false)
  },
  /** `unregister_vlan_dev` */
  uninit(_world: World, dev: Device): void {
    const { lower, protocol, id } = vlanOf(dev)
    lower.vlans?.delete(protocol * 4096 + id)
    if (lower.vlans?.size === 0) lower.vlans = undefined
    lower.uppers = lower.uppers.filter((other) => other !== dev)
  },
  /** `vlan_dev_set_mac_address` */
  setMac(world: World, dev: Device, mac: Mac): Refusal | undefined {
    if (!isValidMac(mac)) return EADDRNOTAVAIL
    const { lower } = vlanOf(dev)
    if (dev.up) {
      if (mac !== lower.mac) addUnicast(world, lower, mac)
      if (dev.mac !== lower.mac) removeUnicast(world, lower, dev.mac)
    }
    dev.mac = mac
    return undefined
  },
  /** `vlan_dev_change_mtu` */
  changeMtu: (_world: World, dev: Device, mtu: number): Refusal | undefined =>
    mtu > vlanOf(dev).lower.mtu ? ERANGE : undefined,
  rxMode(world: World, dev: Device): void {
    const { lower, synced } = vlanOf(dev)
    syncLists(world, lower, dev, synced)
  },
  /** `vlan_dev_change_rx_flags`: passed on whether it is up or not. */
  rxFlags(world: World, dev: Device, changed: 'promisc' | 'allmulti', on: boolean): void {
    const { lower } = vlanOf(dev)
    if (changed === 'allmulti') setAllmulti(world, lower, on ? 1 : -1)
    else setPromiscuity(world, lower, on ? 1 : -1)
  },
  /** `vlan_device_event`: a parent that goes up takes along even VLANs that never were. */
  lowerEvent(world: World, dev: Device, lower: Device, event: DeviceEvent): void {
    const { looseBinding } = vlanOf(dev)
    switch (event) {
      case 'carrier':
        return followCarrier(world, lower, dev)
      case 'address':
        if (dev.up) syncAddress(world, dev, lower)
        return
      case 'mtu':
        if (dev.mtu > lower.mtu) setMtu(world, dev, lower.mtu)
        return
      case 'down':
        if (!dev.up) return
        if (!looseBinding) closeDevice(world, dev)
        return followCarrier(world, lower, dev)
      case 'up':
        if (dev.up) return
        if (!looseBinding) openDevice(world, dev)
        return followCarrier(world, lower, dev)
      case 'unregister':
        return unregisterDevice(world, dev)
      case 'register':
      case 'rename':
      case 'netns':
      case 'promisc':
        return
    }
  },
})

const no = (text: string, errno = 'EINVAL') => refuse(errno, `8021q: ${text}`)

export const VLAN_KIND: Kind<'vlan'> = {
  minMtu: 0,
  maxMtu: 65535,
  /** `vlan_validate` */
  validate({ spec }): Refusal | undefined {
    if (spec.id === undefined) {
      const { protocol, reorderHeader, looseBinding, ingressQos, egressQos } = spec
      const said = protocol ?? reorderHeader ?? looseBinding ?? ingressQos ?? egressQos
      if (said === undefined) return no('VLAN properties not specified')
      return undefined
    }
    return spec.id >= 4095 || spec.id < 0 ? no('Invalid VLAN id', 'ERANGE') : undefined
  },
  /** `vlan_newlink` */
  create(request: NewLink<'vlan'>): Device | Refusal {
    const { world, op, spec, netns, parent } = request
    if (spec.id === undefined) return no('VLAN id not specified')
    if (parent === undefined) return no('link not specified')
    const protocol = spec.protocol === '802.1ad' ? ETH_8021AD : ETH_8021Q
    const { kind } = parent.ops
    if (kind === 'loopback' || kind === 'tun' || kind === 'ipvlan') {
      return no('VLANs not supported on device', 'EOPNOTSUPP')
    }
    const key = protocol * 4096 + spec.id
    if (parent.vlans?.has(key) === true) return no('VLAN device already exists', 'EEXIST')
    if (op.mtu !== undefined && op.mtu > parent.mtu) return EINVAL
    const dev = allocateDevice(world, VLAN, netns, op.name, op.address ?? parent.mac)
    dev.macSet = op.address !== undefined
    dev.mtu = op.mtu ?? parent.mtu
    dev.minMtu = 0
    dev.maxMtu = 65535
    dev.arp = parent.arp
    dev.lower = parent
    dev.carrier = parent.carrier
    const own = new VlanState(parent, spec.id, protocol)
    own.reorderHeader = spec.reorderHeader ?? true
    own.looseBinding = spec.looseBinding ?? false
    own.gvrp = spec.gvrp ?? false
    own.mvrp = spec.mvrp ?? false
    own.ingressQos = spec.ingressQos ?? []
    own.egressQos = spec.egressQos ?? []
    dev.own = own
    const refusal = registerDevice(world, dev)
    if (refusal !== undefined) return refusal
    parent.vlans ??= new Map()
    parent.vlans.set(key, dev)
    parent.uppers.push(dev)
    followCarrier(world, parent, dev)
    fireLinkwatch(world, dev)
    return dev
  },
}
