import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  attr,
  be16,
  bytes,
  type Codec,
  eachAttribute,
  flag,
  ip,
  mac,
  nested,
  pad,
  repeated,
  s32,
  struct,
  table,
  text,
  u16,
  u32,
  u64,
  u8,
  words,
} from './attribute.ts'
import { Writer } from './bytes.ts'

function encode<T>(codec: Codec<T>, value: T): Uint8Array {
  const writer = new Writer(1)
  codec.encode(writer, value)
  return writer.bytes()
}

function decode<T>(codec: Codec<T>, data: Uint8Array): T | undefined {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  return codec.decode(view, 0, data.length)
}

const hex = (data: Uint8Array) => Buffer.from(data).toString('hex')

const sample = table({
  small: attr(1, u8),
  name: attr(2, text),
  address: attr(3, mac),
  ip: attr(4, ip),
  list: repeated(5, u32),
  inner: nested(6, table({ port: attr(1, be16), big: attr(2, u64), yes: attr(3, flag) })),
  signed: attr(7, s32),
  raw: attr(8, bytes),
  pair: attr(9, struct({ from: u16, hole: pad(2), to: u32 })),
})

const u32s = fc.integer({ min: 0, max: 0xffffffff })
const values = fc.record(
  {
    small: fc.integer({ min: 0, max: 255 }),
    name: fc.string({ unit: 'binary' }).filter((s) => !s.includes('\0')),
    address: fc.integer({ min: 0, max: 0xffffffffffff }),
    ip: fc.oneof(u32s, fc.bigInt({ min: 0n, max: (1n << 128n) - 1n })),
    list: fc.array(u32s, { minLength: 1 }),
    inner: fc.record(
      {
        port: fc.integer({ min: 0, max: 65535 }),
        big: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
        yes: fc.constant(true as const),
      },
      { requiredKeys: [] },
    ),
    signed: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    raw: fc.uint8Array(),
    pair: fc.record({ from: fc.integer({ min: 0, max: 65535 }), to: u32s }),
  },
  { requiredKeys: [] },
)

test('table() reads back whatever it wrote', () => {
  fc.assert(
    fc.property(values, (value) => {
      expect(decode(sample, encode(sample, value))).toEqual(value)
    }),
  )
})

test('table() never throws, whatever the bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (data) => {
      decode(sample, data)
    }),
    { numRuns: 2000 },
  )
})

test('table() survives damage to bytes it wrote', () => {
  fc.assert(
    fc.property(values, fc.nat(), fc.nat(255), (value, where, what) => {
      const data = encode(sample, value)
      if (data.length > 0) data[where % data.length] = what
      decode(sample, data)
    }),
    { numRuns: 2000 },
  )
})

test('table() writes length, type and padding as struct nlattr', () => {
  expect(hex(encode(sample, { small: 7 }))).toBe('0500010007000000')
  expect(hex(encode(sample, { name: 'lo' }))).toBe('070002006c6f0000')
  expect(hex(encode(sample, { inner: { port: 0x1234 } }))).toBe('0c0006800600010012340000')
})

test('table() leaves out what has the wrong size and skips what it does not know', () => {
  const data = Buffer.from('06000100070000000800ff00010203040500010009000000', 'hex')
  expect(decode(sample, data)).toEqual({ small: 9 })
})

test('table() does not write undefined', () => {
  expect(encode(sample, { small: undefined }).length).toBe(0)
})

test('eachAttribute() stops at an attribute longer than its message', () => {
  const seen: number[] = []
  const view = new DataView(Uint8Array.from([4, 0, 1, 0, 200, 0, 2, 0]).buffer)
  eachAttribute(view, 0, 8, (type) => void seen.push(type))
  expect(seen).toEqual([1])
})

test('struct() reads longer payloads and refuses shorter ones', () => {
  const pair = struct({ a: u8, b: u8 })
  expect(decode(pair, Uint8Array.from([1, 2, 3]))).toEqual({ a: 1, b: 2 })
  expect(decode(pair, Uint8Array.from([1]))).toBeUndefined()
})

test('words copies, so that the buffer can be used again', () => {
  const data = encode(words, Int32Array.from([1, -2]))
  const read = decode(words, data)
  data.fill(0)
  expect(read).toEqual(Int32Array.from([1, -2]))
})

test('text reads bytes that are no UTF-8 as U+FFFD and replaces lone surrogates', () => {
  expect(decode(text, Uint8Array.from([0x61, 0xff, 0x62]))).toBe('a\ufffdb')
  expect(decode(text, Uint8Array.from([0xc3]))).toBe('\ufffd')
  expect(decode(text, Uint8Array.from([0xed, 0xa0, 0x80]))).toBe('\ufffd\ufffd\ufffd')
  expect(hex(encode(text, '\ud800'))).toBe('efbfbd00')
})

test('text agrees with the platform on UTF-8', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (value) => {
      expect(hex(encode(text, value))).toBe(Buffer.from(`${value}\0`).toString('hex'))
    }),
  )
})
