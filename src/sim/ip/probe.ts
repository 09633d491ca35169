/**
 * Probes in virtual time: what a socket in a namespace would see of a ping, an ARP probe, a
 * datagram or a connection. All probes of a call run in one pass of the event queue.
 */
import { LanyardError } from '../../errors.ts'
import type { Ip, Ip4, Ip6 } from '../../addr/ip.ts'
import { isMulticastIp } from '../../addr/ip.ts'
import { MAC_BROADCAST } from '../../addr/mac.ts'
import type { Probe, ProbeResult } from '../../fabric/fabric.ts'
import { type Payload, PROTO_ICMP, PROTO_ICMP6, PROTO_TCP, PROTO_UDP } from '../../wire/frame.ts'
import { makeArp, makeEcho, makeIp4, makeIp6, makeTcp, makeUdp } from '../../wire/make.ts'
import { transmit } from '../core.ts'
import type { Device, World } from '../model.ts'
import { runUntil } from '../run.ts'
import { mtuOf4, sendLocal4 } from './output4.ts'
import { mtuOf6, sendLocal6 } from './output6.ts'
import { isLocal4, nextId, routeOutput4 } from './route4.ts'
import { isLocal6, routeOutput6 } from './route6.ts'
import { closeSocket, openSocket, type ProbeRun, type ProbeSocket } from './socket.ts'
import { type DeviceIp, deviceIp, type NetnsIp, netnsIp, SECOND } from './state.ts'

const MS = 1_000_000
/** What a UDP probe says: `lanyard`, a line feed. */
const DATA = new Uint8Array([108, 97, 110, 121, 97, 114, 100, 10])
const TIMEOUT: ProbeResult = Object.freeze({ outcome: 'timeout' })
/** Between two sends of one call: as a system call takes its time, not all ask at once. */
const SEND_NS = 1000
/** Seconds between SYNs: 1, then twice as long each time (tcp_timeout_init). */
const SYN_TIMES = [1, 3, 7, 15, 31]

/** IP_MTU_DISCOVER */
const DISCOVER = { dont: 0, want: 1, do: 2 } as const

/** errno numbers a transmit call answers with. */
const ERRNO: Readonly<Record<number, string>> = {
  1: 'EPERM',
  13: 'EACCES',
  22: 'EINVAL',
  90: 'EMSGSIZE',
  101: 'ENETUNREACH',
  105: 'ENOBUFS',
  113: 'EHOSTUNREACH',
}

/**
 * Sends probes and lets virtual time pass until each has its result or gave up.
 *
 * @returns one result a probe, in their order
 * @throws LanyardError `netns-missing` when a probe starts in a namespace that is not there
 * @example
 * ```ts
 * runProbes(world, [{ protocol: 'icmp', from: 'h1', to: parseIp4('10.9.0.2') }])
 * ```
 */
export function runProbes(
  world: World,
  probes: readonly Probe[],
  options: { readonly sequential?: boolean } = {},
): ProbeResult[] {
  if (options.sequential !== true) return runBatch(world, probes)
  return probes.map((probe) => runBatch(world, [probe])[0] as ProbeResult)
}

/** A ping of several packets, as `ping -c COUNT -i INTERVAL`. */
export interface PingSeries {
  readonly from: string
  readonly to: Ip
  readonly count: number
  /** Default 1000. */
  readonly intervalMs?: number
  /** How long the last one waits; default 10000, as ping without an answer. */
  readonly timeoutMs?: number
  readonly probe?: Partial<Extract<Probe, { protocol: 'icmp' }>>
}

/** Pings in a row; results by sequence number, from 1 on. Later ones leave while earlier wait. */
export function pingSeries(world: World, series: PingSeries): ProbeResult[] {
  const { from, to, count, intervalMs = 1000, timeoutMs = 10_000 } = series
  const probes = Array.from(
    { length: count },
    (_, i): Probe => ({
      ...series.probe,
      protocol: 'icmp',
      from,
      to,
      sequence: i + 1,
      startMs: i * intervalMs,
      timeoutMs: timeoutMs + (count - 1 - i) * intervalMs,
    }),
  )
  return runProbes(world, probes)
}

