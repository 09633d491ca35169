/** A bridge's forwarding database (net/bridge/br_fdb.c). */
import type { Mac } from '../../addr/mac.ts'
import type { Device, World } from '../model.ts'
import { MacMap } from './mac-map.ts'
import { type BridgePort, type BridgeState, bridgeOf, FdbEntry } from './bridge-state.ts'

/** `br_fdb_find`; an entry whose age ran out is gone. */
export function findFdb(
  world: World,
  own: BridgeState,
  mac: Mac,
  vid: number,
): FdbEntry | undefined {
  const table = own.fdb.get(vid)
  const entry = table?.get(mac)
  if (entry === undefined || entry.static) return entry
  if (world.now - entry.updatedNs < own.ageingTime * 1e9) return entry
  table?.delete(mac)
  return undefined
}

function insert(own: BridgeState, entry: FdbEntry): void {
  let table = own.fdb.get(entry.vid)
  if (table === undefined) {
    table = new MacMap()
    own.fdb.set(entry.vid, table)
  }
  table.set(entry.mac, entry)
}

/**
 * `br_fdb_update`: learns where a source is. Static entries roam too, sticky and local ones do not.
 */
export function learn(world: World, own: BridgeState, port: BridgePort, mac: Mac, vid: number) {
  if (own.ageingTime === 0) return
  const entry = findFdb(world, own, mac, vid)
  if (entry === undefined) {
    insert(own, new FdbEntry(mac, vid, port, world.now))
    return
  }
  if (entry.local) return
  entry.updatedNs = world.now
  if (entry.port !== port && !entry.sticky) entry.port = port
}

/** `br_fdb_add_local`: an address of a port, or of the bridge when `port` is undefined. */
export function addLocal(
  world: World,
  own: BridgeState,
  port: BridgePort | undefined,
  mac: Mac,
  vid: number,
): void {
  const old = own.fdb.get(vid)?.get(mac)
  if (old?.local === true) return
  const entry = new FdbEntry(mac, vid, port, world.now)
  entry.local = true
  entry.static = true
  insert(own, entry)
}

/** `fdb_delete_local`: the entry passes to another holder of the same address, or goes. */
function deleteLocal(bridge: Device, port: BridgePort | undefined, entry: FdbEntry): void {
  const own = bridgeOf(bridge)
  const has = (group: { readonly untagged: Map<number, boolean> }) =>
    entry.vid === 0 || group.untagged.has(entry.vid)
  for (const other of own.ports) {
    if (other !== port && other.dev.mac === entry.mac && has(other.vlans)) {
      entry.port = other
      entry.byUser = false
      return
    }
  }
  if (port !== undefined && bridge.mac === entry.mac && has(own.vlans)) {
    entry.port = undefined
    entry.byUser = false
    return
  }
  own.fdb.get(entry.vid)?.delete(entry.mac)
}

/** `br_fdb_find_delete_local` */
export function removeLocal(
  bridge: Device,
  port: BridgePort | undefined,
  mac: Mac,
  vid: number,
): void {
  const entry = bridgeOf(bridge).fdb.get(vid)?.get(mac)
  if (entry?.local === true && !entry.byUser && entry.port === port) {
    deleteLocal(bridge, port, entry)
  }
}

/** `br_fdb_changeaddr`, `br_fdb_change_mac_address`: local entries follow the address. */
export function changeLocal(
  world: World,
  bridge: Device,
  port: BridgePort | undefined,
  mac: Mac,
): void {
  const own = bridgeOf(bridge)
  for (const table of own.fdb.values()) {
    for (const entry of [...table.values()]) {
      if (entry.port === port && entry.local && !entry.byUser && entry.mac !== mac) {
        deleteLocal(bridge, port, entry)
      }
    }
  }
  addLocal(world, own, port, mac, 0)
  const group = port === undefined ? own.vlans : port.vlans
  for (const vid of group.untagged.keys()) addLocal(world, own, port, mac, vid)
}

/**
 * `br_fdb_delete_by_port`: all entries of a port, or (it only went down) those that were learned.
 */
export function forgetPort(bridge: Device, port: BridgePort, all: boolean): void {
  for (const table of bridgeOf(bridge).fdb.values()) {
    for (const entry of [...table.values()]) {
      if (entry.port !== port) continue
      if (!all && entry.static) continue
      if (entry.local) deleteLocal(bridge, port, entry)
      else table.delete(entry.mac)
    }
  }
}

/** `br_fdb_flush` as netlink asks for it: what was learned. */
export function flushLearned(own: BridgeState): void {
  for (const table of own.fdb.values()) {
    for (const entry of [...table.values()]) if (!entry.static) table.delete(entry.mac)
  }
}

/** `fdb_create` for an entry set by hand. */
export function createEntry(
  world: World,
  own: BridgeState,
  port: BridgePort | undefined,
  mac: Mac,
  vid: number,
): FdbEntry {
  const entry = new FdbEntry(mac, vid, port, world.now)
  entry.byUser = true
  insert(own, entry)
  return entry
}
