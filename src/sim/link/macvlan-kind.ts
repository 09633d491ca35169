/** Making and changing macvlan children (drivers/net/macvlan.c `macvlan_common_newlink`). */
import type { MacvlanOptions } from '../../fabric/plan.ts'
import { setPromiscuity } from '../address-lists.ts'
import { allocateDevice, isValidMac, randomMac, registerDevice } from '../device.ts'
import { fireLinkwatch, followCarrier } from '../linkwatch.ts'
import type { Device, LinkOps, Refusal, World } from '../model.ts'
import { EADDRNOTAVAIL, EBUSY, EINVAL } from '../refusal.ts'
import type { Kind, NewLink } from './kind.ts'
import { MACVLAN_RX } from './macvlan.ts'
import { MACVLAN, MACVTAP } from './macvlan-device.ts'
import {
  addSource,
  childOf,
  DEFAULT_QUEUE_LENGTH,
  flushSources,
  isMacvlan,
  MacvlanChild,
  MacvlanPort,
  macvlanPortOf,
  removeSource,
  updateQueueLength,
} from './macvlan-state.ts'

/** `macvlan_validate` */
export function validateMacvlan(options: MacvlanOptions | undefined): Refusal | undefined {
  const sources = options?.sources
  if (sources === undefined || sources.change === 'flush') return undefined
  return sources.macs.every(isValidMac) ? undefined : EADDRNOTAVAIL
}

/** `macvlan_port_create`; whether it may be, and nothing done yet. */
function checkParent(parent: Device): Refusal | undefined {
  const handler = parent.rxHandler
  if (handler?.name === 'macvlan') return undefined
  const { kind } = parent.ops
  if (kind === 'loopback' || kind === 'tun' || kind === 'ipvlan') return EINVAL
  return handler === undefined ? undefined : EBUSY
}

/** `macvlan_changelink_sources` */
function changeSources(child: MacvlanChild, options: MacvlanOptions): void {
  const { sources } = options
  if (sources === undefined) return
  if (sources.change === 'set' || sources.change === 'flush') flushSources(child)
  for (const mac of sources.macs) {
    if (sources.change === 'remove') removeSource(child, mac)
    else if (sources.change !== 'flush') addSource(child, mac)
  }
}

/** `macvlan_common_newlink` */
function create(
  request: NewLink<'macvlan'>,
  ops: LinkOps,
  txQueueLength: number,
): Device | Refusal {
  const { world, op, spec, netns } = request
  if (request.parent === undefined) return EINVAL
  // Children of children hang on the real parent.
  const lower = isMacvlan(request.parent) ? childOf(request.parent).lower : request.parent
  if (op.mtu !== undefined && op.mtu > lower.mtu) return EINVAL
  const refusal = checkParent(lower)
  if (refusal !== undefined) return refusal
  const existing = lower.rxHandler === undefined ? undefined : macvlanPortOf(lower)
  const options = spec.macvlan ?? {}
  const mode = options.mode ?? 'vepa'
  if (existing !== undefined && (existing.passthru || mode === 'passthru')) return EINVAL
  if (options.sources !== undefined && mode !== 'source') return EINVAL
  const mac = mode === 'passthru' ? lower.mac : (op.address ?? randomMac(world))
  const dev = allocateDevice(world, ops, netns, op.name, mac)
  dev.macSet = op.address !== undefined
  dev.mtu = op.mtu ?? lower.mtu
  dev.maxMtu = lower.maxMtu
  dev.txQueueLength = txQueueLength
  dev.lower = lower
  dev.carrier = lower.carrier
  const port = existing ?? new MacvlanPort(lower)
  const child = new MacvlanChild(dev, port, {
    mode,
    nopromisc: options.nopromisc ?? false,
    nodst: options.nodst ?? false,
    queueLength: options.broadcastQueueLength ?? DEFAULT_QUEUE_LENGTH,
  })
  dev.own = child
  const taken = registerDevice(world, dev)
  if (taken !== undefined) return taken
  lower.rxHandler = MACVLAN_RX
  lower.port = port
  if (mode === 'passthru') port.passthru = true
  changeSources(child, options)
  lower.uppers.push(dev)
  port.children.push(child)
  updateQueueLength(port)
  followCarrier(world, lower, dev)
  fireLinkwatch(world, dev)
  return dev
}

/** `macvlan_changelink` */
export function changeMacvlan(
  world: World,
  dev: Device,
  options: MacvlanOptions,
): Refusal | undefined {
  const child = childOf(dev)
  const { mode, nopromisc, nodst } = options
  const refusal = validateMacvlan(options)
  if (refusal !== undefined) return refusal
  if (mode !== undefined && (mode === 'passthru') !== (child.mode === 'passthru')) return EINVAL
  if (options.sources !== undefined && (mode ?? child.mode) !== 'source') return EINVAL
  if (mode !== undefined) {
    if (child.mode === 'source' && mode !== 'source') flushSources(child)
    child.mode = mode
  }
  if (nopromisc !== undefined && nopromisc !== child.nopromisc) {
    if (child.port.passthru) setPromiscuity(world, child.lower, nopromisc ? -1 : 1)
    child.nopromisc = nopromisc
  }
  if (nodst !== undefined) child.nodst = nodst
  if (options.broadcastQueueLength !== undefined) {
    child.queueLength = options.broadcastQueueLength
    updateQueueLength(child.port)
  }
  changeSources(child, options)
  return undefined
}

export const MACVLAN_KIND: Kind<'macvlan'> = {
  minMtu: 68,
  maxMtu: 65535,
  validate: ({ spec }) => validateMacvlan(spec.macvlan),
  create: (request) => create(request, MACVLAN, 1000),
}

export const MACVTAP_KIND: Kind<'macvtap'> = {
  minMtu: 68,
  maxMtu: 65535,
  validate: ({ spec }) => validateMacvlan(spec.macvlan),
  create: (request) => create(request as unknown as NewLink<'macvlan'>, MACVTAP, 500),
}
