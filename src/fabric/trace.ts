/**
 * A Trace: what frames met, step by step, with a reason where one ended. Made by the simulator,
 * read by explain and the console.
 */
import type { Frame } from '../wire/frame.ts'
import type { ReasonCode } from './reason.ts'

/** What happened to a frame at a step. */
export type StepAction =
  /** Entered a link's transmit path. */
  | 'tx'
  /** Left a link's receive path towards its handler or stack. */
  | 'rx'
  /** Handed by a bridge, macvlan or ipvlan to another link (`toLink`). */
  | 'forward'
  /** Copied to one of several receivers. */
  | 'flood'
  /** Reached the protocol stack of the namespace. */
  | 'deliver'
  /** Routed on to another link. */
  | 'route'
  /** Waits for a neighbour to be resolved, or (`NETEM_LATE`) in the impairment of a cable. */
  | 'queue'
  /** Ended here; `reason` says why. */
  | 'drop'
  /** Consumed by its receiver: an answer was made, a socket got it, a table learned it. */
  | 'consume'

export interface Step {
  readonly timeNs: number
  readonly netns: string
  /** Undefined for steps of the namespace's stack as a whole. */
  readonly link: string | undefined
  readonly action: StepAction
  readonly toLink: string | undefined
  readonly reason: ReasonCode | undefined
  /** Which rule of the packet filter dropped it: `filter FORWARD rule 2`. */
  readonly rule?: string
  /** The frame as it was here; undefined for packets that have no frame yet. */
  readonly frame: Frame | undefined
}

export interface Trace {
  readonly steps: readonly Step[]
  /** Steps were overwritten because the ring was too small. */
  readonly truncated: boolean
}
