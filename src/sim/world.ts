/** Makes a world: the link layer and the protocol stack put together. */
import type { Op } from '../fabric/plan.ts'
import type { OpHandlers } from './apply.ts'
import { packetType, receive } from './core.ts'
import { LINK_HANDLERS } from './link-handlers.ts'
import { onLinkwatch } from './linkwatch.ts'
import {
  EV_LINKWATCH,
  EV_RECEIVE,
  EVENT_KINDS,
  type EventHandler,
  type KernelTraits,
  type Refusal,
  type StackOps,
  World,
} from './model.ts'
import { createNetns } from './netns.ts'
import { EOPNOTSUPP } from './refusal.ts'
import type { Frame } from '../wire/frame.ts'

export interface WorldOptions {
  /** Same seed, same frames. Default 1. */
  readonly seed?: number
  readonly kernel?: Partial<KernelTraits>
  /** Trace steps kept, a power of two. Default 65536. */
  readonly traceSize?: number
}

/** The stack of a world without one: frames end at the device. */
const NO_STACK: StackOps = Object.freeze<StackOps>({
  receive: () => undefined,
  deviceEvent: () => undefined,
  netnsCreated: () => undefined,
  netnsDeleted: () => undefined,
})

const OP_HANDLERS: Partial<OpHandlers> = { ...LINK_HANDLERS }

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
EVENT_HANDLERS[EV_LINKWATCH] = onLinkwatch

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
      ...options.kernel,
    } satisfies KernelTraits),
    stack: NO_STACK,
    handlers: EVENT_HANDLERS,
    traceSize: options.traceSize ?? 65536,
  })
  createNetns(world, '')
  return world
}

/** Does one op. @returns what the kernel would refuse it with; then nothing has changed */
export function applyOp(world: World, op: Op): Refusal | undefined {
  const handler = OP_HANDLERS[op.do] as ((world: World, op: Op) => Refusal | undefined) | undefined
  return handler === undefined ? EOPNOTSUPP : handler(world, op)
}
