/**
 * Builds a world in the state of a snapshot, so that what a kernel has can be tried on. Links are
 * made the way the kernel makes them and then corrected where a snapshot knows better: indexes,
 * carriers, states. What a snapshot cannot tell (groups joined by hand, the age of what a bridge
 * learned) starts as in a fresh world; the other end of a cable that leads out of it is not there.
 */
import type { LinkAdd, LinkKind, LinkSpec } from '../fabric/plan.ts'
import type { LinkSnapshot, NetnsSnapshot, Snapshot } from '../fabric/snapshot.ts'
import {
  allocateDevice,
  closeDevice,
  openDevice,
  placeDevice,
  registerDevice,
  setAllmultiFlag,
  setNetem,
  setPromiscFlag,
} from './device.ts'
import { restoreIp, restoreSysctls } from './ip/restore.ts'
import { addPort } from './link/bridge-port.ts'
import { bridgeOf, portOf } from './link/bridge-state.ts'
import { createEntry } from './link/bridge-fdb.ts'
import { resumePort } from './link/bridge-stp.ts'
import { isRefusal } from './link/kind.ts'
import { kindOf } from './link/kinds.ts'
import { DEVICE } from './link/sink.ts'
import { type Device, EV_NEIGHBOUR_TIMER, type Netns, type World } from './model.ts'
import { createNetns } from './netns.ts'
import { netemState } from './netem.ts'
import { runUntil } from './run.ts'
import { createWorld, type WorldOptions } from './world.ts'

/** @throws nothing: what a snapshot names but does not hold is left out */
export function loadSnapshot(snapshot: Snapshot, options: WorldOptions = {}): World {
  const loader = new Loader(createWorld(options), snapshot)
  loader.run()
  return loader.world
}

class Loader {
  readonly world: World
  readonly #snapshot: Snapshot
  readonly #byName: ReadonlyMap<string, NetnsSnapshot>
  /** Devices made so far with what they are copies of, by namespace and index. */
  readonly #made = new Map<string, readonly [Device, LinkSnapshot]>()

  constructor(world: World, snapshot: Snapshot) {
    this.world = world
    this.#snapshot = snapshot
    this.#byName = new Map(snapshot.netns.map((netns) => [netns.name, netns]))
  }

  run(): void {
    const { world } = this
    for (const { name, sysctls } of this.#snapshot.netns) {
      restoreSysctls(world, this.#netns(name), sysctls)
    }
    for (const netns of this.#snapshot.netns) {
      for (const link of netns.links) this.#make(netns.name, link)
    }
    for (const [dev, link] of this.#made.values()) {
      const master = link.master === undefined ? undefined : dev.netns.byName.get(link.master)
      if (master?.ops.kind === 'bridge') addPort(world, master, dev)
    }
    for (const [dev, link] of this.#made.values()) this.#raise(dev, link)
    runUntil(world, world.now)
    for (const [dev, link] of this.#made.values()) this.#correct(dev, link)
    for (const netns of this.#snapshot.netns) restoreIp(world, this.#netns(netns.name), netns)
    // What the coming up of links and addresses began (duplicate address detection, reports of
    // groups) is long past; neighbours go on ageing.
    world.queue.keepOnly(EV_NEIGHBOUR_TIMER)
    for (const netns of this.#snapshot.netns) this.#bridges(netns)
    world.trace = world.trace.fork()
    world.layout++
  }

  #netns(name: string): Netns {
    return this.world.netns.get(name) ?? createNetns(this.world, name)
  }

  /** Makes a link after what it sits on. */
  #make(netnsName: string, link: LinkSnapshot): Device {
    const key = `${netnsName} ${link.index}`
    const known = this.#made.get(key)
    if (known !== undefined) return known[0]
    const netns = this.#netns(netnsName)
    const lo = netns.byName.get('lo')
    let dev: Device | undefined
    if (link.kind === 'loopback') dev = lo
    else if (link.kind === 'veth') dev = this.#veth(netns, link)
    else dev = this.#upper(netns, link)
    dev ??= this.#hardware(netns, link)
    placeDevice(dev, link.index)
    this.#made.set(key, [dev, link])
    return dev
  }

  /** A veth comes with its other end, if the snapshot has it. */
  #veth(netns: Netns, link: LinkSnapshot): Device | undefined {
    const { parent } = link
    if (parent?.netns === undefined || parent.name === undefined) return undefined
    const other = this.#byName
      .get(parent.netns)
      ?.links.find(({ index, kind }) => index === parent.index && kind === 'veth')
    if (other === undefined) return undefined
    const spec: LinkSpec = {
      kind: 'veth',
      peer: { name: parent.name, netns: parent.netns, address: other.address },
    }
    const dev = this.#create(netns, link, spec, undefined)
    const peer = dev?.peer
    if (peer === undefined) return dev
    placeDevice(peer, other.index)
    this.#made.set(`${parent.netns} ${other.index}`, [peer, other])
    return dev
  }

  #upper(netns: Netns, link: LinkSnapshot): Device | undefined {
    const parent = this.#parent(link)
    const spec = specOf(link)
    if (spec === undefined) return undefined
    const needsParent = spec.kind === 'macvlan' || spec.kind === 'macvtap' || spec.kind === 'vlan'
    if ((needsParent || spec.kind === 'ipvlan') && parent === undefined) return undefined
    return this.#create(netns, link, spec, parent)
  }

  #parent(link: LinkSnapshot): Device | undefined {
    const { parent } = link
    if (parent?.netns === undefined) return undefined
    const below = this.#byName.get(parent.netns)?.links.find(({ index }) => index === parent.index)
    return below === undefined || below === link ? undefined : this.#make(parent.netns, below)
  }

