/** `lanyard lab down`: removes a lab, or what killed runs left on this kernel. */
import { LanyardError } from '../errors.ts'
import { missingCapabilities } from '../sys/capability.ts'
import { kernelLabs } from './kernel-labs.ts'
import { chooseLab } from './lab-live.ts'
import { removeMounts } from './lab-mounts.ts'
import { type LabInfo, LabState } from './lab-state.ts'
import { sweepGuests, umlDown } from './lab-uml.ts'

/** @param name default: the only lab that is up, and all that killed runs left */
export async function labDown(name: string | undefined, options: { all?: boolean }): Promise<void> {
  const state = new LabState()
  const known = state.names()
  const lines = (await sweepGuests(state, name)).map(
    (lab) => `removed what a killed "lanyard lab up" left of lab ${lab}`,
  )
  if (options.all === true) {
    for (const lab of known) lines.push(await down(state, lab))
  } else if (name === undefined && known.length > 0) {
    lines.push(await down(state, chooseLab(state, undefined)))
  } else if (name !== undefined && known.includes(name)) {
    process.stdout.write(`${[...lines, await down(state, name)].join('\n')}\n`)
    return
  }
  if (name !== undefined) {
    // A guest that was left is all there was of a name.
    if (lines.length === 0) lines.push(...named(name, known))
  } else if (lines.length === 0 || mayTouchKernel()) lines.push(...leftovers(undefined))
  process.stdout.write(`${lines.join('\n') || 'nothing to remove'}\n`)
}

async function down(state: LabState, lab: string): Promise<string> {
  const lock = await state.lock(lab)
  let info: LabInfo | undefined
  try {
    info = state.info(lab)
  } catch (error) {
    // What cannot be read can still be removed.
    if (!(error instanceof LanyardError) || error.code !== 'lab-state-broken') throw error
  }
  try {
    if (info?.fabric === 'uml') return await umlDown(state, info)
    if (info?.fabric === 'kernel') {
      const { kernelDown } = await import('./lab-kernel.ts')
      const count = kernelDown(state, info)
      return `removed lab ${lab}: ${count} ${count === 1 ? 'namespace' : 'namespaces'}`
    }
    state.remove(lab)
    return `removed lab ${lab}`
  } finally {
    lock.release()
  }
}

function mayTouchKernel(): boolean {
  return process.platform === 'linux' && missingCapabilities().length === 0
}

/** What a killed run left of a lab that is not up. @throws LanyardError `lab-unknown` */
function named(lab: string, up: readonly string[]): string[] {
  // Whoever may not touch the kernel has nothing there.
  if (!mayTouchKernel()) throw new LanyardError('lab-unknown', { lab, known: up })
  try {
    return leftovers(lab)
  } catch (error) {
    if (!(error instanceof LanyardError) || error.code !== 'lab-unknown') throw error
    const { known } = (error as LanyardError<'lab-unknown'>).detail
    throw new LanyardError('lab-unknown', { lab, known: [...up, ...known] }, { cause: error })
  }
}

function leftovers(name: string | undefined): string[] {
  return kernelLabs()
    .sweep(name)
    .map(({ lab, namespaces: { length } }) => {
      removeMounts(lab)
      return `removed lab ${lab}: ${length} ${length === 1 ? 'namespace' : 'namespaces'}`
    })
}
