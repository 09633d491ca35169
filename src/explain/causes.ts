/**
 * Causes: the names people know a failure by. A reason says what one device did with one frame; a
 * cause says what that means for two ends: the same reason at a switch port is a different story
 * between a host and its child than between two vepa siblings. Codes are never reused or renamed.
 */
interface Cause {
  /** One sentence, in plain words. */
  readonly says: string
  readonly kernel: string
  readonly remedies: readonly string[]
}

const c = (says: string, kernel: string, ...remedies: readonly string[]): Cause => ({
  says,
  kernel,
  remedies,
})

export const CAUSES = {
  MACVLAN_HOST_TO_CHILD: c(
    'a parent hands frames to its macvlan children only when it receives them: what its own host ' +
      'sends goes to the wire, and a switch does not send it back',
    'drivers/net/macvlan.c macvlan_handle_frame',
    'host access: a macvlan link in bridge mode on the same parent, in the host itself',
    'hairpin (reflective relay) on the switch port',
  ),
  MACVLAN_CHILD_TO_HOST: c(
    'a macvlan child sends to its siblings or to the wire, never up to its own host: the frame ' +
      'would have to come back from the switch',
    'drivers/net/macvlan.c macvlan_queue_xmit',
    'host access: a macvlan link in bridge mode on the same parent, in the host itself',
    'hairpin (reflective relay) on the switch port',
  ),
  MACVLAN_PRIVATE: c(
    'children in mode private are never joined, not even by a switch that sends frames back',
    'drivers/net/macvlan.c macvlan_queue_xmit',
    'both children in mode bridge',
    'routes to each other by way of a router, which keeps them apart on the link layer',
  ),
  VEPA_NO_HAIRPIN: c(
    'a child in mode vepa leaves the joining of siblings to the switch, which does not send ' +
      'frames back where they came from',
    'drivers/net/macvlan.c macvlan_queue_xmit',
    'hairpin (reflective relay, IEEE 802.1Qbg) on the switch port',
    'both children in mode bridge',
  ),
  MACVLAN_MIXED_MODES: c(
    'siblings are joined inside the host only when both are in mode bridge',
    'drivers/net/macvlan.c macvlan_queue_xmit',
    'both children in mode bridge',
  ),
  MACVLAN_PASSTHRU_HOST: c(
    'a child in mode passthru takes everything its parent receives: the host itself hears nothing',
    'drivers/net/macvlan.c macvlan_handle_frame',
    'mode bridge for the child',
    'a network card of its own for the child',
  ),
  MACVLAN_SOURCE_LIST: c(
    'a child in mode source hears only the MACs on its list',
    'drivers/net/macvlan.c macvlan_forward_source',
    "the other's MAC on the list",
    'mode bridge for the child',
  ),
  IPVLAN_HOST: c(
    'an ipvlan child and its own host do not speak to each other over their common link',
    'drivers/net/ipvlan/ipvlan_core.c ipvlan_xmit_mode_l2',
    'host access: an ipvlan link on the same parent, in the host itself',
  ),
  VLAN_NOT_ON_PORT: c(
    'the VLAN of the frame is not allowed on a port of the way',
    'net/bridge/br_vlan.c br_allowed_egress, __allowed_ingress',
    'the VLAN on that port, tagged where a VLAN link takes it off, else untagged',
  ),
  UNTAGGED_AT_PARENT: c(
    'the frame arrives without the tag its VLAN link waits for (or with one that nobody takes)',
    'net/8021q/vlan_core.c vlan_do_receive',
    'the port tagged on one side and the VLAN link on the other',
    'the child on the card itself',
  ),
  GATEWAY_UNREACHABLE: c(
    'the gateway does not answer: it is elsewhere, off, or on another VLAN',
    'net/core/neighbour.c neigh_invalidate',
    'a gateway that is on the same wire',
  ),
  END_DOWN: c(
    'the link that holds the address asked for is down: it answers nobody',
    'net/core/dev.c dev_open',
    'that link up: ip link set dev LINK up',
  ),
  NOBODY_HAS_ADDRESS: c(
    'nobody there holds the address asked for',
    'net/ipv4/arp.c arp_process',
    'the right address, or the one asked for set somewhere',
  ),
  DUPLICATE_ADDRESS: c(
    'the address is there twice: who answers first wins',
    'net/ipv4/arp.c arp_process',
    'one of the two gets another address',
  ),
  DUPLICATE_MAC: c(
    'two links of one wire have the same MAC: a switch or parent knows one of them only',
    'net/bridge/br_fdb.c br_fdb_update',
    'a MAC of its own for each',
  ),
} as const satisfies Record<string, Cause>

export type CauseCode = keyof typeof CAUSES

export const CAUSE_CODES: readonly CauseCode[] = Object.keys(CAUSES) as CauseCode[]
