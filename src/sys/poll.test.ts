import { afterEach, expect, test } from 'vitest'
import {
  bindSocket,
  closeFd,
  connectSocket,
  openSocket,
  receiveFrom,
  sendTo,
  setOption,
} from './socket.ts'
import { AF_INET, MSG_ERRQUEUE, SOCK_DGRAM, socketName } from './socket.ts'
import { watchReadable } from './poll.ts'
import { addressIn, inetAddress } from './sockaddr.ts'

const LOCALHOST = 0x7f000001
const fds: number[] = []

afterEach(() => {
  for (const fd of fds.splice(0)) closeFd(fd)
})

function udp(): { fd: number; address: Uint8Array } {
  const fd = openSocket(AF_INET, SOCK_DGRAM, 0)
  fds.push(fd)
  bindSocket(fd, inetAddress(LOCALHOST))
  return { fd, address: socketName(fd).slice() }
}

test('watchReadable() calls back for data, and a promise resolved there goes on', async () => {
  const [a, b] = [udp(), udp()]
  expect(addressIn(new DataView(b.address.buffer))).toBe(LOCALHOST)
  const buffer = new Uint8Array(16)
  let resolve: (text: string) => void = () => undefined
  const watch = watchReadable(b.fd, () => {
    const length = receiveFrom(b.fd, buffer)
    if (length !== undefined) resolve(new TextDecoder().decode(buffer.subarray(0, length)))
  })
  for (const word of ['one', 'two']) {
    const heard = new Promise<string>((done) => {
      resolve = done
    })
    sendTo(a.fd, new TextEncoder().encode(word), b.address)
    expect(await heard).toBe(word)
  }
  watch.close()
  watch.close()
})

test('watchReadable() goes on after an error on the socket', async () => {
  const [a, gone] = [udp(), udp()]
  fds.splice(fds.indexOf(gone.fd), 1)
  closeFd(gone.fd)
  setOption(a.fd, 0, 11, 1) // IP_RECVERR
  expect(connectSocket(a.fd, gone.address)).toBe(0)
  const buffer = new Uint8Array(64)
  const errors: string[] = []
  let tell: () => void = () => undefined
  const watch = watchReadable(a.fd, () => {
    while (receiveFrom(a.fd, buffer, MSG_ERRQUEUE) !== undefined) errors.push('refused')
    try {
      receiveFrom(a.fd, buffer)
    } catch (error) {
      errors.push((error as Error).message)
    }
    tell()
  })
  for (let round = 0; round < 3; round++) {
    const told = new Promise<void>((done) => {
      tell = done
    })
    sendTo(a.fd, new Uint8Array(1))
    await told
  }
  watch.close()
  expect(errors.filter((e) => e === 'refused').length).toBe(3)
})
