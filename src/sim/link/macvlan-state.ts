/** State of a macvlan child and of the parent's port (drivers/net/macvlan.c). */
import type { Mac } from '../../addr/mac.ts'
import type { MacvlanMode } from '../../fabric/plan.ts'
import type { Frame } from '../../wire/frame.ts'
import { Audience } from '../audience.ts'
import { newSyncedLists, type SyncedLists } from '../address-lists.ts'
import type { Device } from '../model.ts'
import { MacMap } from './mac-map.ts'

/** What a new child asks for when it says nothing: MACVLAN_DEFAULT_BC_QUEUE_LEN. */
export const DEFAULT_QUEUE_LENGTH = 1000

/** A group frame waiting for the worker, with the child it came from, if it was one. */
export interface QueuedBroadcast {
  readonly frame: Frame
  readonly from: MacvlanChild | undefined
}

export class MacvlanPort {
  readonly dev: Device
  /** In the order they came. */
  children: MacvlanChild[] = []
  /** Children that are up. */
  readonly byMac = new MacMap<MacvlanChild>()
  /** Source MAC -> source-mode children that list it, the latest first. */
  readonly bySource = new Map<Mac, MacvlanChild[]>()
  passthru = false
  /** The parent's own address, put back when a passthru child goes. */
  ownMac: Mac
  /** A passthru child is changing the parent's address right now. */
  changingAddress = false
  /** Who got the last broadcast of a child, its sender included, and the last one from outside. */
  siblings = new Audience<Device>()
  hearers = new Audience<Device>()
  /** The layout of the world they were gathered in, for a broadcast of up to so many bytes. */
  siblingsAt = -1
  siblingsRoom = 0
  queue: QueuedBroadcast[] = []
  queueLength = 0

  constructor(dev: Device) {
    this.dev = dev
    this.ownMac = dev.mac
  }
}

export class MacvlanChild {
  readonly dev: Device
  readonly lower: Device
  readonly port: MacvlanPort
  mode: MacvlanMode
  nopromisc: boolean
  nodst: boolean
  /** In the order they were added. */
  sources: Mac[] = []
  queueLength: number
  readonly synced: SyncedLists = newSyncedLists()

  constructor(
    dev: Device,
    port: MacvlanPort,
    options: {
      readonly mode: MacvlanMode
      readonly nopromisc: boolean
      readonly nodst: boolean
      readonly queueLength: number
    },
  ) {
    this.dev = dev
    this.lower = port.dev
    this.port = port
    this.mode = options.mode
    this.nopromisc = options.nopromisc
    this.nodst = options.nodst
    this.queueLength = options.queueLength
  }
}

export function childOf(dev: Device): MacvlanChild {
  return dev.own as MacvlanChild
}

export function macvlanPortOf(parent: Device): MacvlanPort {
  return parent.port as MacvlanPort
}

export function isMacvlan(dev: Device): boolean {
  return dev.ops.kind === 'macvlan' || dev.ops.kind === 'macvtap'
}

/** `macvlan_hash_add_source` */
export function addSource(child: MacvlanChild, mac: Mac): void {
  if (child.sources.includes(mac)) return
  child.sources.push(mac)
  const { bySource } = child.port
  bySource.set(mac, [child, ...(bySource.get(mac) ?? [])])
}

/** `macvlan_hash_del_source` */
export function removeSource(child: MacvlanChild, mac: Mac): void {
  if (!child.sources.includes(mac)) return
  child.sources = child.sources.filter((other) => other !== mac)
  const { bySource } = child.port
  const rest = (bySource.get(mac) ?? []).filter((other) => other !== child)
  if (rest.length === 0) bySource.delete(mac)
  else bySource.set(mac, rest)
}

/** `macvlan_flush_sources` */
export function flushSources(child: MacvlanChild): void {
  for (const mac of [...child.sources]) removeSource(child, mac)
}

/** `update_port_bc_queue_len` */
export function updateQueueLength(port: MacvlanPort): void {
  port.queueLength = port.children.reduce((max, child) => Math.max(max, child.queueLength), 0)
}
