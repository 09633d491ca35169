/**
 * Why a frame ended: stable reason codes with their sentence and the kernel function that decides.
 * The simulator records them, explain words them, expectations pin them (`why CODE`). A code is
 * never reused or renamed.
 */
interface Reason {
  /** In plain words; the reader knows Linux, not this code. */
  readonly says: string
  /** Where the kernel does the same. */
  readonly kernel: string
}

const r = (says: string, kernel: string): Reason => ({ says, kernel })

export const REASONS = {
  // -- link layer
  LINK_DOWN: r('the link is administratively down', 'net/core/dev.c __dev_queue_xmit'),
  NO_CARRIER: r('the link has no carrier', 'net/sched/sch_generic.c noop_enqueue'),
  PEER_DOWN: r('the other end of the veth is down', 'drivers/net/veth.c veth_xmit'),
  MTU_EXCEEDED: r(
    'the frame is larger than the MTU of the receiving end allows',
    'net/core/dev.c is_skb_forwardable',
  ),
  OTHERHOST: r('the frame is addressed to another MAC', 'net/ipv4/ip_input.c ip_rcv_core'),
  LOOP: r('the frame went round too often', 'net/core/dev.c xmit recursion limit'),
} as const satisfies Record<string, Reason>

export type ReasonCode = keyof typeof REASONS

/** All codes in a fixed order; the simulator stores the index. */
export const REASON_CODES: readonly ReasonCode[] = Object.keys(REASONS) as ReasonCode[]
