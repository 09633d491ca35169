/** Texts of the kernel, ip, ping, CNI plugins and podman; text-row.ts says what a row is. */
import type { TextRow } from './text-row.ts'

export const OTHER_TEXTS = {
  'parent-busy': {
    texts: [
      'failed to create the macvlan port: device or resource busy',
      'failed to create the ipvlan port: device or resource busy',
      'failed to create macvlan: device or resource busy',
      'RTNETLINK answers: Device or resource busy',
    ],
    from: 'kernel (EBUSY), by dockerd, CNI, ip link add',
    means:
      'a link takes one receive handler, and the parent has one: it is a port of a bridge, Open ' +
      'vSwitch or bond, or has children of the other kind (macvlan beside ipvlan)',
    codes: ['parent-busy', 'parent-kind'],
    mends: [
      'lanyard explain parent PARENT (who has it, and which to take instead)',
      'on a bridge port: lanyard network create -o attach=veth -o parent=BRIDGE ...',
      'on a bond: the bond itself as parent',
    ],
  },
  'kernel-invalid': {
    texts: ['RTNETLINK answers: Invalid argument'],
    from: 'kernel (EINVAL), by ip link add type macvlan',
    means:
      'mode passthru on a parent that has children, or another child on a parent that a passthru ' +
      'child has; or a mode that is not one',
    codes: ['parent-in-use', 'mode-invalid', 'MACVLAN_PASSTHRU_HOST'],
    mends: ['lanyard explain parent PARENT (who is on it)', 'mode bridge instead of passthru'],
  },
  'kernel-exists': {
    texts: ['RTNETLINK answers: File exists'],
    from: 'kernel (EEXIST), by ip',
    means:
      'it is there already: a link of this name, this address, or a route to the same place with ' +
      'the same metric (mostly a second default route)',
    codes: ['link-taken', 'op-refused'],
    mends: [
      'ip link; ip address; ip route (what is there)',
      'a second default route: ip route add default via ADDRESS metric 100',
    ],
  },
  'kernel-unsupported': {
    texts: ['RTNETLINK answers: Operation not supported', 'Error: Unknown device type'],
    from: 'kernel (EOPNOTSUPP), by ip link add',
    means: 'this kernel has no such kind of link: the module is not there or not loaded',
    codes: ['kernel-lacks'],
    mends: ['modprobe macvlan; lsmod | grep macvlan', 'lanyard doctor (which package has it)'],
  },
  'host-unreachable': {
    texts: [
      '113: Host is unreachable',
      '(113: No route to host)',
      'connect: No route to host',
      'Destination Host Unreachable',
      '<address> dev <link> FAILED',
    ],
    from: 'ping, proxies, ip neigh: nobody answered ARP',
    means:
      'nobody answered for the address. When it is a container on this host’s own card: a host ' +
      'and its macvlan children do not hear each other, by the kernel’s design',
    codes: ['MACVLAN_HOST_TO_CHILD', 'MACVLAN_CHILD_TO_HOST', 'ARP_NOT_FOR_US'],
    mends: [
      'sudo lanyard explain host <address> --live (which of these it is, and --fix 1)',
      'lanyard networks give their host access by themselves (-o host_access=true)',
    ],
  },
  dadfailed: {
    texts: [
      'dadfailed tentative',
      'dadfailed',
      'IPv6 duplicate address <address> used by <mac> detected!',
    ],
    from: 'kernel, ip -6 addr',
    means:
      'somebody answered for the IPv6 address while it was being tried: it is there twice, or a ' +
      'switch sends our own frames back',
    codes: ['DUPLICATE_ADDRESS', 'ND_TENTATIVE'],
    mends: [
      'lanyard doctor (addresses that are there twice, and the hypervisor’s switch)',
      'ip -6 addr del ADDRESS dev LINK, and another one; nodad only for addresses known to be ours',
    ],
  },
  'own-address': {
    texts: [
      '<bridge>: received packet on <port> with own address as source address',
      'received packet on <port> with own address as source address (addr:<mac>, vlan:<vlan>)',
    ],
    from: 'kernel log, bridge',
    means:
      'frames of this machine came back to it: a promiscuous vSwitch with two uplinks, a loop, or ' +
      'a MAC that is there twice',
    codes: ['DUPLICATE_MAC'],
    mends: [
      'ESXi with two uplinks: esxcli system settings advanced set -o /Net/ReversePathFwdCheckPromisc -i 1',
      'a loop: spanning tree on: ip link set dev <bridge> type bridge stp_state 1',
      'a MAC of its own for each: lanyard doctor (MACs that are there twice)',
    ],
  },
  'dhcp-deadline': {
    texts: [
      'NetworkDriver.CreateEndpoint: failed to get initial IP address via DHCP: context deadline exceeded',
      'failed to get initial IP address via DHCP',
    ],
    from: 'docker-net-dhcp',
    means:
      'no offer came: the wrong VLAN or parent, DHCP snooping, or a switch that takes one MAC only',
    codes: ['VLAN_NOT_ON_PORT', 'BRIDGE_FLOOD_OFF', 'ARP_NOT_FOR_US'],
    mends: [
      'sudo lanyard doctor --active --parent PARENT (servers heard, and whether a second MAC is taken)',
      'Lanyard asks no DHCP server: it hands out a range kept out of the server’s (--ip-range)',
    ],
  },
  'netavark-dhcp': {
    texts: [
      'macvlan driver needs at least one subnet specified, DHCP is not yet supported with netavark',
    ],
    from: 'podman with netavark before 1.6',
    means: 'this netavark knows no DHCP: the network needs a subnet',
    codes: ['network-invalid'],
    mends: [
      'podman network create -d macvlan -o parent=eth0 --subnet 192.168.8.0/24 --gateway 192.168.8.1 lan',
      'netavark 1.6 or newer with netavark-dhcp-proxy.socket enabled',
    ],
  },
  'netavark-lease': {
    texts: [
      'unable to obtain lease: dhcp proxy error',
      'Could not find a lease within the timeout limit',
    ],
    from: 'podman with netavark',
    means:
      'no DHCP server answered; when the server runs on this host itself, its macvlan children ' +
      'cannot hear it, nor it them',
    codes: ['MACVLAN_CHILD_TO_HOST', 'MACVLAN_HOST_TO_CHILD'],
    mends: [
      'sudo lanyard doctor --active --parent PARENT (servers heard on the LAN)',
      'server on this host: give it a macvlan link of its own on the parent to listen on',
    ],
  },
  'cni-dhcp-socket': {
    texts: [
      'error dialing DHCP daemon: dial unix /run/cni/dhcp.sock: connect: connection refused',
      'error dialing DHCP daemon: dial unix /run/cni/dhcp.sock: connect: no such file or directory',
    ],
    from: 'CNI ipam type dhcp',
    means: 'the dhcp plugin needs a daemon of its own on each node, and it does not run',
    codes: [],
    mends: [
      'rm -f /run/cni/dhcp.sock; /opt/cni/bin/dhcp daemon & (a stale socket refuses, too)',
      'another ipam type: host-local, whereabouts',
    ],
  },
  'cni-dhcp-tries': {
    texts: ['error calling DHCP.Allocate: no more tries'],
    from: 'CNI ipam type dhcp',
    means:
      'no offer came back: often the switch of a hypervisor or cloud drops what is sent to a ' +
      'second MAC on a port',
    codes: ['BRIDGE_FLOOD_OFF', 'ARP_NOT_FOR_US', 'VLAN_NOT_ON_PORT'],
    mends: [
      'sudo lanyard doctor --active --parent PARENT (whether a second MAC is taken, and the switch to turn)',
      'ipvlan, which shares the parent’s MAC',
    ],
  },
  'whereabouts-conflict': {
    texts: ['the server rejected our request due to an error in our request'],
    from: 'whereabouts',
    means: 'two nodes wrote the pool at once and one lost; it should have tried again',
    codes: ['store-unavailable'],
    mends: [
      'try again, then compare the pool with the pods: addresses may be left over',
      'lanyard --store etcd://...: one key an address, created once; nobody overwrites a pool',
    ],
  },
  'netlink-no-device': {
    texts: [
      'netavark: Netlink error: No such device (os error 19)',
      'Netlink error: No such device (os error 19)',
    ],
    from: 'podman with netavark',
    means:
      'the parent is not there: rootless podman sees a namespace of its own without your card, ' +
      'or the name is wrong',
    codes: ['parent-missing', 'needs-root'],
    mends: [
      'sudo podman ... (macvlan needs the rootful one)',
      'without root: lanyard lab run examples/seed-001',
    ],
  },
  'pool-exhausted': {
    texts: [
      "no available IPv4 addresses on this network's address pools: <network>",
      'no IP addresses available in range set: <range>',
    ],
    from: 'dockerd, CNI host-local',
    means: 'every address of the range is booked, some perhaps by containers that are long gone',
    codes: ['pool-exhausted'],
    mends: ['a larger --ip-range', 'lanyard ip ls (who holds which)'],
  },
} as const satisfies Record<string, TextRow>
