/**
 * What mostly mends a failure, by its reason: for `lanyard explain CODE` and the reference page.
 */
import type { ReasonCode } from '../fabric/reason.ts'

const SWITCH_VLAN = 'the VLAN on that port: tagged towards a VLAN link, untagged towards a card'

const REMEDIES: { readonly [C in ReasonCode]?: readonly string[] } = {
  LINK_DOWN: ['the link up: ip link set dev LINK up'],
  NO_CARRIER: ['the parent of the link up', 'a cable'],
  PEER_DOWN: ['the other end of the cable up'],
  NETEM_LOSS: ['the impairment away: tc qdisc del dev LINK root', 'less loss (impair: in a lab)'],
  NETEM_LIMIT: ['the impairment away: tc qdisc del dev LINK root', 'a larger limit or rate'],
  NETEM_LATE: [
    'the impairment away: tc qdisc del dev LINK root',
    'a shorter delay or a higher rate',
    'wait longer: within 3s in an expectation, -W in ping',
  ],
  MTU_EXCEEDED: ['one MTU on the whole segment'],
  MTU_TOO_SMALL: ['the larger MTU on the way out', 'let path MTU discovery (ICMP) through'],
  OTHERHOST: ['no static neighbour or forwarding entry with an old MAC', 'a MAC for one link only'],
  NOARP_LINK: ['ARP on: ip link set dev LINK arp on'],
  ARP_NOT_FOR_US: ['the right address', 'both ends in one VLAN', 'the one asked running and up'],
  ARP_IGNORED: ['arp_ignore=0 for the link and for all'],
  ARP_FILTERED: ['arp_filter=0', 'the route back to the asker by the same link'],
  NEIGHBOUR_FAILED: ['a next hop that is there, and on the same wire'],
  ND_TENTATIVE: [
    'wait for duplicate address detection, or nodad for addresses known as unique',
    'one found taken (dadfailed): another address, or the same removed and added once it is free',
  ],
  IPV6_DISABLED: ['disable_ipv6=0 for the link and for all'],
  MARTIAN_SOURCE: ['another address for one of the two that share it'],
  RP_FILTER: ['rp_filter=2 (loose)', 'the route back by the link the packets come in by'],
  IP_FORWARD_OFF: ['ip_forward=1 at the router', 'a gateway that does forward'],
  NO_ROUTE: ['a gateway: --gateway at the network, or ip route add default via ADDRESS'],
  NO_ROUTE_BACK: ['a gateway for the one asked', 'masquerading at the router'],
  ROUTE_UNREACHABLE: ['the unreachable route away'],
  ROUTE_PROHIBIT: ['the prohibiting route away'],
  ROUTE_BLACKHOLE: ['the blackhole route away'],
  TTL_EXPIRED: ['no routing loop', 'a larger ttl'],
  ECHO_IGNORED: ['icmp_echo_ignore_all=0', 'ask by tcp/PORT'],
  PORT_CLOSED: ['something that listens on the port'],
  NETFILTER_INPUT: ['an exception, or the rule away: iptables -S INPUT'],
  NETFILTER_FORWARD: ['an exception, or the rule away: iptables -S FORWARD'],
  NETFILTER_OUTPUT: ['an exception, or the rule away: iptables -S OUTPUT'],
  NETFILTER_NAT: ['an address on the link masquerading takes it from'],
  NETFILTER_BRIDGE: ['net.bridge.bridge-nf-call-iptables=0', 'an exception in FORWARD'],
  VLAN_NO_DEVICE: [
    'a VLAN link: ip link add link eth0 name eth0.100 type vlan id 100',
    SWITCH_VLAN,
  ],
  VLAN_DOWN: ['the VLAN link up'],
  BRIDGE_PORT_STATE: ['wait for the forward delay, or spanning tree off', 'the port up'],
  BRIDGE_VLAN_INGRESS: [SWITCH_VLAN],
  BRIDGE_VLAN_EGRESS: [SWITCH_VLAN],
  BRIDGE_LOCKED: ['locked off', 'a static forwarding entry for the MAC'],
  BRIDGE_NO_HAIRPIN: [
    'hairpin on: bridge link set dev PORT hairpin on',
    'siblings in mode bridge',
    'host access by a macvlan link of the host itself',
  ],
  BRIDGE_ISOLATED: ['isolation off at one of the two ports', 'a router between them'],
  BRIDGE_FLOOD_OFF: ['flooding on', 'a static forwarding entry for the MAC'],
  BRIDGE_NO_PORT: ['the other one plugged in, in the same VLAN'],
  MACVLAN_SRC_PRIVATE: ['mode bridge'],
  MACVLAN_SRC_PASSTHRU: ['mode bridge'],
  MACVLAN_SRC_SOURCE: ['mode bridge'],
  MACVLAN_NODST: ['nodst off'],
  MACVLAN_QUEUE_FULL: ['a longer bcqueuelen', 'fewer broadcasts'],
  IPVLAN_PRIVATE: ['flag bridge'],
  IPVLAN_L3_NO_GROUP: ['mode l2', 'routes to the subnets of the children at whoever asks'],
  DUMMY_SINK: ['a parent that leads somewhere'],
}

/** What mostly mends it; nothing for what is no failure of a configuration. */
export function remediesOf(code: ReasonCode): readonly string[] {
  return REMEDIES[code] ?? []
}
