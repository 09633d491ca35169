/**
 * ICMP echo probes over raw sockets, as ping does them. A namespace has one receiving socket a
 * family (it hears all ICMP there) and one sending socket a set of options; a probe is known by its
 * identifier, its sequence number and a cookie in the payload.
 */
import type { Ip } from '../addr/ip.ts'
import type { Closer, Probe } from '../fabric/fabric.ts'
import { type MessageReader, monotonicNs } from '../sys/message.ts'
import { watchReadable } from '../sys/poll.ts'
import { inetAddress } from '../sys/sockaddr.ts'
import {
  AF_INET,
  AF_INET6,
  closeFd,
  getOption,
  ioctl,
  openSocket,
  SO_BROADCAST,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SO_TIMESTAMPNS,
  SOCK_RAW,
  SOL_SOCKET,
  sendTo,
  setOption,
  setReceiveBuffer,
  trySetOption,
} from '../sys/socket.ts'
import { encodeEcho, type Heard, hear4, hear6 } from './icmp-message.ts'
import { inNetns } from './netns.ts'
import type { ProbeRun } from './probe-run.ts'
import {
  IPPROTO_IP,
  IPPROTO_IPV6,
  openProbeSocket,
  type ProbeSocket,
  sendFailure,
} from './probe-socket.ts'

type Echo = Probe & { readonly protocol: 'icmp' }

const IPPROTO_ICMP = 1
const IPPROTO_ICMPV6 = 58
const IP_MTU_DISCOVER = 10
const IPV6_MTU_DISCOVER = 23
const IPV6_RECVHOPLIMIT = 51
const IPV6_HOPLIMIT = 52
const SOL_RAW = 255
const ICMP_FILTER = 1
const ICMP6_FILTER = 1
const PMTU = { dont: 0, want: 1, do: 2 } as const
const EPERM = 1
const EAGAIN = 11
const ENOBUFS = 105
const SIOCOUTQ = 0x5411
const SEND_TRIES = 3
const SEND_BUFFER = 4 << 20
const RECEIVE_BUFFER = 16 << 20

/**
 * What an ICMP message for an earlier probe leaves on its socket for the next send to report
 * (net/ipv4/icmp.c `icmp_err_convert`, net/ipv6/icmp.c): then nothing was sent, try again.
 */
const MAY_BE_OLD: ReadonlySet<number> = new Set([
  13, // EACCES
  64, // ENONET
  71, // EPROTO
  90, // EMSGSIZE
  92, // ENOPROTOOPT
  95, // EOPNOTSUPP
  101, // ENETUNREACH
  111, // ECONNREFUSED
  112, // EHOSTDOWN
  113, // EHOSTUNREACH
])

/** IPv4 types heard: echo reply, unreachable, redirect, time exceeded, parameter problem. */
const HEARD4 = [0, 3, 5, 11, 12]
/** IPv6: unreachable, too big, time exceeded, parameter problem, echo reply, redirect. */
const HEARD6 = [1, 2, 3, 4, 129, 137]

/** Sends one echo request; its outcome comes through the run. */
export function sendEcho(run: ProbeRun, index: number, probe: Echo): void {
  const family = typeof probe.to === 'number' ? 4 : 6
  const receiver = run.share(
    `icmp ${family} ${probe.from}`,
    EchoReceiver,
    () => new EchoReceiver(run, probe.from, family),
  )
  const { link, source, ttl, pmtu, broadcast } = probe
  const key = `${family} ${link} ${source} ${ttl} ${pmtu} ${broadcast} ${probe.from}`
  const sender = run.share(key, EchoSender, () => new EchoSender(probe))
  sender.send(run, index, probe, receiver)
}

class EchoSender implements Closer {
  readonly #probe: Echo
  /** The last one is in use. */
  readonly #sockets: ProbeSocket[]

  constructor(probe: Echo) {
    this.#probe = probe
    this.#sockets = [openSender(probe)]
  }

