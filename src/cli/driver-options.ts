/** The driver options of `network create -o`: what is accepted, and what its help prints. */

/** Keys of `-o`, with what they say. */
export const DRIVER_OPTIONS: Readonly<Record<string, string>> = {
  parent: 'the link on the LAN: eth0, or eth0.50 for a VLAN; none = an internal network',
  mode: 'macvlan: bridge (default), private, vepa, passthru, source; ipvlan: l2 (default), l3, l3s',
  macvlan_mode: 'mode of a macvlan network',
  ipvlan_mode: 'mode of an ipvlan network',
  ipvlan_flag: 'bridge (default), private or vepa',
  sources: 'MAC addresses that mode source hears, with commas',
  vlan: 'VLAN on the parent: parent=eth0 vlan=50 is parent=eth0.50',
  mtu: "bytes; default the parent's",
  parent_mtu: 'bytes the parent is raised to while the network is there, if it has less',
  promisc: 'true: the parent is promiscuous while the network is there',
  host_access: 'true or false: the host reaches its endpoints; default true for macvlan bridge',
  exclude: 'addresses never handed out, with commas; as --exclude',
  segment: 'name of the broadcast domain; networks of one segment share one address table',
  check: 'auto (default), always, never: ask the LAN before an address is handed out',
  attach: 'child (default), or veth: endpoints become ports of the bridge the parent belongs to',
}

/** The table as lines of help. */
export function driverOptionsHelp(): string {
  const lines = Object.entries(DRIVER_OPTIONS).map(([key, says]) => `  ${key.padEnd(13)} ${says}`)
  return `\nDriver options (-o):\n${lines.join('\n')}\n`
}
