/**
 * Where a packet passes netfilter: each hook is called in one place of the way, in the kernel's
 * order (include/uapi/linux/netfilter.h). Each gives the packet as it goes on, or undefined when
 * it was taken. Nothing is done where a namespace has no rules: callers ask for
 * `ns.netfilter` first.
 */
import type { Ip } from '../../addr/ip.ts'
import type { RejectWith } from '../../fabric/filter.ts'
import type { ReasonCode } from '../../fabric/reason.ts'
import type { Ip4Packet, Ip6Packet } from '../../wire/frame.ts'
import { type Device, EV_STACK_TIMER, type World } from '../model.ts'
import { reassemble4 } from './fragment.ts'
import type { Tracked } from './netfilter/connections.ts'
import { track } from './netfilter/conntrack.ts'
import { type Passage, runHook } from './netfilter/hook.ts'
import type { HookName, Netfilter, Station, Stations } from './netfilter/state.ts'
import { selectAddress4 } from './route4.ts'
import { selectSource6 } from './route6.ts'
import { deviceIp, type NetnsIp, SCOPE_GLOBAL } from './state.ts'
import { dropPacket } from './trace.ts'

type Packet = Ip4Packet | Ip6Packet

/** A packet a rule rejected: its answer is made in an event of its own, after the hook. */
export interface Rejection {
  readonly what: 'reject'
  readonly with: RejectWith
  readonly packet: Packet
  readonly tracked: Tracked | undefined
  /** The link it came in by; undefined when it was made here. */
  readonly inDev: Device | undefined
  /** It was addressed to this namespace. */
  readonly local: boolean
}

/** So many packets are on their way through lo at most. */
const LOOPED_MAX = 4096
const BRIDGE: ReasonCode = 'NETFILTER_BRIDGE'

/** After the header was checked, before the route is looked up. */
export function hookPrerouting<P extends Packet>(
  world: World,
  ns: NetnsIp,
  nf: Netfilter,
  dev: Device,
  packet: P,
): P | undefined {
  nf.current = undefined
  const station = stationsOf(nf, packet).PREROUTING
  if (station === undefined) return packet
  const looped = nf.looped.get(packet)
  if (looped !== undefined) nf.looped.delete(packet)
  nf.current = looped
  let whole: Packet | undefined = packet
  // nf_defrag_ipv4: connections are those of whole packets.
  if (nf.trackers[4] > 0 && packet.kind === 'ip4' && isFragment(packet))
    whole = reassemble4(world, ns, packet)
  if (whole === undefined) return undefined
  return pass(nf, station, new Step(world, ns, 'PREROUTING', whole as P, dev, undefined))
}

/** For the namespace itself, before the upper layer. */
export function hookInput<P extends Packet>(
  world: World,
  ns: NetnsIp,
  nf: Netfilter,
  dev: Device,
  packet: P,
): P | undefined {
  const station = stationsOf(nf, packet).INPUT
  if (station === undefined) return packet
  return pass(nf, station, new Step(world, ns, 'INPUT', packet, dev, undefined))
}

/** Between two links. */
export function hookForward<P extends Packet>(
  world: World,
  ns: NetnsIp,
  nf: Netfilter,
  dev: Device,
  out: Device,
  packet: P,
): P | undefined {
  const station = stationsOf(nf, packet).FORWARD
  if (station === undefined) return packet
  return pass(nf, station, new Step(world, ns, 'FORWARD', packet, dev, out))
}

/**
 * A packet that crosses a bridge and passes the rules of its namespace as if it were routed there:
 * `br_nf_pre_routing`, `br_nf_forward`, `br_nf_post_routing`. A destination translated on the way
 * is not followed: the frame goes where its MAC says.
 */
export function hookBridge<P extends Packet>(
  world: World,
  ns: NetnsIp,
  nf: Netfilter,
  bridge: Device,
  packet: P,
): P | undefined {
  const tracks = nf.trackers[packet.kind === 'ip4' ? 4 : 6] > 0
  nf.current = tracks ? track(nf, packet, world.now) : undefined
  const station = stationsOf(nf, packet).FORWARD
  const step = new Step(world, ns, 'FORWARD', packet, bridge, bridge)
  const passed = station === undefined ? packet : pass(nf, station, step, BRIDGE)
  return passed && hookPostrouting(world, ns, nf, bridge, passed, passed.dst)
}

/** Made here, its route known. Its destination may be another one afterwards. */
export function hookOutput<P extends Packet>(
  world: World,
  ns: NetnsIp,
  nf: Netfilter,
  dev: Device,
  packet: P,
): P | undefined {
  nf.current = nf.attached
  nf.attached = undefined
  const station = stationsOf(nf, packet).OUTPUT
  if (station === undefined) return packet
  return pass(nf, station, new Step(world, ns, 'OUTPUT', packet, undefined, dev))
}

