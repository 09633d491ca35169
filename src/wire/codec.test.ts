import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeFrame, encodeFrame } from './codec.ts'
import { checksum } from './checksum.ts'
import type { Frame, Ip4Packet, Ip6Packet, IcmpMessage, NdMessage, Payload } from './frame.ts'
import { frames } from '../../test/support/frames.ts'
import { frameOf, icmpError4, icmpError6, makeIp4, makeIp6, makeUdp, makeUdp4 } from './make.ts'

function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replace(/\s/g, ''), 'hex'))
}

function decoded(bytes: Uint8Array): Frame {
  const frame = decodeFrame(bytes)
  expect(frame).toBeDefined()
  return frame as Frame
}

test('a frame decoded from its encoding is the same frame', () => {
  fc.assert(
    fc.property(frames, (frame) => {
      expect(decodeFrame(encodeFrame(frame))).toEqual(frame)
    }),
    { numRuns: 1000 },
  )
})

test('what decodes from random bytes encodes to something that decodes to the same', () => {
  // Bytes that begin as one of the protocols do, so that the inner codecs are reached.
  const start = fc.constantFrom(
    '0806 0001 0800 06 04 0001',
    '0800 4500 0030 0000 0000 4001 0000 0a000001 0a000002 08',
    '86dd 60000000 0020 3aff',
    '86dd 60000000 0024 0001',
    '86dd 60000000 0030 2c40',
    '8100 0064 0800 45',
    '88a8 0064 8100 0001 86dd 60',
    '',
  )
  fc.assert(
    fc.property(start, fc.uint8Array({ maxLength: 120 }), (head, tail) => {
      const bytes = new Uint8Array([...new Uint8Array(12), ...hex(head), ...tail])
      const frame = decodeFrame(bytes)
      if (frame === undefined) return
      expect(decodeFrame(encodeFrame(frame))).toEqual(frame)
    }),
    { numRuns: 2000 },
  )
})

test('a damaged or truncated frame never throws, and what it decodes to encodes', () => {
  fc.assert(
    fc.property(
      frames,
      fc.nat(200),
      fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 3 }),
      (frame, cut, damage) => {
        const bytes = encodeFrame(frame)
        for (const [at, value] of damage) if (at < bytes.length) bytes[at] = value
        const result = decodeFrame(bytes.subarray(0, Math.max(0, bytes.length - cut)))
        if (result !== undefined) expect(decodeFrame(encodeFrame(result))).toEqual(result)
      },
    ),
    { numRuns: 2000 },
  )
})

test('decodeFrame is undefined only when the Ethernet header or a tag is cut short', () => {
  expect(decodeFrame(new Uint8Array(13))).toBeUndefined()
  expect(decodeFrame(new Uint8Array(14))?.packet.kind).toBe('raw')
  expect(decodeFrame(hex('020000000001 020000000002 8100 00'))).toBeUndefined()
})

test('decodeFrame reads an ARP request with its padding, and encodeFrame writes both back', () => {
  const bytes = hex(`ffffffffffff 02000000000a 0806 0001 0800 06 04 0001
    02000000000a 0a090001 000000000000 0a09004d ${'00'.repeat(18)}`)
  const frame = decoded(bytes)
  expect(frame).toEqual({
    dst: 0xffffffffffff,
    src: 0x02000000000a,
    tags: [],
    etherType: 0x0806,
    length: 46,
    packet: {
      kind: 'arp',
      operation: 1,
      senderMac: 0x02000000000a,
      senderIp: 0x0a090001,
      targetMac: 0,
      targetIp: 0x0a09004d,
    },
  })
  expect(encodeFrame(frame)).toEqual(bytes)
})

test('decodeFrame reads stacked tags, outermost first', () => {
  const bytes = hex('020000000001 020000000002 88a8 6064 8100 00c8 1234 abcd')
  const frame = decoded(bytes)
  expect(frame.tags).toEqual([
    { protocol: 0x88a8, id: 100, priority: 3 },
    { protocol: 0x8100, id: 200, priority: 0 },
  ])
  expect(frame.length).toBe(2)
  expect(encodeFrame(frame)).toEqual(bytes)
})

/** The header example of RFC 1071's readers: 0xb861 is its checksum. */
const IP_HEADER = '4500 0073 0000 4000 4011 b861 c0a80001 c0a800c7'

test('decodeFrame checks the IPv4 header checksum', () => {
  const good = hex(`020000000001 020000000002 0800 ${IP_HEADER} ${'00'.repeat(95)}`)
  expect(decoded(good).packet.kind).toBe('ip4')
  good[14 + 8] = 63
  expect(decoded(good).packet.kind).toBe('raw')
})

