/**
 * Network namespaces by system call: the synchronous window, and making one.
 *
 * A namespace belongs to a thread. The main thread hops in, does synchronous work, and hops back
 * before anything else can run; what was opened inside (a socket) stays there for good. Two things
 * would break this and are prevented: awaiting inside a window, and threads born inside one (they
 * would stay in the foreign namespace, so libuv's pool is started before the first hop).
 */
import { access, closeSync, openSync } from 'node:fs'
import { isMainThread, threadId } from 'node:worker_threads'
import { asSysError, SysError } from './errno.ts'
import { libc } from './libc.ts'

const CLONE_NEWNET = 0x40000000
const MS_BIND = 0x1000
const MNT_DETACH = 2
const OWN = '/proc/thread-self/ns/net'

let ownFd: number | undefined
/** Where the thread is now. */
let currentFd: number | undefined

/**
 * Starts the threads of libuv's pool, so that none is born inside a window and stays there: they
 * start when the first piece of work is submitted, before that call returns. Called by the first
 * window by itself.
 */
export function primeThreads(): void {
  // access(2) goes to the pool in every version of libuv, also where stat goes to io_uring.
  access('/', () => undefined)
}

/** The namespace the thread started in. */
export function ownNamespace(): number {
  if (ownFd === undefined) {
    primeThreads()
    ownFd = openNamespace(OWN)
    currentFd = ownFd
  }
  return ownFd
}

/**
 * Opens a namespace file: `/run/netns/NAME`, `/proc/PID/ns/net`.
 * @throws SysError
 */
export function openNamespace(path: string): number {
  try {
    return openSync(path, 'r')
  } catch (error) {
    throw asSysError(`open ${path}`, error)
  }
}

export function closeNamespace(fd: number): void {
  closeSync(fd)
}

/**
 * Runs `fn` inside the namespace and comes back, whatever happens. Windows may be nested.
 *
 * `fn` must be synchronous. A crash inside leaves nothing: the hop dies with the thread. If the way
 * back fails, the process aborts: everything after would act on the wrong namespace.
 *
 * @throws SysError `setns` EPERM without CAP_SYS_ADMIN, EINVAL when `fd` is no network namespace
 *
 * @example
 * ```ts
 * const fd = openNamespace('/run/netns/box1')
 * const socket = inNamespace(fd, () => openSocket(AF_INET, SOCK_DGRAM, 0))
 * ```
 */
export function inNamespace<T>(fd: number, fn: () => T): T {
  const home = ownNamespace()
  const from = currentFd ?? home
  if (fd === from) return refusePromise(fn())
  const entered = libc().setns(fd, CLONE_NEWNET)
  if (entered < 0) throw new SysError('setns', -entered)
  currentFd = fd
  try {
    return refusePromise(fn())
  } finally {
    comeBack(from)
  }
}

/**
 * Makes a new, empty network namespace (its `lo` down) and binds it to the file `path`, which must
 * exist. Equivalent to what `ip netns add` does after it made the file.
 * @throws SysError
 */
export function bindNewNamespace(path: string): void {
  const from = currentFd ?? ownNamespace()
  const unshared = libc().unshare(CLONE_NEWNET)
  if (unshared < 0) throw new SysError('unshare', -unshared)
  currentFd = undefined
  try {
    const mounted = libc().mount(OWN, path, 'none', MS_BIND, null)
    if (mounted < 0) throw new SysError(`mount ${path}`, -mounted)
  } finally {
    comeBack(from)
  }
}

/** Detaches the namespace from its file. @returns 0 or `-errno` */
export function unbindNamespace(path: string): number {
  return libc().umount2(path, MNT_DETACH)
}

/** mount(2) with flags only (propagation, bind). @returns 0 or `-errno` */
export function mountFlags(source: string | null, target: string, flags: number): number {
  return libc().mount(source, target, 'none', flags, null)
}

function comeBack(fd: number): void {
  const result = libc().setns(fd, CLONE_NEWNET)
  if (result === 0) {
    currentFd = fd
    return
  }
  const where = isMainThread ? 'the main thread' : `worker ${threadId}`
  process.stderr.write(
    `${where} cannot return to its network namespace: ${new SysError('setns', -result).message}\n`,
  )
  process.abort()
}

function refusePromise<T>(result: T): T {
  if (result !== null && typeof result === 'object' && 'then' in result) {
    throw new TypeError('a function run inside a namespace must be synchronous, it gave a promise')
  }
  return result
}
