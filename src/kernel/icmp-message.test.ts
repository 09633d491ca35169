import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseIp } from '../addr/ip.ts'
import { inetAddress } from '../sys/sockaddr.ts'
import { encodeEcho, hear4, hear6 } from './icmp-message.ts'

const key = { id: 0x1234, sequence: 7, cookie: 0xcafef00d }
const [me, you, router] = ['10.0.0.1', '10.0.0.2', '10.0.0.254'].map(parseIp) as [
  number,
  number,
  number,
]
const [me6, you6] = ['fd00::1', 'fd00::2'].map(parseIp) as [bigint, bigint]
const name6 = new DataView(inetAddress(you6).buffer)

/** An IPv4 header before a payload. */
function ip4(src: number, dst: number, ttl: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(20 + payload.length)
  const view = new DataView(bytes.buffer)
  bytes[0] = 0x45
  bytes[8] = ttl
  bytes[9] = 1
  view.setUint32(12, src)
  view.setUint32(16, dst)
  bytes.set(payload, 20)
  return bytes
}

function ip6(src: bigint, dst: bigint, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(40 + payload.length)
  bytes[6] = 58
  bytes.set(inetAddress(src).subarray(8, 24), 8)
  bytes.set(inetAddress(dst).subarray(8, 24), 24)
  bytes.set(payload, 40)
  return bytes
}

function icmp(type: number, code: number, value: number, rest: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(8 + rest.length)
  bytes[0] = type
  bytes[1] = code
  new DataView(bytes.buffer).setUint32(4, value)
  bytes.set(rest, 8)
  return bytes
}

const as = (type: number, echo: Uint8Array): Uint8Array => Uint8Array.of(type, ...echo.subarray(1))

test('encodeEcho() makes a request whose IPv4 checksum adds up', () => {
  for (const size of [0, 3, 4, 55, 56]) {
    const bytes = encodeEcho(4, key, size)
    expect([bytes[0], bytes.length]).toEqual([8, 8 + size])
    let sum = 0
    for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0)
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
    expect(sum).toBe(0xffff)
  }
})

test('hear4() reads a reply, with a cookie only where the payload has room', () => {
  const reply = ip4(you, me, 63, as(0, encodeEcho(4, key, 56)))
  expect(hear4(reply)).toEqual({ what: 'reply', ttl: 63, responder: you, ...key })
  const short = ip4(you, me, 63, as(0, encodeEcho(4, key, 3)))
  expect(hear4(short)).toMatchObject({ what: 'reply', cookie: undefined })
})

test('hear4() reads errors that quote an echo request, and redirects', () => {
  const quoted = ip4(me, you, 1, encodeEcho(4, key, 56))
  expect(hear4(ip4(router, me, 64, icmp(11, 0, 0, quoted)))).toMatchObject({
    what: 'error',
    type: 11,
    code: 0,
    responder: router,
    destination: you,
    mtu: undefined,
    ...key,
  })
  // Routers may quote no more than the header and 8 bytes.
  const tooBig = icmp(3, 4, 1400, quoted.subarray(0, 28))
  expect(hear4(ip4(router, me, 64, tooBig))).toMatchObject({ mtu: 1400, cookie: undefined })
  expect(hear4(ip4(router, me, 64, icmp(5, 1, you, quoted)))).toMatchObject({
    what: 'redirect',
    gateway: you,
    destination: you,
  })
  const quotedReply = ip4(me, you, 1, as(0, encodeEcho(4, key, 56)))
  expect(hear4(ip4(router, me, 64, icmp(11, 0, 0, quotedReply)))).toBeUndefined()
})

test('hear6() reads replies, errors behind a fragment header, and redirects', () => {
  const echo = encodeEcho(6, key, 56)
  expect(hear6(as(129, echo), name6, 62)).toMatchObject({ what: 'reply', ttl: 62, responder: you6 })
  const quoted = ip6(me6, you6, echo)
  expect(hear6(icmp(2, 0, 1280, quoted), name6, 64)).toMatchObject({
    what: 'error',
    type: 2,
    mtu: 1280,
    destination: you6,
    ...key,
  })
  const fragment = Uint8Array.of(58, 0, 0, 1, 0, 0, 0, 9, ...echo)
  const fragmented = ip6(me6, you6, fragment)
  fragmented[6] = 44
  expect(hear6(icmp(3, 0, 0, fragmented), name6, 64)).toMatchObject({ what: 'error', ...key })
  fragmented[43] = 9
  expect(hear6(icmp(3, 0, 0, fragmented), name6, 64)).toBeUndefined()
  const targets = [you6, you6].flatMap((ip) => [...inetAddress(ip).subarray(8, 24)])
  const options = [2, 1, 2, 0, 0, 0, 0, 1, 4, (8 + quoted.length) / 8, 0, 0, 0, 0, 0, 0, ...quoted]
  const redirect = icmp(137, 0, 0, Uint8Array.from([...targets, ...options]))
  expect(hear6(redirect, name6, 255)).toMatchObject({ what: 'redirect', gateway: you6, ...key })
})

test('hear4() and hear6() take any bytes without a throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
      hear4(bytes)
      hear6(bytes, name6, 64)
      // Past the first look: a header that promises more than there is.
      hear4(ip4(router, me, 64, icmp(11, 0, 0, bytes)))
      hear6(icmp(137, 0, 0, bytes), name6, 255)
    }),
  )
})
