/** Small snapshots for tests: everything a link or namespace can leave unsaid is filled in. */
import { parseMac } from '../../src/addr/mac.ts'
import type { LinkSnapshot, NetnsSnapshot } from '../../src/fabric/snapshot.ts'

export function linkSnapshot(
  name: string,
  values: Partial<LinkSnapshot> & { readonly index?: number } = {},
): LinkSnapshot {
  return {
    index: 2,
    name,
    kind: 'dummy',
    address: parseMac('02:00:00:00:00:01'),
    mtu: 1500,
    up: false,
    carrier: false,
    operState: 'down',
    promisc: false,
    promiscuity: 0,
    allmulticast: false,
    allmulti: 0,
    arp: true,
    group: 0,
    alias: undefined,
    txQueueLength: 1000,
    qdisc: 'noqueue',
    minMtu: 68,
    maxMtu: 65535,
    parent: undefined,
    master: undefined,
    macvlan: undefined,
    ipvlan: undefined,
    vlan: undefined,
    vxlan: undefined,
    bridge: undefined,
    port: undefined,
    ...values,
  }
}

export function netnsSnapshot(name: string, values: Partial<NetnsSnapshot> = {}): NetnsSnapshot {
  return {
    name,
    links: [],
    addresses: [],
    routes: [],
    rules: [],
    neighbours: [],
    fdb: [],
    vlans: [],
    sysctls: {},
    ...values,
  }
}
