/** What answers do to the sockets that wait for them (net/ipv4/ping.c, tcp_ipv4.c, udp.c). */
import type { Ip } from '../../addr/ip.ts'
import {
  type IcmpMessage,
  type Ip4Packet,
  type Ip6Packet,
  PROTO_TCP,
  PROTO_UDP,
} from '../../wire/frame.ts'
import type { World } from '../model.ts'
import { finish, type ProbeSocket } from './socket.ts'
import type { NetnsIp } from './state.ts'

/** An echo reply came. @returns false when nobody waits for it */
export function takeEcho(
  world: World,
  ns: NetnsIp,
  from: Ip,
  ttl: number,
  message: IcmpMessage,
): boolean {
  const socket = ns.echoSockets.get(message.id)
  if (socket === undefined || socket.sequence !== message.sequence) return false
  if (typeof socket.to !== typeof from) return false
  const base = {
    outcome: 'reply',
    ttl,
    rttNs: world.now - socket.sentAt,
    responder: from,
  } as const
  const redirects = socket.redirects
  finish(socket, world.now, redirects === undefined ? base : { ...base, redirects })
  return true
}

/** The socket a quoted packet was sent by: it must be on its way to where that one sends. */
function senderOf(ns: NetnsIp, quoted: Ip4Packet | Ip6Packet): ProbeSocket | undefined {
  const socket = socketOf(ns, quoted)
  return socket?.to === quoted.dst ? socket : undefined
}

function socketOf(ns: NetnsIp, quoted: Ip4Packet | Ip6Packet): ProbeSocket | undefined {
  const payload = quoted.payload
  if (payload.kind === 'icmp') {
    // ping_err: an answer that got nowhere is no question of ours, whatever its number.
    if (payload.type !== (payload.version === 4 ? 8 : 128)) return undefined
    const socket = ns.echoSockets.get(payload.id)
    return socket?.sequence === payload.sequence ? socket : undefined
  }
  if (payload.kind === 'udp') return ns.portSockets.get(PROTO_UDP * 65_536 + payload.srcPort)
  if (payload.kind === 'tcp') return ns.portSockets.get(PROTO_TCP * 65_536 + payload.srcPort)
  return undefined
}

/** An ICMP error or redirect about a packet of ours. @returns false when nobody cares */
export function reportError4(
  world: World,
  ns: NetnsIp,
  from: Ip,
  message: IcmpMessage,
  quoted: Ip4Packet,
): boolean {
  const socket = senderOf(ns, quoted)
  if (socket === undefined) return false
  if (message.type === 5) {
    socket.redirects ??= []
    socket.redirects.push({ responder: from, gateway: message.value >>> 0 })
    return true
  }
  const mtu = message.type === 3 && message.code === 4 ? message.value : undefined
  report(world, socket, from, message, message.type === 3 && message.code === 3, mtu)
  return true
}

/** The same for ICMPv6. */
export function reportError6(
  world: World,
  ns: NetnsIp,
  from: Ip,
  message: IcmpMessage,
  quoted: Ip6Packet,
): boolean {
  const socket = senderOf(ns, quoted)
  if (socket === undefined) return false
  const closed = message.type === 1 && message.code === 4
  report(world, socket, from, message, closed, message.type === 2 ? message.value : undefined)
  return true
}

function report(
  world: World,
  socket: ProbeSocket,
  responder: Ip,
  message: IcmpMessage,
  portClosed: boolean,
  mtu: number | undefined,
): void {
  // The host is there, its port is closed.
  if (portClosed && (socket.protocol === 'tcp' || socket.protocol === 'udp')) {
    finish(socket, world.now, { outcome: 'errno', errno: 'ECONNREFUSED' })
    return
  }
  const rttNs = world.now - socket.sentAt
  const { type, code } = message
  const error = { outcome: 'icmp-error', type, code, responder, mtu, rttNs } as const
  const { sendErrno } = socket
  finish(socket, world.now, sendErrno === undefined ? error : { ...error, sendErrno })
}
