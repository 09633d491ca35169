/**
 * Which links see which frames while a matrix is probed: what a ping's outcome does not show, as a
 * bridge child that hands a frame to a sibling by itself where a switch would have sent it back.
 *
 * Frames are named by what they carry, not by when they come, so that a slow kernel counts as a
 * fast one. An echo or a datagram is counted; of what is repeated by timers (ARP, neighbour
 * discovery, TCP) only the presence is.
 */
import { formatIp } from '../../src/addr/ip.ts'
import { MAC_BROADCAST } from '../../src/addr/mac.ts'
import type { CapturedFrame, Closer, Fabric } from '../../src/fabric/fabric.ts'
import type { Snapshot } from '../../src/fabric/snapshot.ts'
import { decodeFrame } from '../../src/wire/codec.ts'
import type { Frame, Ip4Packet, Ip6Packet } from '../../src/wire/frame.ts'

/** What was heard: `netns link: what` -> how often. */
export type Heard = ReadonlyMap<string, string>

/** For frames that a work queue still holds when the last answer is in. */
const LATE_MS = 100

export class Listening {
  readonly #fabric: Fabric
  readonly #counts = new Map<string, { count: number; exact: boolean }>()
  readonly #ports: Closer[] = []
  /** Asked of everybody. */
  readonly #asked = new Set<string>()
  #heard = 0

  private constructor(fabric: Fabric) {
    this.#fabric = fabric
  }

  /** Listens on every link there is. */
  static async open(fabric: Fabric, { netns }: Snapshot): Promise<Listening> {
    const listening = new Listening(fabric)
    for (const { name, links } of netns)
      for (const link of links.filter((one) => one.up)) {
        const take = (frame: CapturedFrame): void => listening.#take(`${name} ${link.name}`, frame)
        listening.#ports.push(await fabric.openPort(name, link.name, take))
      }
    return listening
  }

  async close(): Promise<Heard> {
    await this.#fabric.clock.sleep(LATE_MS)
    for (const port of this.#ports) port.close()
    return new Map(
      [...this.#counts].map(([key, { count, exact }]) => [key, exact ? `${count}` : 'some']),
    )
  }

  /**
   * A known neighbour asked once more, to itself, and its answer: a machine does that when what was
   * learned is 5 s old, which on a slow one it gets to be.
   */
  #isAgain({ dst, packet }: Frame): boolean {
    if (packet.kind !== 'arp') return false
    const { operation, senderIp, targetIp } = packet
    if (operation !== 1) return !this.#asked.has(pairOf(senderIp, targetIp))
    if (dst !== MAC_BROADCAST) return true
    this.#asked.add(pairOf(targetIp, senderIp))
    return false
  }

  /** How many frames so far. */
  get heard(): number {
    return this.#heard
  }

  #take(where: string, { bytes, type }: CapturedFrame): void {
    this.#heard++
    const frame = decodeFrame(bytes)
    if (frame === undefined) return
    const said = describe(frame)
    if (said === undefined || this.#isAgain(frame)) return
    const tags = frame.tags.map(({ id }) => ` vlan ${id}`).join('')
    const key = `${where}: ${type}${tags} ${said.text}`
    const known = this.#counts.get(key)
    if (known !== undefined) known.count++
    else this.#counts.set(key, { count: 1, exact: said.exact })
  }
}

/** Who asks about whom; both address one pair. */
const pairOf = (asked: number, by: number): string => `${asked} ${by}`

interface Described {
  readonly text: string
  readonly exact: boolean
}

function describe({ packet }: Frame): Described | undefined {
  if (packet.kind === 'arp') {
    const word = packet.operation === 1 ? 'who has' : 'here is'
    const asked = packet.operation === 1 ? packet.targetIp : packet.senderIp
    const other = packet.operation === 1 ? packet.senderIp : packet.targetIp
    return { text: `arp ${word} ${formatIp(asked)}, to ${formatIp(other)}`, exact: false }
  }
  return packet.kind === 'raw' ? undefined : describeIp(packet)
}

function describeIp(packet: Ip4Packet | Ip6Packet): Described | undefined {
  const { payload } = packet
  const ends = `${formatIp(packet.src)} > ${formatIp(packet.dst)}`
  const life = packet.kind === 'ip4' ? packet.ttl : packet.hopLimit
  switch (payload.kind) {
    case 'icmp': {
      const isEcho = [0, 8, 128, 129].includes(payload.type)
      return { text: `icmp ${payload.type}/${payload.code} ${ends} ttl ${life}`, exact: isEcho }
    }
    case 'udp':
      return { text: `udp ${portOf(payload)} ${ends} ttl ${life}`, exact: true }
    case 'tcp':
      return { text: `tcp ${portOf(payload)} ${ends} ttl ${life}`, exact: false }
    // Neighbour discovery and group membership come by their own clocks.
    case 'nd':
    case 'mld':
    case 'raw':
      return undefined
    default:
      return payload satisfies never
  }
}

/** The one that was not drawn by the system. */
function portOf({
  srcPort,
  dstPort,
}: {
  readonly srcPort: number
  readonly dstPort: number
}): string {
  return srcPort < dstPort ? `from ${srcPort}` : `to ${dstPort}`
}
