/** Refusals whose text only one kernel version gives. */
import type { KernelTraits } from '../../fabric/traits.ts'
import type { Refusal, World } from '../model.ts'

/** A refusal; with `since` kernels before that version say the errno only. */
export function extack(
  world: World,
  errno: string,
  text: string,
  since?: KernelTraits['version'],
): Refusal {
  if (since === '6.18' && world.traits.version === '6.1') return { errno }
  return { errno, extack: text }
}
