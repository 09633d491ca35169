/**
 * The daemon's socket and its locks. A lock on a file beside the socket ends with its process,
 * however that ends: whoever holds it may take a stale socket away, and a second daemon is refused
 * before it touches anything.
 */
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import type { Server } from 'node:http'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import { LanyardError } from '../errors.ts'

export interface Lock {
  release(): void
}

/** Locks a file for this process alone; undefined when another process holds it. */
export type TryLock = (path: string) => Lock | undefined

/** The lock of a state: in-process commands look at it before they open the state themselves. */
export const stateLock = (state: string): string => join(state, 'daemon.lock')

/** sockaddr_un has 108 bytes, the last a zero. */
const LONGEST = 107

/**
 * Takes the lock at a path and writes down who holds it.
 *
 * @param what is locked, for the sentence when it is taken
 * @throws LanyardError `daemon-running`
 */
export function takeLock(path: string, what: string, tryLock: TryLock): Lock {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 })
  const lock = tryLock(path)
  if (lock === undefined) throw new LanyardError('daemon-running', { what, pid: holderOf(path) })
  writeFileSync(path, `${process.pid}\n`)
  return lock
}

/** Pid of the process that holds a lock, as it wrote it down. */
export function holderOf(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim() || 'unknown'
  } catch {
    return 'unknown'
  }
}

/**
 * Listens on a unix socket; the caller holds its lock. A socket left by a dead daemon is taken
 * away; a file of another sort, or a socket on which somebody listens, is not.
 *
 * @param gid group the socket is given to; undefined leaves it to root alone
 * @throws LanyardError `socket-invalid`
 */
export async function listen(server: Server, path: string, gid: number | undefined): Promise<void> {
  if (Buffer.byteLength(path) > LONGEST) {
    throw new LanyardError('socket-invalid', {
      socket: path,
      why: `the path of a socket has ${LONGEST} bytes at most`,
    })
  }
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 })
  await clearWay(path)
  // Nobody may connect before the socket has its mode: it is made without any for others.
  const before = process.umask(0o177)
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      // bind(2) is called before listen() returns.
      server.listen(path, () => {
        server.off('error', reject)
        resolve()
      })
    })
    if (gid !== undefined) chownSync(path, -1, gid)
  } catch (error) {
    server.close()
    const why = error instanceof Error ? error.message : String(error)
    throw new LanyardError('socket-invalid', { socket: path, why }, { cause: error })
  } finally {
    process.umask(before)
  }
  chmodSync(path, 0o660)
}

async function clearWay(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return
  const refuse = (why: string): never => {
    throw new LanyardError('socket-invalid', { socket: path, why })
  }
  if (!found.isSocket()) refuse('something that is no socket is in the way')
  if (await answers(path)) refuse('another program listens there')
  rmSync(path, { force: true })
}

/** Whether somebody accepts connections. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
