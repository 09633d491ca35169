/**
 * Kernel settings through `/proc/sys`: those under `net` belong to the namespace the thread is in.
 */
import { closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs'
import { asSysError, errnoOf } from './errno.ts'
import { procRoot } from './proc.ts'

/**
 * The file of a key, as sysctl(8) reads it: dots part the steps, a `/` stands for a dot inside a
 * name. `net.ipv4.conf.eth0/100.rp_filter` is `/proc/sys/net/ipv4/conf/eth0.100/rp_filter`.
 */
export function sysctlPath(key: string, proc = '/proc'): string {
  return `${proc}/sys/${key.replace(/[./]/g, (c) => (c === '.' ? '/' : '.'))}`
}

/**
 * A setting without its line end; undefined when the kernel has none of that name.
 * @throws SysError
 */
export function readSysctl(key: string): string | undefined {
  try {
    return readFileSync(sysctlPath(key), 'latin1').trimEnd()
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw asSysError(`read ${key}`, error)
  }
}

/**
 * Changes a setting. Equivalent to: `sysctl -w KEY=VALUE`.
 * @throws SysError ENOENT (no such setting), EINVAL (value refused), EACCES, EPERM
 */
export function writeSysctl(key: string, value: string): void {
  try {
    // No O_CREAT, no O_TRUNC: what is not there must say ENOENT, not EACCES. And not for reading:
    // net.ipv4.route.flush can only be written, by root too.
    const fd = openSync(sysctlPath(key, procRoot()), constants.O_WRONLY)
    try {
      writeSync(fd, `${value}\n`, null, 'latin1')
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    throw asSysError(`write ${key}`, error)
  }
}
