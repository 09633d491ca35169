/**
 * Sockets: one function a system call. They throw {@link SysError}; "nothing there yet" (EAGAIN) is
 * not an error and comes back as undefined.
 */
import { SysError } from './errno.ts'
import { closeInThread, libc, sendInThread } from './libc.ts'

export const AF_UNIX = 1
export const AF_INET = 2
export const AF_INET6 = 10
export const AF_NETLINK = 16
export const AF_PACKET = 17

export const SOCK_STREAM = 1
export const SOCK_DGRAM = 2
export const SOCK_RAW = 3
export const SOCK_NONBLOCK = 0x800
export const SOCK_CLOEXEC = 0x80000

export const SOL_SOCKET = 1
export const SO_REUSEADDR = 2
export const SO_ERROR = 4
export const SO_BROADCAST = 6
export const SO_SNDBUF = 7
export const SO_RCVBUF = 8
export const SO_LINGER = 13
export const SO_PEERCRED = 17
export const SO_BINDTODEVICE = 25
export const SO_ATTACH_FILTER = 26
export const SO_SNDBUFFORCE = 32
export const SO_RCVBUFFORCE = 33
export const SO_TIMESTAMPNS = 35
export const SO_PEERGROUPS = 59

export const MSG_TRUNC = 0x20
export const MSG_DONTWAIT = 0x40
export const MSG_ERRQUEUE = 0x2000

const EAGAIN = 11
const EINTR = 4
const EPERM = 1
const EBADF = 9

/** Opens a non-blocking, close-on-exec socket in the namespace the thread is in. */
export function openSocket(domain: number, type: number, protocol: number): number {
  return check('socket', libc().socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol))
}

export function bindSocket(fd: number, address: Uint8Array): void {
  check('bind', libc().bind(fd, address, address.length))
}

/** @returns 0, or `-errno`: what a probe meets here is its result, EINPROGRESS above all */
export function connectSocket(fd: number, address: Uint8Array): number {
  return libc().connect(fd, address, address.length)
}

/** Takes connections, `backlog` of them before anybody looks. */
export function listenSocket(fd: number, backlog: number): void {
  check('listen', libc().listen(fd, backlog))
}

/** @returns bytes sent, or `-errno` */
export function sendTo(fd: number, bytes: Uint8Array, address?: Uint8Array): number {
  return address === undefined
    ? libc().send(fd, bytes, bytes.length, 0)
    : libc().sendto(fd, bytes, bytes.length, 0, address, address.length)
}

/**
 * Sends in a thread of libuv's pool: what the kernel does inside of it (removing a link takes some
 * 20 ms) holds nobody up. The socket must stay open until then.
 *
 * @returns bytes sent; -1 when it failed, the errno of another thread is not known
 */
export function sendLater(fd: number, bytes: Uint8Array, address?: Uint8Array): Promise<number> {
  return sendInThread(fd, bytes, address ?? null)
}

/** Bytes received into `buffer`, or undefined when nothing waits. */
export function receiveFrom(fd: number, buffer: Uint8Array, flags = 0): number | undefined {
  for (;;) {
    const length = libc().recv(fd, buffer, buffer.length, flags | MSG_DONTWAIT)
    if (length >= 0) return length
    if (length === -EAGAIN) return undefined
    if (length !== -EINTR) throw new SysError('recvfrom', -length)
  }
}

/** Sets an option to an integer or to raw bytes. */
export function setOption(
  fd: number,
  level: number,
  name: number,
  value: number | Uint8Array,
): void {
  check('setsockopt', trySetOption(fd, level, name, value))
}

/** As {@link setOption}, for options an older kernel may not know. @returns 0 or `-errno` */
export function trySetOption(
  fd: number,
  level: number,
  name: number,
  value: number | Uint8Array,
): number {
  const bytes = typeof value === 'number' ? int32(value) : value
  return libc().setsockopt(fd, level, name, bytes, bytes.length)
}

/** Reads an integer option. */
export function getOption(fd: number, level: number, name: number): number {
  const value = new Uint8Array(4)
  check('getsockopt', libc().getsockopt(fd, level, name, value, int32(4)))
  return new DataView(value.buffer).getInt32(0, true)
}

/** Reads an option of raw bytes, at most `size` of them. @returns the bytes, or `-errno` */
export function tryGetOption(
  fd: number,
  level: number,
  name: number,
  size: number,
): Uint8Array | number {
  const value = new Uint8Array(size)
  const length = int32(size)
  const result = libc().getsockopt(fd, level, name, value, length)
  return result < 0 ? result : value.subarray(0, new DataView(length.buffer).getInt32(0, true))
}

/** Raises the receive buffer; past `net.core.rmem_max` where the privilege is there. */
export function setReceiveBuffer(fd: number, bytes: number): void {
  if (trySetOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, bytes) === -EPERM) {
    setOption(fd, SOL_SOCKET, SO_RCVBUF, bytes)
  }
}

/** The address a socket is bound to, as the raw sockaddr. */
export function socketName(fd: number): Uint8Array {
  const address = new Uint8Array(128)
  const length = int32(address.length)
  check('getsockname', libc().getsockname(fd, address, length))
  return address.subarray(0, length[0])
}

export function closeFd(fd: number): void {
  check('close', libc().close(fd))
}

/**
 * Closes in a thread of libuv's pool: for a packet socket the kernel waits until none of its
 * readers is left (net/packet/af_packet.c `packet_release`), some 10 ms.
 */
export async function closeLater(fd: number): Promise<void> {
  // The errno stays in the other thread; what was open can be closed.
  if ((await closeInThread(fd)) < 0) throw new SysError('close', EBADF)
}

/**
 * ioctl(2) with an in-out argument block.
 *
 * @example
 * ```ts
 * const request = new Uint8Array(40) // struct ifreq
 * request.set(new TextEncoder().encode('lo'))
 * ioctl(fd, SIOCGIFINDEX, request)
 * ```
 */
export function ioctl(fd: number, request: number, argument: Uint8Array | null): number {
  return check('ioctl', libc().ioctl(fd, request, argument))
}

/** Index of a link in the namespace the thread is in; undefined when there is none of that name. */
export function linkIndex(name: string): number | undefined {
  const index = libc().if_nametoindex(name)
  return index > 0 ? index : undefined
}

/** A link name as an option or ioctl value: its bytes and a zero. */
export function linkNameBytes(name: string): Uint8Array {
  return new TextEncoder().encode(`${name}\0`)
}

export function check(call: string, result: number): number {
  if (result < 0) throw new SysError(call, -result)
  return result
}

function int32(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setInt32(0, value, true)
  return bytes
}