/** The SYN of a probe, to be sent again at a time. */
interface Again {
  readonly at: number
  readonly index: number
}

function runBatch(world: World, probes: readonly Probe[]): ProbeResult[] {
  const run: ProbeRun = { pending: probes.length }
  const start = world.now
  const sockets: (ProbeSocket | undefined)[] = []
  const places: NetnsIp[] = []
  const sendAt = (index: number): number =>
    start + Math.round((probes[index]?.startMs ?? 0) * MS) + index * SEND_NS
  const order = probes.map((_, index) => index)
  if (probes.some((p) => p.startMs !== undefined)) order.sort((a, b) => sendAt(a) - sendAt(b))
  const again: Again[] = []
  const done = (): boolean => run.pending === 0
  let deadline = start
  for (let sent = 0; sent < order.length || again.length > 0; ) {
    const index = order[sent]
    const retry = again[0]
    const due = index === undefined ? Infinity : sendAt(index)
    const at = retry === undefined ? due : Math.min(due, retry.at)
    if (at > world.now && !(run.pending > 0 && runUntil(world, at, done))) break
    if (done()) break
    if (at > world.now) world.now = at
    if (index === undefined || at < due) {
      again.shift()
      if (retry !== undefined) resendSyn(world, probes, sockets, retry.index)
      continue
    }
    sent++
    const probe = probes[index] as Probe
    const ns = namespaceOf(world, probe.from)
    const socket = launch(world, ns, run, probe)
    places[index] = ns
    sockets[index] = socket
    deadline = Math.max(deadline, socket.deadline)
    if (probe.protocol === 'tcp' && socket.result === undefined) plan(again, at, index, socket)
  }
  if (!done()) runUntil(world, deadline, done)
  return probes.map((probe, index) => {
    const socket = sockets[index]
    if (socket === undefined) return TIMEOUT
    const { result, sendErrno } = socket
    close(places[index] as NetnsIp, probe, socket)
    return result ?? (sendErrno === undefined ? TIMEOUT : fail(sendErrno))
  })
}

/** Notes the SYNs to come, the earliest first. */
function plan(again: Again[], sentAt: number, index: number, socket: ProbeSocket): void {
  for (const seconds of SYN_TIMES) {
    const at = sentAt + seconds * SECOND
    if (at < socket.deadline) again.push({ at, index })
  }
  again.sort((a, b) => a.at - b.at)
}

function namespaceOf(world: World, name: string): NetnsIp {
  const netns = world.netns.get(name)
  if (netns === undefined) throw new LanyardError('netns-missing', { netns: name })
  return netnsIp(netns)
}

function launch(world: World, ns: NetnsIp, run: ProbeRun, probe: Probe): ProbeSocket {
  const socket = open(world, ns, run, probe)
  const rejections = ns.netfilter?.rejections
  const failed = send(world, ns, socket, probe)
  if (failed === undefined || socket.result !== undefined) return socket
  if (probe.protocol === 'icmp' && ns.netfilter?.rejections !== rejections) {
    // The answer of its own packet filter is on its way through lo.
    socket.sendErrno = 'EPERM'
    return socket
  }
  socket.result = failed
  run.pending--
  return socket
}

function open(world: World, ns: NetnsIp, run: ProbeRun, probe: Probe): ProbeSocket {
  const icmp = probe.protocol === 'icmp'
  const discover = icmp ? DISCOVER[probe.pmtu ?? 'want'] : 1
  const id = icmp ? echoId(ns) : probe.protocol === 'arp' ? 0 : localPort(ns, probe.protocol)
  const sequence = icmp ? (probe.sequence ?? 1) : 0
  const { now } = world
  const until = now + Math.round((probe.timeoutMs ?? 1000) * MS)
  const socket = openSocket(run, probe.protocol, probe.to, id, sequence, discover, now, until)
  if (icmp) ns.echoSockets.add(socket)
  else if (probe.protocol === 'arp') listen(linkIp(ns, probe.link), (all) => [...all, socket])
  else ns.portSockets.set(portKey(probe.protocol, socket.id), socket)
  return socket
}

