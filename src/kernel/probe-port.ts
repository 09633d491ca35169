/**
 * UDP and TCP probes: a connected socket each. A UDP port that answers is a reply, one that
 * refuses (ICMP port unreachable) is ECONNREFUSED: the host is there. TCP likewise: a connection is
 * a reply. Any other ICMP error ends the probe as one.
 *
 * A host sends few "port unreachable" at a time (`net.ipv4.icmp_ratelimit`; Linux about 6 to one
 * peer at once, then one a second): many UDP probes to closed ports of one host time out.
 */
import type { Probe, ProbeResult } from '../fabric/fabric.ts'
import { errnoName } from '../errno.ts'
import { monotonicNs } from '../sys/message.ts'
import { watchReadable, watchWritable } from '../sys/poll.ts'
import { inetAddress } from '../sys/sockaddr.ts'
import {
  closeFd,
  connectSocket,
  getOption,
  SO_ERROR,
  SO_LINGER,
  SO_TIMESTAMPNS,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOL_SOCKET,
  sendTo,
  setOption,
} from '../sys/socket.ts'
import type { ProbeRun } from './probe-run.ts'
import { IPPROTO_IP, IPPROTO_IPV6, nextError, openProbeSocket } from './probe-socket.ts'

type PortProbe = Probe & { readonly protocol: 'udp' | 'tcp' }

const EINPROGRESS = 115
const ECONNREFUSED = 111
const IP_RECVTTL = 12
const IP_TTL = 2
const IPV6_RECVHOPLIMIT = 51
const IPV6_HOPLIMIT = 52
/** What a UDP probe says: a service that echoes echoes this. */
const PAYLOAD = new TextEncoder().encode('lanyard\n')
/** struct linger {1, 0}: close with a reset, so that no TIME_WAIT is left for a minute. */
const RESET = new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0])

/** Sends one probe to a port; its outcome comes through the run. */
export function connectTo(run: ProbeRun, index: number, probe: PortProbe): void {
  const tcp = probe.protocol === 'tcp'
  const socket = openProbeSocket(probe, tcp ? SOCK_STREAM : SOCK_DGRAM, 0, (fd) => {
    setOption(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1)
    if (tcp) setOption(fd, SOL_SOCKET, SO_LINGER, RESET)
    else if (typeof probe.to === 'number') setOption(fd, IPPROTO_IP, IP_RECVTTL, 1)
    else setOption(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1)
  })
  if ('errno' in socket) {
    run.finish(index, { outcome: 'errno', errno: socket.errno })
    return
  }
  const { fd, scopeId } = socket
  const sentNs = monotonicNs()
  let result = connectSocket(fd, inetAddress(probe.to, probe.port, scopeId))
  if (result === 0 && !tcp) result = sendTo(fd, PAYLOAD)
  if (result < 0 && result !== -EINPROGRESS) {
    closeFd(fd)
    run.finish(index, { outcome: 'errno', errno: errnoName(-result) })
    return
  }
  const look = (): void => {
    const outcome =
      icmpError(run, fd, probe, sentNs) ?? (tcp ? tcpOutcome(fd, probe, sentNs) : answer())
    if (outcome !== undefined) run.finish(index, outcome)
  }
  const answer = (): ProbeResult | undefined => udpOutcome(run, fd, probe, sentNs)
  const watch = tcp ? watchWritable(fd, look) : watchReadable(fd, look)
  run.own(index, {
    close() {
      watch.close()
      closeFd(fd)
    },
  })
}

/** The ICMP error that ended it, unless it is a port that refuses. */
function icmpError(
  run: ProbeRun,
  fd: number,
  probe: PortProbe,
  sentNs: number,
): ProbeResult | undefined {
  const error = nextError(run.reader, fd)
  if (error === undefined) return undefined
  const { offender, icmpType: type, icmpCode: code } = error
  if (error.local || error.code === ECONNREFUSED || offender === undefined) {
    return { outcome: 'errno', errno: errnoName(error.code) }
  }
  const mtu = isTooBig(probe, type, code) ? error.info : undefined
  const rttNs = Math.max(0, error.arrivedNs - sentNs)
  return { outcome: 'icmp-error', type, code, responder: offender, mtu, rttNs }
}

/** "Fragmentation needed", "packet too big": only these tell an MTU. */
function isTooBig(probe: PortProbe, type: number, code: number): boolean {
  return typeof probe.to === 'number' ? type === 3 && code === 4 : type === 2
}

function tcpOutcome(fd: number, probe: PortProbe, sentNs: number): ProbeResult {
  const code = getOption(fd, SOL_SOCKET, SO_ERROR)
  if (code !== 0) return { outcome: 'errno', errno: errnoName(code) }
  // The handshake leaves no time stamp; what the event loop adds is in this.
  const rttNs = monotonicNs() - sentNs
  return { outcome: 'reply', ttl: undefined, rttNs, responder: probe.to }
}

function udpOutcome(
  run: ProbeRun,
  fd: number,
  probe: PortProbe,
  sentNs: number,
): ProbeResult | undefined {
  const { reader } = run
  const now = reader.sync()
  const message = reader.read(fd)
  if (typeof message === 'number') {
    return message === 0 ? undefined : { outcome: 'errno', errno: errnoName(-message) }
  }
  const ttl = reader.control(IPPROTO_IP, IP_TTL) ?? reader.control(IPPROTO_IPV6, IPV6_HOPLIMIT)
  return {
    outcome: 'reply',
    ttl: ttl?.getInt32(0, true),
    rttNs: Math.max(0, reader.arrivedNs(now) - sentNs),
    responder: probe.to,
  }
}
