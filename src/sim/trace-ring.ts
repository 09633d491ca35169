/**
 * Where the simulator writes what frames met: a ring of integers and frame references, cheap
 * enough to be always on. Text is made only when somebody reads.
 */
import { REASON_CODES, type ReasonCode } from '../fabric/reason.ts'
import type { StepAction } from '../fabric/trace.ts'
import type { Frame } from '../wire/frame.ts'
import type { Audience, Traced } from './audience.ts'

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

/** A flood to an audience in one entry: its numbers are namespace, device, who is left out. */
const FLOOD_ALL = 9
/** Received in vain by some of an audience: from which on, up to which, who is left out. */
const OVERHEARD = 10

/** PACKET_BROADCAST of model.ts, which rests on this file. */
const BROADCAST = 1

/** Numbers of an entry: namespace, device, where it leads, action and reason. */
const WORDS = 4
/** The reason stands above the action, from 1 on; 0 = none. */
const WITH_REASON = 16
/** Above both: more is said about the entry. */
const NOTED = 1 << 20
const REASON_INDEX = new Map<ReasonCode, number>(REASON_CODES.map((code, i) => [code, i + 1]))

function indexOf(reason: ReasonCode): number {
  return REASON_INDEX.get(reason) as number
}

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
  /** The audience of the last two kinds of entries; of others, what more is said. */
  #extras: (Audience | string | undefined)[]
  /** Number of the first entry that may be read. */
  #base: number
  /** Entries ever written. */
  count: number

  /**
   * @param size entries kept at most, a power of two
   * @param base entries another ring held before: numbering goes on
   */
  constructor(size: number, base = 0) {
    this.#size = size
    this.#room = Math.min(size, FIRST_ROOM)
    this.#times = new Float64Array(this.#room)
    this.#words = new Int32Array(this.#room * WORDS)
    this.#frames = Array.from({ length: this.#room }, () => undefined)
    this.#extras = Array.from({ length: this.#room }, () => undefined)
    this.#base = base
    this.count = base
  }

  /** An empty ring whose numbering goes on from here. */
  fork(): TraceRing {
    return new TraceRing(this.#size, this.count)
  }

  /** The same with room for more: for whoever reads what many frames met. */
  forkWithRoom(size: number): TraceRing {
    return new TraceRing(Math.max(size, this.#size), this.count)
  }

  /** What was written before is read no more; numbering goes on, its room is used again. */
  forget(): void {
    this.#base = this.count
  }

  #grow(): void {
    const room = this.#room * 4 > this.#size ? this.#size : this.#room * 4
    const times = new Float64Array(room)
    const words = new Int32Array(room * WORDS)
    times.set(this.#times)
    words.set(this.#words)
    while (this.#frames.length < room) {
      this.#frames.push(undefined)
      this.#extras.push(undefined)
    }
    this.#times = times
    this.#words = words
    this.#room = room
  }

  /**
   * Writes a step.
   *
   * @param clock whoever knows the time: handed over whole, as a number would be boxed on the way
   * @param to the device it leads to or (a delivery) the packet type, or -1
   */
  record(
    clock: { readonly now: number },
    at: Traced,
    action: number,
    to: number,
    frame: Frame | undefined,
    reason?: ReasonCode,
  ): void {
    const what = reason === undefined ? action : action + WITH_REASON * indexOf(reason)
    this.#write(clock, at.netnsId, at.id, to, what, frame)
  }

  /** Says more about the entry written last. */
  note(text: string): void {
    const slot = (this.count - 1 - this.#base) & (this.#size - 1)
    const word = slot * WORDS + 3
    this.#extras[slot] = text
    this.#words[word] = (this.#words[word] as number) | NOTED
  }

  /** Writes what are as many steps as there are devices: a flood to all but one of an audience. */
  recordFlood(
    clock: { readonly now: number },
    at: Traced,
    audience: Audience,
    except: Traced | undefined,
    frame: Frame,
  ): void {
    const slot = this.#write(clock, at.netnsId, at.id, except?.id ?? -1, FLOOD_ALL, frame)
    this.#extras[slot] = audience
  }

  /**
   * Writes that part of an audience received a broadcast and its stacks did nothing with it: three
   * steps a device.
   *
   * @param reason why they dropped it; undefined: they consumed it
   */
  recordOverheard(
    clock: { readonly now: number },
    audience: Audience,
    from: number,
    until: number,
    except: Traced | undefined,
    frame: Frame,
    reason: ReasonCode | undefined,
  ): void {
    const what = reason === undefined ? OVERHEARD : OVERHEARD + WITH_REASON * indexOf(reason)
    const slot = this.#write(clock, from, until, except?.id ?? -1, what, frame)
    this.#extras[slot] = audience
  }

  #write(
    clock: { readonly now: number },
    a: number,
    b: number,
    c: number,
    what: number,
    frame: Frame | undefined,
  ): number {
    const n = this.count++ - this.#base
    if (n >= this.#room && this.#room < this.#size) this.#grow()
    const slot = n & (this.#size - 1)
    const word = slot * WORDS
    const words = this.#words
    this.#times[slot] = clock.now
    words[word] = a
    words[word + 1] = b
    words[word + 2] = c
    words[word + 3] = what
    this.#frames[slot] = frame
    return slot
  }

  /**
   * Steps of the entries from number `since` on that are still kept: one each, but for those that
   * stand for many.
   */
  read(since: number): { steps: RawStep[]; truncated: boolean } {
    const first = Math.max(since, this.count - this.#size, this.#base)
    const steps: RawStep[] = []
    for (let n = first; n < this.count; n++) this.#readOne(n, steps)
    return { steps, truncated: first > since }
  }

  #readOne(n: number, into: RawStep[]): void {
    const slot = (n - this.#base) & (this.#size - 1)
    const word = slot * WORDS
    const noted = this.#words[word + 3] as number
    const what = noted & ~NOTED
    const extra = this.#extras[slot]
    const code = Math.floor(what / WITH_REASON)
    const kind = what % WITH_REASON
    const entry: RawStep = {
      timeNs: this.#times[slot] as number,
      netns: this.#words[word] as number,
      device: this.#words[word + 1] as number,
      action: ACTIONS[kind] ?? 'flood',
      to: this.#words[word + 2] as number,
      reason: code === 0 ? undefined : REASON_CODES[code - 1],
      frame: this.#frames[slot],
      note: noted !== what && typeof extra === 'string' ? extra : undefined,
    }
    if (kind === FLOOD_ALL && typeof extra === 'object') readFlood(entry, extra, into)
    else if (kind === OVERHEARD && typeof extra === 'object') readOverheard(entry, extra, into)
    else into.push(entry)
  }
}

function readFlood(entry: RawStep, audience: Audience, into: RawStep[]): void {
  for (const { id } of audience.devices) if (id !== entry.to) into.push({ ...entry, to: id })
}

/** What each of them would have written: it came in, reached the stack, and ended there. */
function readOverheard(entry: RawStep, audience: Audience, into: RawStep[]): void {
  const { netns: from, device: until, to: except, reason } = entry
  const end = reason === undefined ? 'consume' : 'drop'
  for (let i = from; i < until; i++) {
    const device = audience.devices[i]?.id ?? -1
    if (device === except) continue
    const netns = audience.netns[i] ?? -1
    const step: RawStep = { ...entry, netns, device, action: 'rx', to: -1, reason: undefined }
    into.push(step, { ...step, action: 'deliver', to: BROADCAST }, { ...step, action: end, reason })
  }
}
