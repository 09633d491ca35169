/** Plans done on the real kernel, with their answers as short lines. */
import type { Op } from '../src/fabric/plan.ts'
import { applyPlan } from '../src/kernel/apply.ts'

/** One line an op: `ok`, or errno and the kernel's text (`-` when it gave none). */
export async function answers(...plan: readonly Op[]): Promise<readonly string[]> {
  const outcomes = await applyPlan(plan, { keepGoing: true })
  return outcomes.map((one) => (one.ok ? 'ok' : `${one.errno} ${one.extack ?? '-'}`))
}

/** Does the ops; the first refusal throws. */
export async function done(...plan: readonly Op[]): Promise<void> {
  await applyPlan(plan)
}
