/** What a rejected packet is answered with (net/ipv4/netfilter/nf_reject_ipv4.c and its twin). */
import type { Ip4, Ip6 } from '../../../addr/ip.ts'
import type { RejectWith } from '../../../fabric/filter.ts'
import { PROTO_TCP, type TcpSegment } from '../../../wire/frame.ts'
import { makeIp4, makeIp6, makeTcp } from '../../../wire/make.ts'
import type { World } from '../../model.ts'
import type { Rejection } from '../hooks.ts'
import { sendError4 } from '../icmp4.ts'
import { sendError6 } from '../icmp6.ts'
import { sendLocal4 } from '../output4.ts'
import { sendLocal6 } from '../output6.ts'
import { routeOutput4 } from '../route4.ts'
import { routeOutput6 } from '../route6.ts'
import { deviceIp, type NetnsIp } from '../state.ts'
import { answerTo } from './state.ts'

/** ICMP codes of "destination unreachable"; those of version 6 differ. */
const CODES: Readonly<Record<Exclude<RejectWith, 'tcp-reset'>, number>> = {
  'icmp-net-unreachable': 0,
  'icmp-host-unreachable': 1,
  'icmp-proto-unreachable': 2,
  'icmp-port-unreachable': 3,
  'icmp-net-prohibited': 9,
  'icmp-host-prohibited': 10,
  'icmp-admin-prohibited': 13,
  'icmp6-no-route': 0,
  'icmp6-adm-prohibited': 1,
  'icmp6-addr-unreachable': 3,
  'icmp6-port-unreachable': 4,
}

const SYN = 2
const FIN = 1
const RST = 4
const ACK = 16
/** TTL of a reset (nf_send_reset takes the one of the route's metrics). */
const RESET_TTL = 64

export function sendReject(world: World, ns: NetnsIp, rejection: Rejection): void {
  const { packet, inDev, local } = rejection
  const nf = ns.netfilter
  if (nf !== undefined) nf.current = rejection.tracked
  if (rejection.with === 'tcp-reset') {
    sendReset(world, ns, rejection)
    return
  }
  const code = CODES[rejection.with]
  if (packet.kind === 'ip4') sendError4(world, ns, { packet, inDev, local }, 3, code, 0)
  else sendError6(world, ns, packet, inDev, 1, code, 0)
}

/** `nf_send_reset`: as if the other end had refused, whoever's address that is. */
function sendReset(world: World, ns: NetnsIp, { packet, tracked, inDev }: Rejection): void {
  const { payload } = packet
  if (payload.kind !== 'tcp' || (payload.flags & RST) !== 0) return
  const reset = resetOf(payload)
  const nf = ns.netfilter
  if (nf !== undefined) nf.attached = answerTo(tracked)
  if (packet.kind === 'ip4') reset4(world, ns, packet.dst, packet.src, reset)
  else reset6(world, ns, packet.dst, packet.src, reset, inDev)
  if (nf !== undefined) nf.attached = undefined
}

function reset4(world: World, ns: NetnsIp, from: Ip4, to: Ip4, reset: TcpSegment): void {
  const out = routeOutput4(ns, to, from, undefined, true)
  if (typeof out === 'string') return
  const options = { dontFragment: true }
  const made = makeIp4(from, to, ns.conf.ip_default_ttl, PROTO_TCP, reset, 20, options)
  sendLocal4(world, ns, out, made)
}

function reset6(
  world: World,
  ns: NetnsIp,
  from: Ip6,
  to: Ip6,
  reset: TcpSegment,
  inDev: Rejection['inDev'],
): void {
  const oif = to >> 118n === 0x3fan ? inDev : undefined
  const out = routeOutput6(ns, to, from, oif, world.now)
  if (typeof out === 'string') return
  const hops = deviceIp(out.dev)?.conf6.hop_limit ?? RESET_TTL
  sendLocal6(world, ns, out, makeIp6(from, to, hops, PROTO_TCP, reset, 20))
}

/** `nf_reject_ip_tcphdr_put` */
function resetOf(segment: TcpSegment): TcpSegment {
  const { srcPort, dstPort, sequence, acknowledgement, flags, dataLength } = segment
  if ((flags & ACK) !== 0) return makeTcp(dstPort, srcPort, acknowledgement, 0, RST, 0, 0)
  const taken = dataLength + ((flags & SYN) !== 0 ? 1 : 0) + ((flags & FIN) !== 0 ? 1 : 0)
  return makeTcp(dstPort, srcPort, 0, (sequence + taken) >>> 0, RST | ACK, 0, 0)
}
