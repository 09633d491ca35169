/** A netlink socket that lives in a namespace: the {@link Transport} of `netlink/`. */
import type { Transport } from '../netlink/transport.ts'
import { SysError } from '../sys/errno.ts'
import {
  AF_NETLINK,
  bindSocket,
  closeFd,
  MSG_PEEK,
  MSG_TRUNC,
  openSocket,
  receiveFrom,
  SOCK_RAW,
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
const FIRST_BUFFER = 64 << 10

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

function transportOver(fd: number): KernelTransport {
  let buffer = new Uint8Array(FIRST_BUFFER)
  let open = true
  return {
    fd,
    send(bytes) {
      const sent = sendTo(fd, bytes)
      if (sent < 0) throw new SysError('sendto netlink', -sent)
    },
    receive() {
      // A dump fills what it is offered up to 32 KiB; only batches of acks and long answers are
      // larger, so peeking costs one more call (0.4 us) and never loses a message.
      const waiting = receiveFrom(fd, buffer, MSG_PEEK | MSG_TRUNC)
      if (waiting === undefined) return undefined
      if (waiting > buffer.length) buffer = new Uint8Array(2 ** Math.ceil(Math.log2(waiting)))
      const length = receiveFrom(fd, buffer)
      return length === undefined ? undefined : buffer.subarray(0, length)
    },
    close() {
      if (open) closeFd(fd)
      open = false
    },
  }
}
