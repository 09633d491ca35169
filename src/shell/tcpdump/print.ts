/** Frames as tcpdump 4.99 prints them: a time, on `any` the link and direction, and the frame. */
import { formatMac } from '../../addr/mac.ts'
import type { CapturedFrame } from '../../fabric/fabric.ts'
import { ETH_ARP, ETH_IP4, ETH_IP6, type Frame, type TcpSegment } from '../../wire/frame.ts'
import { printFrame } from '../../wire/print.ts'
import { type Verbosity, verboseFrame } from './verbose.ts'

export interface PrintManner {
  /** `-e` */
  readonly link: boolean
  /** `-v`, `-vv` */
  readonly verbose: Verbosity
  /** `-t` takes it away. */
  readonly time: boolean
  /** `-S`: sequence numbers as they are. */
  readonly absolute: boolean
  /** `-i any` */
  readonly any: boolean
}

/** What was captured, and where. */
export interface Seen {
  readonly link: string
  readonly index: number
  readonly captured: CapturedFrame
  readonly frame: Frame
}

const DIRECTIONS: Readonly<Record<CapturedFrame['type'], string>> = {
  host: 'In',
  broadcast: 'B',
  multicast: 'M',
  otherhost: 'P',
  outgoing: 'Out',
}

/** Length of the header that stands for Ethernet's on `any` (LINUX_SLL2). */
const COOKED = 20

/** Prints one after another: sequence numbers count from the first of a connection. */
export class Printer {
  readonly #manner: PrintManner
  readonly #begins = new Map<string, { readonly own: number; readonly other: number }>()

  constructor(manner: PrintManner) {
    this.#manner = manner
  }

  line({ link, index, captured, frame }: Seen): string {
    const { any, time } = this.#manner
    const shown = this.#manner.absolute ? frame : this.#relative(frame)
    const where = any ? `${link.padEnd(5)} ${DIRECTIONS[captured.type].padEnd(3)} ` : ''
    const when = time ? `${clock(captured.timeNs)} ` : ''
    return `${when}${where}${this.#frame(shown, captured.bytes, index)}\n`
  }

  #frame(frame: Frame, bytes: Uint8Array, index: number): string {
    const { link, any, verbose } = this.#manner
    const long = () => verboseFrame(frame, bytes, verbose)
    if (!link) return verbose > 0 ? long() : printFrame(frame)
    const text = printFrame(frame, { link: true })
    const at = text.indexOf(': ') + 2
    const plain = text.slice(at)
    const tags = /^(?:vlan .*?, ethertype \S+ \(0x[0-9a-f]{4}\), )+/.exec(plain)?.[0] ?? ''
    // Behind the header of the link nothing says again what it is, not even the packet it quotes.
    const bare = () => long().replaceAll(/^(?:ARP, |IP6? )|(?<=\n\t)IP /g, '')
    const rest = verbose > 0 ? tags + bare() : plain
    if (!any) return text.slice(0, at) + rest
    const head = `ifindex ${index} ${formatMac(frame.src)} ${typeName(frame.etherType)}`
    return `${head}, length ${frame.length + COOKED}: ${rest}`
  }

  /** tcp_print: the first segment with an ACK tells where both directions begin. */
  #relative(frame: Frame): Frame {
    const { packet } = frame
    if (packet.kind !== 'ip4' && packet.kind !== 'ip6') return frame
    const { payload, src, dst } = packet
    if (payload.kind !== 'tcp' || (payload.flags & 16) === 0) return frame
    const from = `${src}.${payload.srcPort}`
    const to = `${dst}.${payload.dstPort}`
    const own = this.#begins.get(`${from}>${to}`)
    if (own === undefined || (payload.flags & 2) !== 0) {
      const begin = { own: payload.sequence, other: (payload.acknowledgement - 1) >>> 0 }
      this.#begins.set(`${from}>${to}`, begin)
      this.#begins.set(`${to}>${from}`, { own: begin.other, other: begin.own })
      return frame
    }
    const shifted: TcpSegment = {
      ...payload,
      sequence: (payload.sequence - own.own) >>> 0,
      acknowledgement: (payload.acknowledgement - own.other) >>> 0,
    }
    return packet.kind === 'ip4'
      ? { ...frame, packet: { ...packet, payload: shifted } }
      : { ...frame, packet: { ...packet, payload: shifted } }
  }
}

function typeName(etherType: number): string {
  const names: Readonly<Record<number, string>> = {
    [ETH_ARP]: 'ARP',
    [ETH_IP4]: 'IPv4',
    [ETH_IP6]: 'IPv6',
  }
  return `ethertype ${names[etherType] ?? 'Unknown'} (0x${etherType.toString(16).padStart(4, '0')})`
}

/** The time of day in a lab, which begins at midnight. */
function clock(timeNs: number): string {
  const us = Math.floor(timeNs / 1000)
  const two = (n: number): string => String(n).padStart(2, '0')
  const s = Math.floor(us / 1_000_000)
  const day = `${two(Math.floor(s / 3600) % 24)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`
  return `${day}.${String(us % 1_000_000).padStart(6, '0')}`
}
