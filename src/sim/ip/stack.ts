/** The protocol stack as the link layer sees it: frames, device events, namespaces, timers. */
import { groupMacOf } from '../../addr/eui64.ts'
import { MAC_BROADCAST } from '../../addr/mac.ts'
import { ETH_ARP, ETH_IP4, ETH_IP6 } from '../../wire/frame.ts'
import { addMulticast, removeMulticast } from '../address-lists.ts'
import { drop } from '../core.ts'
import {
  type Device,
  type DeviceEvent,
  type EventHandler,
  type Netns,
  PACKET_OTHERHOST,
  type StackOps,
  type World,
} from '../model.ts'
import { addRoutes4, removeAddress4 } from './address4.ts'
import { type AddressEvent, carrier6, down6, onAddressEvent, register6, up6 } from './addrconf.ts'
import { insertAddress4 } from './address4.ts'
import { receiveArp } from './arp.ts'
import { ARP_REQUEST, sendArp } from './arp-send.ts'
import { flushRouteCache } from './cache.ts'
import { withSetting } from './conf.ts'
import { mask4 } from './fib.ts'
import type { Rejection } from './hooks.ts'
import { sendError4 } from './icmp4.ts'
import { sendError6 } from './icmp6.ts'
import { receive4 } from './input4.ts'
import { receive6 } from './input6.ts'
import { holdsAddress } from './ipvlan-conflict.ts'
import { routeOut } from './ipvlan-out.ts'
import { type MldEvent, onMldTimer } from './mld.ts'
import { flushNeighbours, type LinkFailure } from './neighbour.ts'
import { overhear } from './overhear.ts'
import { bridgeForward } from './netfilter/bridge.ts'
import { sendReject } from './netfilter/reject.ts'
import { initRules } from './rule-ops.ts'
import { DeviceIp, deviceIp, NetnsIp, netnsIp, SCOPE_HOST } from './state.ts'
import { initSysctls } from './sysctl.ts'

/** What each family needs of a link (IPV4_MIN_MTU, IPV6_MIN_MTU). */
const MIN_MTU4 = 68
const MIN_MTU6 = 1280
/** 224.0.0.1 */
const ALL_HOSTS_MAC = groupMacOf(0xe0000001)

/** The stack to make a world with. */
export const STACK: StackOps = Object.freeze<StackOps>({
  receive(world, dev, frame, type) {
    switch (frame.etherType) {
      case ETH_IP4:
        receive4(world, dev, frame, type)
        return
      case ETH_ARP:
        receiveArp(world, dev, frame, type)
        return
      case ETH_IP6:
        receive6(world, dev, frame, type)
        return
      default:
        drop(world, dev, frame, type === PACKET_OTHERHOST ? 'OTHERHOST' : 'NO_PROTOCOL')
    }
  },
  overhear,
  deviceEvent,
  bridgeForward,
  holds: holdsAddress,
  routeOut,
  netnsCreated(world: World, netns: Netns) {
    const ns = new NetnsIp(netns)
    initSysctls(world, ns)
    initRules(ns)
    netns.ip = ns
  },
  netnsDeleted(_world: World, netns: Netns) {
    netns.ip = undefined
  },
})

/**
 * `inetdev_event`, `arp_netdev_event`, `fib_netdev_event`, `addrconf_notify`, `ndisc_netdev_event`.
 */
function deviceEvent(world: World, dev: Device, event: DeviceEvent): void {
  if (event === 'register') {
    register(world, dev)
    return
  }
  const ip = deviceIp(dev)
  if (ip === undefined) return
  switch (event) {
    case 'unregister':
      unregister(world, dev, ip)
      break
    case 'up':
      up4(world, dev, ip)
      up6(world, dev, ip)
      break
    case 'down':
      down6(world, dev, ip, false)
      down4(world, dev, ip)
      break
    case 'carrier':
      carrier4(world, dev, ip)
      carrier6(world, dev, ip)
      break
    case 'address':
      flushNeighbours(world, dev, undefined, false)
      announce4(world, dev, ip)
      break
    case 'mtu':
      mtuChanged(world, dev, ip)
      break
    case 'rename':
    case 'netns':
    case 'promisc':
      break
  }
}

function register(world: World, dev: Device): void {
  const ns = netnsIp(dev.netns)
  const ip = new DeviceIp(ns)
  ip.conf4 = ns.conf4Default
  ip.conf6 = ns.conf6Default
  ip.neighbourConf4 = ns.neighbour4Default
  ip.neighbourConf6 = ns.neighbour6Default
  dev.ip = ip
  if (dev.ops.kind === 'loopback') ns.lo = dev
  ip.has4 = dev.mtu >= MIN_MTU4
  ip.has6 = dev.mtu >= MIN_MTU6
  if (ip.has6) register6(world, dev, ip)
  flushRouteCache(ns, false)
}

