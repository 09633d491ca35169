/**
 * ARP probes: who on this link says it has an address? One packet socket a link, which hears ARP
 * replies only.
 *
 * Without a source address the sender field is 0.0.0.0 (RFC 5227): nobody's table changes, and a
 * Linux host answers all the same (net/ipv4/arp.c `arp_process`).
 */
import type { Ip4 } from '../addr/ip.ts'
import type { Closer, Probe } from '../fabric/fabric.ts'
import { errnoName } from '../errno.ts'
import { SysError } from '../sys/errno.ts'
import { monotonicNs } from '../sys/message.ts'
import { watchReadable } from '../sys/poll.ts'
import { linkAddress } from '../sys/sockaddr.ts'
import {
  AF_PACKET,
  bindSocket,
  closeFd,
  linkIndex,
  openSocket,
  SO_TIMESTAMPNS,
  SOCK_DGRAM,
  SOL_SOCKET,
  sendTo,
  setOption,
  setReceiveBuffer,
  socketName,
} from '../sys/socket.ts'
import { attachFilter } from '../sys/filter.ts'
import { inNetns } from './netns.ts'
import type { ProbeRun } from './probe-run.ts'

type Arp = Probe & { readonly protocol: 'arp' }

const ETH_ARP = 0x0806
const REQUEST = 1
const REPLY = 2
const BROADCAST = new Uint8Array(6).fill(0xff)
const BUFFER = 4 << 20

/** Sends one ARP request; its outcome comes through the run. */
export function sendArp(run: ProbeRun, index: number, probe: Arp): void {
  if (typeof probe.to !== 'number' || typeof probe.source === 'bigint') {
    run.finish(index, { outcome: 'errno', errno: 'EAFNOSUPPORT' })
    return
  }
  const { to, source } = probe
  const port = run.share(
    `arp ${probe.link} ${probe.from}`,
    ArpSocket,
    () => new ArpSocket(run, probe.from, probe.link),
  )
  port.send(index, to, source ?? 0)
}

class ArpSocket implements Closer {
  readonly #run: ProbeRun
  readonly #socket: { fd: number; index: number; mac: Uint8Array } | { errno: string }
  readonly #watch: Closer | undefined
  /** Probes on their way, by the address asked for. */
  readonly #pending = new Map<Ip4, { index: number; sentNs: number }[]>()

  /** @throws LanyardError `netns-missing`, `netns-broken`; SysError */
  constructor(run: ProbeRun, netns: string, link: string) {
    this.#run = run
    this.#socket = openArp(netns, link)
    if ('fd' in this.#socket) {
      this.#watch = watchReadable(this.#socket.fd, () => {
        this.#drain()
      })
    }
  }

  send(index: number, to: Ip4, source: Ip4): void {
    const socket = this.#socket
    if ('errno' in socket) {
      this.#run.finish(index, { outcome: 'errno', errno: socket.errno })
      return
    }
    const waiting = this.#pending.get(to) ?? []
    this.#pending.set(to, waiting)
    waiting.push({ index, sentNs: monotonicNs() })
    const address = linkAddress(socket.index, ETH_ARP, BROADCAST)
    const sent = sendTo(socket.fd, encodeRequest(socket.mac, source, to), address)
    if (sent < 0) this.#run.finish(index, { outcome: 'errno', errno: errnoName(-sent) })
  }

  #drain(): void {
    if ('errno' in this.#socket) return
    const { reader } = this.#run
    const now = reader.sync()
    for (;;) {
      const message = reader.read(this.#socket.fd)
      // ENETDOWN: the link went down; it may come back before the deadline.
      if (typeof message === 'number') return
      const { bytes } = message
      if (bytes.length < 28) continue
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
      const responder = view.getUint32(14)
      const arrivedNs = reader.arrivedNs(now)
      const answered = this.#pending.get(responder)
      if (answered === undefined) continue
      this.#pending.delete(responder)
      for (const { index, sentNs } of answered) {
        const rttNs = Math.max(0, arrivedNs - sentNs)
        this.#run.finish(index, { outcome: 'reply', ttl: undefined, rttNs, responder })
      }
    }
  }

  close(): void {
    this.#watch?.close()
    if ('fd' in this.#socket) closeFd(this.#socket.fd)
  }
}

function openArp(
  netns: string,
  link: string,
): { fd: number; index: number; mac: Uint8Array } | { errno: string } {
  const opened = inNetns(netns, () => {
    const index = linkIndex(link)
    // Protocol 0 hears nothing until it is bound to its link.
    return index === undefined ? undefined : { index, fd: openSocket(AF_PACKET, SOCK_DGRAM, 0) }
  })
  if (opened === undefined) return { errno: 'ENODEV' }
  const { fd, index } = opened
  try {
    // ldh [6]; jeq REPLY; accept, or not
    attachFilter(fd, [
      [0x28, 0, 0, 6],
      [0x15, 0, 1, REPLY],
      [0x06, 0, 0, 0xffff],
      [0x06, 0, 0, 0],
    ])
    setReceiveBuffer(fd, BUFFER)
    setOption(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1)
    bindSocket(fd, linkAddress(index, ETH_ARP))
    const name = socketName(fd)
    return { fd, index, mac: name.slice(12, 12 + (name[11] ?? 0)) }
  } catch (error) {
    closeFd(fd)
    if (!(error instanceof SysError)) throw error
    return { errno: error.errno }
  }
}

/** RFC 826. */
function encodeRequest(mac: Uint8Array, source: Ip4, target: Ip4): Uint8Array {
  const bytes = new Uint8Array(28)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, 1)
  view.setUint16(2, 0x0800)
  bytes[4] = 6
  bytes[5] = 4
  view.setUint16(6, REQUEST)
  bytes.set(mac.subarray(0, 6), 8)
  view.setUint32(14, source)
  view.setUint32(24, target)
  return bytes
}
