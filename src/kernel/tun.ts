/** tun and tap links: made by ioctl on /dev/net/tun, as rtnetlink cannot make them. */
import { closeSync, openSync } from 'node:fs'
import type { Refusal } from '../netlink/message.ts'
import { asSysError, SysError } from '../sys/errno.ts'
import { ioctl, linkNameBytes } from '../sys/socket.ts'
import { refusal } from './connections.ts'
import { inNetns } from './netns.ts'

const TUNSETIFF = 0x400454ca
const TUNSETPERSIST = 0x400454cb
const IFF_TUN = 1
const IFF_TAP = 2
const IFF_NO_PI = 0x1000
const IFF_TUN_EXCL = 0x8000
const IFNAMSIZ = 16

/**
 * Makes a link that stays when this program ends. Equivalent to: `ip tuntap add mode KIND name
 * NAME`.
 *
 * A crash in the middle leaves nothing: without TUNSETPERSIST the link goes with its descriptor.
 */
export function createTun(netns: string, name: string, kind: 'tun' | 'tap'): Refusal | undefined {
  const bytes = linkNameBytes(name)
  // The ioctl would cut it; rtnetlink says ERANGE to a name over 15 bytes.
  if (bytes.length > IFNAMSIZ) return refusal('ERANGE')
  const request = new Uint8Array(40)
  request.set(bytes)
  const flags = (kind === 'tun' ? IFF_TUN : IFF_TAP) | IFF_NO_PI | IFF_TUN_EXCL
  new DataView(request.buffer).setUint16(IFNAMSIZ, flags, true)
  try {
    inNetns(netns, () => {
      const fd = openSync('/dev/net/tun', 'r+')
      try {
        ioctl(fd, TUNSETIFF, request)
        // The argument itself is the yes: any pointer is not zero.
        ioctl(fd, TUNSETPERSIST, request)
      } finally {
        closeSync(fd)
      }
    })
    return undefined
  } catch (error) {
    const failed = asSysError('open /dev/net/tun', error)
    if (!(failed instanceof SysError)) throw failed
    return refusal(failed.errno)
  }
}
