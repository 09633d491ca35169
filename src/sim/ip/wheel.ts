/**
 * When a timer really fires: the kernel's timer wheel counts in jiffies and rounds up, the coarser
 * the further away (kernel/time/timer.c calc_wheel_index). With 250 jiffies a second, as measured,
 * the ARP requests for a silent host leave 1.02 s apart and a DELAY of 5 s takes up to 5.26 s.
 */
const JIFFY_NS = 4_000_000
/** LVL_START of levels 1 to 3, in jiffies: from there on the next coarser level. */
const LEVELS = [63, 504, 4032] as const

/** @returns the moment a timer set now for `atNs` fires */
export function wheelTime(nowNs: number, atNs: number): number {
  const now = Math.floor(nowNs / JIFFY_NS)
  const away = Math.max(1, Math.ceil((atNs - nowNs) / JIFFY_NS))
  let grain = 1
  for (const start of LEVELS) if (away >= start) grain *= 8
  return (Math.floor((now + away) / grain) + 1) * grain * JIFFY_NS
}