function close(ns: NetnsIp, probe: Probe, socket: ProbeSocket): void {
  if (probe.protocol === 'icmp') ns.echoSockets.remove(socket)
  else if (probe.protocol === 'arp') {
    listen(linkIp(ns, probe.link), (all) => all.filter((s) => s !== socket))
  } else ns.portSockets.delete(portKey(probe.protocol, socket.id))
  closeSocket(socket)
}

/** Changes who waits for ARP answers at a link. */
function listen(
  ip: DeviceIp | undefined,
  change: (all: readonly ProbeSocket[]) => ProbeSocket[],
): void {
  if (ip === undefined) return
  ip.arpSockets = change(ip.arpSockets)
  ip.news++
}

function linkIp(ns: NetnsIp, link: string): DeviceIp | undefined {
  const dev = ns.netns.byName.get(link)
  return dev === undefined ? undefined : deviceIp(dev)
}

function portKey(protocol: 'udp' | 'tcp', port: number): number {
  return (protocol === 'udp' ? PROTO_UDP : PROTO_TCP) * 65_536 + port
}

/** There are 65,536: who has had one since all others were given is heard no more. */
function echoId(ns: NetnsIp): number {
  ns.nextEchoId = (ns.nextEchoId + 1) & 0xffff
  const held = ns.echoSockets.get(ns.nextEchoId)
  if (held !== undefined) ns.echoSockets.remove(held)
  return ns.nextEchoId
}

function localPort(ns: NetnsIp, protocol: 'udp' | 'tcp'): number {
  do ns.nextPort = ns.nextPort >= 60_999 ? 32_768 : ns.nextPort + 1
  while (ns.portSockets.has(portKey(protocol, ns.nextPort)))
  return ns.nextPort
}

const fail = (errno: string, mtu?: number): ProbeResult =>
  mtu === undefined ? { outcome: 'errno', errno } : { outcome: 'errno', errno, mtu }

/** @returns what the socket call failed with at once */
function send(
  world: World,
  ns: NetnsIp,
  socket: ProbeSocket,
  probe: Probe,
): ProbeResult | undefined {
  const dev = probe.link === undefined ? undefined : ns.netns.byName.get(probe.link)
  if (probe.link !== undefined && dev === undefined) return fail('ENODEV')
  if (probe.protocol === 'arp') {
    const source = (probe.source as Ip4 | undefined) ?? 0
    return sendArpProbe(world, probe.to as Ip4, source, dev as Device)
  }
  const source = probe.source
  if (source !== undefined) {
    const own = typeof source === 'number' ? isLocal4(ns, source) : isLocal6(ns, source, dev)
    if (!own) return fail('EADDRNOTAVAIL')
  }
  return typeof probe.to === 'number'
    ? send4(world, ns, socket, probe, probe.to, dev)
    : send6(world, ns, socket, probe, probe.to, dev)
}

/** What goes into the packet, and its length. */
function payloadOf(
  world: World,
  socket: ProbeSocket,
  probe: Exclude<Probe, { protocol: 'arp' }>,
): readonly [Payload, number] {
  if (probe.protocol === 'icmp') {
    const size = probe.size ?? 56
    const version = typeof probe.to === 'number' ? 4 : 6
    return [makeEcho(version, false, socket.id, socket.sequence, size), 8 + size]
  }
  if (probe.protocol === 'udp') return [makeUdp(socket.id, probe.port, DATA), 8 + DATA.length]
  const sequence = world.random.below(0x100000000)
  return [makeTcp(socket.id, probe.port, sequence, 0, 2, 64_240, 0), 20]
}

const PROTOCOLS = { udp: PROTO_UDP, tcp: PROTO_TCP } as const

