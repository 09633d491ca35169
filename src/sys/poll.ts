/**
 * "Call me when this descriptor has something": libuv's uv_poll, which koffi exposes. Hides what
 * bites there (koffi 3.3.4 on Node 20, 24 and 26):
 *
 * 1. a handle nobody refers to is garbage-collected and silently stops: kept in a set;
 * 2. the callback gets (status, events), not (events) as its types say;
 * 3. an exception in the callback is swallowed, and 4. promises resolved there may never continue:
 *    both are why the work is handed over with `setImmediate` (same turn of the loop, no delay);
 * 5. an error on the socket (an ICMP error, a netlink overrun) makes libuv stop the handle and
 *    report EBADF: it is started again once the callback has fetched the error.
 */
import { koffi } from './libc.ts'

export interface Closer {
  close(): void
}

const open = new Set<object>()

/**
 * Calls back whenever there is something to read, an error counting as such, until closed. The
 * callback must read until nothing is left. Close the watch before the descriptor. Keeps the
 * process alive.
 *
 * @example
 * ```ts
 * const watch = watchReadable(fd, () => {
 *   for (let n = receiveFrom(fd, buffer); n !== undefined; n = receiveFrom(fd, buffer)) take(n)
 * })
 * ```
 */
export function watchReadable(fd: number, callback: () => void): Closer {
  return watch(fd, { readable: true }, callback)
}

/** As {@link watchReadable}, for a connection being made: called when it stands or failed. */
export function watchWritable(fd: number, callback: () => void): Closer {
  return watch(fd, { writable: true }, callback)
}

function watch(
  fd: number,
  events: { readonly readable?: boolean; readonly writable?: boolean },
  callback: () => void,
): Closer {
  let pending = false
  let stopped = false
  let closed = false
  const run = (): void => {
    pending = false
    if (closed) return
    try {
      callback()
    } finally {
      if (stopped && !isClosed()) {
        stopped = false
        handle.start(events, onPoll)
      }
    }
  }
  const isClosed = (): boolean => closed
  const onPoll = (status: number): void => {
    if (status < 0) stopped = true
    if (pending) return
    pending = true
    setImmediate(run)
  }
  const handle = koffi().node.poll(fd, events, onPoll)
  open.add(handle)
  return {
    close() {
      if (closed) return
      closed = true
      open.delete(handle)
      handle.close()
    },
  }
}
