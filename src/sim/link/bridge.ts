/**
 * The bridge: what it does with frames (net/bridge/br_input.c, br_forward.c, br_device.c).
 * Order of decisions: reserved groups, port state, VLAN admission, lock, learning, then where to.
 */
import { isGroupMac, MAC_BROADCAST, type Mac } from '../../addr/mac.ts'
import type { ReasonCode } from '../../fabric/reason.ts'
import type { Frame } from '../../wire/frame.ts'
import { drop, dropTo, receive, transmit } from '../core.ts'
import { bodyLength, countReceived, countSent, HEADER } from '../counters.ts'
import {
  type Device,
  PACKET_HOST,
  PACKET_LOOPBACK,
  type PacketType,
  type RxHandler,
  type World,
} from '../model.ts'
import { STEP_FLOOD, STEP_FORWARD } from '../trace-ring.ts'
import { findFdb, learn } from './bridge-fdb.ts'
import {
  type BridgePort,
  type BridgeState,
  bridgeOf,
  portOf,
  STATE_FORWARDING,
  STATE_LEARNING,
} from './bridge-state.ts'
import { egressFrame, FilteredFrame, ingressVlan } from './bridge-vlan.ts'

/** Room is_skb_forwardable leaves on top of the MTU. */
const TAG_ROOM = 4
const RESERVED_FIRST = 0x0180c2000000
const RESERVED_LAST = 0x0180c200000f

/** `br_handle_frame`: the rx handler of every port. */
export const BRIDGE_RX: RxHandler = Object.freeze<RxHandler>({
  name: 'bridge',
  receive(world: World, dev: Device, frame: Frame, type: PacketType): boolean {
    if (type === PACKET_LOOPBACK) return false
    const { src, dst } = frame
    const port = portOf(dev)
    const own = bridgeOf(port.bridge)
    if (src === 0 || isGroupMac(src)) {
      drop(world, dev, frame, 'BRIDGE_BAD_SOURCE')
      return true
    }
    if (dst >= RESERVED_FIRST && dst <= RESERVED_LAST) {
      const verdict = judgeReserved(own, dst - RESERVED_FIRST)
      if (verdict === 'drop') {
        drop(world, dev, frame, 'BRIDGE_RESERVED')
        return true
      }
      if (verdict === 'local') {
        learnLocal(world, own, port, frame)
        return false
      }
    }
    if (port.state !== STATE_FORWARDING && port.state !== STATE_LEARNING) {
      drop(world, dev, frame, 'BRIDGE_PORT_STATE')
      return true
    }
    finish(world, own, port, frame, dst === port.bridge.mac ? PACKET_HOST : type)
    return true
  },
})

/** What becomes of 01:80:c2:00:00:0X: flooded, given to the port's own stack, or dropped. */
function judgeReserved(own: BridgeState, last: number): 'forward' | 'local' | 'drop' {
  if (last === 0 && !own.stp) return 'forward'
  if (last === 1) return 'drop'
  return (own.groupForwardMask & (1 << last)) !== 0 ? 'forward' : 'local'
}

/** `__br_handle_local_finish` */
function learnLocal(world: World, own: BridgeState, port: BridgePort, frame: Frame): void {
  if (!port.learning) return
  if (port.state !== STATE_FORWARDING && port.state !== STATE_LEARNING) return
  const vid = own.vlanFiltering ? ingressVlan(own, port.vlans, frame) : 0
  if (vid >= 0) learn(world, own, port, frame.src, vid)
}

/** `br_handle_frame_finish` */
function finish(
  world: World,
  own: BridgeState,
  port: BridgePort,
  frame: Frame,
  type: PacketType,
): void {
  let vid = 0
  let filtered: FilteredFrame | undefined
  if (own.vlanFiltering) {
    vid = ingressVlan(own, port.vlans, frame)
    if (vid < 0) return drop(world, port.dev, frame, 'BRIDGE_VLAN_INGRESS')
    filtered = new FilteredFrame(own, frame, vid)
  }
  if (port.locked) {
    const source = findFdb(world, own, frame.src, vid)
    if (source === undefined || source.port !== port || source.local) {
      return drop(world, port.dev, frame, 'BRIDGE_LOCKED')
    }
  }
  if (port.learning) learn(world, own, port, frame.src, vid)
  if (port.state === STATE_LEARNING) return drop(world, port.dev, frame, 'BRIDGE_PORT_STATE')
  const group = isGroupMac(frame.dst)
  if (group && frame.dst !== MAC_BROADCAST) port.bridge.rxMulticast++
  const local = group || port.bridge.promiscuity > 0
  const entry = group ? undefined : findFdb(world, own, frame.dst, vid)
  if (entry === undefined) flood(world, port.bridge, own, port, frame, filtered, local)
  else if (entry.local) return passUp(world, own, port, frame, filtered, type)
  else if (entry.port !== undefined) forward(world, port, entry.port, frame, filtered)
  if (local) passUp(world, own, port, frame, filtered, type)
}

