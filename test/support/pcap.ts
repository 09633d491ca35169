/** Frames as a classic pcap file, for tcpdump(8) to read. */

/** Ethernet, microseconds, little endian; frame `i` is stamped second `i`. */
export function pcapOf(frames: readonly Uint8Array[]): Uint8Array {
  const head = Buffer.alloc(24)
  head.writeUInt32LE(0xa1b2c3d4, 0)
  head.writeUInt16LE(2, 4)
  head.writeUInt16LE(4, 6)
  head.writeUInt32LE(0x40000, 16)
  head.writeUInt32LE(1, 20)
  const parts: Uint8Array[] = [head]
  for (const [i, frame] of frames.entries()) {
    const record = Buffer.alloc(16)
    record.writeUInt32LE(i, 0)
    record.writeUInt32LE(frame.length, 8)
    record.writeUInt32LE(frame.length, 12)
    parts.push(record, frame)
  }
  return Buffer.concat(parts)
}
