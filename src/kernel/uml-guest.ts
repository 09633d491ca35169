/**
 * A guest of User Mode Linux that stays when the program that booted it has ended, until it is
 * powered off or killed.
 *
 * It keeps nothing of its caller's: not its terminal, not its working directory, no descriptor.
 * Everything of it is in one folder: `init`, its first program; `console`, what its kernel says;
 * `bell`, a named pipe whose bytes are the guest's serial line, by which it is called without
 * having to look for work. Killed, the folder is what is left.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { keepFromChildren, makeFifo } from '../sys/pipe.ts'
import { bootLines, bootParameters, POWER_OFF, quote, UML_PROGRAM, umlCommand } from './uml-boot.ts'

/** Where a guest hears its bell. */
export const BELL_LINE = '/dev/ttyS0'
const MEMORY_MIB = 768

export interface UmlGuestOptions {
  /** There already, seen by the guest at the same path, and nobody else's. */
  readonly folder: string
  /** Program and arguments; when it ends the guest does. */
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

/** Boots it; what comes back lives on without this process. */
export function startUmlGuest({ folder, command, env }: UmlGuestOptions): ChildProcess {
  const init = join(folder, 'init')
  const script = [
    ...bootLines(env, '/'),
    'mkdir -p /dev/pts; mount -t devpts devpts /dev/pts',
    command.map(quote).join(' '),
    POWER_OFF,
    '',
  ]
  writeFileSync(init, script.join('\n'), { mode: 0o755 })
  makeFifo(join(folder, 'bell'), 0o600)
  keepFromChildren()
  // Open for both, so that it never ends, whoever rings and goes.
  const bell = openSync(join(folder, 'bell'), 'r+')
  const console = openSync(join(folder, 'console'), 'a', 0o600)
  try {
    const lines = ['con0=null,fd:1', 'ssl=null', 'ssl0=fd:3,null']
    const [program, ...words] = umlCommand([...bootParameters(init, MEMORY_MIB), ...lines])
    const child = spawn(program, words, {
      cwd: folder,
      stdio: ['ignore', console, console, bell],
      // A session of its own, whose number all its processes have.
      detached: true,
      env: { PATH: '/usr/bin:/bin', TMPDIR: tmpdir(), HOME: folder },
    })
    child.unref()
    return child
  } finally {
    closeSync(bell)
    closeSync(console)
  }
}

/** Ends what is left of a guest at once. */
export function killUmlGuest(session: number, folder: string): void {
  for (const pid of processesOf(session, folder)) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It ended by itself.
    }
  }
}

/**
 * Processes of a guest that are there: by its folder, which nobody else has for theirs, or by what
 * they are and their session. A number alone may by now be another's.
 */
export function processesOf(session: number, folder: string): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && isOf(pid, session, folder))
}

function isOf(pid: number, session: number, folder: string): boolean {
  try {
    // A folder that was removed has words behind its path.
    if (readlinkSync(`/proc/${pid}/cwd`).split(' (')[0] === folder) return true
    if (readlinkSync(`/proc/${pid}/exe`) !== UML_PROGRAM) return false
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[3]) === session
  } catch {
    // Another user's, or ended: a zombie has neither.
    return false
  }
}
