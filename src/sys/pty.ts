/** Pseudo terminals (pty(7)): what a program needs that asks whether it is at a terminal. */
import { closeSync, constants, openSync } from 'node:fs'
import { asSysError } from './errno.ts'
import { libc } from './libc.ts'
import { check } from './socket.ts'

const TIOCSPTLCK = 0x40045431
const TIOCGPTN = 0x80045430
const TIOCSWINSZ = 0x5414

export interface WindowSize {
  readonly columns: number
  readonly rows: number
}

export interface Pty {
  /** What is written here was typed; what is read here is shown. Its end is EIO. */
  readonly master: number
  /** Standard input and output of a program. */
  readonly slave: number
}

/**
 * Opens a pair, both ends close-on-exec and nobody's controlling terminal.
 *
 * Equivalent to: `posix_openpt`, `unlockpt`, `ptsname`, `open`
 *
 * @throws SysError
 */
export function openPty(size: WindowSize): Pty {
  const flags = constants.O_RDWR | constants.O_NOCTTY
  const master = openTerminal('/dev/ptmx', flags)
  try {
    check('TIOCSPTLCK', libc().ioctl(master, TIOCSPTLCK, new Uint8Array(4)))
    const number = new Uint32Array(1)
    check('TIOCGPTN', libc().ioctl(master, TIOCGPTN, new Uint8Array(number.buffer)))
    setWindowSize(master, size)
    return { master, slave: openTerminal(`/dev/pts/${number[0]}`, flags) }
  } catch (error) {
    closeSync(master)
    throw error
  }
}

/** Tells a terminal its size; its foreground programs get SIGWINCH. @throws SysError */
export function setWindowSize(master: number, { columns, rows }: WindowSize): void {
  const size = new Uint16Array([rows, columns, 0, 0])
  check('TIOCSWINSZ', libc().ioctl(master, TIOCSWINSZ, new Uint8Array(size.buffer)))
}

function openTerminal(path: string, flags: number): number {
  try {
    return openSync(path, flags)
  } catch (error) {
    throw asSysError(`open ${path}`, error)
  }
}
