/** Multicast listener reports, versions 1 (RFC 2710) and 2 (RFC 3810). */
import type { Ip } from '../addr/ip.ts'
import type { Above } from './body.ts'
import { read16, read128, write16, write128 } from './bytes.ts'
import type { MldMessage } from './frame.ts'
import { icmpIntact, sealIcmp } from './icmp.ts'

const REPORT_1 = 131
const DONE_1 = 132
const REPORT_2 = 143

/** Bytes a message takes, without its hop-by-hop header. */
export function mldSize(message: MldMessage): number {
  return message.type === REPORT_2 ? 8 + 20 * message.groups.length : 24
}

/** Undefined for queries, messages cut short, and reports with sources or mixed records. */
export function decodeMld(bytes: Uint8Array, above: Above): MldMessage | undefined {
  const type = bytes[0] ?? 0
  if (!icmpIntact(bytes, above)) return undefined
  if (type === REPORT_1 || type === DONE_1) {
    if (bytes.length !== 24) return undefined
    return { kind: 'mld', type, recordType: 0, groups: [read128(bytes, 8)] }
  }
  if (type !== REPORT_2 || bytes.length !== 8 + 20 * read16(bytes, 6)) return undefined
  const recordType = bytes[8] ?? 0
  const groups: bigint[] = []
  for (let at = 8; at < bytes.length; at += 20) {
    // Record type, no auxiliary data, no sources.
    if (bytes[at] !== recordType || bytes[at + 1] !== 0 || read16(bytes, at + 2) !== 0) {
      return undefined
    }
    groups.push(read128(bytes, at + 4))
  }
  return { kind: 'mld', type, recordType, groups }
}

/** Fills `out`, which has {@link mldSize} bytes. */
export function encodeMld(out: Uint8Array, message: MldMessage, src: Ip, dst: Ip): void {
  out[0] = message.type
  if (message.type === REPORT_2) {
    write16(out, 6, message.groups.length)
    message.groups.forEach((group, i) => {
      out[8 + 20 * i] = message.recordType
      write128(out, 12 + 20 * i, group)
    })
  } else write128(out, 8, message.groups[0] ?? 0n)
  sealIcmp(out, src, dst)
}
