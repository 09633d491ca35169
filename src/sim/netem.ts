/**
 * What a netem does to a frame (net/sched/sch_netem.c `netem_enqueue`): lost, doubled, and when it
 * may leave. Chance is the world's, so the same seed loses the same frames.
 */
import type { Netem } from '../fabric/netem.ts'
import { NETEM_LIMIT } from '../fabric/netem.ts'
import type { Random } from './random.ts'

/** A netem at the root of a device. */
export interface NetemState {
  readonly netem: Netem
  readonly handle: number
  /** Frames that wait. */
  waiting: number
  /** When the last of them leaves, ns. */
  lastNs: number
  /** `qstats` and `bstats`: what it let go, and what it lost or had no room for. */
  sentPackets: number
  sentBytes: number
  dropped: number
}

export function netemState(netem: Netem, handle: number): NetemState {
  return { netem, handle, waiting: 0, lastNs: 0, sentPackets: 0, sentBytes: 0, dropped: 0 }
}

/** In place of a time: the frame is lost, and its sender does not know. */
export const LOST = Infinity
/** In place of a time: no room to wait. */
const FULL = -1

/**
 * When the frame (and its double) may leave: now, later, {@link LOST}, or before now when there is
 * no room for it.
 */
export function holdBack(
  state: NetemState,
  random: Random,
  now: number,
  bytes: number,
): readonly number[] {
  const { duplicatePercent, lossPercent } = state.netem
  const twice = happens(random, duplicatePercent)
  const lost = happens(random, lossPercent)
  // One of the two is lost: the other goes on.
  if (lost !== twice) {
    if (lost) return [LOST]
    // The double goes in first, and may be lost by itself.
    const double = happens(random, lossPercent) ? LOST : leaveAt(state, random, now, bytes, 0)
    const held = double !== LOST && double > now ? 1 : 0
    return [double, leaveAt(state, random, now, bytes, held)]
  }
  return [leaveAt(state, random, now, bytes, 0)]
}

/** @param more frames that wait besides those counted */
function leaveAt(
  state: NetemState,
  random: Random,
  now: number,
  bytes: number,
  more: number,
): number {
  const { delayNs = 0, jitterNs = 0, reorderPercent, rateBits, limit } = state.netem
  const waiting = state.waiting + more
  if (waiting >= (limit ?? NETEM_LIMIT)) return FULL
  if (happens(random, reorderPercent)) return now
  // tabledist: evenly between delay - jitter and delay + jitter
  const jitter = jitterNs === 0 ? 0 : random.below(2 * jitterNs) - jitterNs
  let at = now + Math.max(0, delayNs + jitter)
  if (rateBits !== undefined) {
    // The delay of a frame that waits its turn has begun when it came.
    const free = waiting > 0 ? Math.max(state.lastNs, at) : at
    at = free + Math.floor((bytes * 8 * 1e9) / rateBits)
  }
  state.lastNs = waiting > 0 ? Math.max(state.lastNs, at) : at
  return at
}

/** Takes no chance where the answer is certain: what is not impaired plays as it did. */
function happens(random: Random, percent: number | undefined): boolean {
  if (percent === undefined || percent <= 0) return false
  return percent >= 100 || random.next() * 100 < percent
}
