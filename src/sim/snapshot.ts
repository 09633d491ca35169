/** A Snapshot of a simulated Linux, by the same rules as the kernel's. */
import { isGroupMac } from '../addr/mac.ts'
import type {
  BridgeVlanSnapshot,
  FdbSnapshot,
  LinkRef,
  LinkSnapshot,
  NetnsSnapshot,
  Snapshot,
  SnapshotOptions,
} from '../fabric/snapshot.ts'
import { LanyardError } from '../errors.ts'
import { ETH_8021AD } from '../wire/frame.ts'
import { readCounters } from './counters.ts'
import { listAddresses, listNeighbours, listRoutes, listRules } from './ip/snapshot.ts'
import { listFilters } from './ip/netfilter/ops.ts'
import { netnsIp } from './ip/state.ts'
import { listSysctls } from './ip/sysctl-list.ts'
import { type BridgeState, bridgeOf, portOf } from './link/bridge-state.ts'
import { describeBridge, describePort } from './link/describe.ts'
import { ipvlanOf } from './link/ipvlan-state.ts'
import { childOf, isMacvlan } from './link/macvlan-state.ts'
import { VxlanState } from './link/sink.ts'
import { vlanOf } from './link/vlan.ts'
import type { Device, Netns, World } from './model.ts'

/** @throws LanyardError `netns-missing` */
export function takeSnapshot(world: World, options: SnapshotOptions = {}): Snapshot {
  const { netns: names, counters = false } = options
  const wanted = new Set(names ?? world.netns.keys())
  return {
    netns: [...wanted].map((name) => {
      const netns = world.netns.get(name)
      if (netns === undefined) throw new LanyardError('netns-missing', { netns: name })
      const one = netnsSnapshot(netns, wanted)
      return counters ? { ...one, links: withCounters(netns, one.links) } : one
    }),
  }
}

function netnsSnapshot(netns: Netns, held: ReadonlySet<string>): NetnsSnapshot {
  const devices = [...netns.byIndex.values()].sort((a, b) => a.index - b.index)
  const filters = listFilters(netnsIp(netns))
  return {
    name: netns.name,
    links: devices.map((dev) => linkSnapshot(dev, held)),
    addresses: devices.flatMap(listAddresses),
    routes: listRoutes(netns),
    rules: listRules(netns),
    neighbours: devices.flatMap(listNeighbours),
    fdb: devices.flatMap(fdbOf),
    vlans: devices.flatMap(vlansOf),
    ...(filters.length === 0 ? {} : { filters }),
    sysctls: listSysctls(netns),
  }
}

function withCounters(netns: Netns, links: readonly LinkSnapshot[]): LinkSnapshot[] {
  return links.map((link) => {
    const dev = netns.byIndex.get(link.index)
    if (dev === undefined) return link
    const { netem } = dev
    const counters = readCounters(dev)
    if (netem === undefined) return { ...link, counters }
    const { sentPackets, sentBytes, dropped, waiting } = netem
    return { ...link, counters, netemCounters: { sentPackets, sentBytes, dropped, waiting } }
  })
}

function linkSnapshot(dev: Device, held: ReadonlySet<string>): LinkSnapshot {
  const { kind } = dev.ops
  const isPort = dev.rxHandler?.name === 'bridge'
  return {
    index: dev.index,
    name: dev.name,
    kind: kind === 'device' ? String(dev.own) : kind,
    address: dev.mac,
    mtu: dev.mtu,
    up: dev.up,
    carrier: dev.up && dev.carrier,
    // rtnl_fill_ifinfo: a link that is not running is down, whatever its state would be
    operState: dev.up ? dev.operState : 'down',
    promisc: dev.promiscFlag,
    promiscuity: dev.promiscuity,
    allmulticast: dev.allmultiFlag,
    allmulti: dev.allmulti,
    arp: dev.arp,
    group: dev.group,
    alias: dev.alias,
    txQueueLength: dev.txQueueLength,
    qdisc: dev.netem === undefined ? qdiscOf(dev) : 'netem',
    ...(dev.netem === undefined ? {} : { netem: dev.netem.netem, netemHandle: dev.netem.handle }),
    minMtu: dev.minMtu,
    maxMtu: dev.maxMtu,
    parent: refTo(dev.peer ?? dev.lower, held),
    master: dev.master?.name,
    macvlan: isMacvlan(dev) ? macvlanSnapshot(dev) : undefined,
    ipvlan: kind === 'ipvlan' ? ipvlanSnapshot(dev) : undefined,
    vlan: kind === 'vlan' ? vlanSnapshot(dev) : undefined,
    vxlan:
      dev.own instanceof VxlanState
        ? { id: dev.own.id, port: dev.own.port, learning: dev.own.learning }
        : undefined,
    bridge: kind === 'bridge' ? describeBridge(bridgeOf(dev)) : undefined,
    port: isPort ? describePort(portOf(dev)) : undefined,
  }
}

