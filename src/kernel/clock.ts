/** The kernel's own time: CLOCK_MONOTONIC, and timers of the event loop. */
import type { Clock } from '../fabric/clock.ts'
import { monotonicNs } from '../sys/message.ts'
import { callAfter } from './timer.ts'

export const kernelClock: Clock = {
  nowNs: monotonicNs,
  sleep: (ms) =>
    new Promise((resolve) => {
      callAfter(ms, resolve)
    }),
}
