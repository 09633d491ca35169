/** `lanyard lab exec`: one command line at a node of a lab that is up. */
import { LanyardError } from '../errors.ts'
import { checkNode, chooseLab, LiveSim, tellFileNote } from './lab-live.ts'
import { LabState } from './lab-state.ts'

/** @returns the exit status of the command */
export async function labExec(
  node: string,
  given: readonly string[],
  options: { readonly lab?: string },
): Promise<number> {
  const words = given[0] === '--' ? given.slice(1) : given
  const state = new LabState()
  const lab = chooseLab(state, options.lab)
  const info = state.info(lab)
  checkNode(info, node)
  if (words.length === 0) {
    const sentence = `say what to run at ${node}: lanyard lab exec ${node} -- ip addr`
    throw new LanyardError('usage', { sentence, help: 'lanyard lab exec --help' })
  }
  tellFileNote(info)
  // One word is a line with pipes and all; several are words as they are.
  const line = words.length === 1 ? (words[0] as string) : words.map(quoted).join(' ')
  if (info.fabric === 'kernel') {
    const { kernelExec } = await import('./lab-kernel.ts')
    return await kernelExec(info, node, ['sh', '-c', line])
  }
  const lock = await state.lock(lab)
  try {
    const live = await LiveSim.open(state, lab)
    const out = await live.run(node, line)
    process.stdout.write(out.stdout)
    process.stderr.write(out.stderr)
    if (out.inside !== undefined) {
      // As docker says it; a prompt is what `lab shell` has.
      process.stderr.write('the input device is not a TTY\n')
      return 1
    }
    return out.code
  } finally {
    lock.release()
  }
}

/** As a shell reads it back. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
