/** The Ethernet header and its VLAN tags (IEEE 802.3, 802.1Q; stacked as 802.1ad). */
import type { Mac } from '../addr/mac.ts'
import { read16, read48, write16, write48 } from './bytes.ts'
import { ETH_8021AD, ETH_8021Q, NO_TAGS, type VlanTag } from './frame.ts'

export interface EthernetHeader {
  readonly dst: Mac
  readonly src: Mac
  readonly tags: readonly VlanTag[]
  /** Of what follows the tags; below 1536 it is the length of an 802.3 frame. */
  readonly etherType: number
  /** Bytes of the header with its tags. */
  readonly size: number
}

/** Undefined when the bytes end within the header or a tag. */
export function decodeEthernet(bytes: Uint8Array): EthernetHeader | undefined {
  if (bytes.length < 14) return undefined
  let at = 12
  let etherType = read16(bytes, at)
  let tags = NO_TAGS
  while (etherType === ETH_8021Q || etherType === ETH_8021AD) {
    if (bytes.length < at + 6) return undefined
    const control = read16(bytes, at + 2)
    tags = [...tags, { protocol: etherType, id: control & 0xfff, priority: control >>> 13 }]
    at += 4
    etherType = read16(bytes, at)
  }
  return { dst: read48(bytes, 0), src: read48(bytes, 6), tags, etherType, size: at + 2 }
}

/** Writes a header to the start of `out`; returns its size. */
export function encodeEthernet(out: Uint8Array, header: Omit<EthernetHeader, 'size'>): number {
  write48(out, 0, header.dst)
  write48(out, 6, header.src)
  let at = 12
  for (const tag of header.tags) {
    write16(out, at, tag.protocol)
    write16(out, at + 2, (tag.priority << 13) | (tag.id & 0xfff))
    at += 4
  }
  write16(out, at, header.etherType)
  return at + 2
}
