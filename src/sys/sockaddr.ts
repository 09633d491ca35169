/**
 * Socket addresses as the kernel's bytes. IPv4 addresses are uint32 numbers, IPv6 ones 128-bit
 * bigints, as everywhere in this program.
 */
import { AF_INET, AF_INET6, AF_PACKET } from './socket.ts'

/** struct sockaddr_in or sockaddr_in6. */
export function inetAddress(ip: number | bigint, port = 0, scopeId = 0): Uint8Array {
  if (typeof ip === 'number') {
    const bytes = new Uint8Array(16)
    const view = new DataView(bytes.buffer)
    view.setUint16(0, AF_INET, true)
    view.setUint16(2, port)
    view.setUint32(4, ip)
    return bytes
  }
  const bytes = new Uint8Array(28)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, AF_INET6, true)
  view.setUint16(2, port)
  view.setBigUint64(8, ip >> 64n)
  view.setBigUint64(16, ip & 0xffffffffffffffffn)
  view.setUint32(24, scopeId, true)
  return bytes
}

/** The IP address in a sockaddr; undefined for other families. */
export function addressIn(name: DataView): number | bigint | undefined {
  if (name.byteLength >= 8 && name.getUint16(0, true) === AF_INET) return name.getUint32(4)
  if (name.byteLength >= 24 && name.getUint16(0, true) === AF_INET6) return readIp6(name, 8)
  return undefined
}

export function readIp6(view: DataView, at: number): bigint {
  return (view.getBigUint64(at) << 64n) | view.getBigUint64(at + 8)
}

/** struct sockaddr_ll; without `mac` as bind(2) wants it. */
export function linkAddress(index: number, etherType: number, mac?: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(20)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, AF_PACKET, true)
  view.setUint16(2, etherType)
  view.setInt32(4, index, true)
  if (mac !== undefined) {
    bytes[11] = mac.length
    bytes.set(mac, 12)
  }
  return bytes
}
