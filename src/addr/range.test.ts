import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatIp, type Ip } from './ip.ts'
import {
  addressAt,
  addressesOf,
  compareRange,
  formatRange,
  parseRange,
  type Range,
  rangeContains,
  rangeSize,
  rangesOverlap,
  splitRange,
  subtractRange,
  tryParseRange,
} from './range.ts'

const ends = fc
  .tuple(fc.nat(60), fc.nat(60))
  .map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const)
const small: fc.Arbitrary<Range> = fc.oneof(
  ends.map(([first, last]) => ({ first, last })),
  ends.map(([first, last]) => ({ first: BigInt(first), last: BigInt(last) })),
)

test('parseRange reads a CIDR, two ends or one address', () => {
  expect(formatRange(parseRange('10.0.0.0/30'))).toBe('10.0.0.0-10.0.0.3')
  expect(formatRange(parseRange('10.0.0.9-10.0.0.11'))).toBe('10.0.0.9-10.0.0.11')
  expect(formatRange(parseRange('fd00::-fd00::ff'))).toBe('fd00::-fd00::ff')
  expect(formatRange(parseRange('10.0.0.9'))).toBe('10.0.0.9')
  expect(rangeSize(parseRange('fd00::/64'))).toBe(1n << 64n)
})

test.each([
  ['10.0.0.5/24', 'it has host bits, the whole is 10.0.0.0/24'],
  ['10.0.0.0/40', 'what stands around "/" is not an address and its prefix length'],
  ['10.0.0.9-10.0.0.1', 'its end lies before its start'],
  ['10.0.0.9-::1', 'its ends are of different families'],
  ['10.0.0.1-10.0.0.2-10.0.0.3', 'it has more than one "-"'],
  ['10.0.0.1-20', '"20" is not an IP address'],
  ['', '"" is not an IP address'],
])('parseRange refuses %j and says why', (text, why) => {
  expect(tryParseRange(text)).toBeUndefined()
  expect(() => parseRange(text)).toThrow(
    expect.objectContaining({ code: 'address-invalid', detail: { text, kind: 'a range', why } }),
  )
})

test('addressesOf yields each address once, in order, and addressAt agrees', () => {
  fc.assert(
    fc.property(small, (range) => {
      const all = [...addressesOf(range)]
      expect(BigInt(all.length)).toBe(rangeSize(range))
      expect(all.every((ip, i) => ip === addressAt(range, i) && rangeContains(range, ip))).toBe(
        true,
      )
      expect(addressAt(range, all.length)).toBeUndefined()
      expect(addressAt(range, -1)).toBeUndefined()
    }),
  )
})

test('addressesOf ends at the last address of the family', () => {
  expect([...addressesOf(parseRange('255.255.255.254/31'))].map(formatIp)).toEqual([
    '255.255.255.254',
    '255.255.255.255',
  ])
})

test('subtractRange leaves exactly the addresses that are not cut', () => {
  fc.assert(
    fc.property(small, small, (range, cut) => {
      const left = subtractRange([range], cut).flatMap((r) => [...addressesOf(r)])
      expect(left).toEqual([...addressesOf(range)].filter((ip: Ip) => !rangeContains(cut, ip)))
    }),
  )
})

test('subtractRange keeps to the edges of the family', () => {
  const all = parseRange('0.0.0.0/0')
  expect(subtractRange([all], parseRange('0.0.0.0/1')).map(formatRange)).toEqual([
    '128.0.0.0-255.255.255.255',
  ])
  expect(subtractRange([all], all)).toEqual([])
})

test('splitRange gives even shares that make the whole again', () => {
  fc.assert(
    fc.property(small, fc.integer({ min: 1, max: 70 }), (range, parts) => {
      const shares = splitRange(range, parts)
      expect(shares.flatMap((r) => [...addressesOf(r)])).toEqual([...addressesOf(range)])
      const sizes = shares.map((r) => Number(rangeSize(r)))
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
      expect(shares.length).toBe(Math.min(parts, Number(rangeSize(range))))
    }),
  )
})

test('rangesOverlap: a shared address exists', () => {
  fc.assert(
    fc.property(small, small, (a, b) => {
      const share = [...addressesOf(a)].some((ip) => rangeContains(b, ip))
      expect(rangesOverlap(a, b)).toBe(share)
    }),
  )
})

test('compareRange orders by start, then end', () => {
  const sorted = ['10.0.0.0-10.0.0.1', '10.0.0.0-10.0.0.9', '10.0.0.4', '::-::1']
  expect(sorted.toReversed().map(parseRange).sort(compareRange).map(formatRange)).toEqual(sorted)
})
