/**
 * Timers that never fire early. Node counts a timer from the time its event loop last looked at the
 * clock: after 50 ms of synchronous work a timer of 100 ms fires after 50.
 */
import type { Closer } from '../fabric/fabric.ts'

/** Calls back once, at least so many milliseconds from now, unless closed before. */
export function callAfter(ms: number, fn: () => void): Closer {
  const due = performance.now() + ms
  let timer = setTimeout(check, ms)
  function check(): void {
    const left = due - performance.now()
    if (left <= 0) fn()
    else timer = setTimeout(check, left)
  }
  return {
    close() {
      clearTimeout(timer)
    },
  }
}
