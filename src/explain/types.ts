/** What an explanation says, as plain data; texts and JSON are made from it elsewhere. */
import type { Ip } from '../addr/ip.ts'
import type { Plan } from '../fabric/plan.ts'
import type { ReasonCode } from '../fabric/reason.ts'
import type { StepAction } from '../fabric/trace.ts'
import type { Frame } from '../wire/frame.ts'
import type { CauseCode } from './causes.ts'
import type { Question } from './question.ts'

/** `order`: the answer depends on who spoke before. */
export type Verdict = 'ok' | 'fail' | 'order'

/** One visit of a frame: a namespace, and the links it passed there. */
export interface Hop {
  readonly timeNs: number
  readonly netns: string
  readonly links: readonly string[]
  readonly action: StepAction
  /** Further links the same frame was copied to, and which came to nothing. */
  readonly copies: number
  /** The frame as it was here. */
  readonly frame: Frame | undefined
  /** Marks the one step that decided. */
  readonly decisive: boolean
}

/** The way of one message: a question, its answer, a packet. */
export interface Leg {
  /** `ARP request`, `echo request`, ... */
  readonly message: string
  readonly back: boolean
  readonly arrived: boolean
  readonly hops: readonly Hop[]
}

/** Where a frame ended. */
export interface Place {
  readonly netns: string
  readonly link: string | undefined
  /** The link it did not get to. */
  readonly toLink: string | undefined
  readonly frame: Frame | undefined
}

/** What somebody once wrote that made it so. */
export interface Origin {
  /** `lab.yaml:12`; undefined where it is no file. */
  readonly file: string | undefined
  readonly line: number | undefined
  /** The line itself, or a command. */
  readonly text: string
}

export interface Remedy {
  readonly title: string
  readonly plan: Plan
  readonly undo: Plan
  /** Things changed. */
  readonly cost: number
  /** Whether the one asked reaches the asker as well, from empty tables. */
  readonly bothWays: boolean
  readonly effects: Effects
  /** The edit in a lab file that does the same, where one is known. */
  readonly edit?: string
  /** Command lines to show in place of the plan's, where a part is not this machine's to do. */
  readonly commands?: readonly string[]
  readonly undoCommands?: readonly string[]
}

/** Other pairs whose verdict changes; ordered pairs of the question's address family. */
export interface Effects {
  readonly opened: number
  readonly closed: number
  /** Some of them, as `A -> B`. */
  readonly openedPairs: readonly string[]
  readonly closedPairs: readonly string[]
}

/** A change that was tried and does not help. */
export interface Rejected {
  readonly title: string
  /** What stops it then. */
  readonly code: ReasonCode | undefined
  readonly why: string
}

export interface Search {
  /** Changes tried. */
  readonly tried: number
  /** Changes there were to try. */
  readonly candidates: number
  /** Whether some were left untried because there were too many. */
  readonly bounded: boolean
}

export interface Explanation {
  readonly question: Question
  readonly verdict: Verdict
  /** From empty tables, and after the other end has spoken first. */
  readonly orders: { readonly cold: boolean; readonly spoken: boolean }
  /** Undefined when it works. */
  readonly code: ReasonCode | undefined
  /** What people know the failure by, where it has such a name. */
  readonly cause: CauseCode | undefined
  readonly headline: string
  readonly at: Place | undefined
  readonly way: readonly Leg[]
  readonly rule:
    | { readonly text: string; readonly kernel: string; readonly filter: string | undefined }
    | undefined
  readonly origins: readonly Origin[]
  readonly notes: readonly string[]
  readonly remedies: readonly Remedy[]
  readonly rejected: readonly Rejected[]
  readonly search: Search
  readonly ttl: number | undefined
  readonly responder: Ip | undefined
}
