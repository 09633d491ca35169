/**
 * The one place where an error becomes what a person reads: `lanyard: sentence`, `mend: what to
 * do`, and an exit status. Never a stack trace, unless LANYARD_DEBUG=1 asks for it.
 */
import { LanyardError } from '../errors.ts'
import { painter } from './terminal.ts'

export const EXIT = {
  ok: 0,
  missed: 1,
  usage: 2,
  permission: 3,
  /** A defect of this program (sysexits.h EX_SOFTWARE). */
  defect: 70,
  /** Stopped by a signal, as a shell says it. */
  stopped: 130,
} as const

/** Prints an error to stderr; gives the exit status. */
export function fail(error: unknown): number {
  process.stderr.write(failureText(error))
  if (process.env['LANYARD_DEBUG'] === '1') {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? '') : String(error)}\n`)
  }
  return exitStatus(error)
}

export function failureText(error: unknown): string {
  const paint = painter(process.stderr)
  if (error instanceof AggregateError) return error.errors.map(failureText).join('')
  if (!(error instanceof LanyardError)) {
    const what = error instanceof Error ? error.message : String(error)
    const mend = 'run it again with LANYARD_DEBUG=1 and report what it prints'
    return `lanyard: defect: ${what}\n${paint('dim', 'mend:')} ${mend}\n`
  }
  const lines = error.message.split('\n').map((line) => `lanyard: ${line}\n`)
  const mend = error.mend === undefined ? '' : `${paint('dim', 'mend:')} ${error.mend}\n`
  return lines.join('') + mend
}

export function exitStatus(error: unknown): number {
  if (error instanceof AggregateError) return Math.max(...error.errors.map(exitStatus))
  if (!(error instanceof LanyardError)) return EXIT.defect
  if (error.code === 'lab-stopped') return EXIT.stopped
  const refused = (error as LanyardError<'op-refused'>).detail
  const denied = error.code === 'op-refused' && ['EPERM', 'EACCES'].includes(refused.errno)
  if (error.code === 'defect') return EXIT.defect
  const forbidden = ['needs-root', 'needs-daemon', 'daemon-forbidden', 'store-denied']
  return forbidden.includes(error.code) || denied ? EXIT.permission : EXIT.usage
}