function send4(
  world: World,
  ns: NetnsIp,
  socket: ProbeSocket,
  probe: Exclude<Probe, { protocol: 'arp' }>,
  to: Ip4,
  dev: Device | undefined,
): ProbeResult | undefined {
  const icmp = probe.protocol === 'icmp'
  const bound = (probe.source as Ip4 | undefined) ?? 0
  let out = routeOutput4(ns, to, bound, dev)
  // ip_route_connect: the source once chosen, the way is looked up again, now as from it
  if (!icmp && bound === 0 && typeof out !== 'string') out = routeOutput4(ns, to, out.source, dev)
  if (typeof out === 'string') return fail(out)
  // ip4_datagram_connect: a broadcast needs SO_BROADCAST
  if (out.kind === 'broadcast' && !(icmp && probe.broadcast === true)) return fail('EACCES')
  const [payload, length] = payloadOf(world, socket, probe)
  if (length > 65_515) return fail('EMSGSIZE')
  const mtu = mtuOf4(world, out.dev, out.route, to)
  if (socket.discover === 2 && 20 + length > mtu) return fail('EMSGSIZE', mtu)
  const dontFragment = socket.discover === 2 || (socket.discover === 1 && 20 + length <= mtu)
  const ttl = probe.ttl ?? (out.kind === 'multicast' ? 1 : ns.conf.ip_default_ttl)
  const protocol = icmp ? PROTO_ICMP : PROTOCOLS[probe.protocol]
  const id = dontFragment ? 0 : nextId(ns)
  const packet = makeIp4(out.source, to, ttl, protocol, payload, length, { dontFragment, id })
  const result = sendLocal4(world, ns, out, packet)
  // tcp_connect: what becomes of a SYN is not told to the caller.
  if (probe.protocol === 'tcp') return undefined
  return result === 0 ? undefined : fail(ERRNO[result] ?? 'EIO')
}

function send6(
  world: World,
  ns: NetnsIp,
  socket: ProbeSocket,
  probe: Exclude<Probe, { protocol: 'arp' }>,
  to: Ip6,
  dev: Device | undefined,
): ProbeResult | undefined {
  const out = routeOutput6(ns, to, (probe.source as Ip6 | undefined) ?? 0n, dev, world.now)
  if (typeof out === 'string') return fail(out)
  const icmp = probe.protocol === 'icmp'
  const [payload, length] = payloadOf(world, socket, probe)
  if (length > 65_535) return fail('EMSGSIZE')
  const mtu = mtuOf6(world, out.dev, out.route, to)
  if (socket.discover === 2 && 40 + length > mtu) return fail('EMSGSIZE', mtu)
  const hops = probe.ttl ?? (isMulticastIp(to) ? 1 : (deviceIp(out.dev)?.conf6.hop_limit ?? 64))
  const protocol = icmp ? PROTO_ICMP6 : PROTOCOLS[probe.protocol]
  const packet = makeIp6(out.source, to, hops, protocol, payload, length)
  const result = sendLocal6(world, ns, out, packet)
  // tcp_connect: what becomes of a SYN is not told to the caller.
  if (probe.protocol === 'tcp') return undefined
  return result === 0 ? undefined : fail(ERRNO[result] ?? 'EIO')
}

/** Sends the SYN of a connection that had no answer once more. */
function resendSyn(
  world: World,
  probes: readonly Probe[],
  sockets: readonly (ProbeSocket | undefined)[],
  index: number,
): void {
  const probe = probes[index]
  const socket = sockets[index]
  if (probe === undefined || socket === undefined || socket.result !== undefined) return
  send(world, namespaceOf(world, probe.from), socket, probe)
}

/** As `arping`: a broadcast request through a packet socket; without a source as `arping -D`. */
function sendArpProbe(world: World, to: Ip4, source: Ip4, dev: Device): ProbeResult | undefined {
  if (!dev.up) return fail('ENETDOWN')
  if (!dev.arp || dev.ops.kind === 'loopback') return fail('EINVAL')
  const request = makeArp(MAC_BROADCAST, dev.mac, 1, dev.mac, source, 0, to)
  const result = transmit(world, dev, request)
  return result === 0 ? undefined : fail(ERRNO[result] ?? 'EIO')
}
