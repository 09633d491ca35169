/**
 * The engine's voice and ear on the LAN: asks who has an address, and announces who has it now.
 *
 * One raw port a link, opened when first needed and kept: to close a packet socket the kernel waits
 * for all of its readers, some 10 ms. Frames leave by the host's own child where there is one, so
 * that the other children of the parent hear them, too; else by the parent itself.
 */
import { groupMacOf, linkLocalOf, solicitedNodeOf } from '../addr/eui64.ts'
import { familyOf, type Ip, type Ip6 } from '../addr/ip.ts'
import { MAC_BROADCAST, type Mac } from '../addr/mac.ts'
import type { Clock } from '../fabric/clock.ts'
import type { CapturedFrame, Fabric, FramePort } from '../fabric/fabric.ts'
import { decodeFrame, encodeFrame } from '../wire/codec.ts'
import { ETH_ARP, ETH_IP6, type Frame } from '../wire/frame.ts'
import { ALL_NODES, groupFrame, makeArp, makeNa, makeNs } from '../wire/make.ts'

/** RFC 5227 asks three times; a LAN answers within a millisecond, a sleeping Wi-Fi client later. */
const ASKS = 3
const ASK_EVERY_MS = 70
/** As Docker since 28: three, a second apart. */
const ANNOUNCEMENTS = 3
const ANNOUNCE_EVERY_MS = 1000

/** A link to speak on. */
export interface LanLink {
  readonly name: string
  readonly mac: Mac
}

/** From where a LAN is spoken to. */
export interface Way {
  readonly link: LanLink
  /** The link that leads to the LAN alone. */
  readonly wire: LanLink
}

interface Question {
  readonly ip: Ip
  /** What came before was not said about it: frames wait in a socket until they are read. */
  readonly sinceNs: number
  answer: Mac | undefined
}

interface Port {
  /** Of the link it was opened on: another one since is another link of that name. */
  readonly mac: Mac
  readonly opened: Promise<FramePort>
}

export class Lan {
  readonly #fabric: Pick<Fabric, 'openPort'>
  readonly #clock: Clock
  readonly #host: string
  readonly #mark: Mac
  readonly #ports = new Map<string, Port>()
  readonly #questions = new Set<Question>()
  #closed = false
  #hurried = false
  #hurry: () => void = () => undefined
  readonly #hurrying = new Promise<void>((resolve) => (this.#hurry = resolve))

  /**
   * @param mark stands in the field of a probe that nobody reads (RFC 5227, 2.1.1: the target's
   * hardware address): who hears it knows by it those that share a store with him. Of them one gets
   * the address, by a transaction; to ask for it at the same moment makes nobody a stranger
   */
  constructor(fabric: Pick<Fabric, 'openPort'>, clock: Clock, host: string, mark: Mac) {
    this.#fabric = fabric
    this.#clock = clock
    this.#host = host
    this.#mark = mark
  }

