import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatIp, type Prefix, parseIp } from './ip.ts'
import {
  broadcastOf,
  canonical,
  comparePrefix,
  contains,
  containsPrefix,
  formatPrefix,
  hostCount,
  hostPrefix,
  isCanonical,
  lengthOfMask,
  maskOf,
  networkOf,
  overlaps,
  parsePrefix,
  samePrefix,
  tryParsePrefix,
} from './prefix.ts'

// Few distinct bits, so that prefixes meet each other often.
const prefix4 = fc.record({ address: fc.nat(0xffffffff), length: fc.nat(32) })
const near4 = fc.record({
  address: fc.nat(15).map((n) => (0x0a000000 + n * 0x10) >>> 0),
  length: fc.integer({ min: 24, max: 32 }),
})
const ip6 = fc.oneof(
  fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }),
  fc.nat(15).map((n) => (0xfd00n << 112n) + BigInt(n) * 0x10n),
)
const prefix6 = fc.record({ address: ip6, length: fc.nat(128) })
const prefix: fc.Arbitrary<Prefix> = fc.oneof(prefix4, near4, prefix6)

test('formatPrefix and parsePrefix undo each other', () => {
  fc.assert(
    fc.property(prefix, (p) => {
      expect(parsePrefix(formatPrefix(p))).toEqual(p)
    }),
  )
})

test.each([
  ['10.0.0.0', '"10.0.0.0" is not a prefix: its "/length" is missing'],
  ['10.0.0.0/33', '"10.0.0.0/33" is not a prefix: "33" is not a length from 0 to 32'],
  ['10.0.0.0/024', '"10.0.0.0/024" is not a prefix: "024" is not a length from 0 to 32'],
  ['10.0.0.0/', '"10.0.0.0/" is not a prefix: "" is not a length from 0 to 32'],
  ['10.0.0.0/+8', '"10.0.0.0/+8" is not a prefix: "+8" is not a length from 0 to 32'],
  ['10.0.0.0/8/8', '"10.0.0.0/8/8" is not a prefix: "8/8" is not a length from 0 to 32'],
  ['fd00::/129', '"fd00::/129" is not a prefix: "129" is not a length from 0 to 128'],
  [
    '10.0.0.0/255.0.0.0',
    '"10.0.0.0/255.0.0.0" is not a prefix: "255.0.0.0" is not a length from 0 to 32',
  ],
  ['10.0/8', '"10.0" is not an IPv4 address: it has 2 of 4 numbers'],
])('parsePrefix refuses %j and says why', (text, message) => {
  expect(tryParsePrefix(text)).toBeUndefined()
  expect(() => parsePrefix(text)).toThrow(
    expect.objectContaining({ code: 'address-invalid', message }),
  )
})

test('network, broadcast, mask and host count of familiar prefixes', () => {
  const facts = (text: string) => {
    const p = parsePrefix(text)
    const mask = maskOf(p.length, typeof p.address === 'number' ? 4 : 6)
    return [networkOf(p), broadcastOf(p), mask].map(formatIp).concat(String(hostCount(p)))
  }
  expect(facts('172.16.0.5/24')).toEqual(['172.16.0.0', '172.16.0.255', '255.255.255.0', '254'])
  expect(facts('10.0.0.1/31')).toEqual(['10.0.0.0', '10.0.0.1', '255.255.255.254', '2'])
  expect(facts('10.0.0.1/32')).toEqual(['10.0.0.1', '10.0.0.1', '255.255.255.255', '1'])
  expect(facts('0.0.0.0/0')).toEqual(['0.0.0.0', '255.255.255.255', '0.0.0.0', '4294967294'])
  expect(facts('fd00::5/126')).toEqual([
    'fd00::4',
    'fd00::7',
    'ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffc',
    '4',
  ])
})

test('an address lies in a prefix exactly when it is between network and broadcast address', () => {
  const pair = fc.oneof(
    fc.tuple(prefix4, fc.nat(0xffffffff)),
    fc.tuple(
      near4,
      fc.nat(255).map((n) => 0x0a000000 + n),
    ),
    fc.tuple(prefix6, ip6),
  )
  fc.assert(
    fc.property(pair, ([p, ip]) => {
      expect(contains(p, ip)).toBe(networkOf(p) <= ip && ip <= broadcastOf(p))
    }),
  )
})

test('contains never holds across families', () => {
  expect(contains(parsePrefix('::/0'), parseIp('10.0.0.1'))).toBe(false)
  expect(contains(parsePrefix('0.0.0.0/0'), parseIp('::ffff:10.0.0.1'))).toBe(false)
  expect(overlaps(parsePrefix('::/0'), parsePrefix('0.0.0.0/0'))).toBe(false)
})

test('overlaps: two prefixes share an address exactly when one contains the other', () => {
  fc.assert(
    fc.property(prefix, prefix, (a, b) => {
      const same = typeof a.address === typeof b.address
      const share = same && networkOf(a) <= broadcastOf(b) && networkOf(b) <= broadcastOf(a)
      expect(overlaps(a, b)).toBe(share)
      expect(overlaps(a, b)).toBe(overlaps(b, a))
      if (containsPrefix(a, b)) {
        expect(contains(a, networkOf(b)) && contains(a, broadcastOf(b))).toBe(true)
      }
    }),
  )
})

test('comparePrefix is a total order: antisymmetric, and 0 for the same prefix only', () => {
  fc.assert(
    fc.property(prefix, prefix, (a, b) => {
      expect(Math.sign(comparePrefix(a, b))).toBe(-Math.sign(comparePrefix(b, a)) + 0)
      expect(comparePrefix(a, b) === 0).toBe(samePrefix(a, b))
    }),
  )
})

test('canonical clears the host bits and is its own canonical', () => {
  expect(formatPrefix(canonical(parsePrefix('10.1.2.3/8')))).toBe('10.0.0.0/8')
  fc.assert(
    fc.property(prefix, (p) => {
      expect(isCanonical(canonical(p))).toBe(true)
      expect(isCanonical(p)).toBe(samePrefix(p, canonical(p)))
    }),
  )
})

test('lengthOfMask undoes maskOf and refuses masks with holes', () => {
  for (let n = 0; n <= 32; n++) expect(lengthOfMask(maskOf(n, 4))).toBe(n)
  for (let n = 0; n <= 128; n++) expect(lengthOfMask(maskOf(n, 6))).toBe(n)
  expect(lengthOfMask(parseIp('255.0.255.0'))).toBeUndefined()
})

test('hostPrefix covers the one address', () => {
  expect(formatPrefix(hostPrefix(parseIp('10.0.0.1')))).toBe('10.0.0.1/32')
  expect(formatPrefix(hostPrefix(parseIp('::1')))).toBe('::1/128')
})