  #create(
    netns: Netns,
    link: LinkSnapshot,
    spec: LinkSpec,
    parent: Device | undefined,
  ): Device | undefined {
    const { world } = this
    const { name, address } = link
    // Limits come with the parent; the MTU itself is set afterwards.
    const op: LinkAdd = { do: 'link.add', netns: netns.name, name, spec, address }
    const made = kindOf(spec.kind).create({ world, op, spec, netns, parent })
    return isRefusal(made) ? undefined : made
  }

  /** A NIC, or a kind that is not simulated: a link with nothing known behind it. */
  #hardware(netns: Netns, link: LinkSnapshot): Device {
    const dev = allocateDevice(this.world, DEVICE, netns, link.name, link.address)
    dev.own = link.kind
    registerDevice(this.world, dev)
    return dev
  }

  /** Up, with everything below it up before. */
  #raise(dev: Device, link: LinkSnapshot): void {
    const { world } = this
    dev.arp = link.arp
    dev.mtu = link.mtu
    dev.mac = link.address
    // Whether a MAC was set by hand is not told: it was, if it is not what it would be else.
    if (dev.ops.kind === 'vlan') dev.macSet = dev.mac !== dev.lower?.mac
    if (dev.ops.kind === 'bridge') {
      const macs = bridgeOf(dev).ports.map((port) => port.dev.mac)
      dev.macSet = macs.length > 0 && Math.min(...macs) !== dev.mac
    }
    if (dev.ops === DEVICE) dev.carrier = link.carrier
    if (!link.up || dev.up) return
    const { lower } = dev
    const below =
      lower === undefined ? undefined : this.#made.get(`${lower.netns.name} ${lower.index}`)
    if (below !== undefined) this.#raise(below[0], below[1])
    if (openDevice(world, dev) === undefined || lower === undefined) return
    // It came up before its parent got the same MAC.
    const { mac } = lower
    lower.mac = NO_MAC
    openDevice(world, dev)
    lower.mac = mac
  }

  #correct(dev: Device, link: LinkSnapshot): void {
    const { world } = this
    if (!link.up) closeDevice(world, dev)
    setPromiscFlag(world, dev, link.promisc)
    setAllmultiFlag(world, dev, link.allmulticast)
    dev.arp = link.arp
    dev.mtu = link.mtu
    dev.mac = link.address
    dev.group = link.group
    dev.alias = link.alias
    dev.txQueueLength = link.txQueueLength
    if (link.netem !== undefined) {
      setNetem(dev, netemState(link.netem, link.netemHandle ?? world.nextHandle))
      world.nextHandle = Math.max(world.nextHandle, (link.netemHandle ?? 0) + 1)
    }
    dev.minMtu = link.minMtu
    dev.maxMtu = link.maxMtu
    if (link.up) {
      dev.carrier = link.carrier
      dev.operState = link.operState
    }
  }

  /** Ports, VLANs and forwarding entries as they were. */
  #bridges({ name, links, fdb, vlans }: NetnsSnapshot): void {
    const { world } = this
    const netns = this.#netns(name)
    for (const { name: link, port: wanted } of links) {
      const dev = netns.byName.get(link)
      if (dev?.rxHandler?.name !== 'bridge' || wanted === undefined) continue
      Object.assign(portOf(dev), wanted)
      resumePort(world, portOf(dev))
    }
    const groupOf = (link: string) => {
      const dev = netns.byName.get(link)
      if (dev === undefined) return undefined
      if (dev.rxHandler?.name === 'bridge') return portOf(dev).vlans
      return dev.ops.kind === 'bridge' ? bridgeOf(dev).vlans : undefined
    }
    for (const { name: link } of links) {
      const group = groupOf(link)
      group?.untagged.clear()
      if (group !== undefined) group.pvid = 0
    }
    for (const { link, vlan, pvid, untagged } of vlans) {
      const group = groupOf(link)
      group?.untagged.set(vlan, untagged)
      if (group !== undefined && pvid) group.pvid = vlan
    }
    for (const dev of netns.byIndex.values()) {
      if (dev.ops.kind === 'bridge') bridgeOf(dev).fdb.clear()
    }
    for (const entry of fdb) this.#entry(netns, entry)
  }

  #entry(netns: Netns, { link, mac, vlan, on, state }: NetnsSnapshot['fdb'][number]): void {
    const dev = netns.byName.get(link)
    if (dev === undefined || on !== 'master') return
    const port = dev.rxHandler?.name === 'bridge' ? portOf(dev) : undefined
    const bridge = port?.bridge ?? dev
    if (bridge.ops.kind !== 'bridge') return
    const entry = createEntry(this.world, bridgeOf(bridge), port, mac, vlan ?? 0)
    entry.local = state === 'permanent'
    entry.static = state !== 'dynamic'
    // An address of the port or bridge itself follows it; any other was put there by somebody.
    entry.byUser = entry.static && mac !== dev.mac
  }
}

