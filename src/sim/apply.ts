/** Ops to the functions that do them in the simulated kernel. */
import type { Op, OpOf } from '../fabric/plan.ts'
import type { Refusal, World } from './model.ts'

/** One function an op; undefined = done. A refused op must leave the world as it was. */
export type OpHandlers = {
  readonly [D in Op['do']]: (world: World, op: OpOf<D>) => Refusal | undefined
}
