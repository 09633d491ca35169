/**
 * A buffer that grows while a datagram is written, and UTF-8 without `TextEncoder` (this folder
 * compiles with neither Node nor DOM types). Netlink speaks the host's byte order.
 */

/** Whether this machine is little-endian: netlink integers are the host's. */
export const LITTLE = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1

/**
 * Netlink aligns messages and attributes to 4 bytes (`NLMSG_ALIGNTO`, `NLA_ALIGNTO`). Right also
 * for lengths over 2^31, which a damaged message may claim.
 */
export function align4(length: number): number {
  return length + (-length & 3)
}

export class Writer {
  view: DataView
  length = 0
  #bytes: Uint8Array

  constructor(capacity = 4096) {
    this.#bytes = new Uint8Array(capacity)
    this.view = new DataView(this.#bytes.buffer)
  }

  /** What was written so far; valid until the next write. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.length)
  }

  reset(): void {
    this.length = 0
  }

  /** Appends `count` zero bytes and returns where they start. */
  skip(count: number): number {
    const start = this.length
    const end = start + count
    if (end > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(end, this.#bytes.length * 2))
      larger.set(this.#bytes.subarray(0, start))
      this.#bytes = larger
      this.view = new DataView(larger.buffer)
    } else {
      this.#bytes.fill(0, start, end)
    }
    this.length = end
    return start
  }

  put(bytes: Uint8Array): void {
    const start = this.skip(bytes.length)
    this.#bytes.set(bytes, start)
  }

  pad4(): void {
    const rest = align4(this.length) - this.length
    if (rest > 0) this.skip(rest)
  }
}

/** The UTF-8 bytes of a text (RFC 3629); a lone surrogate becomes U+FFFD. */
export function encodeText(text: string): Uint8Array {
  const out: number[] = []
  for (const character of text) {
    let code = character.codePointAt(0) ?? 0xfffd
    if (code >= 0xd800 && code <= 0xdfff) code = 0xfffd
    if (code < 0x80) out.push(code)
    else if (code < 0x800) out.push(0xc0 | (code >> 6), 0x80 | (code & 63))
    else if (code < 0x10000) {
      out.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63))
    } else {
      out.push(
        0xf0 | (code >> 18),
        0x80 | ((code >> 12) & 63),
        0x80 | ((code >> 6) & 63),
        0x80 | (code & 63),
      )
    }
  }
  return Uint8Array.from(out)
}

/** Text up to the first NUL or `end`; bytes that are not UTF-8 become U+FFFD. */
export function decodeText(view: DataView, start: number, end: number): string {
  let text = ''
  let at = start
  while (at < end) {
    const first = view.getUint8(at)
    if (first === 0) break
    if (first < 0x80) {
      text += String.fromCharCode(first)
      at++
      continue
    }
    const extra = first >= 0xf0 && first < 0xf8 ? 3 : first >= 0xe0 ? 2 : first >= 0xc0 ? 1 : 0
    const code = extra > 0 && first < 0xf8 ? tail(view, at + 1, end, first, extra) : undefined
    text += code === undefined ? '\ufffd' : String.fromCodePoint(code)
    at += code === undefined ? 1 : 1 + extra
  }
  return text
}

/** The code point of a multi-byte sequence; undefined when cut short, overlong or a surrogate. */
function tail(
  view: DataView,
  start: number,
  end: number,
  first: number,
  extra: number,
): number | undefined {
  if (start + extra > end) return undefined
  let code = first & (0x3f >> extra)
  for (let i = 0; i < extra; i++) {
    const next = view.getUint8(start + i)
    if ((next & 0xc0) !== 0x80) return undefined
    code = (code << 6) | (next & 63)
  }
  const least = extra === 1 ? 0x80 : extra === 2 ? 0x800 : 0x10000
  if (code < least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return undefined
  return code
}
