/** Runs a command line and turns what happened into an exit status. */
import { CommanderError } from 'commander'
import { EXIT, fail } from './failure.ts'
import { makeProgram } from './program.ts'
import { catchStrays } from './strays.ts'

export async function runCommandLine(argv: readonly string[]): Promise<void> {
  catchStrays()
  try {
    await makeProgram().parseAsync(argv)
  } catch (error) {
    if (error instanceof CommanderError) {
      // It has printed its message already; help and version that were asked for are no failure.
      process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage
    } else process.exitCode = fail(error)
  }
}
