/**
 * `lanyard lab exec` on a simulated lab, or on one in User Mode Linux, without the rest of the
 * program: a person types it a hundred times, and reading the rest takes longer than the command.
 * Whatever is written otherwise (help, an unknown option, a lab on this kernel) is the whole
 * program's.
 *
 * build.mjs makes a script of its own of it, with its code compiled beforehand; bin/lanyard.cjs
 * opens it.
 */
import { fail } from './failure.ts'
import { execInGuest } from './guest-run.ts'
import { execSimulated, readOrder, shellLine } from './lab-exec-sim.ts'
import { chooseLab, tellFileNote } from './lab-live.ts'
import { LabState } from './lab-state.ts'
import { catchStrays } from './strays.ts'

interface Words {
  readonly node: string
  readonly given: readonly string[]
  readonly options: { readonly lab?: string }
}

/**
 * Runs `[--lab NAME] NODE [--] COMMAND...` and sets the exit status.
 *
 * @param args what follows `lanyard lab exec`
 * @returns false where it was not for it, and nothing was done
 */
export async function openDoor(args: readonly string[]): Promise<boolean> {
  const words = readWords(args)
  if (words === undefined) return false
  const { node, given, options } = words
  try {
    const state = new LabState()
    const { fabric } = state.info(chooseLab(state, options.lab))
    if (fabric === 'kernel') return false
    catchStrays()
    const order = readOrder(state, node, given, options)
    tellFileNote(state, order.info)
    process.exitCode =
      fabric === 'sim'
        ? await execSimulated(state, order)
        : await execInGuest(order.info, node, shellLine(order.line))
  } catch (error) {
    process.exitCode = fail(error)
  }
  return true
}

/** The words as the whole program reads them, where they are the plain form. */
export function readWords(args: readonly string[]): Words | undefined {
  const [first = ''] = args
  if (first === '--lab') return named(args[1], args.slice(2))
  if (first.startsWith('--lab=')) return named(first.slice('--lab='.length), args.slice(1))
  const [node = '', ...given] = args
  return node === '' || node.startsWith('-') ? undefined : { node, given, options: {} }
}

function named(lab: string | undefined, rest: readonly string[]): Words | undefined {
  const words = readWords(rest)
  if (lab === undefined || lab.startsWith('-') || words?.options.lab !== undefined) return undefined
  return words && { ...words, options: { lab } }
}
