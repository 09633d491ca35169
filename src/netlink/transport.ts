/**
 * What this folder needs of the outside: a netlink socket. `kernel/` passes one in that lives in
 * the namespace it was opened in; tests pass a fake.
 */
export interface Transport {
  /**
   * Sends one datagram of one or more netlink messages. The kernel handles it before this returns.
   */
  send(bytes: Uint8Array): void
  /** As `send`, with the kernel's work done in another thread. */
  sendLater?(bytes: Uint8Array): Promise<void>
  /**
   * The next datagram, or undefined when none is waiting. The bytes are the caller's until
   * somebody receives again, from this transport or another.
   * @throws an error with `errno` "ENOBUFS" when the kernel had to drop messages
   */
  receive(): Uint8Array | undefined
  close(): void
}
