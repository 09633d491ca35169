/**
 * `--fabric uml`: the same command once more, with `--fabric kernel`, on a kernel of its own in
 * User Mode Linux. It needs no root, and has the modules a machine's own kernel may lack.
 */
import { mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LanyardError } from '../errors.ts'
import { runInUml } from '../kernel/uml.ts'
import { nodeInUml, umlMissing } from '../kernel/uml-boot.ts'
import { onStop } from './stop.ts'

/** Whoever waits for a lab may stop it; nobody else does. */
const LONGEST_MS = 24 * 3600_000
/** Passed on when set: how it looks and what it says. */
const ENVIRONMENT = ['NO_COLOR', 'FORCE_COLOR', 'LANYARD_DEBUG']

/**
 * Runs `lanyard ARGS` in a guest; what it prints comes as it prints it.
 *
 * @returns its exit status
 * @throws LanyardError `uml-missing`, `uml-died`, `lab-stopped`
 */
export async function runLanyardInUml(lab: string, args: readonly string[]): Promise<number> {
  const missing = umlMissing()
  if (missing !== undefined) throw new LanyardError('uml-missing', { why: missing })
  const program = realpathSync(process.argv[1] ?? '')
  const scratch = mkdtempSync(join(tmpdir(), 'lanyard-uml-run-'))
  const errors = join(scratch, 'stderr')
  const stop = onStop('stopping User Mode Linux')
  try {
    const command = [...nodeInUml(), program, ...args]
    const result = await runInUml({
      // The console has one stream: what goes to standard error is kept apart in a file.
      command: ['sh', '-c', 'exec "$@" 2>"$0"', errors, ...command],
      env: environment(),
      timeoutMs: LONGEST_MS,
      signal: stop.signal,
      onOutput: (text) => void process.stdout.write(text),
    })
    if (stop.signal.aborted) throw new LanyardError('lab-stopped', { lab })
    process.stderr.write(readIfThere(errors))
    if (result.exitCode === undefined) {
      const said = lastLine(result.output.trim() === '' ? result.console : result.output)
      throw new LanyardError('uml-died', { ended: result.ended, said })
    }
    return result.exitCode
  } finally {
    stop.done()
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** A guest's console is no terminal: colours are decided by whether ours is one. */
function environment(): Record<string, string> {
  const env: Record<string, string> = {}
  for (const name of ENVIRONMENT) {
    const value = process.env[name]
    if (value !== undefined) env[name] = value
  }
  if (process.stdout.isTTY && env['NO_COLOR'] === undefined) env['FORCE_COLOR'] ??= '1'
  return env
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? ''
}