  send(run: ProbeRun, index: number, probe: Echo, receiver: EchoReceiver): void {
    const socket = this.#sockets.at(-1) ?? { errno: 'EBADF' }
    if ('errno' in socket) {
      run.finish(index, { outcome: 'errno', errno: socket.errno })
      return
    }
    const pending = receiver.expect(index, probe)
    const bytes = encodeEcho(typeof probe.to === 'number' ? 4 : 6, pending, probe.size ?? 56)
    const address = inetAddress(probe.to, 0, isLinkLocal(probe.to) ? socket.scopeId : 0)
    pending.sentNs = monotonicNs()
    let sent = sendTo(socket.fd, bytes, address)
    for (let tries = 1; MAY_BE_OLD.has(-sent) && tries < SEND_TRIES; tries++) {
      pending.sentNs = monotonicNs()
      sent = sendTo(socket.fd, bytes, address)
    }
    if (sent >= 0) return
    // Its own packet filter may have rejected it: then the answer is here by now.
    if (sent === -EPERM && receiver.takeRejection(pending)) return
    receiver.forget(pending)
    if ((sent === -EAGAIN || sent === -ENOBUFS) && isFull(socket.fd)) {
      // Packets wait in it for their neighbours, for seconds perhaps: go on with another.
      this.#sockets.push(openSender(this.#probe))
      this.send(run, index, probe, receiver)
      return
    }
    run.finish(index, sendFailure(run.reader, socket.fd, -sent))
  }

  close(): void {
    for (const socket of this.#sockets) if ('fd' in socket) closeFd(socket.fd)
  }
}

/** Whether over half of the send buffer is taken; a link that refuses frames leaves it empty. */
function isFull(fd: number): boolean {
  const queued = new Int32Array(1)
  ioctl(fd, SIOCOUTQ, new Uint8Array(queued.buffer))
  return (queued[0] ?? 0) * 2 > getOption(fd, SOL_SOCKET, SO_SNDBUF)
}

/** Hears nothing but its error queue, which is read where a send fails. */
function openSender(probe: Echo): ProbeSocket {
  const four = typeof probe.to === 'number'
  return openProbeSocket(probe, SOCK_RAW, four ? IPPROTO_ICMP : IPPROTO_ICMPV6, (fd) => {
    setFilter(fd, four ? 4 : 6, [])
    trySetOption(fd, SOL_SOCKET, SO_SNDBUFFORCE, SEND_BUFFER)
    if (probe.broadcast === true) setOption(fd, SOL_SOCKET, SO_BROADCAST, 1)
    if (probe.pmtu === undefined) return
    if (four) setOption(fd, IPPROTO_IP, IP_MTU_DISCOVER, PMTU[probe.pmtu])
    else setOption(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTU[probe.pmtu])
  })
}

/** A probe on its way. */
interface Pending {
  readonly index: number
  readonly to: Ip
  readonly id: number
  readonly sequence: number
  readonly cookie: number
  sentNs: number
  redirects: { responder: Ip; gateway: Ip }[] | undefined
  sendErrno?: string
}

class EchoReceiver implements Closer {
  readonly #run: ProbeRun
  readonly #family: 4 | 6
  readonly #fd: number
  readonly #watch: Closer
  readonly #pending = new Map<number, Pending>()
  readonly #cookie = Math.floor(Math.random() * 0xffffffff)
  #nextId = Math.floor(Math.random() * 0xffff)

