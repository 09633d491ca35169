/** `lanyard lab exec`: one command line at a node of a lab that is up. */
import { execInGuest } from './guest-run.ts'
import { execSimulated, readOrder, shellLine } from './lab-exec-sim.ts'
import { tellFileNote } from './lab-live.ts'
import { LabState } from './lab-state.ts'

/** @returns the exit status of the command */
export async function labExec(
  node: string,
  given: readonly string[],
  options: { readonly lab?: string },
): Promise<number> {
  const state = new LabState()
  const order = readOrder(state, node, given, options)
  tellFileNote(state, order.info)
  if (order.info.fabric === 'sim') return await execSimulated(state, order)
  if (order.info.fabric === 'uml') return await execInGuest(order.info, node, shellLine(order.line))
  const { kernelExec } = await import('./lab-kernel.ts')
  return await kernelExec(order.info, node, shellLine(order.line))
}
