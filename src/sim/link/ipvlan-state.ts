/** State of an ipvlan child and of its parent's port (drivers/net/ipvlan/ipvlan.h). */
import type { IpvlanFlag, IpvlanMode } from '../../fabric/plan.ts'
import { newSyncedLists, type SyncedLists } from '../address-lists.ts'
import type { Device } from '../model.ts'

/** One mode and one flag for all children: the last writer wins. */
export class IpvlanPort {
  readonly dev: Device
  children: IpvlanChild[] = []
  mode: IpvlanMode = 'l3'
  flag: IpvlanFlag = 'bridge'
  /** The next child's `dev_id`. */
  nextNumber = 1

  constructor(dev: Device) {
    this.dev = dev
  }
}

export class IpvlanChild {
  readonly dev: Device
  readonly lower: Device
  readonly port: IpvlanPort
  readonly synced: SyncedLists = newSyncedLists()

  constructor(dev: Device, port: IpvlanPort) {
    this.dev = dev
    this.lower = port.dev
    this.port = port
  }
}

export function ipvlanOf(dev: Device): IpvlanChild {
  return dev.own as IpvlanChild
}

export function ipvlanPortOf(parent: Device): IpvlanPort {
  return parent.port as IpvlanPort
}

/** `ipvlan_set_port_mode`: children of an l3 parent do not ask for addresses. */
export function setMode(port: IpvlanPort, mode: IpvlanMode): void {
  if (port.mode === mode) return
  port.mode = mode
  for (const child of port.children) child.dev.arp = mode === 'l2'
}