  /** @throws LanyardError `netns-missing`, `netns-broken`; SysError */
  constructor(run: ProbeRun, netns: string, family: 4 | 6) {
    this.#run = run
    this.#family = family
    this.#fd = inNetns(netns, () =>
      family === 4
        ? openSocket(AF_INET, SOCK_RAW, IPPROTO_ICMP)
        : openSocket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6),
    )
    setFilter(this.#fd, family, family === 4 ? HEARD4 : HEARD6)
    setReceiveBuffer(this.#fd, RECEIVE_BUFFER)
    setOption(this.#fd, SOL_SOCKET, SO_TIMESTAMPNS, 1)
    if (family === 6) setOption(this.#fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1)
    this.#watch = watchReadable(this.#fd, () => {
      this.#drain()
    })
  }

  /** Gives a probe an identifier nobody else here has. */
  expect(index: number, probe: Echo): Pending {
    do this.#nextId = (this.#nextId + 1) & 0xffff
    while (this.#pending.has(this.#nextId))
    const pending: Pending = {
      index,
      to: probe.to,
      id: this.#nextId,
      sequence: probe.sequence ?? 1,
      cookie: this.#cookie,
      sentNs: 0,
      redirects: undefined,
    }
    this.#pending.set(pending.id, pending)
    return pending
  }

  /** Hears what was said meanwhile. @returns whether it was about this probe, whose send failed */
  takeRejection(pending: Pending): boolean {
    pending.sendErrno = 'EPERM'
    this.#drain()
    return !this.#pending.has(pending.id)
  }

  forget(pending: Pending): void {
    this.#pending.delete(pending.id)
  }

  #drain(): void {
    const reader = this.#run.reader
    const now = reader.sync()
    for (;;) {
      const message = reader.read(this.#fd)
      if (typeof message === 'number') return
      const heard =
        this.#family === 4
          ? hear4(message.bytes)
          : hear6(message.bytes, message.name, hopLimit(reader))
      if (heard !== undefined) this.#take(heard, reader.arrivedNs(now))
    }
  }

  close(): void {
    this.#watch.close()
    closeFd(this.#fd)
  }

  #take(heard: Heard, arrivedNs: number): void {
    const pending = this.#pending.get(heard.id)
    if (pending === undefined || pending.sequence !== heard.sequence) return
    // Another program's probe may have the same numbers; short payloads carry no cookie.
    if (heard.cookie !== undefined && heard.cookie !== pending.cookie) return
    const { responder } = heard
    const rttNs = Math.max(0, arrivedNs - pending.sentNs)
    if (heard.what === 'reply') {
      const { redirects } = pending
      const reply = { outcome: 'reply', ttl: heard.ttl, rttNs, responder } as const
      this.#finish(pending, redirects === undefined ? reply : { ...reply, redirects })
      return
    }
    if (heard.destination !== pending.to) return
    if (heard.what === 'redirect') {
      pending.redirects ??= []
      pending.redirects.push({ responder, gateway: heard.gateway })
      return
    }
    const { type, code, mtu } = heard
    const error = { outcome: 'icmp-error', type, code, responder, mtu, rttNs } as const
    const { sendErrno } = pending
    this.#finish(pending, sendErrno === undefined ? error : { ...error, sendErrno })
  }

  #finish(pending: Pending, result: Parameters<ProbeRun['finish']>[1]): void {
    this.#pending.delete(pending.id)
    this.#run.finish(pending.index, result)
  }
}

function hopLimit(reader: MessageReader): number | undefined {
  return reader.control(IPPROTO_IPV6, IPV6_HOPLIMIT)?.getInt32(0, true)
}

function isLinkLocal(ip: Ip): boolean {
  if (typeof ip === 'number') return false
  return ip >> 118n === 0xfe80n >> 6n || ip >> 120n === 0xffn
}

/** Lets only these ICMP types through to the socket (a set bit blocks, in both families). */
function setFilter(fd: number, family: 4 | 6, types: readonly number[]): void {
  const block = new Uint32Array(family === 4 ? 1 : 8).fill(0xffffffff)
  for (const type of types) block[type >> 5] = (block[type >> 5] ?? 0) & ~(1 << (type & 31))
  const bytes = new Uint8Array(block.buffer)
  if (family === 4) setOption(fd, SOL_RAW, ICMP_FILTER, bytes)
  else setOption(fd, IPPROTO_ICMPV6, ICMP6_FILTER, bytes)
}
