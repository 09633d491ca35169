/** Sockets of probes: who waits for which answer. */
import type { Ip } from '../../addr/ip.ts'
import type { ProbeResult } from '../../fabric/fabric.ts'

/** What all probes of one run share. */
export interface ProbeRun {
  pending: number
}

/** One probe on its way. */
export interface ProbeSocket {
  run: ProbeRun
  protocol: 'icmp' | 'arp' | 'udp' | 'tcp'
  to: Ip
  /** Echo identifier or local port. */
  id: number
  sequence: number
  /** Path MTU discovery: 0 dont, 1 want, 2 do (IP_MTU_DISCOVER). */
  discover: number
  sentAt: number
  deadline: number
  result: ProbeResult | undefined
  /** What the send call failed with, when an error about the packet is still to come. */
  sendErrno: string | undefined
  redirects: { readonly responder: Ip; readonly gateway: Ip }[] | undefined
}

/** Closed ones, to be used again: a matrix opens ten thousand at a time. */
const closed: ProbeSocket[] = []
/** More are left to the garbage collector. */
const MOST_CLOSED = 16_384

/** Opens a socket that nobody finds yet. */
export function openSocket(
  run: ProbeRun,
  protocol: ProbeSocket['protocol'],
  to: Ip,
  id: number,
  sequence: number,
  discover: number,
  sentAt: number,
  deadline: number,
): ProbeSocket {
  const again = closed.pop()
  if (again === undefined) {
    return {
      run,
      protocol,
      to,
      id,
      sequence,
      discover,
      sentAt,
      deadline,
      result: undefined,
      sendErrno: undefined,
      redirects: undefined,
    }
  }
  again.run = run
  again.protocol = protocol
  again.to = to
  again.id = id
  again.sequence = sequence
  again.discover = discover
  again.sentAt = sentAt
  again.deadline = deadline
  again.result = undefined
  again.sendErrno = undefined
  again.redirects = undefined
  return again
}

/** Closes a socket: nobody may find it any more, nor keep it. */
export function closeSocket(socket: ProbeSocket): void {
  if (closed.length >= MOST_CLOSED) return
  socket.result = undefined
  socket.redirects = undefined
  closed.push(socket)
}

/** Gives a probe its result, unless it has one or gave up before. */
export function finish(socket: ProbeSocket, now: number, result: ProbeResult): void {
  if (socket.result !== undefined || now > socket.deadline) return
  socket.result = result
  socket.run.pending--
}

const FIRST_SLOTS = 4

/**
 * Sockets by echo identifier. Identifiers are given out one after another, so the low bits of one
 * are its place: those open at a time do not meet there unless there are more of them than places.
 */
export class EchoSockets {
  slots: (ProbeSocket | undefined)[] = freeSlots(FIRST_SLOTS)

  get(id: number): ProbeSocket | undefined {
    const socket = this.slots[id & (this.slots.length - 1)]
    return socket?.id === id ? socket : undefined
  }

  add(socket: ProbeSocket): void {
    for (;;) {
      const at = socket.id & (this.slots.length - 1)
      if (this.slots[at] === undefined) {
        this.slots[at] = socket
        return
      }
      const old = this.slots
      this.slots = freeSlots(old.length * 2)
      for (const other of old) if (other !== undefined) this.add(other)
    }
  }

  remove(socket: ProbeSocket): void {
    const at = socket.id & (this.slots.length - 1)
    if (this.slots[at] === socket) this.slots[at] = undefined
  }
}

function freeSlots(length: number): undefined[] {
  return Array.from({ length }, () => undefined)
}