/** Last before the link. @param nextHop whose subnet masquerading prefers an address of */
export function hookPostrouting<P extends Packet>(
  world: World,
  ns: NetnsIp,
  nf: Netfilter,
  dev: Device,
  packet: P,
  nextHop: Ip,
): P | undefined {
  const station = stationsOf(nf, packet).POSTROUTING
  if (station === undefined) return packet
  const passed = pass(
    nf,
    station,
    new Step(world, ns, 'POSTROUTING', packet, undefined, dev, nextHop),
  )
  if (passed !== undefined && dev === ns.lo && nf.current !== undefined) {
    if (nf.looped.size >= LOOPED_MAX) nf.looped.clear()
    nf.looped.set(passed, nf.current)
  }
  return passed
}

function stationsOf(nf: Netfilter, packet: Packet): Stations {
  return nf.stations[packet.kind === 'ip4' ? 4 : 6]
}

/**
 * ICMP the namespace itself answers with: its socket is locked while that is on its way, so that no
 * error about it can be sent (icmp_xmit_lock).
 */
function isOwnAnswer({ payload }: Packet): boolean {
  if (payload.kind !== 'icmp') return false
  return payload.type !== (payload.version === 4 ? 8 : 128)
}

function isFragment(packet: Ip4Packet): boolean {
  return packet.moreFragments || packet.fragmentOffset !== 0
}

const REASONS: Readonly<Record<HookName, ReasonCode>> = {
  PREROUTING: 'NETFILTER_NAT',
  INPUT: 'NETFILTER_INPUT',
  FORWARD: 'NETFILTER_FORWARD',
  OUTPUT: 'NETFILTER_OUTPUT',
  POSTROUTING: 'NETFILTER_NAT',
}

/** A packet at one hook of one namespace. */
class Step<P extends Packet> implements Passage<P> {
  readonly world: World
  readonly ns: NetnsIp
  readonly hook: HookName
  packet: P
  tracked: Tracked | undefined
  readonly inDev: Device | undefined
  readonly outDev: Device | undefined
  readonly iif: string | undefined
  readonly oif: string | undefined
  readonly now: number
  readonly nextHop: Ip | undefined
  rule = ''

  constructor(
    world: World,
    ns: NetnsIp,
    hook: HookName,
    packet: P,
    inDev: Device | undefined,
    outDev: Device | undefined,
    nextHop?: Ip,
  ) {
    this.world = world
    this.ns = ns
    this.hook = hook
    this.packet = packet
    this.tracked = undefined
    this.inDev = inDev
    this.outDev = outDev
    this.iif = inDev?.name
    this.oif = outDev?.name
    this.now = world.now
    this.nextHop = nextHop
  }

  address(): Ip | undefined {
    const { ns, packet, inDev, outDev, nextHop, now } = this
    switch (this.hook) {
      case 'PREROUTING':
        if (packet.kind === 'ip4') return inDev && deviceIp(inDev)?.addresses4[0]?.ip
        return selectSource6(ns, packet.src, inDev, now)
      case 'OUTPUT':
        // nf_nat_redirect: what was made here is redirected to loopback.
        return packet.kind === 'ip4' ? 0x7f000001 : 1n
      case 'POSTROUTING':
        if (outDev === undefined || nextHop === undefined) return undefined
        if (typeof nextHop === 'bigint') return selectSource6(ns, packet.dst as bigint, outDev, now)
        return selectAddress4(ns, outDev, nextHop, SCOPE_GLOBAL) || undefined
      case 'INPUT':
      case 'FORWARD':
        return undefined
    }
  }
}

function pass<P extends Packet>(
  nf: Netfilter,
  station: Station,
  step: Step<P>,
  reason?: ReasonCode,
): P | undefined {
  step.tracked = nf.current
  const { packet } = step
  const refused = runHook(nf, station, step)
  if (refused === undefined) {
    nf.current = step.tracked
    return step.packet
  }
  const { world, hook, inDev, outDev, ns } = step
  const dev = inDev ?? outDev
  const code = refused.table === 'nat' ? 'NETFILTER_NAT' : (reason ?? REASONS[hook])
  if (dev !== undefined) dropPacket(world, dev, packet, code)
  world.trace.note(step.rule)
  const isSilent = hook === 'OUTPUT' && world.traits.locksIcmp && isOwnAnswer(packet)
  if (refused.with !== undefined && !isSilent) {
    if (hook === 'OUTPUT') nf.rejections++
    const rejection: Rejection = {
      what: 'reject',
      with: refused.with,
      packet,
      tracked: step.tracked,
      inDev,
      local: hook === 'INPUT',
    }
    world.queue.pushNow(world.now, EV_STACK_TIMER, ns.netns.id, rejection)
  }
  return undefined
}
