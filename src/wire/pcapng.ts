/**
 * Captures in pcapng (draft-ietf-opsawg-pcapng), so that Wireshark shows a lab with one interface a
 * link, the direction of every frame, and in a comment why a frame ended. Blocks are made one by
 * one: a writer may append them to a file, and a crash leaves a file that reads up to its end.
 */
import { write16, write32 } from './bytes.ts'

const SECTION = 0x0a0d0d0a
const INTERFACE = 1
const ENHANCED_PACKET = 6

const OPT_END = 0
const OPT_COMMENT = 1
const SHB_USERAPPL = 4
const IF_NAME = 2
const IF_DESCRIPTION = 3
const IF_TSRESOL = 9
const EPB_FLAGS = 2

const LINKTYPE_ETHERNET = 1
/** Time stamps count 10^-9 s. */
const NANOSECONDS = 9

/** A link that is captured. */
export interface CaptureLink {
  /** As Wireshark shows it: `ns1/eth0`. */
  readonly name: string
  readonly description?: string
}

/** A frame that was captured. */
export interface CapturePacket {
  /** Index of its link in the order the interface blocks were written. */
  readonly link: number
  readonly timeNs: number
  /** Into the link's namespace, or out of it; absent when unknown. */
  readonly direction?: 'in' | 'out'
  /** Why it was dropped, or whatever else is to be said of it. */
  readonly comment?: string
  /** Ethernet header first. */
  readonly bytes: Uint8Array
}

/** The block a file begins with. */
export function sectionBlock(): Uint8Array {
  const body = new Uint8Array(16)
  write32(body, 0, 0x1a2b3c4d)
  write16(body, 4, 1)
  // Length of the section: not known, blocks may still come.
  body.fill(0xff, 8, 16)
  return block(SECTION, body, [option(SHB_USERAPPL, utf8('lanyard'))])
}

/** Announces a link; packets name it by its place in the order of these blocks. */
export function interfaceBlock(link: CaptureLink): Uint8Array {
  const body = new Uint8Array(8)
  write16(body, 0, LINKTYPE_ETHERNET)
  const options = [option(IF_NAME, utf8(link.name))]
  if (link.description !== undefined) {
    options.push(option(IF_DESCRIPTION, utf8(link.description)))
  }
  options.push(option(IF_TSRESOL, Uint8Array.of(NANOSECONDS)))
  return block(INTERFACE, body, options)
}

/** One frame. */
export function packetBlock(packet: CapturePacket): Uint8Array {
  const { bytes, direction, comment } = packet
  const body = new Uint8Array(20 + padded(bytes.length))
  write32(body, 0, packet.link)
  write32(body, 4, Math.floor(packet.timeNs / 0x100000000))
  write32(body, 8, packet.timeNs % 0x100000000)
  write32(body, 12, bytes.length)
  write32(body, 16, bytes.length)
  body.set(bytes, 20)
  const options: Uint8Array[] = []
  if (comment !== undefined) options.push(option(OPT_COMMENT, utf8(comment)))
  if (direction !== undefined) {
    const flags = new Uint8Array(4)
    write32(flags, 0, direction === 'in' ? 1 : 2)
    options.push(option(EPB_FLAGS, flags))
  }
  return block(ENHANCED_PACKET, body, options)
}

/**
 * A whole capture file.
 *
 * @example
 * ```ts
 * const packet = { link: 0, timeNs: 0, bytes: encodeFrame(frame) }
 * const file = pcapngOf([{ name: 'ns1/eth0' }], [packet])
 * ```
 */
export function pcapngOf(
  links: readonly CaptureLink[],
  packets: readonly CapturePacket[],
): Uint8Array {
  return concat([sectionBlock(), ...links.map(interfaceBlock), ...packets.map(packetBlock)])
}

/** Everything is big-endian, which the byte-order magic of the section says. */
function block(type: number, fixed: Uint8Array, options: readonly Uint8Array[]): Uint8Array {
  const end = options.length > 0 ? [option(OPT_END, new Uint8Array(0))] : []
  const body = concat([fixed, ...options, ...end])
  const out = new Uint8Array(12 + body.length)
  write32(out, 0, type)
  write32(out, 4, out.length)
  out.set(body, 8)
  write32(out, out.length - 4, out.length)
  return out
}

function option(code: number, value: Uint8Array): Uint8Array {
  const out = new Uint8Array(4 + padded(value.length))
  write16(out, 0, code)
  write16(out, 2, value.length)
  out.set(value, 4)
  return out
}

function padded(length: number): number {
  return (length + 3) & ~3
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** TextEncoder is not part of the language, and this runs wherever the language does. */
function utf8(text: string): Uint8Array {
  const bytes: number[] = []
  // An option's length has 16 bits.
  for (const character of text.slice(0, 16_000)) {
    const code = character.codePointAt(0) ?? 0
    if (code < 0x80) bytes.push(code)
    else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63))
    else if (code < 0x10000) {
      bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63))
    } else {
      const high = [0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63)]
      bytes.push(...high, 0x80 | ((code >> 6) & 63), 0x80 | (code & 63))
    }
  }
  return Uint8Array.from(bytes)
}
