/**
 * Where the simulator writes what frames met: a ring of integers and frame references, cheap
 * enough to be always on. Text is made only when somebody reads.
 */
import { REASON_CODES, type ReasonCode } from '../fabric/reason.ts'
import type { StepAction } from '../fabric/trace.ts'
import type { Frame } from '../wire/frame.ts'

const ACTIONS: readonly StepAction[] = [
  'tx',
  'rx',
  'forward',
  'flood',
  'deliver',
  'route',
  'queue',
  'drop',
  'consume',
]
export const STEP_TX = 0
export const STEP_RX = 1
export const STEP_FORWARD = 2
export const STEP_FLOOD = 3
export const STEP_DELIVER = 4
export const STEP_ROUTE = 5
export const STEP_QUEUE = 6
export const STEP_DROP = 7
export const STEP_CONSUME = 8

const REASON_INDEX = new Map<ReasonCode, number>(REASON_CODES.map((code, i) => [code, i]))

/** One entry as read back: device ids, not names. */
export interface RawStep {
  readonly timeNs: number
  readonly netns: number
  /** Device id, or -1. */
  readonly device: number
  readonly action: StepAction
  readonly to: number
  readonly reason: ReasonCode | undefined
  readonly frame: Frame | undefined
  /** More about a drop: the rule that said so. */
  readonly note: string | undefined
}

export class TraceRing {
  readonly #size: number
  readonly #times: Float64Array
  readonly #words: Int32Array
  readonly #frames: (Frame | undefined)[]
  /** Entries ever written. */
  count = 0
  readonly #notes = new Map<number, string>()

  /** @param size entries kept, a power of two */
  constructor(size: number) {
    this.#size = size
    this.#times = new Float64Array(size)
    this.#words = new Int32Array(size * 5)
    this.#frames = Array.from({ length: size }, () => undefined)
  }

  record(
    time: number,
    netns: number,
    device: number,
    action: number,
    to: number,
    frame: Frame | undefined,
    reason?: ReasonCode,
  ): void {
    const at = this.count++ & (this.#size - 1)
    const word = at * 5
    this.#times[at] = time
    this.#words[word] = netns
    this.#words[word + 1] = device
    this.#words[word + 2] = action
    this.#words[word + 3] = to
    this.#words[word + 4] = reason === undefined ? -1 : (REASON_INDEX.get(reason) as number)
    this.#frames[at] = frame
  }

  /** Says more about the entry written last. */
  note(text: string): void {
    if (this.#notes.size > this.#size) this.#notes.clear()
    this.#notes.set(this.count - 1, text)
  }

  /** Entries from number `since` on that are still kept. */
  read(since: number): { steps: RawStep[]; truncated: boolean } {
    const first = Math.max(since, this.count - this.#size, 0)
    const steps: RawStep[] = []
    for (let n = first; n < this.count; n++) {
      const at = n & (this.#size - 1)
      const word = at * 5
      const reason = this.#words[word + 4] as number
      steps.push({
        timeNs: this.#times[at] as number,
        netns: this.#words[word] as number,
        device: this.#words[word + 1] as number,
        action: ACTIONS[this.#words[word + 2] as number] as StepAction,
        to: this.#words[word + 3] as number,
        reason: reason < 0 ? undefined : REASON_CODES[reason],
        frame: this.#frames[at],
        note: this.#notes.get(n),
      })
    }
    return { steps, truncated: first > since }
  }
}
