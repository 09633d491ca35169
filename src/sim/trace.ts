/** The trace ring as a reader wants it: names in place of ids. */
import type { Step, Trace } from '../fabric/trace.ts'
import type { World } from './model.ts'
import type { RawStep } from './trace-ring.ts'

/**
 * Steps from number `since` on (`world.trace.count` then). Links that went meanwhile have no name
 * any more.
 */
export function readTrace(world: World, since: number): Trace {
  const { steps, truncated } = world.trace.read(since)
  return { steps: steps.map((step) => nameStep(world, step)), truncated }
}

function nameStep(world: World, raw: RawStep): Step {
  const { timeNs, action, reason, frame } = raw
  // A delivery keeps the packet type where others keep the device they lead to.
  const to = action === 'deliver' ? -1 : raw.to
  return {
    timeNs,
    netns: world.netnsById[raw.netns]?.name ?? '',
    link: raw.device < 0 ? undefined : world.devices[raw.device]?.name,
    action,
    toLink: to < 0 ? undefined : world.devices[to]?.name,
    reason,
    frame,
    ...(raw.note === undefined ? {} : { rule: raw.note }),
  }
}
