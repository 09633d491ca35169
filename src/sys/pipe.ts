/** Pipes, named and not, and which descriptors a program started from here gets. */
import { readdirSync } from 'node:fs'
import { libc } from './libc.ts'
import { check } from './socket.ts'

const O_CLOEXEC = 0x80000
const FIOCLEX = 0x5451

/** A pipe's two descriptors, close-on-exec: what is written to one is read from the other. */
export interface Pipe {
  readonly read: number
  readonly write: number
}

/** @throws SysError */
export function openPipe(): Pipe {
  const fds = new Int32Array(2)
  check('pipe2', libc().pipe2(new Uint8Array(fds.buffer), O_CLOEXEC))
  const [read = -1, write = -1] = fds
  return { read, write }
}

/** Makes a named pipe (mkfifo(3)). @throws SysError */
export function makeFifo(path: string, mode: number): void {
  check(`mkfifo ${path}`, libc().mkfifo(path, mode))
}

/**
 * From now on programs started from here get no descriptor that this process has inherited, but
 * those they are given: a program that stays would keep a pipe of its caller's open.
 */
export function keepFromChildren(): void {
  for (const name of readdirSync('/proc/self/fd')) {
    // The one the folder was read through is gone, which does no harm.
    if (Number(name) > 2) libc().ioctl(Number(name), FIOCLEX, null)
  }
}
