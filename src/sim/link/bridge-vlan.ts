/** VLAN filtering of a bridge (net/bridge/br_vlan.c). */
import type { Frame } from '../../wire/frame.ts'
import { popTag, pushTag } from '../../wire/make.ts'
import type { Device, World } from '../model.ts'
import { addLocal, removeLocal } from './bridge-fdb.ts'
import { type BridgePort, type BridgeState, bridgeOf, type VlanGroup } from './bridge-state.ts'

/**
 * `__allowed_ingress`: the VLAN a frame belongs to.
 * @returns -1 when the port is not a member, or has no pvid for an untagged frame
 */
export function ingressVlan(own: BridgeState, group: VlanGroup, frame: Frame): number {
  const tag = frame.tags[0]
  let vid = tag !== undefined && tag.protocol === own.vlanProtocol ? tag.id : 0
  if (vid === 0) vid = group.pvid
  return vid !== 0 && group.untagged.has(vid) ? vid : -1
}

/** A frame inside a filtering bridge, in the two shapes in which it may leave, made when wanted. */
export class FilteredFrame {
  readonly vid: number
  readonly #frame: Frame
  readonly #protocol: number
  /** A priority tag takes the VLAN's id and keeps its priority. */
  readonly #priority: number
  #tagged: Frame | undefined
  #untagged: Frame | undefined

  constructor({ vlanProtocol }: BridgeState, frame: Frame, vid: number) {
    const tag = frame.tags[0]
    const own = tag?.protocol === vlanProtocol ? tag : undefined
    this.vid = vid
    this.#frame = frame
    this.#protocol = vlanProtocol
    this.#priority = own?.priority ?? 0
    this.#tagged = own?.id === vid ? frame : undefined
    this.#untagged = own === undefined ? frame : undefined
  }

  get tagged(): Frame {
    this.#tagged ??= pushTag(this.untagged, {
      protocol: this.#protocol,
      id: this.vid,
      priority: this.#priority,
    })
    return this.#tagged
  }

  get untagged(): Frame {
    this.#untagged ??= popTag(this.#frame)
    return this.#untagged
  }
}

/** `br_handle_vlan` */
export function egressFrame(group: VlanGroup, filtered: FilteredFrame): Frame {
  return group.untagged.get(filtered.vid) === true ? filtered.untagged : filtered.tagged
}

/** `nbp_vlan_add` and, without a port, `br_vlan_add`. */
export function addVlan(
  world: World,
  bridge: Device,
  port: BridgePort | undefined,
  vid: number,
  flags: { readonly pvid: boolean; readonly untagged: boolean },
): void {
  const own = bridgeOf(bridge)
  const group = port === undefined ? own.vlans : port.vlans
  group.untagged.set(vid, flags.untagged)
  if (flags.pvid) group.pvid = vid
  else if (group.pvid === vid) group.pvid = 0
  addLocal(world, own, port, (port?.dev ?? bridge).mac, vid)
}

/** `nbp_vlan_delete`, `br_vlan_delete` */
export function deleteVlan(bridge: Device, port: BridgePort | undefined, vid: number): void {
  const own = bridgeOf(bridge)
  const group = port === undefined ? own.vlans : port.vlans
  if (!group.untagged.delete(vid)) return
  if (group.pvid === vid) group.pvid = 0
  removeLocal(bridge, port, (port?.dev ?? bridge).mac, vid)
  // br_fdb_find_delete_local took the local ones; what was learned in this VLAN goes with it
  const table = own.fdb.get(vid)
  if (table === undefined || port === undefined) return
  for (const entry of [...table.values()]) {
    if (entry.port === port && !entry.local) table.delete(entry.mac)
  }
}

/** `__br_vlan_set_default_pvid`: members that still have the old one get the new one. */
export function setDefaultPvid(world: World, bridge: Device, pvid: number): void {
  const own = bridgeOf(bridge)
  const old = own.defaultPvid
  if (pvid === old) return
  for (const port of [undefined, ...own.ports]) {
    const group = port === undefined ? own.vlans : port.vlans
    const untouched = old === 0 || (group.pvid === old && group.untagged.get(old) === true)
    if (!untouched || (pvid !== 0 && group.untagged.has(pvid))) continue
    if (pvid !== 0) addVlan(world, bridge, port, pvid, { pvid: true, untagged: true })
    if (old !== 0) deleteVlan(bridge, port, old)
  }
  own.defaultPvid = pvid
}
