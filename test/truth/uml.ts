/** The measured files replayed inside User Mode Linux, in several boots. */
import { cut, inGuests } from '../uml/guests.ts'
import type { Replayed } from './report.ts'
import type { TruthFile } from './rows.ts'

const FILES_A_BOOT = 20
const TIMEOUT_MS = 900_000

/**
 * @param program the bundle of run.ts
 * @throws Error when a guest died: what it measured is not known
 */
export async function replayInUml(
  program: string,
  files: readonly TruthFile[],
): Promise<readonly Replayed[]> {
  const batches = cut(spread(files), FILES_A_BOOT).map((some) => {
    const list = some.map(({ name }) => name)
    const name = `${list.slice(0, 3).join(', ')}${list.length > 3 ? ', ...' : ''}`
    return { name, args: ['--fabric=kernel', '--report=REPORT', `--files=${list.join(',')}`] }
  })
  const came = await inGuests<readonly Replayed[]>(batches, {
    program,
    timeoutMs: TIMEOUT_MS,
    env: { LANYARD_TRUTH: process.env['LANYARD_TRUTH'] ?? '' },
    onOutput: (text) => process.stderr.write(text),
  })
  const died = came.flatMap((one) => ('died' in one ? [`${one.name}: ${one.died}`] : []))
  if (died.length > 0) throw new Error(died.join('\n'))
  const done = came.flatMap((one) => ('report' in one ? one.report : []))
  return done.toSorted((a, b) => (a.file < b.file ? -1 : 1))
}

/** The large files first, each boot its share: otherwise one boot would have all that take long. */
function spread(files: readonly TruthFile[]): TruthFile[] {
  const boots = Math.ceil(files.length / FILES_A_BOOT)
  const bySize = files.toSorted((a, b) => b.text.length - a.text.length)
  return Array.from({ length: boots }, (_, boot) =>
    bySize.filter((_file, i) => i % boots === boot),
  ).flat()
}
