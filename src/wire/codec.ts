/** Frames to bytes and back: the edge between the numbers inside and the wire. */
import { ARP_SIZE, decodeArp, encodeArp } from './arp.ts'
import { decodeEthernet, encodeEthernet } from './ethernet.ts'
import { ETH_ARP, ETH_IP4, ETH_IP6, type Frame, type Packet } from './frame.ts'
import { decodeIp4, encodeIp4 } from './ipv4.ts'
import { decodeIp6, encodeIp6 } from './ipv6.ts'
import { decodePayload, encodePayload, packetSize } from './payload.ts'

/**
 * Reads a frame. What is malformed or unknown inside stays as raw bytes at the level where it was
 * met, so every Ethernet frame has an answer; the bytes are copied.
 *
 * @returns undefined when the bytes end within the Ethernet header or a VLAN tag
 * @example
 * ```ts
 * const frame = decodeFrame(captured.bytes)
 * if (frame?.packet.kind === 'arp') answer(frame.packet)
 * ```
 */
export function decodeFrame(bytes: Uint8Array): Frame | undefined {
  const header = decodeEthernet(bytes)
  if (header === undefined) return undefined
  const body = bytes.subarray(header.size)
  return {
    dst: header.dst,
    src: header.src,
    tags: header.tags,
    etherType: header.etherType,
    packet: decodePacket(header.etherType, body) ?? { kind: 'raw', bytes: body.slice() },
    length: body.length,
  }
}

function decodePacket(etherType: number, body: Uint8Array): Packet | undefined {
  switch (etherType) {
    case ETH_ARP:
      return decodeArp(body)
    case ETH_IP4:
      return decodeIp4(body, false, decodePayload)
    case ETH_IP6:
      return decodeIp6(body, false, decodePayload)
    default:
      return undefined
  }
}

/**
 * Writes a frame with lengths and checksums in place. What the frame's `length` has more than its
 * packet is padding, in zeros; nothing is padded to Ethernet's 60 bytes of itself, as on a virtual
 * link.
 */
export function encodeFrame(frame: Frame): Uint8Array {
  const { packet } = frame
  const size = bodySize(packet)
  const start = 14 + 4 * frame.tags.length
  const out = new Uint8Array(start + Math.max(size, frame.length))
  encodeEthernet(out, frame)
  const body = out.subarray(start, start + size)
  switch (packet.kind) {
    case 'arp':
      encodeArp(body, packet)
      break
    case 'ip4':
      encodeIp4(body, packet, encodePayload)
      break
    case 'ip6':
      encodeIp6(body, packet, encodePayload)
      break
    case 'raw':
      body.set(packet.bytes)
  }
  return out
}

function bodySize(packet: Packet): number {
  if (packet.kind === 'arp') return ARP_SIZE
  return packet.kind === 'raw' ? packet.bytes.length : packetSize(packet)
}
