/** ARP over Ethernet for IPv4 (RFC 826). */
import { read16, read32, read48, write16, write32, write48 } from './bytes.ts'
import { type ArpPacket, ETH_IP4 } from './frame.ts'

export const ARP_SIZE = 28

/** Undefined when it is cut short or not about Ethernet and IPv4. */
export function decodeArp(bytes: Uint8Array): ArpPacket | undefined {
  if (bytes.length < ARP_SIZE) return undefined
  if (read16(bytes, 0) !== 1 || read16(bytes, 2) !== ETH_IP4) return undefined
  if (bytes[4] !== 6 || bytes[5] !== 4) return undefined
  return {
    kind: 'arp',
    operation: read16(bytes, 6),
    senderMac: read48(bytes, 8),
    senderIp: read32(bytes, 14),
    targetMac: read48(bytes, 18),
    targetIp: read32(bytes, 24),
  }
}

export function encodeArp(out: Uint8Array, packet: ArpPacket): void {
  write16(out, 0, 1)
  write16(out, 2, ETH_IP4)
  out[4] = 6
  out[5] = 4
  write16(out, 6, packet.operation)
  write48(out, 8, packet.senderMac)
  write32(out, 14, packet.senderIp)
  write48(out, 18, packet.targetMac)
  write32(out, 24, packet.targetIp)
}
