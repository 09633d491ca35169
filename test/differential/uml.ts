/** The differential run inside User Mode Linux: a range of seeds a boot, two guests at a time. */
import { GUESTS_AT_ONCE, inGuests } from '../uml/guests.ts'

/** What a run over a range of seeds found. */
export interface Tally {
  readonly first: number
  readonly count: number
  readonly ops: number
  readonly failed: readonly number[]
}

/** More worlds than this in one boot and a guest that dies takes too much with it. */
const WORLDS_A_BOOT = 25
/** A boot, and for each world its pings; shrinking a failure takes a minute or two. */
const TIMEOUT_MS = 900_000

/** @param program the bundle of main.ts */
export async function differInUml(
  program: string,
  range: { readonly first: number; readonly count: number; readonly args: readonly string[] },
): Promise<Tally & { readonly died: readonly { name: string; how: string }[] }> {
  const { first, count } = range
  const size = Math.min(WORLDS_A_BOOT, Math.ceil(count / GUESTS_AT_ONCE))
  const starts = Array.from({ length: Math.ceil(count / size) }, (_, i) => first + i * size)
  const came = await inGuests<Tally>(
    starts.map((seed) => {
      const worlds = Math.min(size, first + count - seed)
      return {
        name: `seeds ${seed}..${seed + worlds - 1}`,
        args: [
          '--fabric=kernel',
          '--report=REPORT',
          `--seed=${seed}`,
          `--count=${worlds}`,
          ...range.args,
        ],
      }
    }),
    { program, timeoutMs: TIMEOUT_MS, onOutput: (text) => process.stdout.write(text) },
  )
  const tallies = came.flatMap((one) => ('report' in one ? [one.report] : []))
  return {
    first,
    count,
    ops: tallies.reduce((sum, { ops }) => sum + ops, 0),
    failed: tallies.flatMap(({ failed }) => failed),
    died: came.flatMap((one) => ('died' in one ? [{ name: one.name, how: one.died }] : [])),
  }
}

/** Does one world again, from its file. */
export async function replayInUml(program: string, file: string): Promise<number> {
  const [came] = await inGuests<{ readonly differences: number }>(
    [{ name: file, args: ['--fabric=kernel', '--report=REPORT', `--replay=${file}`] }],
    { program, timeoutMs: TIMEOUT_MS, onOutput: (text) => process.stdout.write(text) },
  )
  if (came !== undefined && 'report' in came) return came.report.differences === 0 ? 0 : 1
  process.stdout.write(`${file}: ${came?.died ?? 'not run'}\n`)
  return 1
}
