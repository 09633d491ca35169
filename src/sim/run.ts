/** Lets virtual time pass. */
import type { World } from './model.ts'

/** Events one run may handle before it is called a loop. */
const EVENT_BUDGET = 5_000_000

/**
 * Handles every event up to `untilNs` (or until `done` says so) and moves the clock there.
 * @returns false when the event budget ran out: frames go round in a loop
 */
export function runUntil(world: World, untilNs: number, done?: () => boolean): boolean {
  const { queue, handlers } = world
  for (let handled = 0; handled < EVENT_BUDGET; handled++) {
    if (!queue.next(untilNs)) {
      world.now = Math.max(world.now, untilNs)
      return true
    }
    world.now = queue.time
    handlers[queue.kind]?.(world, queue.target, queue.data)
    if (done?.() === true) return true
  }
  return false
}
