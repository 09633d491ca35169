/** Payloads that are not decoded, in tcpdump's words (print-igmp.c, print-ip-demux.c). */
import { formatIp4 } from '../addr/ip4.ts'
import { read8, read16, read32 } from './bytes.ts'

const PROTO_IGMP = 2
const NO_NEXT_HEADER = 59

export function printRaw(bytes: Uint8Array, protocol: number, length: number): string {
  if (protocol === NO_NEXT_HEADER) return 'no next header'
  if (protocol === PROTO_IGMP && bytes.length >= 8) return printIgmp(bytes)
  return ` ip-proto-${protocol} ${length}`
}

/** The kernel speaks IGMP when a link joins an IPv4 group: reports (versions 2, 3) and leave. */
function printIgmp(bytes: Uint8Array): string {
  const type = read8(bytes, 0)
  const group = formatIp4(read32(bytes, 4))
  switch (type) {
    case 0x16:
      return `igmp v2 report ${group}`
    case 0x17:
      return `igmp leave ${group}`
    case 0x22:
      return `igmp v3 report, ${read16(bytes, 6)} group record(s)`
    default:
      return `igmp-${type.toString(16)}`
  }
}
