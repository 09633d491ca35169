/** Options all probe sockets have in common, and the kernel's error queue. */
import type { Ip } from '../addr/ip.ts'
import type { ProbeResult } from '../fabric/fabric.ts'
import { errnoName } from '../errno.ts'
import { SysError } from '../sys/errno.ts'
import type { MessageReader } from '../sys/message.ts'
import { addressIn, inetAddress } from '../sys/sockaddr.ts'
import {
  AF_INET,
  AF_INET6,
  bindSocket,
  closeFd,
  linkIndex,
  linkNameBytes,
  MSG_ERRQUEUE,
  openSocket,
  SO_BINDTODEVICE,
  SOL_SOCKET,
  setOption,
} from '../sys/socket.ts'
import { inNetns } from './netns.ts'

export const IPPROTO_IP = 0
export const IPPROTO_IPV6 = 41
export const IP_RECVERR = 11
export const IPV6_RECVERR = 25
const IP_TTL = 2
const IP_MULTICAST_TTL = 33
const IPV6_UNICAST_HOPS = 16
const IPV6_MULTICAST_HOPS = 18
const ORIGIN_LOCAL = 1
const EMSGSIZE = 90

/** What ties a socket to a link, a source address and a TTL. */
export interface SocketWants {
  readonly from: string
  readonly to: Ip
  readonly link?: string
  readonly source?: Ip
  readonly ttl?: number
}

/** A socket inside a namespace, or the errno it could not be made with. */
export type ProbeSocket =
  | { readonly fd: number; readonly scopeId: number }
  | { readonly errno: string }

/**
 * Opens a socket for a probe. A link or source address the namespace does not have is the probe's
 * outcome (an errno), a missing namespace or privilege is an error.
 * @param prepare sets further options before the socket is bound
 * @throws LanyardError `netns-missing`, `netns-broken`; SysError
 */
export function openProbeSocket(
  wants: SocketWants,
  type: number,
  protocol: number,
  prepare?: (fd: number) => void,
): ProbeSocket {
  const { link, source } = wants
  const family = typeof wants.to === 'number' ? AF_INET : AF_INET6
  if (source !== undefined && typeof source !== typeof wants.to) return { errno: 'EINVAL' }
  const { fd, scopeId } = inNetns(wants.from, () => ({
    fd: openSocket(family, type, protocol),
    scopeId: link === undefined ? 0 : (linkIndex(link) ?? 0),
  }))
  try {
    receiveErrors(fd, family)
    if (wants.ttl !== undefined) setTtl(fd, family, wants.ttl)
    if (link !== undefined) setOption(fd, SOL_SOCKET, SO_BINDTODEVICE, linkNameBytes(link))
    prepare?.(fd)
    if (source !== undefined) bindSocket(fd, inetAddress(source, 0, scopeId))
    return { fd, scopeId }
  } catch (error) {
    closeFd(fd)
    if (!(error instanceof SysError)) throw error
    return { errno: error.errno }
  }
}

/**
 * As ping does: asks for errors in detail. It also makes the kernel admit ENOBUFS when the link
 * refused the frame, which it hides otherwise (net/ipv4/ip_output.c `ip_send_skb`).
 */
function receiveErrors(fd: number, family: number): void {
  if (family === AF_INET) setOption(fd, IPPROTO_IP, IP_RECVERR, 1)
  else setOption(fd, IPPROTO_IPV6, IPV6_RECVERR, 1)
}

function setTtl(fd: number, family: number, ttl: number): void {
  if (family === AF_INET) {
    setOption(fd, IPPROTO_IP, IP_TTL, ttl)
    setOption(fd, IPPROTO_IP, IP_MULTICAST_TTL, ttl)
  } else {
    setOption(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, ttl)
    setOption(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, ttl)
  }
}

/** An entry of the error queue: struct sock_extended_err and the offender behind it. */
export interface QueuedError {
  readonly code: number
  /** Made by the own stack before anything was sent, not from an ICMP message. */
  readonly local: boolean
  readonly icmpType: number
  readonly icmpCode: number
  /** MTU of "message too long" and "fragmentation needed". */
  readonly info: number
  readonly offender: Ip | undefined
}

/** Takes the next entry off a socket's error queue. */
export function nextError(
  reader: MessageReader,
  fd: number,
): (QueuedError & { readonly arrivedNs: number }) | undefined {
  const now = reader.sync()
  const message = reader.read(fd, MSG_ERRQUEUE)
  if (typeof message === 'number') return undefined
  const error = reader.control(IPPROTO_IP, IP_RECVERR) ?? reader.control(IPPROTO_IPV6, IPV6_RECVERR)
  if (error === undefined || error.byteLength < 16) return undefined
  return {
    code: error.getUint32(0, true),
    local: error.getUint8(4) === ORIGIN_LOCAL,
    icmpType: error.getUint8(5),
    icmpCode: error.getUint8(6),
    info: error.getUint32(8, true),
    offender: addressIn(new DataView(error.buffer, error.byteOffset + 16, error.byteLength - 16)),
    arrivedNs: reader.arrivedNs(now),
  }
}

/** The outcome of a failed send; "message too long" comes with the MTU from the error queue. */
export function sendFailure(reader: MessageReader, fd: number, code: number): ProbeResult {
  const errno = errnoName(code)
  if (code !== EMSGSIZE) return { outcome: 'errno', errno }
  let mtu: number | undefined
  for (let error = nextError(reader, fd); error !== undefined; error = nextError(reader, fd)) {
    if (error.local && error.code === EMSGSIZE) mtu = error.info
  }
  return mtu === undefined ? { outcome: 'errno', errno } : { outcome: 'errno', errno, mtu }
}
