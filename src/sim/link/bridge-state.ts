/** State of a bridge and of its ports, as `net_bridge` and `net_bridge_port` (br_private.h). */
import type { Mac } from '../../addr/mac.ts'
import { ETH_8021Q } from '../../wire/frame.ts'
import type { Device } from '../model.ts'
import type { MacMap } from './mac-map.ts'

export const STATE_DISABLED = 0
export const STATE_LISTENING = 1
export const STATE_LEARNING = 2
export const STATE_FORWARDING = 3
export const STATE_BLOCKING = 4

/** VLANs of a port, or of the bridge itself: id -> leaves untagged. */
export class VlanGroup {
  /** 0: none */
  pvid = 0
  readonly untagged = new Map<number, boolean>()
}

/** One forwarding entry. */
export class FdbEntry {
  readonly mac: Mac
  readonly vid: number
  /** Undefined: the bridge itself. */
  port: BridgePort | undefined
  /** BR_FDB_LOCAL: an address of the bridge or a port; frames for it go up. */
  local: boolean
  /** BR_FDB_STATIC: never ages. */
  static: boolean
  sticky = false
  /** BR_FDB_ADDED_BY_USER */
  byUser = false
  updatedNs: number

  constructor(mac: Mac, vid: number, port: BridgePort | undefined, updatedNs: number) {
    this.mac = mac
    this.vid = vid
    this.port = port
    this.local = false
    this.static = false
    this.updatedNs = updatedNs
  }
}

export class BridgePort {
  readonly dev: Device
  readonly bridge: Device
  state = STATE_DISABLED
  hairpin = false
  isolated = false
  learning = true
  flood = true
  multicastFlood = true
  broadcastFlood = true
  locked = false
  /** The bridge holds the port promiscuous. */
  promisc = false
  /** A forward delay timer runs; events of older generations are void. */
  timer = 0
  readonly vlans = new VlanGroup()

  constructor(dev: Device, bridge: Device) {
    this.dev = dev
    this.bridge = bridge
  }
}

export class BridgeState {
  /** Newest first, as the kernel adds at the head of its list. */
  ports: BridgePort[] = []
  /** By VLAN id (0 without filtering), then by address. */
  readonly fdb = new Map<number, MacMap<FdbEntry>>()
  vlanFiltering = false
  vlanProtocol = ETH_8021Q
  defaultPvid = 1
  readonly vlans = new VlanGroup()
  /** Seconds. */
  ageingTime = 300
  forwardDelay = 15
  stp = false
  groupForwardMask = 0
  multicastSnooping = true
  /** MTU was set by hand, ports no longer decide it. */
  mtuByUser = false
}

export function bridgeOf(dev: Device): BridgeState {
  return dev.own as BridgeState
}

export function portOf(dev: Device): BridgePort {
  return dev.port as BridgePort
}
