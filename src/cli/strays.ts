/** What can go wrong outside of any call: a reader that left, a defect in an event handler. */
import { fail } from './failure.ts'

export function catchStrays(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // `lanyard ... | head`: whoever reads has read enough.
    if (error.code !== 'EPIPE') process.exitCode = fail(error)
  })
  process.on('uncaughtException', (error) => {
    process.exitCode = fail(error)
    // The state is unknown: what is left on a kernel is found by its record.
    process.exit()
  })
}
