/** One command line at a node of a simulated lab; what it is and where, for every kind of lab. */
import { LanyardError } from '../errors.ts'
import { checkNode, chooseLab, LiveSim } from './lab-live.ts'
import type { LabInfo, LabState } from './lab-state.ts'

export interface ExecOrder {
  readonly info: LabInfo
  readonly node: string
  readonly line: string
}

/**
 * What is to run, and where.
 *
 * @param given the words after the node, with or without `--` before them
 * @throws LanyardError `lab-not-up`, `usage`
 */
export function readOrder(
  state: LabState,
  node: string,
  given: readonly string[],
  options: { readonly lab?: string },
): ExecOrder {
  const words = given[0] === '--' ? given.slice(1) : given
  const info = state.info(chooseLab(state, options.lab))
  checkNode(info, node)
  if (words.length === 0) {
    const sentence = `say what to run at ${node}: lanyard lab exec ${node} -- ip addr`
    throw new LanyardError('usage', { sentence, help: 'lanyard lab exec --help' })
  }
  // One word is a line with pipes and all; several are words as they are.
  const line = words.length === 1 ? (words[0] as string) : words.map(quoted).join(' ')
  return { info, node, line }
}

/** @returns the exit status of the command */
export async function execSimulated(state: LabState, order: ExecOrder): Promise<number> {
  const lock = await state.lock(order.info.lab)
  try {
    const live = await LiveSim.open(state, order.info.lab)
    const out = await live.run(order.node, order.line)
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

/** A line as a program on a real kernel. */
export function shellLine(line: string): string[] {
  return ['sh', '-c', line]
}

/** As a shell reads it back. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
