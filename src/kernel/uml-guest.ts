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
import { bootLines, bootParameters, POWER_OFF, quote, UML_PROGRAM } from './uml-boot.ts'

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
  const lines = [
    ...bootLines(env, '/'),
    'mkdir -p /dev/pts; mount -t devpts devpts /dev/pts',
    command.map(quote).join(' '),
    POWER_OFF,
    '',
  ]
  writeFileSync(init, lines.join('\n'), { mode: 0o755 })
  makeFifo(join(folder, 'bell'), 0o600)
  keepFromChildren()
  // Open for both, so that it never ends, whoever rings and goes.
  const bell = openSync(join(folder, 'bell'), 'r+')
  const console = openSync(join(folder, 'console'), 'a', 0o600)
  try {
    const child = spawn(
      UML_PROGRAM,
      [...bootParameters(init, MEMORY_MIB), 'con0=null,fd:1', 'ssl=null', 'ssl0=fd:3,null'],
      {
        cwd: folder,
        stdio: ['ignore', console, console, bell],
        detached: true,
        env: { TMPDIR: tmpdir(), HOME: folder },
      },
    )
    child.unref()
    return child
  } finally {
    closeSync(bell)
    closeSync(console)
  }
}

/**
 * Ends what is left of a guest at once: its processes, by their group and their folder (a number
 * alone may by now be another's).
 */
export function killUmlGuest(group: number, folder: string): void {
  for (const pid of processesOf(group, folder)) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It ended by itself.
    }
  }
}

/** Processes of a guest that are there, zombies left out. */
export function processesOf(group: number, folder: string): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && isOf(pid, group, folder))
}

function isOf(pid: number, group: number, folder: string): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const [state, , its] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (Number(its) !== group || state === 'Z') return false
    // A folder that was removed has words behind its path.
    return readlinkSync(`/proc/${pid}/cwd`).split(' (')[0] === folder
  } catch {
    return false
  }
}
