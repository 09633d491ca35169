/** Makes a world: the link layer and the protocol stack put together. */
import type { Op } from '../fabric/plan.ts'
import type { KernelTraits } from '../fabric/traits.ts'
import type { OpHandlers } from './apply.ts'
import { onNetem, packetType, receive } from './core.ts'
import { onCrowd } from './crowd.ts'
import { IP_HANDLERS } from './ip/handlers.ts'
import { onNeighbourTimer } from './ip/neighbour.ts'
import { onAddressTimer, onStackTimer, STACK } from './ip/stack.ts'
import { onBridgeTimer } from './link/bridge-stp.ts'
import { onMacvlanBroadcast } from './link/macvlan.ts'
import { LINK_HANDLERS } from './link-handlers.ts'
import { onLinkwatch } from './linkwatch.ts'
import {
  EV_ADDRESS_TIMER,
  EV_BRIDGE_TIMER,
  EV_CROWD,
  EV_LINKWATCH,
  EV_MACVLAN_BROADCAST,
  EV_NETEM,
  EV_NEIGHBOUR_TIMER,
  EV_RECEIVE,
  EV_STACK_TIMER,
  EVENT_KINDS,
  type EventHandler,
  type Refusal,
  World,
} from './model.ts'
import { createNetns } from './netns.ts'
import { EOPNOTSUPP } from './refusal.ts'
import type { Frame } from '../wire/frame.ts'

export interface WorldOptions {
  /** Same seed, same frames. Default 1. */
  readonly seed?: number
  readonly kernel?: Partial<KernelTraits>
  /**
   * Trace entries kept, a power of two (a broadcast to many is few of them). Default 4096: frames a
   * trace keeps outlive the young generation of the garbage collector, which with four times as
   * many decides that all frames do, and makes them where they are dear. Who reads long traces
   * asks for more: `TraceRing.forkWithRoom`.
   */
  readonly traceSize?: number
}

const OP_HANDLERS: Partial<OpHandlers> = { ...LINK_HANDLERS, ...IP_HANDLERS }

/** Ops on what moves by itself, too: see {@link World.layout}. */
const MOVING: ReadonlySet<Op['do']> = new Set([
  'neighbour.add',
  'neighbour.replace',
  'neighbour.del',
  'neighbour.flush',
  'route.flush-cache',
  'fdb.add',
  'fdb.replace',
  'fdb.del',
])

const EVENT_HANDLERS: (EventHandler | undefined)[] = Array.from(
  { length: EVENT_KINDS },
  () => undefined,
)
EVENT_HANDLERS[EV_RECEIVE] = (world, target, data) => {
  const dev = world.devices[target]
  if (dev === undefined) return
  const frame = data as Frame
  receive(world, dev, frame, packetType(dev, frame))
}
EVENT_HANDLERS[EV_CROWD] = onCrowd
EVENT_HANDLERS[EV_LINKWATCH] = onLinkwatch
EVENT_HANDLERS[EV_NEIGHBOUR_TIMER] = onNeighbourTimer
EVENT_HANDLERS[EV_ADDRESS_TIMER] = onAddressTimer
EVENT_HANDLERS[EV_STACK_TIMER] = onStackTimer
EVENT_HANDLERS[EV_MACVLAN_BROADCAST] = onMacvlanBroadcast
EVENT_HANDLERS[EV_NETEM] = onNetem
EVENT_HANDLERS[EV_BRIDGE_TIMER] = onBridgeTimer

/**
 * A new world with one namespace, `''`, that has a `lo` which is down.
 *
 * @example
 * ```ts
 * const world = createWorld({ seed: 7 })
 * applyOp(world, { do: 'netns.add', netns: 'h1' })
 * ```
 */
export function createWorld(options: WorldOptions = {}): World {
  const world = new World({
    seed: options.seed ?? 1,
    traits: Object.freeze({
      version: '6.18',
      missingKinds: [],
      bridgeNetfilter: false,
      legacyFilters: false,
      locksIcmp: true,
      bridgeVlanFiltering: true,
      ...options.kernel,
    } satisfies KernelTraits),
    stack: STACK,
    handlers: EVENT_HANDLERS,
    traceSize: options.traceSize ?? 4096,
  })
  createNetns(world, '')
  return world
}

/** Does one op. @returns what the kernel would refuse it with; then nothing has changed */
export function applyOp(world: World, op: Op): Refusal | undefined {
  const handler = OP_HANDLERS[op.do] as ((world: World, op: Op) => Refusal | undefined) | undefined
  if (handler === undefined) return EOPNOTSUPP
  const refusal = handler(world, op)
  if (!MOVING.has(op.do)) world.layout++
  return refusal
}
