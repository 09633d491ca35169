import { expect, test } from 'vitest'
import { groupMacOf, linkLocalOf, solicitedNodeOf } from './eui64.ts'
import { formatIp, parseIp } from './ip.ts'
import { parseIp6 } from './ip6.ts'
import { formatMac, parseMac } from './mac.ts'

test.each([
  ['02:42:ac:10:00:02', 'fe80::42:acff:fe10:2'],
  ['00:00:00:00:00:00', 'fe80::200:ff:fe00:0'],
  ['34:56:78:9a:bc:de', 'fe80::3656:78ff:fe9a:bcde'],
  ['fe:ff:ff:ff:ff:ff', 'fe80::fcff:ffff:feff:ffff'],
])('linkLocalOf %s is %s', (mac, ip) => {
  expect(formatIp(linkLocalOf(parseMac(mac)))).toBe(ip)
})

test('solicitedNodeOf takes the low 24 bits', () => {
  expect(formatIp(solicitedNodeOf(parseIp6('4037::01:800:200e:8c6c')))).toBe('ff02::1:ff0e:8c6c')
})

test.each([
  ['224.0.0.1', '01:00:5e:00:00:01'],
  ['239.255.255.250', '01:00:5e:7f:ff:fa'],
  ['224.128.0.251', '01:00:5e:00:00:fb'],
  ['ff02::1:ff0e:8c6c', '33:33:ff:0e:8c:6c'],
  ['ff02::16', '33:33:00:00:00:16'],
])('groupMacOf %s is %s', (group, mac) => {
  expect(formatMac(groupMacOf(parseIp(group)))).toBe(mac)
})
