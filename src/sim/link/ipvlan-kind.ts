/** ipvlan children as devices: made, changed, up and down (drivers/net/ipvlan/ipvlan_main.c). */
import type { IpvlanFlag, IpvlanMode } from '../../fabric/plan.ts'
import type { Frame } from '../../wire/frame.ts'
import { setAllmulti, syncLists, unsyncLists } from '../address-lists.ts'
import { allocateDevice, registerDevice, unregisterDevice } from '../device.ts'
import { followCarrier } from '../linkwatch.ts'
import type { Device, DeviceEvent, LinkOps, Refusal, World } from '../model.ts'
import { notify } from '../notify.ts'
import { EBUSY, EINVAL, EOPNOTSUPP } from '../refusal.ts'
import { IPVLAN_RX, transmitIpvlan } from './ipvlan.ts'
import { IpvlanChild, IpvlanPort, ipvlanOf, ipvlanPortOf, setMode } from './ipvlan-state.ts'
import type { Kind, NewLink } from './kind.ts'

export const IPVLAN: LinkOps = Object.freeze<LinkOps>({
  kind: 'ipvlan',
  unicastFilter: true,
  transmit: (world: World, dev: Device, frame: Frame): number => transmitIpvlan(world, dev, frame),
  /** `ipvlan_open` */
  open(_world: World, dev: Device): undefined {
    dev.arp = ipvlanOf(dev).port.mode === 'l2'
  },
  /** `ipvlan_stop` */
  stop(world: World, dev: Device): void {
    const { lower, synced } = ipvlanOf(dev)
    unsyncLists(world, lower, synced)
  },
  /** `ipvlan_link_delete`, `ipvlan_uninit` */
  uninit(_world: World, dev: Device): void {
    const child = ipvlanOf(dev)
    const { port, lower } = child
    port.children = port.children.filter((other) => other !== child)
    lower.uppers = lower.uppers.filter((other) => other !== dev)
    if (port.children.length > 0) return
    lower.rxHandler = undefined
    lower.port = undefined
  },
  setMac: (): Refusal => EOPNOTSUPP,
  rxMode(world: World, dev: Device): void {
    const { lower, synced } = ipvlanOf(dev)
    syncLists(world, lower, dev, synced)
  },
  rxFlags(world: World, dev: Device, changed: 'promisc' | 'allmulti', on: boolean): void {
    if (changed === 'allmulti') setAllmulti(world, ipvlanOf(dev).lower, on ? 1 : -1)
  },
  /** `ipvlan_device_event` */
  lowerEvent(world: World, dev: Device, lower: Device, event: DeviceEvent): void {
    switch (event) {
      case 'up':
      case 'down':
        // Since 6.12; before, only a change of carrier passed on.
        if (world.traits.version !== '6.1') followCarrier(world, lower, dev)
        return
      case 'carrier':
        return followCarrier(world, lower, dev)
      case 'mtu':
        dev.mtu = lower.mtu
        return
      case 'address':
        dev.mac = lower.mac
        return notify(world, dev, 'address')
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

/** `ipvlan_port_create`; whether it may be. */
function checkParent(parent: Device): Refusal | undefined {
  const { kind } = parent.ops
  if (kind === 'loopback' || kind === 'tun') return EINVAL
  const handler = parent.rxHandler
  return handler === undefined || handler.name === 'ipvlan' ? undefined : EBUSY
}

export const IPVLAN_KIND: Kind<'ipvlan'> = {
  minMtu: 68,
  maxMtu: 65535,
  /** `ipvlan_link_new` */
  create(request: NewLink<'ipvlan'>): Device | Refusal {
    const { world, op, spec, netns } = request
    if (request.parent === undefined) return EINVAL
    const { parent } = request
    const lower = parent.ops.kind === 'ipvlan' ? ipvlanOf(parent).lower : parent
    const refusal = checkParent(lower)
    if (refusal !== undefined) return refusal
    const port = lower.rxHandler === undefined ? new IpvlanPort(lower) : ipvlanPortOf(lower)
    // A MAC that was asked for is not taken: all children have the parent's.
    const dev = allocateDevice(world, IPVLAN, netns, op.name, lower.mac)
    dev.mtu = op.mtu ?? lower.mtu
    dev.maxMtu = 65535
    dev.lower = lower
    dev.carrier = lower.carrier
    const child = new IpvlanChild(dev, port)
    dev.own = child
    dev.number = port.nextNumber++
    const taken = registerDevice(world, dev)
    if (taken !== undefined) return taken
    lower.rxHandler = IPVLAN_RX
    lower.port = port
    lower.uppers.push(dev)
    if (spec.flag !== undefined) port.flag = spec.flag
    // The newcomer is not among the children yet: its NOARP comes when it goes up.
    setMode(port, spec.mode ?? 'l3')
    port.children.push(child)
    followCarrier(world, lower, dev)
    return dev
  },
}

/** `ipvlan_nl_changelink`: changes the parent's port, so all its children. */
export function changeIpvlan(
  dev: Device,
  options: { readonly mode?: IpvlanMode; readonly flag?: IpvlanFlag },
): Refusal | undefined {
  if (dev.ops.kind !== 'ipvlan') return EOPNOTSUPP
  const { port } = ipvlanOf(dev)
  if (options.flag !== undefined) port.flag = options.flag
  if (options.mode !== undefined) setMode(port, options.mode)
  return undefined
}
