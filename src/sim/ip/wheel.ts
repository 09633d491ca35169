/**
 * When a timer really fires: the kernel's timer wheel counts in jiffies and rounds up, the coarser
 * the further away (kernel/time/timer.c calc_wheel_index). The kernels measured tick 250 (6.18: a
 * second takes 1.024, half a second 0.512, 20 ms take 24) and 100 times a second (6.1).
 */
import type { KernelTraits } from '../../fabric/traits.ts'

/** LVL_START of levels 1 to 3, in jiffies: from there on the next coarser level. */
const LEVELS = [63, 504, 4032] as const

/** @returns the moment a timer set now for `dueNs` fires */
export function wheelTime(
  traits: Pick<KernelTraits, 'version'>,
  nowNs: number,
  dueNs: number,
): number {
  const jiffyNs = traits.version === '6.1' ? 10_000_000 : 4_000_000
  const now = Math.floor(nowNs / jiffyNs)
  const away = Math.max(1, Math.ceil((dueNs - nowNs) / jiffyNs))
  let grain = 1
  for (let i = 0; i < LEVELS.length && away >= (LEVELS[i] as number); i++) grain *= 8
  return (Math.floor((now + away) / grain) + 1) * grain * jiffyNs
}
