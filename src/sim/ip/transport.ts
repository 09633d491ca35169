/**
 * As much of UDP and TCP as shows whether a port answers: listeners, refusals, the first segment
 * back (net/ipv4/udp.c __udp4_lib_rcv, tcp_ipv4.c tcp_v4_rcv and tcp_v4_send_reset).
 */
import type { Ip } from '../../addr/ip.ts'
import { PROTO_TCP, PROTO_UDP, type TcpSegment, type UdpDatagram } from '../../wire/frame.ts'
import { makeTcp } from '../../wire/make.ts'
import type { Netns, World } from '../model.ts'
import { finish } from './socket.ts'
import { type NetnsIp, netnsIp } from './state.ts'

const FIN = 1
const SYN = 2
const RST = 4
const ACK = 16

/**
 * Lets a namespace answer on a port: TCP accepts, UDP takes what comes and with `echo` sends it
 * back. Without a listener TCP resets and UDP answers "port unreachable".
 *
 * @example
 * ```ts
 * listen(netns, 'tcp', 80)
 * ```
 */
export function listen(
  netns: Netns,
  protocol: 'udp' | 'tcp',
  port: number,
  options: { readonly echo?: boolean } = {},
): void {
  const key = (protocol === 'tcp' ? PROTO_TCP : PROTO_UDP) * 65_536 + port
  netnsIp(netns).listeners.set(key, { echo: options.echo ?? false })
}

/** From here on nobody listens on the port. */
export function stopListening(netns: Netns, protocol: 'udp' | 'tcp', port: number): void {
  netnsIp(netns).listeners.delete((protocol === 'tcp' ? PROTO_TCP : PROTO_UDP) * 65_536 + port)
}

/** What to send back for a TCP segment; undefined for nothing. */
export function receiveTcp(
  world: World,
  ns: NetnsIp,
  from: Ip,
  segment: TcpSegment,
): TcpSegment | undefined {
  const socket = ns.portSockets.get(PROTO_TCP * 65_536 + segment.dstPort)
  if (socket !== undefined && socket.to === from) {
    const now = world.now
    if ((segment.flags & RST) !== 0) finish(socket, now, { outcome: 'errno', errno: REFUSED })
    else if ((segment.flags & (SYN | ACK)) === (SYN | ACK)) {
      const rttNs = now - socket.sentAt
      finish(socket, now, { outcome: 'reply', ttl: undefined, rttNs, responder: from })
      return answer(segment, segment.acknowledgement, segment.sequence + 1, RST | ACK)
    }
    return undefined
  }
  if ((segment.flags & RST) !== 0) return undefined
  if (ns.listeners.has(PROTO_TCP * 65_536 + segment.dstPort)) {
    if ((segment.flags & (SYN | ACK | FIN)) !== SYN) return undefined
    const first = world.random.below(0x100000000)
    return answer(segment, first, segment.sequence + 1, SYN | ACK)
  }
  if ((segment.flags & ACK) !== 0) return answer(segment, segment.acknowledgement, 0, RST)
  return answer(segment, 0, segment.sequence + 1, RST | ACK)
}

const REFUSED = 'ECONNREFUSED'

function answer(to: TcpSegment, sequence: number, ack: number, flags: number): TcpSegment {
  const window = (flags & RST) !== 0 ? 0 : 65_160
  return makeTcp(to.dstPort, to.srcPort, sequence, ack >>> 0, flags, window, 0)
}

/** What becomes of a UDP datagram: taken, sent back, or nobody is there. */
export function receiveUdp(
  world: World,
  ns: NetnsIp,
  from: Ip,
  ttl: number,
  datagram: UdpDatagram,
): 'taken' | 'echo' | 'refused' {
  const socket = ns.portSockets.get(PROTO_UDP * 65_536 + datagram.dstPort)
  if (socket !== undefined && socket.to === from) {
    const rttNs = world.now - socket.sentAt
    finish(socket, world.now, { outcome: 'reply', ttl, rttNs, responder: from })
    return 'taken'
  }
  const listener = ns.listeners.get(PROTO_UDP * 65_536 + datagram.dstPort)
  if (listener === undefined) return 'refused'
  return listener.echo ? 'echo' : 'taken'
}
