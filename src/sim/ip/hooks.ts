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
import { track } from './netfilter/conntrack.ts'
import { type HookContext, runHook } from './netfilter/hook.ts'
import type { HookName, Netfilter, Tracked } from './netfilter/state.ts'
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
const NO_ADDRESS = (): undefined => undefined

/** After the header was checked, before the route is looked up. */
export function hookPrerouting<P extends Packet>(
  world: World,
  ns: NetnsIp,
  nf: Netfilter,
  dev: Device,
  packet: P,
): P | undefined {
  nf.current = undefined
  if (!isBusy(nf, 'PREROUTING', packet)) return packet
  const looped = nf.looped.get(packet)
  if (looped !== undefined) nf.looped.delete(packet)
  nf.current = looped
  let whole: Packet | undefined = packet
  // nf_defrag_ipv4: connections are those of whole packets.
  if (nf.trackers[4] > 0 && packet.kind === 'ip4' && isFragment(packet))
    whole = reassemble4(world, ns, packet)
  if (whole === undefined) return undefined
  const redirected = (): Ip | undefined =>
    packet.kind === 'ip4'
      ? deviceIp(dev)?.addresses4[0]?.ip
      : selectSource6(ns, packet.src, dev, world.now)
  return pass(world, ns, nf, 'PREROUTING', whole as P, dev, undefined, redirected)
}

/** For the namespace itself, before the upper layer. */
export function hookInput<P extends Packet>(
  world: World,
  ns: NetnsIp,
  nf: Netfilter,
  dev: Device,
  packet: P,
): P | undefined {
  if (!isBusy(nf, 'INPUT', packet)) return packet
  return pass(world, ns, nf, 'INPUT', packet, dev, undefined, NO_ADDRESS)
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
  if (!isBusy(nf, 'FORWARD', packet)) return packet
  return pass(world, ns, nf, 'FORWARD', packet, dev, out, NO_ADDRESS)
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
  const passed = pass(world, ns, nf, 'FORWARD', packet, bridge, bridge, NO_ADDRESS, BRIDGE)
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
  if (!isBusy(nf, 'OUTPUT', packet)) return packet
  // nf_nat_redirect: what was made here is redirected to loopback.
  const own = (): Ip => (packet.kind === 'ip4' ? 0x7f000001 : 1n)
  return pass(world, ns, nf, 'OUTPUT', packet, undefined, dev, own)
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
  if (!isBusy(nf, 'POSTROUTING', packet)) return packet
  const masqueraded = (): Ip | undefined => {
    if (typeof nextHop === 'bigint') return selectSource6(ns, packet.dst as bigint, dev, world.now)
    return selectAddress4(ns, dev, nextHop, SCOPE_GLOBAL) || undefined
  }
  const passed = pass(world, ns, nf, 'POSTROUTING', packet, undefined, dev, masqueraded)
  if (passed !== undefined && dev === ns.lo && nf.current !== undefined) {
    if (nf.looped.size >= LOOPED_MAX) nf.looped.clear()
    nf.looped.set(passed, nf.current)
  }
  return passed
}

function isBusy(nf: Netfilter, hook: HookName, packet: Packet): boolean {
  return nf.busy[packet.kind === 'ip4' ? 4 : 6][hook]
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

function pass<P extends Packet>(
  world: World,
  ns: NetnsIp,
  nf: Netfilter,
  hook: HookName,
  packet: P,
  inDev: Device | undefined,
  outDev: Device | undefined,
  address: HookContext<P>['address'],
  reason: ReasonCode = REASONS[hook],
): P | undefined {
  const result = runHook(nf, hook, {
    packet,
    tracked: nf.current,
    iif: inDev?.name,
    oif: outDev?.name,
    address,
    now: world.now,
  })
  if (result.verdict === 'accept') {
    nf.current = result.tracked
    return result.packet
  }
  const dev = inDev ?? outDev
  const isNat = result.verdict === 'drop' && result.table === 'nat'
  if (dev !== undefined) dropPacket(world, dev, packet, isNat ? 'NETFILTER_NAT' : reason)
  world.trace.note(`${isNat ? 'nat' : 'filter'} ${result.rule}`)
  const isSilent = hook === 'OUTPUT' && world.traits.locksIcmp && isOwnAnswer(packet)
  if (result.verdict === 'reject' && !isSilent) {
    if (hook === 'OUTPUT') nf.rejections++
    const rejection: Rejection = {
      what: 'reject',
      with: result.with,
      packet,
      tracked: result.tracked,
      inDev,
      local: hook === 'INPUT',
    }
    world.queue.pushNow(world.now, EV_STACK_TIMER, ns.netns.id, rejection)
  }
  return undefined
}
