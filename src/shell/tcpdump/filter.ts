/**
 * The part of pcap-filter(7) that labs need, on frames instead of bytes: protocols (`arp`, `ip`,
 * `ip6`, `icmp`, `icmp6`, `tcp`, `udp`), `host`, `net`, `port`, `ether host`, `vlan`, `broadcast`,
 * `multicast`, `less`, `greater`, with `src`/`dst`, `and`, `or`, `not` and parentheses.
 */
import { type Ip, type Prefix, tryParseIp } from '../../addr/ip.ts'
import { isGroupMac, MAC_BROADCAST, type Mac } from '../../addr/mac.ts'
import { contains } from '../../addr/prefix.ts'
import { ETH_8021Q, type Frame, PROTO_ICMP, PROTO_ICMP6, PROTO_TCP } from '../../wire/frame.ts'
import { PROTO_UDP } from '../../wire/frame.ts'
import { readMac } from '../arguments.ts'

export type Filter = (frame: Frame) => boolean

/** Why an expression cannot be read, in the words of libpcap where it has such. */
export interface FilterFailure {
  readonly failure: string
}

const SYNTAX = "can't parse filter expression: syntax error"
/** Of pcap-filter, but not of this shell. */
const NOT_HERE =
  /^(?:gateway|portrange|proto|protochain|mpls|pppoed|geneve|iso|sctp|igmp|rarp|decnet|len|inbound|outbound|ifname|wlan|fddi|tr|stp|pim|ah|esp|vrrp|igrp|carp)$/

type Direction = 'src' | 'dst' | 'either' | 'both'
type Protocol = 'arp' | 'ip' | 'ip6' | 'tcp' | 'udp' | 'icmp' | 'icmp6' | 'ether'

class Unreadable extends Error {}

/** @param find addresses of a name */
export async function readFilter(
  words: readonly string[],
  find: (name: string) => Promise<readonly Ip[]>,
): Promise<Filter | FilterFailure> {
  const tokens = words.join(' ').match(/[()!]|&&|\|\||[^\s()!&|]+/g) ?? []
  if (tokens.length === 0) return () => true
  try {
    const reader = new Reader(tokens, find)
    return await reader.all()
  } catch (error) {
    if (error instanceof Unreadable) return { failure: error.message }
    throw error
  }
}

/** The view a primitive has: tags so far asked for. The first one travels beside the frame. */
function inside(frame: Frame, tags: number): boolean {
  return frame.tags.length <= Math.max(1, tags)
}

class Reader {
  readonly #tokens: readonly string[]
  readonly #find: (name: string) => Promise<readonly Ip[]>
  #at = 0
  /** `vlan` moves what comes after it behind a tag. */
  #tags = 0
  /** What `host A or B` leaves for B. */
  #last: ((id: string) => Promise<Filter>) | undefined

  constructor(tokens: readonly string[], find: (name: string) => Promise<readonly Ip[]>) {
    this.#tokens = tokens
    this.#find = find
  }

  async all(): Promise<Filter> {
    const filter = await this.#terms()
    if (this.#at < this.#tokens.length) throw new Unreadable(SYNTAX)
    return filter
  }

  /** `and` and `or` bind alike, from left to right. */
  async #terms(): Promise<Filter> {
    let left = await this.#term()
    for (;;) {
      const word = this.#tokens[this.#at]
      if (word === 'and' || word === '&&') {
        this.#at++
        const [a, b] = [left, await this.#term()]
        left = (frame) => a(frame) && b(frame)
      } else if (word === 'or' || word === '||') {
        this.#at++
        const [a, b] = [left, await this.#term()]
        left = (frame) => a(frame) || b(frame)
      } else return left
    }
  }

  async #term(): Promise<Filter> {
    const word = this.#next()
    if (word === 'not' || word === '!') {
      const inner = await this.#term()
      return (frame) => !inner(frame)
    }
    if (word !== '(') return await this.#primitive(word)
    const inner = await this.#terms()
    if (this.#next() !== ')') throw new Unreadable(SYNTAX)
    return inner
  }

  #next(): string {
    const word = this.#tokens[this.#at++]
    if (word === undefined) throw new Unreadable(SYNTAX)
    return word
  }

  async #primitive(first: string): Promise<Filter> {
    if (first === 'vlan') return this.#vlan()
    if (first === 'broadcast' || first === 'multicast') return group(first)
    if (first === 'less' || first === 'greater') return this.#length(first)
    if (NOT_HERE.test(first)) throw new Unreadable(`"${first}" is not part of this shell yet`)
    let word: string | undefined = first
    let protocol: Protocol | undefined
    let direction: Direction = 'either'
    let kind: 'host' | 'net' | 'port' | undefined
    const tags = this.#tags
    if (/^(?:arp|ip6?|tcp|udp|icmp6?|ether)$/.test(word)) {
      protocol = word as Protocol
      word = this.#peekId()
    }
    if (word === 'broadcast' || word === 'multicast') return group(this.#next())
    if (word === 'src' || word === 'dst') {
      if (word !== first) this.#at++
      direction = word
      const [joint, other] = this.#tokens.slice(this.#at)
      if ((joint === 'or' || joint === 'and') && /^(?:src|dst)$/.test(other ?? '')) {
        this.#at += 2
        direction = joint === 'or' ? 'either' : 'both'
      }
      word = this.#peekId() ?? ''
    }
    if (word === 'host' || word === 'net' || word === 'port') {
      if (word !== first) this.#at++
      kind = word
      word = this.#next()
    } else if (word !== undefined && word !== first) this.#at++
    if (word === first && kind === undefined && protocol === undefined) {
      // A bare address takes the qualifiers of the one before.
      const last = this.#last
      if (last === undefined) throw new Unreadable(SYNTAX)
      return await last(first)
    }
    if (word === undefined) return ofProtocol(protocol as Protocol, tags)
    this.#last = (id) => this.#qualified(protocol, direction, kind ?? 'host', id, tags)
    return await this.#last(word)
  }

  /** What goes on a primitive after its protocol; undefined where the next one begins. */
  #peekId(): string | undefined {
    const word = this.#tokens[this.#at]
    return word === undefined || /^(?:and|or|&&|\|\||\))$/.test(word) ? undefined : word
  }

  async #qualified(
    protocol: Protocol | undefined,
    direction: Direction,
    kind: 'host' | 'net' | 'port',
    id: string,
    tags: number,
  ): Promise<Filter> {
    if (protocol === 'ether') return byMac(direction, id)
    const of: Filter = protocol === undefined ? () => true : ofProtocol(protocol, tags)
    const asks =
      kind === 'port'
        ? byPort(direction, id)
        : byAddress(direction, kind === 'net' ? [netOf(id)] : await this.#hosts(id))
    return (frame) => inside(frame, tags) && of(frame) && asks(frame)
  }

  async #hosts(id: string): Promise<Prefix[]> {
    const ip = tryParseIp(id)
    const found = ip === undefined ? await this.#find(id) : [ip]
    if (found.length === 0) throw new Unreadable(`unknown host '${id}'`)
    return found.map((one) => ({ address: one, length: typeof one === 'number' ? 32 : 128 }))
  }

  #vlan(): Filter {
    const word = this.#tokens[this.#at]
    const id = word !== undefined && /^\d+$/.test(word) ? Number(word) : undefined
    if (id !== undefined) this.#at++
    const depth = this.#tags++
    return ({ tags }) => {
      const tag = tags[depth]
      return tag !== undefined && (id === undefined || tag.id === id)
    }
  }

  #length(word: string): Filter {
    const limit = Number(this.#next())
    if (!Number.isInteger(limit)) throw new Unreadable(SYNTAX)
    const lengthOf = (frame: Frame): number => frame.length + 14
    return word === 'less' ? (f) => lengthOf(f) <= limit : (f) => lengthOf(f) >= limit
  }
}

