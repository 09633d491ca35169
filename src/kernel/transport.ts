/** A netlink socket that lives in a namespace: the {@link Transport} of `netlink/`. */
import type { Transport } from '../netlink/transport.ts'
import { SysError } from '../sys/errno.ts'
import {
  AF_NETLINK,
  bindSocket,
  closeFd,
  MSG_TRUNC,
  openSocket,
  receiveFrom,
  SOCK_RAW,
  sendLater,
  sendTo,
  setOption,
  setReceiveBuffer,
  trySetOption,
} from '../sys/socket.ts'
import { inNetns } from './netns.ts'

const NETLINK_ROUTE = 0
const SOL_NETLINK = 270
const NETLINK_EXT_ACK = 11
const NETLINK_GET_STRICT_CHK = 12
const ADDRESS = new Uint8Array([AF_NETLINK, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])

/** A batch of thousands of requests is answered before anybody reads. */
const RECEIVE_BUFFER = 8 << 20
const ENOBUFS = 105

/** A {@link Transport} with the descriptor that tells when something waits. */
export interface KernelTransport extends Transport {
  readonly fd: number
}

/**
 * Opens a NETLINK_ROUTE socket inside a namespace; it stays there after this returns, and keeps the
 * namespace alive until closed.
 *
 * Answers carry extended acks and quote the whole request (CAP_ACK stays off); dumps check and
 * honour their filters (STRICT_CHK; Linux 4.20).
 *
 * @param groups multicast groups (bit mask of RTMGRP_*) to hear
 * @throws LanyardError `netns-missing`; SysError
 *
 * @example
 * ```ts
 * const transport = openTransport('box1')
 * transport.send(request)
 * const answer = transport.receive()
 * ```
 */
export function openTransport(netns: string, groups = 0): KernelTransport {
  const fd = inNetns(netns, () => openSocket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE))
  try {
    setReceiveBuffer(fd, RECEIVE_BUFFER)
    setOption(fd, SOL_NETLINK, NETLINK_EXT_ACK, 1)
    trySetOption(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1)
    const address = ADDRESS.slice()
    new DataView(address.buffer).setUint32(8, groups, true)
    bindSocket(fd, address)
  } catch (error) {
    closeFd(fd)
    throw error
  }
  return transportOver(fd)
}

/**
 * One for all: what is received is used up before anybody receives again. A dump comes in pieces of
 * 32 KiB at the most (net/netlink/af_netlink.c `netlink_dump`), an answer is smaller still.
 */
let buffer = new Uint8Array(256 << 10)

function transportOver(fd: number): KernelTransport {
  let open = true
  return {
    fd,
    send(bytes) {
      const sent = sendTo(fd, bytes)
      if (sent < 0) throw new SysError('sendto netlink', -sent)
    },
    async sendLater(bytes) {
      // The errno stays in the other thread; a send to the kernel fails for want of memory only.
      if ((await sendLater(fd, bytes)) < 0) throw new SysError('sendto netlink', ENOBUFS)
    },
    receive() {
      const length = receiveFrom(fd, buffer, MSG_TRUNC)
      if (length === undefined) return undefined
      if (length > buffer.length) {
        // Cut off, so lost, as if there had been no room in the socket: asked again it fits.
        buffer = new Uint8Array(2 ** Math.ceil(Math.log2(length)))
        throw new SysError('recv netlink', ENOBUFS)
      }
      return buffer.subarray(0, length)
    },
    close() {
      if (open) closeFd(fd)
      open = false
    },
  }
}
