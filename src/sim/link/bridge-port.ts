/**
 * Ports come and go (net/bridge/br_if.c), and what the bridge takes from them: MAC, MTU,
 * promiscuity.
 */
import { setAllmulti, setPromiscuity } from '../address-lists.ts'
import { isValidMac, setMtu } from '../device.ts'
import type { Device, Refusal, World } from '../model.ts'
import { notify } from '../notify.ts'
import { EBUSY, EINVAL, refuse } from '../refusal.ts'
import { BRIDGE_RX } from './bridge.ts'
import { addLocal, changeLocal, forgetPort } from './bridge-fdb.ts'
import { BridgePort, bridgeOf, portOf } from './bridge-state.ts'
import { disablePort, enablePort, isOperational, selectStates } from './bridge-stp.ts'
import { addVlan } from './bridge-vlan.ts'

/** `br_add_if` */
export function addPort(world: World, bridge: Device, dev: Device): Refusal | undefined {
  const { kind } = dev.ops
  if (kind === 'loopback' || kind === 'tun' || kind === 'ipvlan' || !isValidMac(dev.mac)) {
    return EINVAL
  }
  if (kind === 'bridge') return refuse('ELOOP', 'Can not enslave a bridge to a bridge')
  if (dev.master !== undefined || dev.rxHandler !== undefined) return EBUSY
  if (sitsOn(bridge, dev)) return refuse('ELOOP')
  const own = bridgeOf(bridge)
  const port = new BridgePort(dev, bridge)
  setAllmulti(world, dev, 1)
  dev.rxHandler = BRIDGE_RX
  dev.port = port
  dev.master = bridge
  own.ports.unshift(port)
  managePromisc(world, bridge)
  addLocal(world, own, port, dev.mac, 0)
  if (own.defaultPvid !== 0) {
    addVlan(world, bridge, port, own.defaultPvid, { pvid: true, untagged: true })
  }
  const changed = recalculateAddress(world, bridge)
  if (isOperational(dev) && bridge.up) enablePort(world, port)
  if (changed) notify(world, bridge, 'address')
  adjustMtu(world, bridge)
  return undefined
}

/** A bridge on which (say by a VLAN) one of its would-be ports sits would be a loop. */
function sitsOn(bridge: Device, dev: Device): boolean {
  for (let below = dev.lower; below !== undefined; below = below.lower) {
    if (below === bridge) return true
  }
  return false
}

/** `br_del_if` */
export function removePort(world: World, dev: Device): void {
  const port = portOf(dev)
  const { bridge } = port
  const own = bridgeOf(bridge)
  setAllmulti(world, dev, -1)
  disablePort(world, port)
  own.ports = own.ports.filter((other) => other !== port)
  forgetPort(bridge, port, true)
  dev.rxHandler = undefined
  dev.port = undefined
  dev.master = undefined
  if (port.promisc) {
    port.promisc = false
    setPromiscuity(world, dev, -1)
  }
  managePromisc(world, bridge)
  selectStates(world, bridge)
  adjustMtu(world, bridge)
  if (recalculateAddress(world, bridge)) notify(world, bridge, 'address')
}

/** `br_manage_promisc`: all ports, unless VLAN filtering and static entries say enough. */
export function managePromisc(world: World, bridge: Device): void {
  const own = bridgeOf(bridge)
  const all = bridge.promiscuity > 0 || !own.vlanFiltering
  const auto = own.ports.filter((port) => port.flood && port.learning).length
  for (const port of own.ports) {
    const few = auto === 0 || (auto === 1 && port.flood && port.learning)
    const wanted = all || !port.dev.ops.unicastFilter || !few
    if (wanted === port.promisc) continue
    port.promisc = wanted
    setPromiscuity(world, port.dev, wanted ? 1 : -1)
  }
}

/**
 * `br_stp_recalculate_bridge_id`: the lowest port MAC, until one was set by hand; without ports
 * the zero address.
 * @returns whether it changed
 */
export function recalculateAddress(world: World, bridge: Device): boolean {
  if (bridge.macSet || bridge.dying) return false
  const macs = bridgeOf(bridge).ports.map((port) => port.dev.mac)
  const mac = macs.length === 0 ? 0 : Math.min(...macs)
  if (mac === bridge.mac) return false
  changeAddress(world, bridge, mac)
  return true
}

/** `br_stp_change_bridge_id` */
export function changeAddress(world: World, bridge: Device, mac: number): void {
  bridge.mac = mac
  changeLocal(world, bridge, undefined, mac)
  selectStates(world, bridge)
}

/** `br_mtu_auto_adjust`: the lowest port MTU, until one was set by hand. */
export function adjustMtu(world: World, bridge: Device): void {
  const own = bridgeOf(bridge)
  if (own.mtuByUser || bridge.dying) return
  setMtu(world, bridge, Math.min(...own.ports.map((port) => port.dev.mtu), Infinity, lowest(own)))
  own.mtuByUser = false
}

function lowest(own: { readonly ports: readonly unknown[] }): number {
  return own.ports.length === 0 ? 1500 : Infinity
}
