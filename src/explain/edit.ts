/** A change that may mend a failure, and what its makers know of the failure. */
import type { Op } from '../fabric/plan.ts'
import type { ReasonCode } from '../fabric/reason.ts'
import type { Question } from './question.ts'
import type { Scene } from './scene.ts'
import type { Place } from './types.ts'

export interface Edit {
  readonly title: string
  readonly plan: readonly Op[]
  /** Things changed: what orders remedies. */
  readonly cost: number
  /** The way back, where it cannot be derived from the plan (things made anew). */
  readonly undo?: readonly Op[]
  /** People try it first: told when it does not help, a few of each sort. */
  readonly popular?: 'promisc' | 'hairpin' | 'mode' | 'forward'
}

export interface Failure {
  readonly scene: Scene
  readonly question: Question
  readonly family: 4 | 6
  readonly code: ReasonCode
  /** Undefined when it ended before any frame was made. */
  readonly at: Place | undefined
  /** Which rule of the packet filter: `filter FORWARD rule 2`. */
  readonly rule: string | undefined
  /** Links the exchange passed, the end included. */
  readonly visited: readonly { readonly netns: string; readonly link: string }[]
  /** A namespace as people call it. */
  readonly name: (netns: string) => string
}

/** Makes candidates for a failure. */
export type Maker = (failure: Failure) => Edit[]

/** A link as people call it: `sw:p0`. */
export function linkName(failure: Failure, netns: string, link: string): string {
  return `${failure.name(netns)}:${link}`
}

/** The part of a sysctl key that names a link. */
export function keyOf(link: string): string {
  return link.replaceAll('.', '/')
}
