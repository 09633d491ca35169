/** Locks on files that end with their process, however it ends: flock(2). */
import { closeSync, openSync } from 'node:fs'
import { asSysError, SysError } from './errno.ts'
import { libc } from './libc.ts'

const LOCK_SH = 1
const LOCK_EX = 2
const LOCK_NB = 4
const EWOULDBLOCK = 11

export interface FileLock {
  release(): void
}

/**
 * Locks a file without waiting, making it if need be. The file stays afterwards: removing it would
 * let two processes hold the lock of one name.
 *
 * @param kind `shared` is refused only while somebody holds it `exclusive`
 * @returns undefined when another process holds it
 * @throws SysError
 *
 * @example
 * ```ts
 * const lock = tryLockFile('/run/lanyard/lanyard.sock.lock', 'exclusive')
 * ```
 */
export function tryLockFile(path: string, kind: 'shared' | 'exclusive'): FileLock | undefined {
  let fd: number
  try {
    // Node opens close-on-exec: a child does not keep the lock.
    fd = openSync(path, 'a', 0o640)
  } catch (error) {
    throw asSysError(`open ${path}`, error)
  }
  const result = libc().flock(fd, (kind === 'shared' ? LOCK_SH : LOCK_EX) | LOCK_NB)
  if (result === 0) return { release: () => closeSync(fd) }
  closeSync(fd)
  if (result === -EWOULDBLOCK) return undefined
  throw new SysError(`flock ${path}`, -result)
}
