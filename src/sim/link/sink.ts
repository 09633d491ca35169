/**
 * Links that exist without a data path: dummy, which swallows what is sent (drivers/net/dummy.c),
 * and vxlan, tun and tap, of which the simulator knows the link but not the other side.
 */
import type { ReasonCode } from '../../fabric/reason.ts'
import type { Frame } from '../../wire/frame.ts'
import { drop } from '../core.ts'
import { bodyLength, countSent, HEADER } from '../counters.ts'
import { allocateDevice, randomMac, registerDevice, unregisterDevice } from '../device.ts'
import type { Device, DeviceEvent, LinkOps, Refusal, World } from '../model.ts'
import type { Kind, NewLink } from './kind.ts'

function sink(kind: LinkOps['kind'], reason: ReasonCode, unicastFilter: boolean): LinkOps {
  return Object.freeze<LinkOps>({
    kind,
    unicastFilter,
    transmit(world: World, dev: Device, frame: Frame): number {
      if (reason === 'DUMMY_SINK') countSent(dev, bodyLength(frame) + HEADER)
      drop(world, dev, frame, reason)
      return 0
    },
    uninit(_world: World, dev: Device): void {
      const { lower } = dev
      if (lower !== undefined) lower.uppers = lower.uppers.filter((other) => other !== dev)
    },
    lowerEvent(world: World, dev: Device, _lower: Device, event: DeviceEvent): void {
      if (event === 'unregister') unregisterDevice(world, dev)
    },
  })
}

export const DUMMY: LinkOps = sink('dummy', 'DUMMY_SINK', false)
export const VXLAN: LinkOps = sink('vxlan', 'NO_DATA_PATH', false)
export const TUN: LinkOps = sink('tun', 'NO_DATA_PATH', false)
/** Hardware, and kinds that are not simulated; `own` says which. */
export const DEVICE: LinkOps = sink('device', 'NO_DATA_PATH', true)
export const TAP: LinkOps = sink('tap', 'NO_DATA_PATH', true)

export class VxlanState {
  readonly id: number
  readonly port: number
  readonly learning: boolean

  constructor(id: number, port: number, learning: boolean) {
    this.id = id
    this.port = port
    this.learning = learning
  }
}

function make(
  request: Pick<NewLink, 'world' | 'op' | 'netns'>,
  ops: LinkOps,
  limits: { readonly minMtu: number; readonly maxMtu: number },
  adjust?: (dev: Device) => void,
): Device | Refusal {
  const { world, op, netns } = request
  const dev = allocateDevice(world, ops, netns, op.name, op.address ?? randomMac(world))
  dev.macSet = op.address !== undefined
  dev.minMtu = limits.minMtu
  dev.maxMtu = limits.maxMtu
  adjust?.(dev)
  if (op.mtu !== undefined) dev.mtu = op.mtu
  return registerDevice(world, dev) ?? dev
}

const UNLIMITED = { minMtu: 0, maxMtu: 0 }
const ETHERNET = { minMtu: 68, maxMtu: 65535 }
const TUNNEL = { minMtu: 68, maxMtu: 65521 }

export const DUMMY_KIND: Kind<'dummy'> = {
  ...UNLIMITED,
  create: (request) =>
    make(request, DUMMY, UNLIMITED, (dev) => {
      dev.arp = false
    }),
}

export const VXLAN_KIND: Kind<'vxlan'> = {
  ...ETHERNET,
  create: (request) =>
    make(request, VXLAN, ETHERNET, (dev) => {
      const { spec, parent } = request
      dev.own = new VxlanState(spec.id, spec.port, spec.learning ?? true)
      if (parent === undefined) return
      // room for the outer IPv4 header
      dev.mtu = parent.mtu - 50
      dev.lower = parent
      parent.uppers.push(dev)
    }),
}

/** Nobody has the other end open, so there is no carrier (drivers/net/tun.c `tun_net_init`). */
function detached(dev: Device): void {
  dev.carrier = false
}

export const TUN_KIND: Kind<'tun'> = {
  ...TUNNEL,
  create: (request) =>
    make(request, TUN, TUNNEL, (dev) => {
      detached(dev)
      dev.mac = 0
      dev.arp = false
      dev.txQueueLength = 500
    }),
}

export const TAP_KIND: Kind<'tap'> = {
  ...TUNNEL,
  create: (request) =>
    make(request, TAP, TUNNEL, (dev) => {
      detached(dev)
      dev.txQueueLength = 1000
    }),
}
