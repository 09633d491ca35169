/** Shrinks a plan that fails to the smallest one that still does (delta debugging on its ops). */
import type { Op, Plan } from '../../src/fabric/plan.ts'

/**
 * @param fails whether a plan still shows the disagreement
 * @param attempts how many plans may be tried at most (each is a run on a real kernel)
 */
export async function shrink(
  plan: Plan,
  fails: (plan: Plan) => Promise<boolean>,
  attempts: number,
): Promise<Plan> {
  let smallest = plan
  let left = attempts
  for (let size = Math.ceil(plan.length / 2); size >= 1 && left > 0; ) {
    let removed = false
    for (let at = smallest.length; at > 0 && left > 0; at -= size) {
      const fewer = without(smallest, Math.max(0, at - size), at)
      if (fewer.length === smallest.length) continue
      left--
      if (await fails(fewer)) {
        smallest = fewer
        removed = true
        at = Math.min(at, smallest.length + size)
      }
    }
    if (!removed) {
      if (size === 1) break
      size = Math.ceil(size / 2)
    }
  }
  return smallest
}

/** The plan without ops [from, to), and without what then speaks of a namespace never made. */
function without(plan: Plan, from: number, to: number): Plan {
  const kept = plan.filter((_, i) => i < from || i >= to)
  const made = new Set(kept.flatMap((op) => (op.do === 'netns.add' ? [op.netns] : [])))
  return kept.filter((op) => namespacesOf(op).every((netns) => made.has(netns)))
}

function namespacesOf(op: Op): string[] {
  const names = [op.netns]
  if (op.do === 'link.add') {
    if (op.parentNetns !== undefined) names.push(op.parentNetns)
    if (op.spec.kind === 'veth' && op.spec.peer.netns !== undefined) names.push(op.spec.peer.netns)
  }
  if (op.do === 'link.set' && op.newNetns !== undefined) names.push(op.newNetns)
  return names
}
