/**
 * A procfs of our own, in which network settings are looked up.
 *
 * The kernel remembers every name that was looked up under /proc/sys/net, for each namespace anew
 * and in one hash chain for all of them, as long as the namespace lives: with 3,000 namespaces a
 * write takes 30 times as long as with a hundred (docs/lab-notes/2026-11-26-proc-sys-net.md). In an
 * instance that nobody else sees, and that is given up after a few dozen look-ups, it does not.
 */
import { close } from 'node:fs'
import { libc } from './libc.ts'

/** Numbers of these system calls are the same on every architecture. */
const FSOPEN = 430
const FSCONFIG = 431
const FSMOUNT = 432
const CLOEXEC = 1
const FSCONFIG_CMD_CREATE = 6
/** MOUNT_ATTR_NOSUID | NODEV | NOEXEC */
const ATTRIBUTES = 0xe

const USES = 64

let instance: { readonly fd: number; uses: number } | undefined
/** Older than Linux 5.8, or not allowed to mount: then /proc does, too. */
let refused = false

/** Where procfs can be reached for one look-up, by this process; `/proc` where it has no own. */
export function procRoot(): string {
  if (refused) return '/proc'
  if (instance !== undefined && instance.uses >= USES) {
    // In another thread: to give it up takes a while.
    close(instance.fd, () => undefined)
    instance = undefined
  }
  instance ??= open()
  if (instance === undefined) return '/proc'
  instance.uses++
  return `/proc/self/fd/${instance.fd}`
}

function open(): { fd: number; uses: number } | undefined {
  const calls = libc()
  const context = calls.fsopen(FSOPEN, 'proc', CLOEXEC)
  if (context < 0) return refuse()
  try {
    const made = calls.fsconfig(FSCONFIG, context, FSCONFIG_CMD_CREATE, null, null, 0)
    if (made < 0) return refuse()
    const fd = calls.fsmount(FSMOUNT, context, CLOEXEC, ATTRIBUTES)
    return fd < 0 ? refuse() : { fd, uses: 0 }
  } finally {
    calls.close(context)
  }
}

function refuse(): undefined {
  refused = true
  return undefined
}