function refTo(dev: Device | undefined, held: ReadonlySet<string>): LinkRef | undefined {
  if (dev === undefined) return undefined
  const there = held.has(dev.netns.name)
  return {
    index: dev.index,
    netns: there ? dev.netns.name : undefined,
    name: there ? dev.name : undefined,
  }
}

function macvlanSnapshot(dev: Device): LinkSnapshot['macvlan'] {
  const { mode, nopromisc, nodst, sources, queueLength } = childOf(dev)
  return {
    mode,
    nopromisc,
    nodst,
    // The kernel lists them by hash bucket.
    sources: sources.toSorted((a, b) => a - b),
    broadcastQueueLength: queueLength,
  }
}

function ipvlanSnapshot(dev: Device): LinkSnapshot['ipvlan'] {
  const { mode, flag } = ipvlanOf(dev).port
  return { mode, flag }
}

function vlanSnapshot(dev: Device): LinkSnapshot['vlan'] {
  const { id, protocol, reorderHeader, looseBinding, gvrp, mvrp, ingressQos, egressQos } =
    vlanOf(dev)
  return {
    id,
    protocol: protocol === ETH_8021AD ? '802.1ad' : '802.1Q',
    reorderHeader,
    looseBinding,
    gvrp,
    mvrp,
    ingressQos,
    egressQos,
  }
}

/** Entries of a bridge under the ports they point to; a passthru child's own addresses. */
function fdbOf(dev: Device): FdbSnapshot[] {
  if (dev.ops.kind === 'bridge') return bridgeEntries(dev, bridgeOf(dev))
  if (!isMacvlan(dev)) return []
  return [...dev.unicast.keys()]
    .filter((mac) => !isGroupMac(mac))
    .map((mac) => ({ link: dev.name, mac, vlan: undefined, on: 'self', state: 'permanent' }))
}

function bridgeEntries(bridge: Device, own: BridgeState): FdbSnapshot[] {
  return [...own.fdb.values()].flatMap((table) =>
    [...table.values()].map((entry) => ({
      link: entry.port?.dev.name ?? bridge.name,
      mac: entry.mac,
      vlan: entry.vid === 0 ? undefined : entry.vid,
      on: 'master' as const,
      state: entry.local ? 'permanent' : entry.static ? 'static' : 'dynamic',
    })),
  )
}

function vlansOf(dev: Device): BridgeVlanSnapshot[] {
  const group =
    dev.ops.kind === 'bridge'
      ? bridgeOf(dev).vlans
      : dev.rxHandler?.name === 'bridge'
        ? portOf(dev).vlans
        : undefined
  if (group === undefined) return []
  return [...group.untagged].map(([vlan, untagged]) => ({
    link: dev.name,
    vlan,
    pvid: group.pvid === vlan,
    untagged,
  }))
}

/**
 * `attach_default_qdiscs`: at the first up, and only kinds that may hold frames back get a queue.
 */
function qdiscOf(dev: Device): string {
  if (!dev.opened) return 'noop'
  return ['macvtap', 'tun', 'tap'].includes(dev.ops.kind) ? 'pfifo_fast' : 'noqueue'
}
