/** The simulated fabric: a {@link Fabric} over a {@link World}. */
import { LanyardError } from '../errors.ts'
import type { Clock } from '../fabric/clock.ts'
import type { OpOutcome } from '../fabric/fabric.ts'
import type { Plan } from '../fabric/plan.ts'
import type { World } from './model.ts'
import { runUntil } from './run.ts'
import { applyOp, createWorld, type WorldOptions } from './world.ts'

const OK: OpOutcome = Object.freeze({ ok: true })

export class SimFabric {
  readonly kind = 'sim'
  readonly clock: Clock
  readonly world: World

  constructor(world: World) {
    this.world = world
    this.clock = {
      nowNs: () => world.now,
      sleep: async (ms) => {
        runUntil(world, world.now + Math.round(ms * 1e6))
      },
    }
  }

  apply(plan: Plan, options: { readonly keepGoing?: boolean } = {}): Promise<readonly OpOutcome[]> {
    return new Promise((resolve) => resolve(this.applyNow(plan, options)))
  }

  /** {@link apply} without a promise: the simulator needs none. */
  applyNow(plan: Plan, options: { readonly keepGoing?: boolean } = {}): readonly OpOutcome[] {
    const { world } = this
    return plan.map((op, index) => {
      const refusal = applyOp(world, op)
      // What the kernel does in work queues at once: link watch
      runUntil(world, world.now)
      if (refusal === undefined) return OK
      const { errno, extack } = refusal
      if (options.keepGoing !== true) {
        throw new LanyardError('op-refused', {
          op: op.do,
          errno,
          message: extack ?? errno,
          index,
        })
      }
      return { ok: false, op, index, errno, extack }
    })
  }
}

/** Opens a simulated Linux of its own. */
export function openSim(options: WorldOptions = {}): SimFabric {
  return new SimFabric(createWorld(options))
}
