/** What a plan says of a kind of link, as `IFLA_LINKINFO`. */
import type { BridgeOptions, LinkSpec, MacvlanOptions } from '../fabric/plan.ts'
import {
  IPVLAN_F_PRIVATE,
  IPVLAN_F_VEPA,
  type LinkInfo,
  MACVLAN_FLAG_NODST,
  MACVLAN_FLAG_NOPROMISC,
  VLAN_FLAG_GVRP,
  VLAN_FLAG_LOOSE,
  VLAN_FLAG_MVRP,
  VLAN_FLAG_REORDER,
} from '../netlink/tables/link.ts'
import { bit } from './apply-bridge.ts'

export const MACVLAN_MODES = { private: 1, vepa: 2, bridge: 4, passthru: 8, source: 16 } as const
/** By number. */
export const IPVLAN_MODES = ['l2', 'l3', 'l3s'] as const
export const IPVLAN_FLAGS = { bridge: 0, private: IPVLAN_F_PRIVATE, vepa: IPVLAN_F_VEPA } as const
export const VLAN_PROTOCOLS = { '802.1Q': 0x8100, '802.1ad': 0x88a8 } as const

/** `IFLA_MACVLAN_MACADDR_MODE` */
const SOURCE_CHANGES = { add: 0, remove: 1, flush: 2, set: 3 } as const

type MacvlanData = NonNullable<LinkInfo['macvlan']>
type BridgeData = NonNullable<LinkInfo['bridge']>
/** A change of the list of source MACs. */
export type SourceChange = Pick<MacvlanData, 'addressMode' | 'address' | 'addresses'>

/** The kinds rtnetlink makes; tun and tap are made by ioctl. */
export type NetlinkSpec = Exclude<LinkSpec, TunSpec>
type TunSpec = { readonly kind: 'tun' | 'tap' }

export function isTun(spec: LinkSpec): spec is TunSpec {
  return spec.kind === 'tun' || spec.kind === 'tap'
}

/** Kind and data of a link to be made. */
export function infoOf(
  spec: NetlinkSpec,
  parent: number | undefined,
  peerFd: number | undefined,
): LinkInfo {
  switch (spec.kind) {
    case 'dummy':
      return { kind: 'dummy' }
    case 'veth': {
      const { name, address, mtu } = spec.peer
      return { kind: 'veth', veth: { peer: { name, address, mtu, netnsFd: peerFd } } }
    }
    case 'bridge':
      return spec.bridge === undefined
        ? { kind: 'bridge' }
        : { kind: 'bridge', bridge: bridgeData(spec.bridge) }
    case 'macvlan':
    case 'macvtap':
      return { kind: spec.kind, macvlan: newMacvlanData(spec.macvlan ?? {}) }
    case 'ipvlan':
      return {
        kind: 'ipvlan',
        ipvlan: {
          mode: spec.mode === undefined ? undefined : IPVLAN_MODES.indexOf(spec.mode),
          flags: spec.flag === undefined ? undefined : IPVLAN_FLAGS[spec.flag],
        },
      }
    case 'vlan':
      return vlanInfo(spec)
    case 'vxlan':
    default:
      return { kind: 'vxlan', vxlan: vxlanData(spec, parent) }
  }
}

/** Times are hundredths of a second in the kernel. */
export function bridgeData(options: BridgeOptions): BridgeData {
  const { ageingTime, forwardDelay } = options
  return {
    forwardDelay: forwardDelay === undefined ? undefined : Math.round(forwardDelay * 100),
    ageingTime: ageingTime === undefined ? undefined : Math.round(ageingTime * 100),
    stpState: bit(options.stp),
    vlanFiltering: bit(options.vlanFiltering),
    vlanDefaultPvid: options.vlanDefaultPvid,
    groupForwardMask: options.groupForwardMask,
    multicastSnooping: bit(options.multicastSnooping),
  }
}

/** All but the source list. `flags`: those set before, of which only the ones spoken of change. */
export function macvlanData(options: MacvlanOptions, flags: number): MacvlanData {
  const { mode, nopromisc, nodst } = options
  const set = (before: number, value: boolean | undefined, mask: number) =>
    value === undefined ? before : value ? before | mask : before & ~mask
  const wanted = set(set(flags, nopromisc, MACVLAN_FLAG_NOPROMISC), nodst, MACVLAN_FLAG_NODST)
  const spoken = nopromisc !== undefined || nodst !== undefined
  return {
    mode: mode === undefined ? undefined : MACVLAN_MODES[mode],
    flags: spoken ? wanted : undefined,
    broadcastQueueLength: options.broadcastQueueLength,
  }
}

function newMacvlanData(options: MacvlanOptions): MacvlanData {
  const { sources } = options
  // A new link has no list yet, so that adding and setting are the same; set takes all at once.
  const list = sources?.change === 'add' ? { ...sources, change: 'set' as const } : sources
  return { ...macvlanData(options, 0), ...(list && sourceChanges(list)[0]) }
}

/** A change of the source list as the kernel takes it: `add` and `remove` one MAC a message. */
export function sourceChanges(
  sources: NonNullable<MacvlanOptions['sources']>,
): readonly SourceChange[] {
  const addressMode = SOURCE_CHANGES[sources.change]
  if (sources.change === 'flush') return [{ addressMode }]
  if (sources.change === 'set') return [{ addressMode, addresses: { list: sources.macs } }]
  return sources.macs.map((address) => ({ addressMode, address }))
}

/** Without a word about it the kernel misses all properties, with an empty list only the id. */
function vlanInfo(spec: Extract<LinkSpec, { kind: 'vlan' }>): LinkInfo {
  const vlan = vlanData(spec)
  const says = Object.values(vlan).some((value) => value !== undefined)
  return says ? { kind: 'vlan', vlan } : { kind: 'vlan' }
}

function vlanData(spec: Extract<LinkSpec, { kind: 'vlan' }>): NonNullable<LinkInfo['vlan']> {
  const { reorderHeader, looseBinding, gvrp, mvrp } = spec
  let flags = 0
  let mask = 0
  if (reorderHeader !== undefined) mask |= VLAN_FLAG_REORDER
  if (reorderHeader) flags |= VLAN_FLAG_REORDER
  if (gvrp !== undefined) mask |= VLAN_FLAG_GVRP
  if (gvrp) flags |= VLAN_FLAG_GVRP
  if (mvrp !== undefined) mask |= VLAN_FLAG_MVRP
  if (mvrp) flags |= VLAN_FLAG_MVRP
  if (looseBinding !== undefined) mask |= VLAN_FLAG_LOOSE
  if (looseBinding) flags |= VLAN_FLAG_LOOSE
  const map = (pairs: readonly (readonly [number, number])[] | undefined) =>
    pairs && { list: pairs.map(([from, to]) => ({ from, to })) }
  return {
    id: spec.id,
    protocol: spec.protocol === undefined ? undefined : VLAN_PROTOCOLS[spec.protocol],
    flags: mask === 0 ? undefined : { flags, mask },
    egressQos: map(spec.egressQos),
    ingressQos: map(spec.ingressQos),
  }
}

function vxlanData(
  spec: Extract<LinkSpec, { kind: 'vxlan' }>,
  parent: number | undefined,
): LinkInfo['vxlan'] {
  const { local, remote } = spec
  return {
    id: spec.id,
    port: spec.port,
    link: parent,
    learning: bit(spec.learning),
    local: typeof local === 'number' ? local : undefined,
    local6: typeof local === 'bigint' ? local : undefined,
    remote: typeof remote === 'number' ? remote : undefined,
    remote6: typeof remote === 'bigint' ? remote : undefined,
  }
}
