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
  NETEM_LOSS: r(
    'the cable is impaired here: it loses such frames',
    'net/sched/sch_netem.c netem_enqueue',
  ),
  NETEM_LIMIT: r(
    'the cable is impaired here: as many frames as may wait for it wait already',
    'net/sched/sch_netem.c netem_enqueue',
  ),
  NETEM_LATE: r(
    'the cable is impaired here: frames take longer to cross it than anybody waited',
    'net/sched/sch_netem.c netem_enqueue',
  ),
  OTHERHOST: r('the frame is addressed to another MAC', 'net/ipv4/ip_input.c ip_rcv_core'),
  LOOP: r('the frame went round too often', 'net/core/dev.c xmit recursion limit'),
  // -- protocol stack
  NO_PROTOCOL: r('nobody takes this EtherType', 'net/core/dev.c __netif_receive_skb_core'),
  MALFORMED: r('the packet cannot be read', 'net/ipv4/ip_input.c ip_rcv_core'),
  NOARP_LINK: r('the link does not do ARP', 'net/ipv4/arp.c arp_rcv'),
  ARP_MARTIAN: r(
    'the ARP packet asks for a group or loopback address',
    'net/ipv4/arp.c arp_process',
  ),
  ARP_NOT_FOR_US: r(
    'the address asked for is not of this namespace, and the sender is not known here',
    'net/ipv4/arp.c arp_process',
  ),
  ARP_IGNORED: r('arp_ignore forbids the answer on this link', 'net/ipv4/arp.c arp_ignore'),
  ARP_FILTERED: r(
    'arp_filter forbids the answer: the way back to the sender leaves by another link',
    'net/ipv4/arp.c arp_filter',
  ),
  NEIGHBOUR_FAILED: r(
    'nobody answered for the address of the next hop (ARP or neighbour discovery)',
    'net/core/neighbour.c neigh_invalidate',
  ),
  NEIGHBOUR_QUEUE_FULL: r(
    'too many packets wait for the address of the next hop',
    'net/core/neighbour.c __neigh_event_send',
  ),
  NEIGHBOUR_FLUSHED: r(
    'the neighbour the packet waited for was forgotten',
    'net/core/neighbour.c neigh_flush_dev',
  ),
  ND_INVALID: r('the neighbour discovery message breaks a rule', 'net/ipv6/ndisc.c ndisc_rcv'),
  ND_NOT_FOR_US: r(
    'the link does not hold the address asked for, or the neighbour is not known here',
    'net/ipv6/ndisc.c ndisc_recv_ns',
  ),
  ND_TENTATIVE: r(
    'the address asked for is still tentative (duplicate address detection)',
    'net/ipv6/ndisc.c ndisc_recv_ns',
  ),
  ND_LOOPED: r(
    'our own duplicate address detection came back (RFC 7527)',
    'net/ipv6/ndisc.c ndisc_recv_ns',
  ),
  ND_OWN_ADDRESS: r('somebody advertises our own address', 'net/ipv6/ndisc.c ndisc_recv_na'),
  RA_IGNORED: r('router advertisements are not accepted here', 'net/ipv6/ndisc.c ipv6_accept_ra'),
  IPV6_DISABLED: r('IPv6 is disabled on the link', 'net/ipv6/ip6_input.c ip6_rcv_core'),
  MARTIAN_SOURCE: r(
    'the source address cannot come in here: it is our own, a group or loopback',
    'net/ipv4/route.c ip_handle_martian_source',
  ),
  MARTIAN_DESTINATION: r(
    'the destination address cannot come in here',
    'net/ipv4/route.c ip_route_input_slow',
  ),
  RP_FILTER: r(
    'the way back to the source leads out of another link (rp_filter)',
    'net/ipv4/fib_frontend.c __fib_validate_source',
  ),
  GROUP_NOT_JOINED: r('nobody here joined the group', 'net/ipv4/igmp.c ip_check_mc_rcu'),
  IP_FORWARD_OFF: r(
    'the packet is for somebody else and forwarding is off',
    'net/ipv4/route.c ip_route_input_slow',
  ),
  NOT_FOR_FORWARDING: r(
    'the frame was a broadcast: what is in it is not forwarded',
    'net/ipv4/ip_forward.c ip_forward',
  ),
  NO_ROUTE: r('no route leads to the destination', 'net/ipv4/route.c ip_error'),
  NO_ROUTE_BACK: r('no route leads back to the sender', 'net/ipv4/icmp.c icmp_reply'),
  ROUTE_UNREACHABLE: r('the route is of type unreachable', 'net/ipv4/fib_semantics.c fib_props'),
  ROUTE_PROHIBIT: r('the route is of type prohibit', 'net/ipv4/fib_semantics.c fib_props'),
  ROUTE_BLACKHOLE: r('the route is of type blackhole', 'net/ipv4/fib_semantics.c fib_props'),
  TTL_EXPIRED: r('the TTL or hop limit ran out', 'net/ipv4/ip_forward.c ip_forward'),
  MTU_TOO_SMALL: r(
    'the packet is larger than the MTU of the way out and must not be fragmented',
    'net/ipv4/ip_forward.c ip_exceeds_mtu',
  ),
  ECHO_IGNORED: r('echo requests of this kind are ignored here', 'net/ipv4/icmp.c icmp_echo'),
  ICMP_RATE_LIMIT: r(
    'the ICMP error was not sent: its rate limit is used up',
    'net/ipv4/icmp.c icmpv4_xrlim_allow',
  ),
  REDIRECT_IGNORED: r('the redirect is not believed', 'net/ipv4/route.c __ip_do_redirect'),
  PORT_CLOSED: r('nobody listens on the port', 'net/ipv4/udp.c __udp4_lib_rcv'),
  NO_SOCKET: r('nobody waits for it', 'net/ipv4/ping.c ping_rcv'),

  // -- netfilter
  NETFILTER_INPUT: r(
    'a rule or the policy of the chain INPUT does not let it in',
    'net/netfilter/core.c nf_hook_slow',
  ),
  NETFILTER_FORWARD: r(
    'a rule or the policy of the chain FORWARD does not let it through',
    'net/netfilter/core.c nf_hook_slow',
  ),
  NETFILTER_OUTPUT: r(
    'a rule or the policy of the chain OUTPUT does not let it out',
    'net/netfilter/core.c nf_hook_slow',
  ),
  NETFILTER_NAT: r(
    'its address cannot be translated: the link has none to take, or another connection has it',
    'net/netfilter/nf_nat_core.c nf_nat_setup_info',
  ),
  NETFILTER_BRIDGE: r(
    'the chain FORWARD of the bridge does not let it through (bridge-nf-call-iptables)',
    'net/bridge/br_netfilter_hooks.c br_nf_forward',
  ),

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

  // -- ipvlan
  IPVLAN_PRIVATE: r(
    'the parent is in private mode: its ipvlan children may not speak to each other',
    'drivers/net/ipvlan/ipvlan_core.c ipvlan_xmit_mode_l2',
  ),
  IPVLAN_L3_NO_GROUP: r(
    'an ipvlan child in l3 mode sends neither broadcast nor multicast nor ARP',
    'drivers/net/ipvlan/ipvlan_core.c ipvlan_process_outbound',
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
