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

/** A ring starts small, so that a world is cheap to make and to copy. */
const FIRST_ROOM = 256

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
  readonly note?: string | undefined
}

export class TraceRing {
  readonly #size: number
  /** Entries there is room for so far: grows to `size` as it fills. */
  #room: number
  #times: Float64Array
  #words: Int32Array
  #frames: (Frame | undefined)[]
  /** Number of the first entry this ring ever held. */
  readonly #base: number
  /** Entries ever written. */
  count: number
  readonly #notes = new Map<number, string>()

  /**
   * @param size entries kept at most, a power of two
   * @param base entries another ring held before: numbering goes on
   */
  constructor(size: number, base = 0) {
    this.#size = size
    this.#room = Math.min(size, FIRST_ROOM)
    this.#times = new Float64Array(this.#room)
    this.#words = new Int32Array(this.#room * 5)
    this.#frames = Array.from({ length: this.#room }, () => undefined)
    this.#base = base
    this.count = base
  }

  /** An empty ring whose numbering goes on from here. */
  fork(): TraceRing {
    return new TraceRing(this.#size, this.count)
  }

  #grow(): void {
    const room = this.#room * 4 > this.#size ? this.#size : this.#room * 4
    const times = new Float64Array(room)
    const words = new Int32Array(room * 5)
    times.set(this.#times)
    words.set(this.#words)
    while (this.#frames.length < room) this.#frames.push(undefined)
    this.#times = times
    this.#words = words
    this.#room = room
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
    const n = this.count++ - this.#base
    if (n >= this.#room && this.#room < this.#size) this.#grow()
    const at = n & (this.#size - 1)
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
    const first = Math.max(since, this.count - this.#size, this.#base)
    const steps: RawStep[] = []
    for (let n = first; n < this.count; n++) {
      const at = (n - this.#base) & (this.#size - 1)
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