test('decodeFrame reads over IPv4 options, length is then without them', () => {
  const bytes = hex(`01005e000016 02000000000a 0800 46c0 0028 0000 4000 0102 0000 0a090001 e0000016
    94040000 2200 f9fe 0000 0001 04000000 e00000fb`)
  const sum = checksum(bytes, 14, 38)
  bytes[24] = sum >>> 8
  bytes[25] = sum & 255
  const packet = decoded(bytes).packet as Ip4Packet
  expect([packet.kind, packet.length, packet.protocol]).toEqual(['ip4', 36, 2])
  expect((packet.payload as Extract<Payload, { kind: 'raw' }>).bytes.length).toBe(16)
})

test('a message with a wrong ICMP checksum stays raw', () => {
  const frame = frameOf(1, 2, makeIp4(1, 2, 64, 1, { ...ECHO }, 16))
  const bytes = encodeFrame(frame)
  expect((decoded(bytes).packet as Ip4Packet).payload.kind).toBe('icmp')
  bytes[bytes.length - 1]! ^= 1
  expect((decoded(bytes).packet as Ip4Packet).payload.kind).toBe('raw')
})

const ECHO: IcmpMessage = {
  kind: 'icmp',
  version: 4,
  type: 8,
  code: 0,
  id: 7,
  sequence: 1,
  value: 0,
  quoted: undefined,
  dataLength: 8,
}

test('an ICMP error quotes no more than fits: the quoted packet keeps its own lengths', () => {
  const big = makeUdp4(0x0a000001, 0x0a000002, 64, makeUdp(1000, 53, new Uint8Array(1400)))
  const error = icmpError4(0x0a000002, 64, 3, 3, 0, big)
  expect(error.length).toBe(576)
  const bytes = encodeFrame(frameOf(1, 2, error))
  expect(bytes.length).toBe(14 + 576)
  const quoted = ((decoded(bytes).packet as Ip4Packet).payload as IcmpMessage).quoted
  expect(quoted).toMatchObject({
    kind: 'ip4',
    length: 1428,
    payload: { kind: 'udp', srcPort: 1000, dstPort: 53 },
  })
  expect(encodeFrame(decoded(bytes))).toEqual(bytes)
})

test('an ICMPv6 error fits into 1280 bytes', () => {
  const raw = { kind: 'raw', bytes: new Uint8Array(1400) } as const
  const error = icmpError6(2n, 64, 2, 0, 1300, makeIp6(1n, 2n, 64, 17, raw, 1400))
  expect(encodeFrame(frameOf(1, 2, error)).length).toBe(14 + 1280)
  expect((decoded(encodeFrame(frameOf(1, 2, error))).packet as Ip6Packet).payload).toMatchObject({
    kind: 'icmp',
    type: 2,
    value: 1300,
    quoted: { length: 1440 },
  })
})

test('an error inside a quote is not read: quotes cannot nest', () => {
  const inner = icmpError4(1, 64, 3, 1, 0, makeIp4(2, 3, 64, 17, { ...ECHO }, 16))
  const message = (
    decoded(encodeFrame(frameOf(1, 2, icmpError4(9, 64, 11, 0, 0, inner)))).packet as Ip4Packet
  ).payload as IcmpMessage
  expect((message.quoted as Ip4Packet).payload.kind).toBe('raw')
})

test('decodeNd reads a router advertisement and reads over options it does not know', () => {
  const bytes = hex(`333300000001 02000000000a 86dd 60000000 0058 3aff
    fe80000000000000 000000fffe00000a ff02000000000000 0000000000000001
    8600 0000 40c0 0708 00000000 00000000
    0101 02000000000a 0501 0000 00000578
    1903 0000 00000e10 20010db8000000000000000000000053
    0304 40c0 00015180 00003840 00000000 20010db8000000000000000000000000`)
  const sum = checksum(bytes, 54, bytes.length, 0)
  expect(sum).toBeGreaterThan(0)
  // Seal it by way of the codec's own law: an intact message sums up to 0 with its pseudo header.
  let total = 58 + bytes.length - 54
  for (let at = 22; at < bytes.length; at += 2) total += bytes[at]! * 256 + bytes[at + 1]!
  while (total > 0xffff) total = (total % 0x10000) + Math.floor(total / 0x10000)
  bytes[56] = (~total >>> 8) & 255
  bytes[57] = ~total & 255
  const packet = decoded(bytes).packet as Ip6Packet
  expect(packet.length).toBe(40 + 16 + 8 + 8 + 32)
  const message = packet.payload as NdMessage
  expect(message.linkAddress).toBe(0x02000000000a)
  expect(message.advert).toEqual({
    hopLimit: 64,
    managed: true,
    other: true,
    lifetime: 1800,
    mtu: 1400,
    prefixes: [
      {
        prefix: 0x20010db8000000000000000000000000n,
        length: 64,
        onLink: true,
        autonomous: true,
        validLifetime: 86400,
        preferredLifetime: 14400,
      },
    ],
  })
})

test('the bytes of a frame are copied: a buffer used again changes nothing', () => {
  const bytes = hex('020000000001 020000000002 1234 abcd')
  const frame = decoded(bytes)
  bytes.fill(0)
  expect(frame.packet).toEqual({ kind: 'raw', bytes: hex('abcd') })
})
