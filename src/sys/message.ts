/**
 * recvmsg(2): what a plain receive cannot tell: the sender, the arrival time, the hop limit, a VLAN
 * tag taken off, an entry of the error queue.
 *
 * struct msghdr holds pointers, so all its parts lie in one block that never moves (outside
 * V8's heap).
 */
import { koffi, libc } from './libc.ts'
import { MSG_DONTWAIT, SOL_SOCKET } from './socket.ts'

const SO_TIMESTAMPNS = 35
const CLOCK_REALTIME = 0
const EAGAIN = 11
const EINTR = 4

const SYNC_TRIES = 4
const SYNC_NS = 1500

/** Offsets in the block: msghdr, iovec, name, control, then the data. */
const IOVEC = 56
const NAME = 72
const NAME_LENGTH = 128
const CONTROL = NAME + NAME_LENGTH
const CONTROL_LENGTH = 1024
const DATA = CONTROL + CONTROL_LENGTH

/** One message. All views are good until the next one is read. */
export interface Message {
  /** At most what the buffer holds. */
  readonly bytes: Uint8Array
  /** The sender's raw sockaddr; empty when there is none. */
  readonly name: DataView
  /** MSG_TRUNC: the buffer was too small. */
  readonly truncated: boolean
}

/** Reads messages from any number of descriptors into one block of memory. */
export class MessageReader {
  readonly #data: Uint8Array
  readonly #header: Uint8Array
  readonly #view: DataView
  /** Realtime minus monotonic clock, ns; see {@link MessageReader.sync}. */
  #clockOffset = 0
  readonly #timespec = new DataView(new ArrayBuffer(16))
  readonly #timespecBytes = new Uint8Array(this.#timespec.buffer)

  constructor(capacity: number) {
    const block = new ArrayBuffer(DATA + capacity)
    this.#view = new DataView(block)
    this.#header = new Uint8Array(block, 0, IOVEC)
    this.#data = new Uint8Array(block, DATA, capacity)
    const base = koffi().address(this.#header)
    const view = this.#view
    view.setBigUint64(0, base + BigInt(NAME), true)
    view.setBigUint64(16, base + BigInt(IOVEC), true)
    view.setBigUint64(24, 1n, true)
    view.setBigUint64(32, base + BigInt(CONTROL), true)
    view.setBigUint64(IOVEC, base + BigInt(DATA), true)
    view.setBigUint64(IOVEC + 8, BigInt(capacity), true)
  }

  /** @returns the message, or `-errno`; 0 when nothing waits */
  read(fd: number, flags = 0): Message | number {
    const view = this.#view
    for (;;) {
      view.setUint32(8, NAME_LENGTH, true)
      view.setUint32(40, CONTROL_LENGTH, true)
      view.setUint32(44, 0, true)
      const length = libc().recvmsg(fd, this.#header, flags | MSG_DONTWAIT)
      if (length === -EINTR) continue
      if (length < 0) return length === -EAGAIN ? 0 : length
      return {
        bytes: this.#data.subarray(0, Math.min(length, this.#data.length)),
        name: new DataView(view.buffer, NAME, Math.min(view.getUint32(8, true), NAME_LENGTH)),
        truncated: (view.getUint32(48, true) & 0x20) !== 0,
      }
    }
  }

  /** A control message of the last message read, without its header. */
  control(level: number, type: number): DataView | undefined {
    const view = this.#view
    const end = CONTROL + view.getUint32(40, true)
    for (let at = CONTROL; at + 16 <= end; ) {
      const length = view.getUint32(at, true)
      if (length < 16) return undefined
      if (view.getInt32(at + 8, true) === level && view.getInt32(at + 12, true) === type) {
        return new DataView(view.buffer, at + 16, length - 16)
      }
      at += (length + 7) & ~7
    }
    return undefined
  }

  /**
   * When the last message read arrived (SO_TIMESTAMPNS), on the monotonic clock; without a stamp
   * the time given. Needs {@link sync} shortly before: the realtime clock of the stamps can be set.
   */
  arrivedNs(nowNs: number): number {
    const stamp = this.control(SOL_SOCKET, SO_TIMESTAMPNS)
    return stamp === undefined ? nowNs : timespecNs(stamp) - this.#clockOffset
  }

  /**
   * Compares the two clocks; once before a series of reads. The monotonic one is read on both sides
   * of the other, and again if something came in between.
   * @returns the monotonic time
   */
  sync(): number {
    let narrowest = Number.POSITIVE_INFINITY
    let after = 0
    for (let tries = 0; tries < SYNC_TRIES && narrowest > SYNC_NS; tries++) {
      const before = monotonicNs()
      libc().clock_gettime(CLOCK_REALTIME, this.#timespecBytes)
      after = monotonicNs()
      if (after - before >= narrowest) continue
      narrowest = after - before
      this.#clockOffset = timespecNs(this.#timespec) - (before + after) / 2
    }
    return after
  }
}

/** CLOCK_MONOTONIC in nanoseconds; exact for 104 days after boot, to 2 ns for 104 more. */
export function monotonicNs(): number {
  return Number(process.hrtime.bigint())
}

/**
 * Nanoseconds of a timespec, counted from a round second near now, so that a number holds them
 * exactly.
 */
function timespecNs(timespec: DataView): number {
  return (Number(timespec.getBigInt64(0, true)) - EPOCH) * 1e9 + timespec.getInt32(8, true)
}

const EPOCH = Math.floor(Date.now() / 1000)
