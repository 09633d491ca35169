/** Docker suites inside User Mode Linux: what they need beside a guest. */
import { dirname } from 'node:path'
import { buildProgram, PROGRAM, removeProgram } from '../support/program.ts'
import { type Came, inGuests } from '../uml/guests.ts'
import type { Outcome } from '../uml/inside/vitest.ts'
import { buildInside, removeInside } from '../uml/program.ts'

/** Runs suites of test/uml/inside/suites.ts, each in a guest of its own. */
export async function dockerInGuests(
  suites: readonly string[],
  timeoutMs: number,
  onOutput?: (text: string) => void,
): Promise<readonly Came<Outcome[]>[]> {
  try {
    await buildProgram()
    const program = await buildInside()
    const batches = suites.map((suite) => ({ name: suite, args: ['REPORT', suite] }))
    return await inGuests<Outcome[]>(batches, {
      program,
      timeoutMs,
      memoryMib: 2048,
      env: {
        LANYARD_TEST_PROGRAM: dirname(PROGRAM),
        // Its root file system is this machine's: what is written belongs into memory.
        TMPDIR: '/dev/shm',
        // Docker's programs look at the processor by themselves (lab notes: uml-on-amx).
        GODEBUG: 'cpu.all=off',
      },
      ...(onOutput === undefined ? {} : { onOutput }),
    })
  } finally {
    removeInside()
    removeProgram()
  }
}
