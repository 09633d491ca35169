/**
 * The state of a simulated Linux: worlds, namespaces and devices, as data without behaviour.
 *
 * What a device does hangs on its `ops` (as the kernel's `net_device_ops` and `rx_handler`), what
 * the protocol stack does on the world's `stack`. Both are frozen singletons, so everything else
 * reachable from a {@link World} is plain state that can be copied: see fork.ts.
 */
import type { Ip } from '../addr/ip.ts'
import type { Mac } from '../addr/mac.ts'
import type { LinkSpec } from '../fabric/plan.ts'
import type { KernelTraits } from '../fabric/traits.ts'
import type { OperState } from '../fabric/snapshot.ts'
import type { Frame, Ip4Packet, Ip6Packet } from '../wire/frame.ts'
import type { Audience } from './audience.ts'
import type { NetemState } from './netem.ts'
import { EventQueue } from './queue.ts'
import { Random } from './random.ts'
import { TraceRing } from './trace-ring.ts'

/** Packet types, as `skb->pkt_type` (include/uapi/linux/if_packet.h). */
export const PACKET_HOST = 0
export const PACKET_BROADCAST = 1
export const PACKET_MULTICAST = 2
export const PACKET_OTHERHOST = 3
export const PACKET_OUTGOING = 4
export const PACKET_LOOPBACK = 5
export type PacketType = 0 | 1 | 2 | 3 | 4 | 5

/** Event kinds; their handlers stand in `World.handlers` under the same number. */
export const EV_RECEIVE = 0
export const EV_LINKWATCH = 1
export const EV_MACVLAN_BROADCAST = 2
export const EV_BRIDGE_TIMER = 3
export const EV_NEIGHBOUR_TIMER = 4
export const EV_ADDRESS_TIMER = 5
export const EV_STACK_TIMER = 6
export const EV_CROWD = 7
export const EV_NETEM = 8
export const EVENT_KINDS = 9

/** What can happen to a device that others want to know (as the kernel's netdev notifiers). */
export type DeviceEvent =
  | 'register'
  | 'unregister'
  | 'up'
  | 'down'
  | 'carrier'
  | 'mtu'
  | 'address'
  | 'rename'
  | 'netns'
  | 'promisc'

/** Behaviour of a kind of link; frozen singletons in link/. */
export interface LinkOps {
  readonly kind: LinkSpec['kind'] | 'loopback' | 'device'
  /** IFF_UNICAST_FLT: further unicast addresses do not make it promiscuous. */
  readonly unicastFilter: boolean
  /**
   * `ndo_start_xmit`: called with the device up and with carrier.
   * @returns 0, or the errno number the sender sees (drops a sender does not see return 0)
   */
  transmit(world: World, dev: Device, frame: Frame): number
  /** `ndo_open`: the device is about to be up; a refusal keeps it down. */
  open?(world: World, dev: Device): Refusal | undefined
  /** `ndo_stop`: the device is about to be down. */
  stop?(world: World, dev: Device): void
  /** `dellink` and `ndo_uninit`: the device, already down, is about to be gone. */
  uninit?(world: World, dev: Device): void
  /** `ndo_set_mac_address`; default: any valid unicast address, at any time. */
  setMac?(world: World, dev: Device, mac: Mac): Refusal | undefined
  /** `ndo_change_mtu`, after the check against minMtu and maxMtu; default: take it. */
  changeMtu?(world: World, dev: Device, mtu: number): Refusal | undefined
  /** `ndo_set_rx_mode`: the address lists changed while the device is up. */
  rxMode?(world: World, dev: Device): void
  /** `ndo_change_rx_flags`: IFF_PROMISC or IFF_ALLMULTI changed. */
  rxFlags?(world: World, dev: Device, changed: 'promisc' | 'allmulti', on: boolean): void
  /** An event of a device this one sits on, is paired with or (a bridge) has as a port. */
  lowerEvent?(world: World, dev: Device, lower: Device, event: DeviceEvent): void
}