/** Nobody's. */
const NO_MAC = 0

/** Kinds that come with nothing but themselves. */
const PLAIN: readonly string[] = ['dummy', 'tun', 'tap'] satisfies LinkKind[]

/** What would make such a link; undefined for hardware and kinds that are not simulated. */
function specOf(link: LinkSnapshot): LinkSpec | undefined {
  const { kind, macvlan, ipvlan, vlan, vxlan, bridge } = link
  // Names only mark that there is a parent: it is passed beside the spec.
  const parent = link.parent?.name
  if (PLAIN.includes(kind)) return { kind: kind as 'dummy' | 'tun' | 'tap' }
  if ((kind === 'macvlan' || kind === 'macvtap') && macvlan !== undefined) {
    const { sources, ...options } = macvlan
    const set = { change: 'set', macs: sources } as const
    const own = macvlan.mode === 'source' ? { ...options, sources: set } : options
    return { kind, parent, macvlan: own }
  }
  if (kind === 'ipvlan' && ipvlan !== undefined) return { kind, parent, ...ipvlan }
  if (kind === 'vlan' && vlan !== undefined) return { kind, parent, ...vlan }
  if (kind === 'vxlan' && vxlan !== undefined) return { kind, ...vxlan }
  if (kind === 'bridge' && bridge !== undefined) return { kind, bridge }
  return undefined
}
