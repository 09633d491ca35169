/**
 * Links removed. The kernel waits some 20 ms for each request until nobody holds the link any more
 * (net/core/dev.c `netdev_run_todo`), and it does so without its lock: requests from several
 * threads wait together. So a removal never holds the event loop up, and those of groups in several
 * namespaces take little longer than one.
 */
import type { Op, OpOf, Plan } from '../fabric/plan.ts'
import type { Refusal } from '../netlink/message.ts'
import { Connection } from '../netlink/request.ts'
import { removal } from './apply-link.ts'
import { openTransport } from './transport.ts'

export type Removal = OpOf<'link.del'> | OpOf<'link.del-group'>

/** As many as `bin/lanyard.cjs` gives the daemon threads; with fewer they wait their turn. */
const AT_ONCE = 128

export function isRemoval(op: Op | undefined): op is Removal {
  return op?.do === 'link.del' || op?.do === 'link.del-group'
}

/**
 * The removals from `from` on that may be done side by side: of groups, each in a namespace of its
 * own. A link that is named is removed in its turn: another may hang on it, or be meant once more.
 */
export function removalsFrom(plan: Plan, from: number): readonly Removal[] {
  const run: Removal[] = []
  const seen = new Set<string>()
  for (const op of plan.slice(from)) {
    if (op.do !== 'link.del-group' || seen.has(op.netns)) break
    run.push(op)
    seen.add(op.netns)
  }
  const op = plan[from]
  return run.length === 0 && isRemoval(op) ? [op] : run
}

/**
 * Does removals side by side, in no order.
 *
 * @param refusalOf what a failure of the system says of an op; throws what is none
 * @returns an answer each
 */
export async function removeAll(
  ops: readonly Removal[],
  refusalOf: (error: unknown) => Refusal,
): Promise<readonly (Refusal | undefined)[]> {
  const answers: (Refusal | undefined)[] = []
  let next = 0
  const worker = async (): Promise<void> => {
    for (let at = next++; at < ops.length; at = next++) {
      try {
        answers[at] = await removeOne(ops[at] as Removal)
      } catch (error) {
        answers[at] = refusalOf(error)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, ops.length) }, worker))
  return answers
}

async function removeOne(op: Removal): Promise<Refusal | undefined> {
  const connection = new Connection(openTransport(op.netns))
  try {
    const answer = await connection.requestLater(removal(op))
    return answer.ok ? undefined : answer
  } finally {
    connection.close()
  }
}
