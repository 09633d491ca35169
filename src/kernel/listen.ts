/**
 * Ports that answer, inside a namespace: TCP takes connections (the kernel does, nobody reads
 * them), UDP sends back what comes.
 */
import type { Closer, Service } from '../fabric/fabric.ts'
import { SysError } from '../sys/errno.ts'
import { MessageReader } from '../sys/message.ts'
import { watchReadable } from '../sys/poll.ts'
import { addressIn, inetAddress, readIp6 } from '../sys/sockaddr.ts'
import {
  AF_INET,
  AF_INET6,
  bindSocket,
  closeFd,
  listenSocket,
  openSocket,
  SO_REUSEADDR,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOL_SOCKET,
  sendTo,
  setOption,
} from '../sys/socket.ts'
import { inNetns } from './netns.ts'
import { IPPROTO_IP, IPPROTO_IPV6 } from './probe-socket.ts'

const IP_PKTINFO = 8
const IPV6_V6ONLY = 26
const IPV6_RECVPKTINFO = 49
const IPV6_PKTINFO = 50
const BACKLOG = 4096
const DATAGRAM_MAX = 65_536
/** A kernel without IPv6. */
const EAFNOSUPPORT = 97

/**
 * Lets a namespace answer on a port, until closed. The open socket keeps the namespace alive; a
 * crash closes it.
 *
 * @throws LanyardError `netns-missing`; SysError EADDRINUSE when somebody listens there already
 *
 * @example
 * ```ts
 * const port = openListener('box1', { protocol: 'tcp', port: 80 })
 * port.close()
 * ```
 */
export function openListener(netns: string, { protocol, port }: Service): Closer {
  const open: Closer[] = []
  const all: Closer = {
    close() {
      for (const each of open) each.close()
    },
  }
  try {
    for (const family of [AF_INET, AF_INET6]) {
      const fd = openBound(netns, family, protocol, port)
      if (fd === undefined) continue
      if (protocol === 'tcp') {
        open.push({ close: () => closeFd(fd) })
        listenSocket(fd, BACKLOG)
      } else open.push(echo(netns, fd, port))
    }
    return all
  } catch (error) {
    all.close()
    throw error
  }
}

/** A socket bound to the port on every address of a family; undefined without that family. */
function openBound(
  netns: string,
  family: number,
  protocol: Service['protocol'],
  port: number,
): number | undefined {
  let fd: number
  try {
    fd = inNetns(netns, () => openSocket(family, protocol === 'tcp' ? SOCK_STREAM : SOCK_DGRAM, 0))
  } catch (error) {
    if (error instanceof SysError && error.code === EAFNOSUPPORT && family === AF_INET6)
      return undefined
    throw error
  }
  try {
    setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1)
    if (family === AF_INET6) setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)
    if (protocol === 'udp') {
      if (family === AF_INET) setOption(fd, IPPROTO_IP, IP_PKTINFO, 1)
      else setOption(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
    }
    bindSocket(fd, inetAddress(family === AF_INET ? 0 : 0n, port))
    return fd
  } catch (error) {
    closeFd(fd)
    throw error
  }
}

function echo(netns: string, fd: number, port: number): Closer {
  const reader = new MessageReader(DATAGRAM_MAX)
  const watch = watchReadable(fd, () => {
    for (;;) {
      const message = reader.read(fd)
      if (typeof message === 'number') return
      const to = addressIn(message.name)
      const own = ownAddress(reader)
      if (to === undefined || own === undefined) continue
      answer(netns, own, port, to, message.name.getUint16(2), message.bytes)
    }
  })
  return {
    close() {
      watch.close()
      closeFd(fd)
    },
  }
}

/** Which of the namespace's addresses the last message came to. */
function ownAddress(reader: MessageReader): number | bigint | undefined {
  const v4 = reader.control(IPPROTO_IP, IP_PKTINFO)
  if (v4 !== undefined) return v4.getUint32(8)
  const v6 = reader.control(IPPROTO_IPV6, IPV6_PKTINFO)
  return v6 === undefined ? undefined : readIp6(v6, 0)
}

/** Answers from the address that was asked: a socket bound to all would let the route choose. */
function answer(
  netns: string,
  own: number | bigint,
  port: number,
  to: number | bigint,
  toPort: number,
  bytes: Uint8Array,
): void {
  const family = typeof own === 'number' ? AF_INET : AF_INET6
  const fd = inNetns(netns, () => openSocket(family, SOCK_DGRAM, 0))
  try {
    setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1)
    bindSocket(fd, inetAddress(own, port))
    sendTo(fd, bytes, inetAddress(to, toPort))
  } catch {
    // A datagram that cannot be sent is lost, as on any network.
  } finally {
    closeFd(fd)
  }
}
