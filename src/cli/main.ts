/** The program `lanyard`: runs a command line and turns what happened into an exit status. */
import { CommanderError } from 'commander'
import { EXIT, fail } from './failure.ts'
import { makeProgram } from './program.ts'

/** What can go wrong outside of any call: a reader that left, a defect in an event handler. */
function catchStrays(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // `lanyard ... | head`: whoever read has read enough.
    if (error.code !== 'EPIPE') process.exitCode = fail(error)
  })
  process.on('uncaughtException', (error) => {
    process.exitCode = fail(error)
    // The state is unknown: what is left on a kernel is found by its record.
    process.exit()
  })
}

async function main(argv: readonly string[]): Promise<void> {
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

await main(process.argv)
