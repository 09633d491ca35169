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

  // -- VLAN devices
  VLAN_NO_DEVICE: r(
    'the frame carries a VLAN tag for which there is no VLAN device',
    'net/core/dev.c __netif_receive_skb_core',
  ),
  VLAN_DOWN: r('the VLAN device of that tag is down', 'net/8021q/vlan_core.c vlan_do_receive'),

  // -- bridge
  BRIDGE_BAD_SOURCE: r(
    'a bridge drops frames whose source MAC is zero or a group',
    'net/bridge/br_input.c br_handle_frame',
  ),
  BRIDGE_RESERVED: r(
    'a bridge never forwards this reserved group address',
    'net/bridge/br_input.c br_handle_frame',
  ),
  BRIDGE_PORT_STATE: r(
    'the bridge port does not forward: disabled, blocking, listening or learning',
    'net/bridge/br_input.c br_handle_frame_finish',
  ),
  BRIDGE_VLAN_INGRESS: r(
    'the bridge port the frame came in by is not a member of its VLAN',
    'net/bridge/br_vlan.c __allowed_ingress',
  ),
  BRIDGE_VLAN_EGRESS: r(
    'the bridge port the frame should leave by is not a member of its VLAN',
    'net/bridge/br_vlan.c br_allowed_egress',
  ),
  BRIDGE_LOCKED: r(
    'the bridge port is locked and does not know the source MAC',
    'net/bridge/br_input.c br_handle_frame_finish',
  ),
  BRIDGE_NO_HAIRPIN: r(
    'the frame would have to leave by the port it came in by, which is not in hairpin mode',
    'net/bridge/br_forward.c should_deliver',
  ),
  BRIDGE_ISOLATED: r(
    'both bridge ports are isolated: they may not speak to each other',
    'net/bridge/br_private.h br_skb_isolated',
  ),
  BRIDGE_FLOOD_OFF: r(
    'the bridge port takes no flooded frames of this sort',
    'net/bridge/br_forward.c br_flood',
  ),
  BRIDGE_NO_PORT: r(
    'the bridge has no port this frame could leave by',
    'net/bridge/br_forward.c br_flood',
  ),

  // -- macvlan
  MACVLAN_SRC_PRIVATE: r(
    'a group frame of a private macvlan came back from the switch: only its sender gets it',
    'drivers/net/macvlan.c macvlan_handle_frame',
  ),
  MACVLAN_SRC_PASSTHRU: r(
    'a group frame of a passthru macvlan came back from the switch: only its sender gets it',
    'drivers/net/macvlan.c macvlan_handle_frame',
  ),
  MACVLAN_SRC_SOURCE: r(
    'a group frame of a source macvlan came back from the switch: only its sender gets it',
    'drivers/net/macvlan.c macvlan_handle_frame',
  ),
  MACVLAN_NODST: r(
    'a source macvlan with nodst took the frame: the parent and other children get nothing',
    'drivers/net/macvlan.c macvlan_forward_source',
  ),
  MACVLAN_QUEUE_FULL: r(
    'the broadcast queue of the macvlan parent is full',
    'drivers/net/macvlan.c macvlan_broadcast_enqueue',
  ),

  // -- links without another side
  DUMMY_SINK: r('a dummy link swallows what it is given', 'drivers/net/dummy.c dummy_xmit'),
  NO_DATA_PATH: r(
    'the other side of this link is not simulated',
    'drivers/net/tun.c tun_net_xmit, drivers/net/vxlan',
  ),
} as const satisfies Record<string, Reason>

export type ReasonCode = keyof typeof REASONS

/** All codes in a fixed order; the simulator stores the index. */
export const REASON_CODES: readonly ReasonCode[] = Object.keys(REASONS) as ReasonCode[]