/** `br_pass_frame_up`: the bridge device receives it, if it is a member of the VLAN. */
function passUp(
  world: World,
  own: BridgeState,
  port: BridgePort,
  frame: Frame,
  filtered: FilteredFrame | undefined,
  type: PacketType,
): void {
  const { bridge } = port
  let out = frame
  // Counted before the VLAN is looked at, and without the header.
  countReceived(bridge, bodyLength(frame))
  if (filtered !== undefined) {
    const member = own.vlans.untagged.has(filtered.vid)
    if (!member && bridge.promiscuity === 0) {
      return dropTo(world, port.dev, bridge, frame, 'BRIDGE_VLAN_EGRESS')
    }
    out = member ? egressFrame(own.vlans, filtered) : filtered.tagged
  }
  world.trace.record(world, port.dev, STEP_FORWARD, bridge.id, out)
  receive(world, bridge, out, type)
}

/** `should_deliver`: why a frame may not leave by a port. */
function whyNot(
  to: BridgePort,
  from: BridgePort | undefined,
  filtered: FilteredFrame | undefined,
): ReasonCode | undefined {
  if (to === from && !to.hairpin) return 'BRIDGE_NO_HAIRPIN'
  if (to.state !== STATE_FORWARDING) return 'BRIDGE_PORT_STATE'
  if (filtered !== undefined && !to.vlans.untagged.has(filtered.vid)) return 'BRIDGE_VLAN_EGRESS'
  if (from !== undefined && from.isolated && to.isolated) return 'BRIDGE_ISOLATED'
  return undefined
}

/** `br_forward`: to the one port where the address is known to be. */
function forward(
  world: World,
  from: BridgePort,
  to: BridgePort,
  frame: Frame,
  filtered: FilteredFrame | undefined,
): void {
  const why = whyNot(to, from, filtered)
  if (why !== undefined) return dropTo(world, from.dev, to.dev, frame, why)
  push(world, from.dev, to, frame, filtered, STEP_FORWARD)
}

/** `br_flood`: to every port that may have it; flood flags do not bind the bridge itself. */
function flood(
  world: World,
  bridge: Device,
  own: BridgeState,
  from: BridgePort | undefined,
  frame: Frame,
  filtered: FilteredFrame | undefined,
  local: boolean,
): void {
  const at = from === undefined ? bridge : from.dev
  const { ports } = own
  let copies = 0
  for (let i = 0; i < ports.length; i++) {
    const to = ports[i] as BridgePort
    const why = isFloodOff(to, from, frame.dst) ? 'BRIDGE_FLOOD_OFF' : whyNot(to, from, filtered)
    if (why !== undefined) {
      dropTo(world, at, to.dev, frame, why)
      continue
    }
    push(world, at, to, frame, filtered, STEP_FLOOD)
    copies++
  }
  if (copies === 0 && !local) drop(world, at, frame, 'BRIDGE_NO_PORT')
}

function isFloodOff(to: BridgePort, from: BridgePort | undefined, dst: Mac): boolean {
  if (dst === MAC_BROADCAST) return !to.broadcastFlood && from !== undefined
  if (isGroupMac(dst)) return !to.multicastFlood && from !== undefined
  return !to.flood
}

/** `__br_forward`, `br_dev_queue_push_xmit` */
function push(
  world: World,
  at: Device,
  to: BridgePort,
  frame: Frame,
  filtered: FilteredFrame | undefined,
  step: number,
): void {
  const { dev } = to
  let out = filtered === undefined ? frame : egressFrame(to.vlans, filtered)
  // br_nf_forward sees what came in untagged and leaves untagged; not what the bridge itself sends.
  if (at !== to.bridge && frame.tags.length === 0 && out.tags.length === 0) {
    const passed = world.stack.bridgeForward(world, to.bridge, out)
    if (passed === undefined) return
    out = passed
  }
  if (out.length > dev.mtu + TAG_ROOM) return dropTo(world, at, dev, out, 'MTU_EXCEEDED')
  world.trace.record(world, at, step, dev.id, out)
  transmit(world, dev, out)
}

/** `br_dev_xmit`: the bridge device itself sends. */
export function transmitBridge(world: World, bridge: Device, frame: Frame): number {
  const own = bridgeOf(bridge)
  countSent(bridge, bodyLength(frame) + HEADER)
  let vid = 0
  let filtered: FilteredFrame | undefined
  if (own.vlanFiltering) {
    vid = ingressVlan(own, own.vlans, frame)
    if (vid < 0) {
      drop(world, bridge, frame, 'BRIDGE_VLAN_INGRESS')
      return 0
    }
    filtered = new FilteredFrame(own, frame, vid)
  }
  const entry = isGroupMac(frame.dst) ? undefined : findFdb(world, own, frame.dst, vid)
  if (entry === undefined) flood(world, bridge, own, undefined, frame, filtered, false)
  else if (entry.port === undefined) drop(world, bridge, frame, 'BRIDGE_NO_PORT')
  else {
    const why = whyNot(entry.port, undefined, filtered)
    if (why !== undefined) dropTo(world, bridge, entry.port.dev, frame, why)
    else push(world, bridge, entry.port, frame, filtered, STEP_FORWARD)
  }
  return 0
}
