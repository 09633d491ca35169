import { isIPv4, isIPv6 } from 'node:net'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  addToIp,
  compareIp,
  familyOf,
  formatIp,
  isLinkLocalIp,
  isLoopbackIp,
  isMulticastIp,
  isUnspecifiedIp,
  parseIp,
  tryParseIp,
} from './ip.ts'
import { formatIp4, parseIp4, tryParseIp4 } from './ip4.ts'
import { formatIp6, isMappedIp6, parseIp6, tryParseIp6 } from './ip6.ts'

const ip4 = fc.nat(0xffffffff)
const ip6 = fc.oneof(
  fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }),
  // Many zero groups, so that every place of "::" comes up.
  fc
    .array(fc.constantFrom(0n, 0n, 1n, 0xffffn), { minLength: 8, maxLength: 8 })
    .map((groups) => groups.reduce<bigint>((ip, group) => (ip << 16n) | group, 0n)),
)

test('formatIp4 and parseIp4 undo each other', () => {
  fc.assert(
    fc.property(ip4, (ip) => {
      expect(parseIp4(formatIp4(ip))).toBe(ip)
    }),
  )
})

test('formatIp6 and parseIp6 undo each other', () => {
  fc.assert(
    fc.property(ip6, (ip) => {
      expect(parseIp6(formatIp6(ip))).toBe(ip)
    }),
  )
})

test('tryParseIp4 and tryParseIp6 take what the C library takes, without zone ids', () => {
  const text = fc.oneof(
    fc.stringMatching(/^[0-9.]{0,16}$/),
    fc.array(fc.nat(300), { maxLength: 5 }).map((a) => a.join('.')),
    fc.stringMatching(/^[0-9a-f:.]{0,20}$/),
    fc
      .array(fc.constantFrom('', '0', '1', 'ffff', '12345', '1.2.3.4'), { maxLength: 10 })
      .map((a) => a.join(':')),
  )
  fc.assert(
    fc.property(text, (text) => {
      expect(tryParseIp4(text) !== undefined, text).toBe(isIPv4(text))
      expect(tryParseIp6(text) !== undefined, text).toBe(isIPv6(text))
    }),
    { numRuns: 3000 },
  )
})

test.each([
  ['10.0.0', 'it has 3 of 4 numbers'],
  ['10.1', 'it has 2 of 4 numbers'],
  ['010.0.0.1', '"010" has a leading zero'],
  ['10.0.0.256', '256 is over 255'],
  ['10.0.0.1.5', 'it has 5 of 4 numbers'],
  ['10..0.1', 'a number is missing'],
  ['0x0a.0.0.1', '"0x0a" is not a number'],
  ['10.0.0.1 ', '"1 " is not a number'],
  ['-1.0.0.1', '"-1" is not a number'],
])('parseIp4 refuses %j and says why', (text, why) => {
  expect(() => parseIp4(text)).toThrow(
    expect.objectContaining({
      code: 'address-invalid',
      detail: { text, kind: 'an IPv4 address', why },
    }),
  )
})

test.each([
  ['fe80::1%eth0', 'a zone id is not part of an address, name the link instead'],
  ['1::2::3', '"::" may stand only once'],
  ['1:2:3', 'it has 3 of 8 groups'],
  ['1:2:3:4:5:6:7:8:9', 'it has 9 of 8 groups'],
  ['::1:2:3:4:5:6:7:8', '"::" stands for no group'],
  ['12345::', '"12345" is not a group of 1 to 4 hex digits'],
  ['::ffff:1.2.3.04', 'its tail "1.2.3.04" is not an IPv4 address, "04" has a leading zero'],
  ['::g', '"g" is not a group of 1 to 4 hex digits'],
  [':1::', 'a group is missing'],
  ['10.0.0.1', 'it has no ":"'],
])('parseIp6 refuses %j and says why', (text, why) => {
  expect(() => parseIp6(text)).toThrow(
    expect.objectContaining({
      code: 'address-invalid',
      detail: { text, kind: 'an IPv6 address', why },
    }),
  )
})

test.each([
  ['2001:0DB8:0:0:0:0:0:1', '2001:db8::1'],
  ['0:0:0:0:0:0:0:0', '::'],
  ['0:0:0:0:0:0:0:1', '::1'],
  ['1:0:0:0:0:0:0:0', '1::'],
  ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
  ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
  ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['::ffff:a00:1', '::ffff:10.0.0.1'],
  ['::a00:1', '::10.0.0.1'],
  ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
])('formatIp6 writes %s as %s (RFC 5952, inet_ntop)', (text, canonical) => {
  expect(formatIp6(parseIp6(text))).toBe(canonical)
})

test('parseIp leaves an IPv4-mapped address in IPv6', () => {
  const mapped = parseIp('::ffff:10.0.0.1')
  expect(mapped).toBe(0xffff0a000001n)
  expect(familyOf(mapped)).toBe(6)
  expect(isMappedIp6(0xffff0a000001n)).toBe(true)
  expect(isMappedIp6(0x0a000001n)).toBe(false)
  expect(compareIp(mapped, parseIp('10.0.0.1'))).not.toBe(0)
})

test('parseIp says what is missing when the family cannot be told', () => {
  expect(tryParseIp('eth0')).toBeUndefined()
  expect(() => parseIp('eth0')).toThrow(
    '"eth0" is not an IP address: it has neither the dots of an IPv4 nor the colons of an IPv6',
  )
  expect(() => parseIp('10.0.0.300')).toThrow(
    '"10.0.0.300" is not an IPv4 address: 300 is over 255',
  )
})

test('compareIp orders by family, then by value', () => {
  const sorted = ['9.0.0.1', '10.0.0.1', '224.0.0.1', '::', '::1', 'fe80::1']
  expect(sorted.toReversed().map(parseIp).sort(compareIp).map(formatIp)).toEqual(sorted)
})

test('addToIp stays inside the family', () => {
  expect(addToIp(0xffffffff, 1)).toBeUndefined()
  expect(addToIp(0, -1)).toBeUndefined()
  expect(addToIp(parseIp('10.0.0.255'), 1)).toBe(parseIp('10.0.1.0'))
  expect(addToIp(0xffffffffn, 1n)).toBe(0x100000000n)
  expect(addToIp((1n << 128n) - 1n, 1)).toBeUndefined()
})

test('the classes of addresses', () => {
  const classes = (text: string) => {
    const ip = parseIp(text)
    return [isMulticastIp(ip), isLinkLocalIp(ip), isLoopbackIp(ip), isUnspecifiedIp(ip)]
  }
  expect(classes('239.255.255.255')).toEqual([true, false, false, false])
  expect(classes('240.0.0.0')).toEqual([false, false, false, false])
  expect(classes('169.254.1.1')).toEqual([false, true, false, false])
  expect(classes('127.9.9.9')).toEqual([false, false, true, false])
  expect(classes('0.0.0.0')).toEqual([false, false, false, true])
  expect(classes('ff02::1')).toEqual([true, false, false, false])
  expect(classes('febf::1')).toEqual([false, true, false, false])
  expect(classes('fec0::1')).toEqual([false, false, false, false])
  expect(classes('::1')).toEqual([false, false, true, false])
  expect(classes('::')).toEqual([false, false, false, true])
})