/**
 * Behaviour of whoever claimed a device's receive path: a bridge for its ports, macvlan or ipvlan
 * for a parent.
 */
export interface RxHandler {
  readonly name: 'bridge' | 'macvlan' | 'ipvlan'
  /** @returns true when the frame was taken, false when the device's own stack goes on with it */
  receive(world: World, dev: Device, frame: Frame, type: PacketType): boolean
}

/** The protocol stack, called by the link layer; set once when a world is made. */
export interface StackOps {
  /** A frame reached the stack of the device's namespace (ETH_P_IP, _IPV6, _ARP handlers). */
  receive(world: World, dev: Device, frame: Frame, type: PacketType): void
  /**
   * Receives a group frame for those of an audience whom it plainly does not concern: see
   * ip/overhear.ts.
   *
   * @returns index of the first, from `from` on, who must receive it properly
   */
  overhear(
    world: World,
    audience: Audience<Device>,
    from: number,
    except: Device | undefined,
    frame: Frame,
  ): number
  deviceEvent(world: World, dev: Device, event: DeviceEvent): void
  /**
   * What the packet filter of a bridge's namespace makes of a frame it forwards (br_netfilter).
   * @returns the frame as it goes on; undefined when it was dropped
   */
  bridgeForward(world: World, bridge: Device, frame: Frame): Frame | undefined
  /** Whether a link holds an address (ipvlan finds its children by them). */
  holds(dev: Device, ip: Ip): boolean
  /**
   * Routes a packet as if the link's namespace had made it: `ipvlan_process_outbound`.
   * @returns 0, or the errno number the sender sees
   */
  routeOut(world: World, dev: Device, packet: Ip4Packet | Ip6Packet): number
  netnsCreated(world: World, netns: Netns): void
  netnsDeleted(world: World, netns: Netns): void
}

export type EventHandler = (world: World, target: number, data: unknown) => void

export class World {
  /** Virtual time, ns. */
  now = 0
  readonly queue: EventQueue
  readonly random: Random
  trace: TraceRing
  readonly traits: KernelTraits
  readonly stack: StackOps
  readonly handlers: readonly (EventHandler | undefined)[]
  /** By id; ids are never reused. */
  readonly devices: (Device | undefined)[] = []
  readonly netns = new Map<string, Netns>()
  /** By id. */
  readonly netnsById: (Netns | undefined)[] = []
  /** `qdisc_alloc_handle`: what the next queueing discipline is called. */
  nextHandle = 0x8001
  /** Delay of a cable (veth) without impairment, ns. */
  cableDelayNs = 1000
  /** Depth of nested transmit calls, cut at 10 as the kernel's recursion limit. */
  depth = 0
  /** Belongs to the protocol stack (ip/). */
  stackState: unknown = undefined
  /**
   * Counts changes by hand and of devices: as long as it stands still, so do modes, addresses,
   * settings and who is up. Neighbours and forwarding tables move without.
   */
  layout = 0
  /** What programs on its machines keep on disk, by `MACHINE:PATH`; nothing in here reads it. */
  readonly files = new Map<string, string>()
  /** Raw ports and captures by device id; not part of a fork. */
  taps = new Map<number, Tap[]>()

  constructor(options: {
    readonly seed: number
    readonly traits: KernelTraits
    readonly stack: StackOps
    readonly handlers: readonly (EventHandler | undefined)[]
    readonly traceSize: number
  }) {
    this.queue = new EventQueue()
    this.random = new Random(options.seed)
    this.trace = new TraceRing(options.traceSize)
    this.traits = options.traits
    this.stack = options.stack
    this.handlers = options.handlers
  }
}

/**
 * A packet socket: with `etherType` undefined it sees every frame that enters or leaves a device
 * (ETH_P_ALL), else those of that type which reach the device's protocol stack.
 */
