/** Attributes `link.add` and `link.set` share. */
import type { LinkAttributes } from '../fabric/plan.ts'
import { closeDevice, openDevice, setAllmultiFlag, setPromiscFlag } from './device.ts'
import { addPort, removePort } from './link/bridge-port.ts'
import type { Device, Refusal, World } from './model.ts'
import { ENODEV, EOPNOTSUPP } from './refusal.ts'

/** `__dev_change_flags`: up first, then promiscuous, then allmulti. */
export function changeFlags(world: World, dev: Device, op: LinkAttributes): Refusal | undefined {
  const arp = dev.arp
  if (op.arp !== undefined) dev.arp = op.arp
  if (op.up !== undefined) {
    if (op.up) {
      const refusal = openDevice(world, dev)
      if (refusal !== undefined) {
        dev.arp = arp
        return refusal
      }
    } else closeDevice(world, dev)
  }
  if (op.promisc !== undefined) setPromiscFlag(world, dev, op.promisc)
  if (op.allmulticast !== undefined) setAllmultiFlag(world, dev, op.allmulticast)
  return undefined
}

/** `do_set_master`: out of the old bridge, into the new one; null only leaves. */
export function setMaster(world: World, dev: Device, name: string | null): Refusal | undefined {
  const master = name === null ? undefined : dev.netns.byName.get(name)
  if (name !== null && master === undefined) return ENODEV
  const old = dev.master
  if (master === old) return undefined
  if (old !== undefined) removePort(world, dev)
  if (master === undefined) return undefined
  const refusal = master.ops.kind === 'bridge' ? addPort(world, master, dev) : EOPNOTSUPP
  if (refusal !== undefined && old !== undefined) addPort(world, old, dev)
  return refusal
}
