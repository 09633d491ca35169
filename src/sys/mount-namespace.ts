/**
 * Mount namespaces that are kept in files, as `unshare --mount=FILE` keeps them, but without a
 * program for each: making one takes a millisecond instead of twenty.
 *
 * The main thread makes a namespace of its own, mounts in it what belongs there, and goes back. The
 * first time it stops sharing its working directory with the other threads of this process, so that
 * a process that does this should not change directories afterwards.
 */
import { closeSync, openSync } from 'node:fs'
import { cpus } from 'node:os'
import { SysError } from './errno.ts'
import { libc } from './libc.ts'

const CLONE_NEWNS = 0x20000
const MS_BIND = 0x1000
const MS_REC = 0x4000
const MS_PRIVATE = 0x40000
const MNT_DETACH = 2
const EINVAL = 22
const OWN = '/proc/thread-self/ns/mnt'
/** Bytes of a set of CPUs, as glibc has it. */
const CPU_SET = 128

/**
 * Makes a mount namespace, private to itself, and binds it to the file `path`, which must exist
 * where mounts do not spread.
 *
 * A crash inside leaves nothing of it: it dies with its thread. A crash after it leaves the file
 * bound, for {@link detachMounts}.
 *
 * @param inside mounts what belongs there; synchronous
 * @throws SysError
 */
export function bindNewMounts(path: string, inside: () => void): void {
  const made = newMounts(inside)
  try {
    bindMount(`/proc/self/fd/${made}`, path)
  } catch (error) {
    if (!(error instanceof SysError) || error.code !== EINVAL) throw error
    bindOnSomeCpu(path, inside, error)
  } finally {
    closeSync(made)
  }
}

/**
 * A mount namespace can be bound only in one with a lower number (`mnt_ns_loop`), and Linux 6.18
 * hands out numbers by blocks for each CPU: where our own namespace is not the machine's first, it
 * takes the CPU it was made on. One of them is.
 */
function bindOnSomeCpu(path: string, inside: () => void, refused: SysError): void {
  const before = Buffer.alloc(CPU_SET)
  const size = libc().sched_getaffinity(0, CPU_SET, before)
  if (size < 0) throw new SysError('sched_getaffinity', -size)
  try {
    for (const cpu of cpus().keys()) {
      const only = Buffer.alloc(CPU_SET)
      only[cpu >> 3] = 1 << (cpu & 7)
      if (libc().sched_setaffinity(0, CPU_SET, only) < 0) continue
      const made = newMounts(inside)
      try {
        bindMount(`/proc/self/fd/${made}`, path)
        return
      } catch (error) {
        if (!(error instanceof SysError) || error.code !== EINVAL) throw error
      } finally {
        closeSync(made)
      }
    }
  } finally {
    libc().sched_setaffinity(0, CPU_SET, before)
  }
  throw refused
}

/** @returns a descriptor that holds it */
function newMounts(inside: () => void): number {
  const home = openSync(OWN, 'r')
  const folder = process.cwd()
  try {
    const unshared = libc().unshare(CLONE_NEWNS)
    if (unshared < 0) throw new SysError('unshare', -unshared)
    try {
      check('mount /', libc().mount('none', '/', null, MS_REC | MS_PRIVATE, null))
      inside()
      return openSync(OWN, 'r')
    } finally {
      comeBack(home, folder)
    }
  } finally {
    closeSync(home)
  }
}

function comeBack(home: number, folder: string): void {
  const result = libc().setns(home, CLONE_NEWNS)
  if (result === 0) {
    process.chdir(folder)
    return
  }
  const { message } = new SysError('setns', -result)
  process.stderr.write(`cannot return to the own mount namespace: ${message}\n`)
  process.abort()
}

/** Equivalent to: `mount --bind SOURCE TARGET`. @throws SysError */
export function bindMount(source: string, target: string): void {
  check(`mount ${target}`, libc().mount(source, target, null, MS_BIND, null))
}

/** Equivalent to: `mount --bind FOLDER FOLDER && mount --make-private FOLDER`. @throws SysError */
export function keepMountsHere(folder: string): void {
  bindMount(folder, folder)
  check(`mount ${folder}`, libc().mount('none', folder, null, MS_PRIVATE, null))
}

/** Equivalent to: `mount -t sysfs sysfs /sys`: it shows the links of this network namespace. */
export function mountSysfs(): void {
  check('mount /sys', libc().mount('sysfs', '/sys', 'sysfs', 0, null))
}

/** Equivalent to: `umount --lazy PATH`. @returns 0 or `-errno` */
export function detachMounts(path: string): number {
  return libc().umount2(path, MNT_DETACH)
}

function check(call: string, result: number): void {
  if (result < 0) throw new SysError(call, -result)
}
