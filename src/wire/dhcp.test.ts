import { expect, test } from 'vitest'
import { parseIp } from '../addr/ip.ts'
import { parseMac } from '../addr/mac.ts'
import { decodeDhcp, type DhcpMessage, encodeDhcp } from './dhcp.ts'

const ip = (text: string): number => parseIp(text) as number

const OFFER: DhcpMessage = {
  type: 'offer',
  transaction: 0xdeadbeef,
  seconds: 3,
  broadcast: true,
  client: 0,
  your: ip('192.168.8.57'),
  relay: 0,
  mac: parseMac('02:00:00:00:00:11'),
  options: {
    subnetMask: ip('255.255.255.0'),
    routers: [ip('192.168.8.1'), ip('192.168.8.2')],
    dnsServers: [ip('192.168.8.1')],
    hostName: 'nas',
    leaseTime: 4_000_000_000,
    server: ip('192.168.8.1'),
    parameters: [1, 3, 6],
    clientId: new Uint8Array([1, 2, 0, 0, 0, 0, 17]),
    others: [{ code: 119, bytes: new Uint8Array(300).fill(7) }],
  },
}

test('decodeDhcp() reads what encodeDhcp() wrote, options longer than 255 bytes too', () => {
  expect(decodeDhcp(encodeDhcp(OFFER))).toEqual(OFFER)
})

test('decodeDhcp() takes no message that is cut off, or is no DHCP', () => {
  const bytes = encodeDhcp(OFFER)
  expect(decodeDhcp(bytes.slice(0, 239))).toBeUndefined()
  expect(decodeDhcp(bytes.slice(0, 250))).toBeUndefined()
  const bootp = encodeDhcp({ ...OFFER, options: {} }).fill(0, 240)
  expect(decodeDhcp(bootp)).toBeUndefined()
  const other = bytes.slice()
  other[236] = 0
  expect(decodeDhcp(other)).toBeUndefined()
})

test('encodeDhcp() makes nothing shorter than relays take', () => {
  const discover = encodeDhcp({ ...OFFER, type: 'discover', options: {} })
  expect(discover).toHaveLength(300)
  expect(discover[0]).toBe(1)
})