  /**
   * Asks the LAN who has an address: ARP probes (RFC 5227) from no address, so that nobody's tables
   * change, or neighbour solicitations.
   *
   * @returns the MAC of who answered, or who is asking for the same address right now, and is not
   * of those who share a store with this host
   */
  async whoHas(link: LanLink, ip: Ip): Promise<Mac | undefined> {
    const port = await this.#port(link, familyOf(ip) === 4 ? ETH_ARP : ETH_IP6)
    const question: Question = { ip, sinceNs: this.#clock.nowNs(), answer: undefined }
    const frame = encodeFrame(probeOf(link.mac, ip, this.#mark))
    this.#questions.add(question)
    try {
      for (let asked = 0; asked < ASKS && question.answer === undefined; asked++) {
        port.post(frame)
        await this.#clock.sleep(ASK_EVERY_MS)
      }
      return question.answer
    } finally {
      this.#questions.delete(question)
    }
  }

  /**
   * Tells the LAN where addresses are now, three times a second apart: gratuitous ARP requests and
   * unsolicited neighbour advertisements. The kernel sends none by itself, and neighbours that knew
   * another MAC would stay blind for up to a minute, some switches for hours. Only the first is for
   * the siblings on this host, too: nothing gets lost on the way to them, and each gets a copy.
   *
   * @param way where to say it; nowhere once it is no longer so: between two announcements they may
   * have moved on, and links may have been made anew
   */
  async announce(
    mac: Mac,
    addresses: readonly Ip[],
    way: () => Promise<Way | undefined>,
  ): Promise<void> {
    const frames = addresses.map((ip) => encodeFrame(announcementOf(mac, ip)))
    for (let said = 0; said < ANNOUNCEMENTS; said++) {
      if (said > 0 && this.#hurried) return
      if (said > 0) await Promise.race([this.#clock.sleep(ANNOUNCE_EVERY_MS), this.#hurrying])
      const now = this.#closed ? undefined : await way()
      if (now === undefined) return
      const port = await this.#port(said === 0 ? now.link : now.wire, ETH_ARP)
      for (const frame of frames) port.post(frame)
    }
  }

  /** A link is gone: its ports have nothing more to say. */
  forget(link: string): void {
    for (const [key, port] of this.#ports) {
      if (!key.startsWith(`${link}/`)) continue
      this.#ports.delete(key)
      void port.opened.then((opened) => opened.close()).catch(() => undefined)
    }
  }

  /** Nobody waits for a second any more: announcements under way are said once more, and end. */
  hurry(): void {
    this.#hurried = true
    this.#hurry()
  }

  close(): void {
    this.#closed = true
    for (const key of [...this.#ports.keys()]) this.forget(key.slice(0, key.indexOf('/')))
  }

  async #port(link: LanLink, etherType: number): Promise<FramePort> {
    const key = `${link.name}/${etherType}`
    let port = this.#ports.get(key)
    if (port?.mac !== link.mac) {
      if (port !== undefined) this.forget(link.name)
      const hear = (frame: CapturedFrame): void => this.#hear(link.mac, frame)
      const opened = this.#fabric.openPort(this.#host, link.name, hear, { etherType })
      port = { mac: link.mac, opened }
      this.#ports.set(key, port)
    }
    try {
      return await port.opened
    } catch (error) {
      if (this.#ports.get(key) === port) this.#ports.delete(key)
      throw error
    }
  }

  #hear(own: Mac, captured: CapturedFrame): void {
    if (this.#questions.size === 0) return
    const frame = decodeFrame(captured.bytes)
    if (frame === undefined) return
    const claim = claimOf(frame, this.#mark)
    if (claim === undefined || claim.mac === own) return
    for (const question of this.#questions)
      if (question.ip === claim.ip && captured.timeNs >= question.sinceNs)
        question.answer ??= claim.mac
  }
}

function probeOf(mac: Mac, ip: Ip, mark: Mac): Frame {
  if (typeof ip === 'number') return makeArp(MAC_BROADCAST, mac, 1, mac, 0, mark, ip)
  return groupFrame(mac, makeNs(linkLocalOf(mac), solicitedNodeOf(ip), ip, mac, undefined))
}

function announcementOf(mac: Mac, ip: Ip): Frame {
  if (typeof ip === 'number') return makeArp(MAC_BROADCAST, mac, 1, mac, ip, 0, ip)
  const flags = { router: false, solicited: false, override: true }
  const frame = groupFrame(mac, makeNa(ip, ALL_NODES, ip, mac, flags))
  return { ...frame, dst: groupMacOf(ALL_NODES) }
}

/** Who says that an address is (RFC 5227: or shall be) theirs. */
function claimOf(frame: Frame, mark: Mac): { readonly ip: Ip; readonly mac: Mac } | undefined {
  const { packet } = frame
  if (packet.kind === 'arp') {
    if (packet.senderIp === 0 && packet.targetMac === mark) return undefined
    const ip = packet.senderIp === 0 ? packet.targetIp : packet.senderIp
    return { ip, mac: packet.senderMac }
  }
  if (packet.kind !== 'ip6' || packet.payload.kind !== 'nd') return undefined
  const { payload } = packet
  const target: Ip6 = payload.target
  if (payload.type === 136) return { ip: target, mac: payload.linkAddress ?? frame.src }
  // Duplicate address detection of somebody who wants it, too.
  if (payload.type === 135 && packet.src === 0n) return { ip: target, mac: frame.src }
  return undefined
}
