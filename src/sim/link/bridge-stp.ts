/**
 * Port states of a bridge (net/bridge/br_stp.c, br_stp_if.c, br_stp_timer.c). With STP off a port
 * forwards at once; with STP on it listens and learns for one forward delay each. Bridges of this
 * simulator do not exchange BPDUs: every port is designated, so STP delays but does not cut loops.
 */
import { setCarrier } from '../linkwatch.ts'
import { type Device, EV_BRIDGE_TIMER, type World } from '../model.ts'
import { forgetPort } from './bridge-fdb.ts'
import {
  type BridgePort,
  bridgeOf,
  STATE_BLOCKING,
  STATE_DISABLED,
  STATE_FORWARDING,
  STATE_LEARNING,
  STATE_LISTENING,
} from './bridge-state.ts'

/** `netif_running(dev) && netif_oper_up(dev)` */
export function isOperational(dev: Device): boolean {
  return dev.up && (dev.operState === 'up' || dev.operState === 'unknown')
}

/** `br_stp_enable_port` */
export function enablePort(world: World, port: BridgePort): void {
  port.state = STATE_BLOCKING
  selectStates(world, port.bridge)
}

/** `br_stp_disable_port` */
export function disablePort(world: World, port: BridgePort): void {
  port.state = STATE_DISABLED
  port.timer++
  forgetPort(port.bridge, port, false)
  selectStates(world, port.bridge)
}

/** `br_port_state_selection`: moves ports on, and gives the bridge carrier while one forwards. */
export function selectStates(world: World, bridge: Device): void {
  let live = 0
  for (const port of bridgeOf(bridge).ports) {
    if (port.state === STATE_BLOCKING) makeForwarding(world, port)
    if (port.state === STATE_FORWARDING) live++
  }
  setCarrier(world, bridge, live > 0)
}

/** `br_make_forwarding` */
function makeForwarding(world: World, port: BridgePort): void {
  const own = bridgeOf(port.bridge)
  port.timer++
  if (!own.stp || own.forwardDelay === 0) {
    port.state = STATE_FORWARDING
    return
  }
  port.state = STATE_LISTENING
  startTimer(world, port)
}

function startTimer(world: World, port: BridgePort): void {
  const { forwardDelay } = bridgeOf(port.bridge)
  world.queue.push(world.now + forwardDelay * 1e9, EV_BRIDGE_TIMER, port.dev.id, port.timer)
}

/** Goes on where a port stood when a snapshot was taken of it. */
export function resumePort(world: World, port: BridgePort): void {
  if (port.state === STATE_LISTENING || port.state === STATE_LEARNING) startTimer(world, port)
}

/** Handler of EV_BRIDGE_TIMER: `br_forward_delay_timer_expired`. */
export function onBridgeTimer(world: World, target: number, data: unknown): void {
  const dev = world.devices[target]
  if (dev === undefined || dev.rxHandler?.name !== 'bridge') return
  const port = dev.port as BridgePort
  if (port.timer !== data) return
  if (port.state === STATE_LISTENING) {
    port.state = STATE_LEARNING
    startTimer(world, port)
  } else if (port.state === STATE_LEARNING) {
    port.state = STATE_FORWARDING
    setCarrier(world, port.bridge, true)
  }
}

/** `br_port_carrier_check`, and what the notifier does when a port goes up or down. */
export function checkPort(world: World, port: BridgePort): void {
  if (!port.bridge.up) return
  if (isOperational(port.dev)) {
    if (port.state === STATE_DISABLED) enablePort(world, port)
  } else if (port.state !== STATE_DISABLED) disablePort(world, port)
}
