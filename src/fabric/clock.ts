/** Time as an argument: real on the kernel, virtual in the simulator. */
export interface Clock {
  /** Nanoseconds since an arbitrary start; never goes back. */
  nowNs(): number
  /** Resolves when `ms` milliseconds have passed on this clock (virtual time just jumps). */
  sleep(ms: number): Promise<void>
}