export interface Tap {
  readonly etherType: number | undefined
  see(timeNs: number, frame: Frame, type: PacketType): void
}

export class Netns {
  readonly id: number
  name: string
  readonly byName = new Map<string, Device>()
  readonly byIndex = new Map<number, Device>()
  nextIndex = 1
  /** Belongs to the protocol stack (ip/); the link layer never looks inside. */
  ip: unknown = undefined

  constructor(id: number, name: string) {
    this.id = id
    this.name = name
  }
}

/** A network device. One class with every field, so that the hot paths stay monomorphic. */
export class Device {
  // What every frame meets stands first: of a state as large, few cache lines are fetched then.
  readonly id: number
  readonly ops: LinkOps
  netns: Netns
  /** Its id, at hand for the trace. */
  netnsId: number
  /** IFF_UP */
  up = false
  /** netif_carrier_ok */
  carrier = true
  /** false: IFF_NOARP */
  arp = true
  mac: Mac
  mtu = 1500
  /** Belongs to the protocol stack (ip/). */
  ip: unknown = undefined
  /** State of the kind (bridge, macvlan child, ...): each file in link/ knows its own. */
  own: unknown = undefined
  rxHandler: RxHandler | undefined = undefined
  /** State of the rx handler on this device (bridge port, macvlan port, ipvlan port). */
  port: unknown = undefined
  /** VLAN devices on this one, by protocol * 4096 + id. */
  vlans: Map<number, Device> | undefined = undefined
  /** Other end of a veth. */
  peer: Device | undefined = undefined
  /** Device a macvlan, ipvlan, vlan or vxlan sits on. */
  lower: Device | undefined = undefined
  /** What it counted: see counters.ts. */
  txPackets = 0
  txBytes = 0
  rxPackets = 0
  rxBytes = 0
  rxMulticast = 0
  rxDropped = 0
  txDropped = 0
  /** Its root queueing discipline, where it is a netem. */
  netem: NetemState | undefined = undefined
  /** Counts how often frames that waited in it were thrown away (`qdisc_reset`). */
  netemEpoch = 0
  /** Bridge this is a port of. */
  master: Device | undefined = undefined
  // The rest.
  index: number
  name: string
  minMtu = 68
  maxMtu = 65535
  /** Was up once: from then on it has a queueing discipline (dev_activate). */
  opened = false
  operState: OperState = 'down'
  /** Set by hand, and by all who asked. */
  promiscFlag = false
  promiscuity = 0
  allmultiFlag = false
  allmulti = 0
  /** Promiscuous because its unicast list is not empty and it cannot filter (`dev->uc_promisc`). */
  unicastPromisc = false
  /** A carrier change waits for its EV_LINKWATCH. */
  linkwatchPending = false
  /** Being taken down for good: nothing may be hung on it any more. */
  dying = false
  group = 0
  alias: string | undefined = undefined
  txQueueLength = 1000
  /** MAC was set by hand (bridge and vlan follow others until then). */
  macSet = false
  mtuSet = false
  /** Devices that sit on this one, in the order they came. */
  uppers: Device[] = []
  /** Tells links apart that share a MAC (`dev_id`, ipvlan children); 0 = none. */
  number = 0
  /** Groups joined, with how often: `dev->mc`. */
  readonly multicast = new Map<Mac, number>()
  /** Those of them joined by hand (`ip maddr add`). */
  readonly multicastByHand = new Set<Mac>()
  /** Further unicast addresses accepted: `dev->uc`. */
  readonly unicast = new Map<Mac, number>()

  constructor(id: number, ops: LinkOps, netns: Netns, index: number, name: string, mac: Mac) {
    this.id = id
    this.ops = ops
    this.netns = netns
    this.netnsId = netns.id
    this.index = index
    this.name = name
    this.mac = mac
  }
}

/** Why the simulated kernel refuses an op. */
export interface Refusal {
  readonly errno: string
  readonly extack?: string
}
