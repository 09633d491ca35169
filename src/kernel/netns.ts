/**
 * Named network namespaces, in the same place and form as `ip netns`: a bind mount a name in
 * `/run/netns`. A namespace is named as in a Plan: a name, an absolute path, `pid:N`, or `''` for
 * the one the program started in.
 */
import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  statfsSync,
  unlinkSync,
} from 'node:fs'
import { LanyardError } from '../errors.ts'
import { asSysError, errnoOf, SysError } from '../sys/errno.ts'
import {
  bindNewNamespace,
  closeNamespace,
  inNamespace,
  mountFlags,
  openNamespace,
  ownNamespace,
  unbindNamespace,
} from '../sys/namespace.ts'

const DIR = '/run/netns'
const NSFS_MAGIC = 0x6e736673
const MS_BIND = 0x1000
const MS_REC = 0x4000
const MS_SHARED = 1 << 20
const EINVAL = 22
const CACHE_MAX = 256

/**
 * Open namespaces by name, for this turn of the event loop only: a descriptor keeps its namespace
 * (and every link in it) alive after its name is gone, and another program may give the name to a
 * new one.
 */
const cache = new Map<string, number>()

/**
 * Runs a synchronous function inside a namespace.
 *
 * @throws LanyardError `netns-missing`, `netns-broken`; SysError
 *
 * @example
 * ```ts
 * const ttl = inNetns('box1', () => readSysctl('net.ipv4.ip_default_ttl'))
 * ```
 */
export function inNetns<T>(netns: string, fn: () => T): T {
  return inNamespace(netnsFd(netns), fn)
}

/**
 * A descriptor of the namespace, good until the end of this turn of the event loop. It is not the
 * caller's to close.
 * @throws LanyardError `netns-missing`, `netns-broken`; SysError
 */
export function netnsFd(netns: string): number {
  if (netns === '') return ownNamespace()
  const known = cache.get(netns)
  if (known !== undefined) return known
  const fd = openNetns(netns)
  if (cache.size === 0) setImmediate(forgetAll)
  // Only the oldest: a caller may hold a few dozen at once.
  else if (cache.size >= CACHE_MAX) forgetOldest()
  cache.set(netns, fd)
  return fd
}

/**
 * Opens a namespace for the caller, who closes it with `closeNamespace`.
 * @throws LanyardError `netns-missing`, `netns-broken`; SysError
 */
export function openNetns(netns: string): number {
  const path = netnsPath(netns)
  try {
    const fd = openNamespace(path)
    // A name whose maker died between file and mount is a plain file (ip netns lists it too).
    if (!path.startsWith('/proc/') && statfsSync(path).type !== NSFS_MAGIC) {
      closeNamespace(fd)
      throw new LanyardError('netns-broken', { netns })
    }
    return fd
  } catch (error) {
    throw missing(netns, error)
  }
}

/** Where a namespace's file is. */
export function netnsPath(netns: string): string {
  if (netns === '') return '/proc/thread-self/ns/net'
  if (/^pid:[1-9][0-9]*$/.test(netns)) return `/proc/${netns.slice(4)}/ns/net`
  return netns.startsWith('/') ? netns : `${DIR}/${netns}`
}

/** Whether there is a namespace of that name. */
export function hasNetns(netns: string): boolean {
  try {
    closeNamespace(openNetns(netns))
    return true
  } catch {
    return false
  }
}

/**
 * Makes a named namespace, or one at an absolute path; its `lo` is down. Equivalent to: `ip netns
 * add NAME`.
 *
 * A crash in the middle leaves a plain file of that name, which `ip netns` lists and cannot enter;
 * {@link deleteNetns} removes it.
 *
 * @throws LanyardError `netns-exists`, `netns-name-invalid`; SysError (EPERM without CAP_SYS_ADMIN)
 */
export function createNetns(netns: string): void {
  const path = ownedPath(netns)
  if (!netns.startsWith('/')) makeDir()
  try {
    const { O_RDONLY, O_CREAT, O_EXCL } = constants
    closeSync(openSync(path, O_RDONLY | O_CREAT | O_EXCL, 0))
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') {
      throw new LanyardError('netns-exists', { netns }, { cause: error })
    }
    throw asSysError(`create ${path}`, error)
  }
  try {
    bindNewNamespace(path)
  } catch (error) {
    unlinkSync(path)
    throw error
  }
}

/**
 * Deletes a namespace's name. What is in it goes when the last process and socket inside is gone.
 * Equivalent to: `ip netns del NAME`.
 * @throws LanyardError `netns-missing`, `netns-name-invalid`; SysError
 */
export function deleteNetns(netns: string): void {
  const path = ownedPath(netns)
  forgetNetns(netns)
  // EINVAL: not a mount (a leftover file); unlink says all the rest.
  unbindNamespace(path)
  try {
    unlinkSync(path)
  } catch (error) {
    throw missing(netns, asSysError(`unlink ${path}`, error))
  }
}

/** Names as `ip netns list` shows them, sorted. */
export function listNetns(): readonly string[] {
  try {
    return readdirSync(DIR).sort()
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []
    throw asSysError(`read ${DIR}`, error)
  }
}

/** Forgets the descriptor of a namespace that was deleted or made anew by somebody else. */
export function forgetNetns(netns: string): void {
  const fd = cache.get(netns)
  if (fd === undefined) return
  cache.delete(netns)
  closeNamespace(fd)
}

function forgetOldest(): void {
  const [oldest] = cache.keys()
  if (oldest !== undefined) forgetNetns(oldest)
}

function forgetAll(): void {
  for (const fd of cache.values()) closeNamespace(fd)
  cache.clear()
}

/** The file of a namespace that is ours to make or remove by name. */
function ownedPath(netns: string): string {
  const name = netns.startsWith('/') ? netns.slice(netns.lastIndexOf('/') + 1) : netns
  const why = refusal(name)
  if (why !== undefined) throw new LanyardError('netns-name-invalid', { netns, why })
  return netnsPath(netns)
}

/** `invalid_name` of iproute2, and the two forms that mean something else here. */
function refusal(name: string): string | undefined {
  if (name === '') return 'it is empty'
  if (name === '.' || name === '..') return 'it means a folder'
  if (name.includes('/') || name.includes('\0')) return 'it holds a character no file name can hold'
  if (name.startsWith('pid:')) return 'it means the namespace of a process'
  if (Buffer.byteLength(name) > 255) return 'it is longer than 255 bytes'
  return undefined
}

/**
 * The folder, shared so that a name removed in one mount namespace goes in all (ip/ipnetns.c
 * `netns_add`): without it, a mount copied into some daemon's namespace would keep it busy.
 */
function makeDir(): void {
  mkdirSync(DIR, { recursive: true, mode: 0o755 })
  if (shared) return
  let result = mountFlags('', DIR, MS_SHARED | MS_REC)
  if (result === -EINVAL) {
    // Not a mount point yet: make it one.
    result = mountFlags(DIR, DIR, MS_BIND | MS_REC)
    if (result === 0) result = mountFlags('', DIR, MS_SHARED | MS_REC)
  }
  if (result < 0) throw new SysError(`mount --make-shared ${DIR}`, -result)
  shared = true
}
let shared = false

function missing(netns: string, error: unknown): unknown {
  const errno = errnoOf(error)
  if (!(error instanceof SysError) || (errno !== 'ENOENT' && errno !== 'ENOTDIR')) return error
  return new LanyardError('netns-missing', { netns }, { cause: error })
}
