/**
 * Fragments and their reassembly (net/ipv4/ip_output.c ip_do_fragment, ip_fragment.c,
 * net/ipv6/reassembly.c).
 *
 * The first fragment keeps its decoded payload with the data cut to size, the others are raw bytes.
 */
import { formatIp } from '../../addr/ip.ts'
import type { Ip4Packet, Ip6Packet, Payload } from '../../wire/frame.ts'
import type { World } from '../model.ts'
import { type NetnsIp, SECOND } from './state.ts'

/** Bytes of a payload's own header. */
function headerOf(payload: Payload): number {
  return payload.kind === 'tcp' ? 20 : payload.kind === 'raw' ? 0 : 8
}

/** The first `bytes` of a payload. */
function cut(payload: Payload, bytes: number): Payload {
  const data = bytes - headerOf(payload)
  if (payload.kind === 'icmp') return { ...payload, dataLength: data }
  if (payload.kind === 'udp') return { ...payload, data: payload.data.subarray(0, data) }
  if (payload.kind === 'raw') return { kind: 'raw', bytes: payload.bytes.subarray(0, data) }
  return payload
}

/** Bytes of a payload from `from` on. */
function rest(payload: Payload, from: number, bytes: number): Payload {
  const at = from - headerOf(payload)
  if (payload.kind === 'udp') return { kind: 'raw', bytes: payload.data.subarray(at, at + bytes) }
  if (payload.kind === 'raw') return { kind: 'raw', bytes: payload.bytes.subarray(at, at + bytes) }
  return { kind: 'raw', bytes: new Uint8Array(bytes) }
}

/** Cuts an IPv4 packet for an MTU. */
export function fragment4(packet: Ip4Packet, mtu: number): Ip4Packet[] {
  const step = (mtu - 20) & ~7
  const total = packet.length - 20
  const parts: Ip4Packet[] = []
  for (let at = 0; at < total; at += step) {
    const bytes = Math.min(step, total - at)
    parts.push({
      ...packet,
      moreFragments: packet.moreFragments || at + bytes < total,
      fragmentOffset: packet.fragmentOffset + at,
      length: 20 + bytes,
      payload: at === 0 ? cut(packet.payload, bytes) : rest(packet.payload, at, bytes),
    })
  }
  return parts
}

/** Cuts an IPv6 packet for an MTU; `id` names the packet the fragments belong to. */
export function fragment6(packet: Ip6Packet, mtu: number, id: number): Ip6Packet[] {
  const step = (mtu - 48) & ~7
  const total = packet.length - 40
  const parts: Ip6Packet[] = []
  for (let at = 0; at < total; at += step) {
    const bytes = Math.min(step, total - at)
    parts.push({
      ...packet,
      length: 48 + bytes,
      fragment: { id, offset: at, more: at + bytes < total },
      payload: at === 0 ? cut(packet.payload, bytes) : rest(packet.payload, at, bytes),
    })
  }
  return parts
}

/**
 * `ip_defrag`: takes a fragment in.
 * @returns the whole packet when this one was the last missing
 */
export function reassemble4(world: World, ns: NetnsIp, part: Ip4Packet): Ip4Packet | undefined {
  const key = `${formatIp(part.src)} ${formatIp(part.dst)} ${part.id} ${part.protocol}`
  const parts = collect(world, ns, key, part, ns.conf.ipfrag_time) as Ip4Packet[]
  const whole = join(
    parts.map((p) => ({
      offset: p.fragmentOffset,
      bytes: p.length - 20,
      more: p.moreFragments,
      payload: p.payload,
    })),
  )
  if (whole === undefined) return undefined
  ns.reassembly.delete(key)
  return {
    ...part,
    moreFragments: false,
    fragmentOffset: 0,
    length: 20 + whole.bytes,
    payload: whole.payload,
  }
}

/** The same for IPv6 (`ipv6_frag_rcv`). */
export function reassemble6(world: World, ns: NetnsIp, part: Ip6Packet): Ip6Packet | undefined {
  const fragment = part.fragment
  if (fragment === undefined) return part
  const key = `${formatIp(part.src)} ${formatIp(part.dst)} ${fragment.id}`
  const parts = collect(world, ns, key, part, ns.conf['ipv6.ip6frag_time']) as Ip6Packet[]
  const whole = join(
    parts.map((p) => ({
      offset: p.fragment?.offset ?? 0,
      bytes: p.length - 48,
      more: p.fragment?.more ?? false,
      payload: p.payload,
    })),
  )
  if (whole === undefined) return undefined
  ns.reassembly.delete(key)
  return { ...part, fragment: undefined, length: 40 + whole.bytes, payload: whole.payload }
}

function collect(
  world: World,
  ns: NetnsIp,
  key: string,
  part: Ip4Packet | Ip6Packet,
  seconds: number,
): (Ip4Packet | Ip6Packet)[] {
  const found = ns.reassembly.get(key)
  if (found !== undefined && world.now - found.since < seconds * SECOND) {
    found.parts.push(part)
    return found.parts
  }
  const parts = [part]
  ns.reassembly.set(key, { parts, since: world.now })
  return parts
}

interface Part {
  readonly offset: number
  readonly bytes: number
  readonly more: boolean
  readonly payload: Payload
}

function join(parts: Part[]): { bytes: number; payload: Payload } | undefined {
  parts.sort((a, b) => a.offset - b.offset)
  let at = 0
  for (const part of parts) {
    if (part.offset > at) return undefined
    at = Math.max(at, part.offset + part.bytes)
  }
  const last = parts[parts.length - 1]
  const first = parts[0]
  if (last === undefined || first === undefined || last.more) return undefined
  return { bytes: at, payload: grow(first.payload, parts, at) }
}

function grow(payload: Payload, parts: readonly Part[], bytes: number): Payload {
  if (payload.kind === 'icmp') return { ...payload, dataLength: bytes - 8 }
  if (payload.kind !== 'udp' && payload.kind !== 'raw') return payload
  const header = headerOf(payload)
  const data = new Uint8Array(bytes - header)
  for (const part of parts) {
    const piece = part.payload
    if (piece.kind === 'udp') data.set(piece.data, 0)
    else if (piece.kind === 'raw') data.set(piece.bytes, Math.max(0, part.offset - header))
  }
  return payload.kind === 'udp' ? { ...payload, data } : { kind: 'raw', bytes: data }
}
