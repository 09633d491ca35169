/**
 * What unix sockets know that Node does not tell: who is at the other end, and datagrams, in which
 * a service manager is told how a service is doing.
 */
import { SysError } from './errno.ts'
import {
  AF_UNIX,
  closeFd,
  openSocket,
  sendTo,
  SO_PEERCRED,
  SO_PEERGROUPS,
  SOCK_DGRAM,
  SOL_SOCKET,
  tryGetOption,
} from './socket.ts'

/** The process that connected, as it was at that moment: credentials cannot be made up. */
export interface Peer {
  readonly pid: number
  readonly uid: number
  /** Every group it is in, its own first. */
  readonly gids: readonly number[]
}

/** Nobody has more than a few groups; the kernel allows 65,536 (NGROUPS_MAX). */
const GROUPS_BYTES = [4 * 64, 4 * 65536] as const
const ERANGE = 34

/**
 * Who connected to a unix socket (SO_PEERCRED, SO_PEERGROUPS; unix(7)).
 * @throws SysError
 */
export function peerOf(fd: number): Peer {
  const ucred = tryGetOption(fd, SOL_SOCKET, SO_PEERCRED, 12)
  if (typeof ucred === 'number') throw new SysError('getsockopt SO_PEERCRED', -ucred)
  const view = new DataView(ucred.buffer)
  const gid = view.getUint32(8, true)
  let groups = tryGetOption(fd, SOL_SOCKET, SO_PEERGROUPS, GROUPS_BYTES[0])
  if (groups === -ERANGE) groups = tryGetOption(fd, SOL_SOCKET, SO_PEERGROUPS, GROUPS_BYTES[1])
  if (typeof groups === 'number') throw new SysError('getsockopt SO_PEERGROUPS', -groups)
  const list = new DataView(groups.buffer, 0, groups.length)
  const others = Array.from({ length: groups.length / 4 }, (_, i) => list.getUint32(i * 4, true))
  return {
    pid: view.getInt32(0, true),
    uid: view.getUint32(4, true),
    gids: [gid, ...others.filter((other) => other !== gid)],
  }
}

/**
 * Sends one datagram to a unix socket; a name that starts with `@` is in the abstract namespace.
 * @throws SysError
 */
export function sendUnixDatagram(path: string, text: string): void {
  const fd = openSocket(AF_UNIX, SOCK_DGRAM, 0)
  try {
    const sent = sendTo(fd, new TextEncoder().encode(text), unixAddress(path))
    if (sent < 0) throw new SysError(`sendto ${path}`, -sent)
  } finally {
    closeFd(fd)
  }
}

/** struct sockaddr_un; abstract names are not ended by a zero, their length counts. */
function unixAddress(path: string): Uint8Array {
  const abstract = path.startsWith('@')
  const name = new TextEncoder().encode(abstract ? `\0${path.slice(1)}` : `${path}\0`)
  const bytes = new Uint8Array(2 + name.length)
  new DataView(bytes.buffer).setUint16(0, AF_UNIX, true)
  bytes.set(name, 2)
  return bytes
}