/** Gone for this namespace, or for good: nothing of it stays. */
function unregister(world: World, dev: Device, ip: DeviceIp): void {
  down6(world, dev, ip, true)
  down4(world, dev, ip)
  for (const address of ip.addresses4.slice()) removeAddress4(dev, ip, address)
  const ns = ip.ns
  for (const fib of ns.tables4.values()) fib.removeAll((r) => r.dev === dev)
  for (const fib of ns.tables6.values()) fib.removeAll((r) => r.dev === dev)
  if (ns.lo === dev) ns.lo = undefined
  flushRouteCache(ns, false)
  dev.ip = undefined
}

function up4(world: World, dev: Device, ip: DeviceIp): void {
  if (!ip.has4) return
  if (!ip.running4) {
    ip.running4 = true
    addMulticast(world, dev, ALL_HOSTS_MAC)
  }
  if (dev.ops.kind === 'loopback' && ip.addresses4.length === 0) {
    ip.conf4AllSet = true
    insertAddress4(dev, ip, {
      ip: 0x7f000001,
      length: 8,
      mask: mask4(8),
      broadcast: undefined,
      scope: SCOPE_HOST,
      secondary: false,
      noPrefixRoute: false,
    })
  } else for (const address of ip.addresses4) addRoutes4(ip.ns, dev, ip, address)
  flushRouteCache(ip.ns, false)
  announce4(world, dev, ip)
}

/** `inetdev_send_gratuitous_arp`, only with arp_notify. */
function announce4(world: World, dev: Device, ip: DeviceIp): void {
  if (ip.ns.conf4All.arp_notify === 0 && ip.conf4.arp_notify === 0) return
  if (!dev.up) return
  for (const { ip: own, secondary } of ip.addresses4) {
    if (!secondary) sendArp(world, dev, ARP_REQUEST, MAC_BROADCAST, own, 0, own)
  }
}

/** `fib_disable_ip`: routes through the link go, those to its own addresses stay. */
function down4(world: World, dev: Device, ip: DeviceIp): void {
  if (ip.running4) {
    ip.running4 = false
    removeMulticast(world, dev, ALL_HOSTS_MAC)
  }
  for (const fib of ip.ns.tables4.values()) {
    fib.removeAll((r) => r.dev === dev && r.scope !== SCOPE_HOST)
  }
  flushNeighbours(world, dev, 4, false)
  flushRouteCache(ip.ns, false)
}

function carrier4(world: World, dev: Device, ip: DeviceIp): void {
  flushRouteCache(ip.ns, false)
  if (dev.carrier) return
  const evict = ip.ns.conf4All.arp_evict_nocarrier !== 0 && ip.conf4.arp_evict_nocarrier !== 0
  if (evict) flushNeighbours(world, dev, 4, true)
}

/**
 * `inetdev_event` and `addrconf_notify`, NETDEV_CHANGEMTU: below its least MTU a family leaves the
 * link with all it had, settings too, and comes back as to a new one.
 */
function mtuChanged(world: World, dev: Device, ip: DeviceIp): void {
  if (dev.mtu < MIN_MTU4 && ip.has4) {
    down4(world, dev, ip)
    for (const address of ip.addresses4.slice()) removeAddress4(dev, ip, address)
    ip.has4 = false
  } else if (dev.mtu >= MIN_MTU4 && !ip.has4) {
    ip.has4 = true
    ip.conf4AllSet = false
    ip.conf4Set.clear()
    ip.conf4 = ip.ns.conf4Default
    ip.neighbourConf4 = ip.ns.neighbour4Default
    if (dev.up) up4(world, dev, ip)
  }
  if (dev.mtu < MIN_MTU6) {
    if (ip.has6) remove6(world, dev, ip)
    return
  }
  if (ip.has6) {
    ip.conf6 = withSetting(ip.conf6, 'mtu', dev.mtu)
    return
  }
  ip.has6 = true
  ip.conf6 = ip.ns.conf6Default
  ip.neighbourConf6 = ip.ns.neighbour6Default
  register6(world, dev, ip)
  if (dev.up) up6(world, dev, ip)
}

/** `addrconf_ifdown` with `unregister` */
function remove6(world: World, dev: Device, ip: DeviceIp): void {
  down6(world, dev, ip, true)
  ip.groups6.clear()
  ip.has6 = false
}

/** Handler of EV_ADDRESS_TIMER. */
export const onAddressTimer: EventHandler = (world, target, data) => {
  const dev = world.devices[target]
  if (dev === undefined) return
  const event = data as AddressEvent | MldEvent
  if (event.what === 'mld') onMldTimer(world, dev)
  else onAddressEvent(world, dev, event)
}

/** Handler of EV_STACK_TIMER. */
export const onStackTimer: EventHandler = (world, target, data) => {
  const netns = world.netnsById[target]
  if (netns === undefined || netns.ip === undefined) return
  const event = data as LinkFailure | Rejection
  const ns = netnsIp(netns)
  if (event.what === 'reject') {
    sendReject(world, ns, event)
    return
  }
  if (ns.netfilter !== undefined) ns.netfilter.current = undefined
  // dst_link_failure: host unreachable, address unreachable
  for (const packet of event.packets) {
    if (packet.kind === 'ip4') {
      sendError4(world, ns, { packet, inDev: undefined, local: false }, 3, 1, 0)
    } else sendError6(world, ns, packet, undefined, 1, 3, 0)
  }
}
