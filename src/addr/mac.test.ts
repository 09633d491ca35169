import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  formatMac,
  isGroupMac,
  isLocalMac,
  isZeroMac,
  MAC_BROADCAST,
  parseMac,
  tryParseMac,
} from './mac.ts'

test('parseMac reads six pairs in either case', () => {
  expect(parseMac('02:42:ac:10:00:02')).toBe(0x0242ac100002)
  expect(parseMac('FF:ff:FF:ff:FF:ff')).toBe(MAC_BROADCAST)
})

test.each([
  ['02-42-ac-10-00-02', 'pairs are separated by ":", not "-"'],
  ['2:42:ac:10:0:2', '"2" is not a pair of hex digits'],
  ['02:42:ac:10:00', 'it has 5 of 6 pairs of hex digits'],
  ['02:42:ac:10:00:0g', '"0g" is not a pair of hex digits'],
  ['0242ac100002', 'it has 1 of 6 pairs of hex digits'],
  ['', 'it has 1 of 6 pairs of hex digits'],
  [' 02:42:ac:10:00:02', '" 02" is not a pair of hex digits'],
])('parseMac refuses %j and says why', (text, why) => {
  expect(tryParseMac(text)).toBeUndefined()
  expect(() => parseMac(text)).toThrow(
    expect.objectContaining({
      code: 'address-invalid',
      detail: { text, kind: 'a MAC address', why },
    }),
  )
})

test('formatMac and parseMac undo each other', () => {
  fc.assert(
    fc.property(
      fc.maxSafeNat().map((n) => n % 2 ** 48),
      (mac) => {
        expect(parseMac(formatMac(mac))).toBe(mac)
      },
    ),
  )
})

test('isGroupMac and isLocalMac read the two low bits of the first byte', () => {
  const bits = (text: string) => [isGroupMac(parseMac(text)), isLocalMac(parseMac(text))]
  expect(bits('00:11:22:33:44:55')).toEqual([false, false])
  expect(bits('01:00:5e:00:00:01')).toEqual([true, false])
  expect(bits('02:42:ac:10:00:02')).toEqual([false, true])
  expect(bits('ff:ff:ff:ff:ff:ff')).toEqual([true, true])
})

test('isZeroMac is true for all zeros only', () => {
  expect(isZeroMac(parseMac('00:00:00:00:00:00'))).toBe(true)
  expect(isZeroMac(1)).toBe(false)
})