function group(word: string): Filter {
  return word === 'broadcast' ? ({ dst }) => dst === MAC_BROADCAST : ({ dst }) => isGroupMac(dst)
}

function ofProtocol(protocol: Protocol, tags: number): Filter {
  if (protocol === 'ether') throw new Unreadable(SYNTAX)
  return (frame) => {
    if (!inside(frame, tags) || frame.etherType === ETH_8021Q) return false
    const { packet } = frame
    if (protocol === 'arp') return packet.kind === 'arp'
    if (protocol === 'ip') return packet.kind === 'ip4'
    if (protocol === 'ip6') return packet.kind === 'ip6'
    if (packet.kind !== 'ip4' && packet.kind !== 'ip6') return false
    const number = packet.kind === 'ip4' ? packet.protocol : packet.nextHeader
    if (protocol === 'icmp') return packet.kind === 'ip4' && number === PROTO_ICMP
    if (protocol === 'icmp6') return packet.kind === 'ip6' && number === PROTO_ICMP6
    return number === (protocol === 'tcp' ? PROTO_TCP : PROTO_UDP)
  }
}

function pick(direction: Direction, src: boolean, dst: boolean): boolean {
  if (direction === 'src') return src
  if (direction === 'dst') return dst
  return direction === 'both' ? src && dst : src || dst
}

function byMac(direction: Direction, id: string): Filter {
  const mac: Mac | undefined = readMac(id)
  if (mac === undefined) throw new Unreadable(`unknown ether host '${id}'`)
  return ({ src, dst }) => pick(direction, src === mac, dst === mac)
}

function byAddress(direction: Direction, nets: readonly Prefix[]): Filter {
  const holds = (ip: Ip): boolean =>
    nets.some((net) => typeof net.address === typeof ip && contains(net, ip))
  return ({ packet }) => {
    if (packet.kind === 'raw') return false
    const [src, dst] =
      packet.kind === 'arp' ? [packet.senderIp, packet.targetIp] : [packet.src, packet.dst]
    return pick(direction, holds(src), holds(dst))
  }
}

function byPort(direction: Direction, id: string): Filter {
  const port = /^\d+$/.test(id) ? Number(id) : SERVICES[id]
  if (port === undefined) throw new Unreadable(`unknown port '${id}'`)
  return ({ packet }) => {
    if (packet.kind !== 'ip4' && packet.kind !== 'ip6') return false
    const { payload } = packet
    if (payload.kind !== 'udp' && payload.kind !== 'tcp') return false
    return pick(direction, payload.srcPort === port, payload.dstPort === port)
  }
}

/** Those of /etc/services that are typed by name. */
const SERVICES: Readonly<Record<string, number>> = {
  ssh: 22,
  domain: 53,
  bootps: 67,
  bootpc: 68,
  http: 80,
  ntp: 123,
  https: 443,
}

/** 10.0.0.0/24, 10.0.0.0, 10.0: what is not said of an IPv4 net is its host part. */
function netOf(id: string): Prefix {
  const [text = '', bits] = id.split('/')
  const parts = text.split('.')
  const short = /^[\d.]+$/.test(text) && parts.length < 4
  const address = tryParseIp(short ? [...parts, '0', '0', '0'].slice(0, 4).join('.') : text)
  if (address === undefined) throw new Unreadable(`unknown network '${id}'`)
  const whole = typeof address === 'number' ? 32 : 128
  const length = bits === undefined ? (short ? parts.length * 8 : whole) : Number(bits)
  if (!(length >= 0 && length <= whole)) throw new Unreadable(`invalid IPv4 prefix length: ${bits}`)
  return { address, length }
}
