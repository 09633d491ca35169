import { expect, test } from 'vitest'
import { addressIn, inetAddress, linkAddress } from './sockaddr.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

test('inetAddress() lays out sockaddr_in and sockaddr_in6, addressIn() reads them', () => {
  const four = inetAddress(0x0a000001, 80)
  expect(hex(four)).toBe('020000500a0000010000000000000000')
  expect(addressIn(new DataView(four.buffer))).toBe(0x0a000001)
  const ip6 = (0xfd00n << 112n) | 1n
  const six = inetAddress(ip6, 53, 7)
  expect(hex(six)).toBe('0a00003500000000fd00000000000000000000000000000107000000')
  expect(addressIn(new DataView(six.buffer))).toBe(ip6)
  expect(addressIn(new DataView(new ArrayBuffer(0)))).toBeUndefined()
})

test('linkAddress() lays out sockaddr_ll', () => {
  expect(hex(linkAddress(3, 0x0806))).toBe('1100080603000000000000000000000000000000')
  const mac = new Uint8Array(6).fill(0xff)
  expect(hex(linkAddress(3, 0x0806, mac))).toBe('110008060300000000000006ffffffffffff0000')
})
