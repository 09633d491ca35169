import { expect, test } from 'vitest'
import { LanyardError } from '../errors.ts'
import { LITTLE, Writer } from './bytes.ts'
import { type Incoming, incoming, outgoing, writeMessage } from './message.ts'
import { Connection } from './request.ts'
import { RTM_DELLINK, RTM_GETLINK, RTM_NEWLINK } from './tables/header.ts'
import { link } from './tables/link.ts'
import type { Transport } from './transport.ts'

/**
 * A kernel that answers each request with what `answer` gives; 'overrun' throws ENOBUFS at receive.
 */
class FakeKernel implements Transport {
  readonly datagrams: number[] = []
  readonly #answer: (request: Incoming) => readonly (Uint8Array | 'overrun')[]
  #waiting: (Uint8Array | 'overrun')[] = []

  constructor(answer: (request: Incoming) => readonly (Uint8Array | 'overrun')[]) {
    this.#answer = answer
  }
  send(bytes: Uint8Array): void {
    const requests = incoming(Uint8Array.from(bytes))
    this.datagrams.push(requests.length)
    for (const request of requests) this.#waiting.push(...this.#answer(request))
  }
  receive(): Uint8Array | undefined {
    const next = this.#waiting.shift()
    if (next === 'overrun') throw Object.assign(new Error('recv'), { errno: 'ENOBUFS' })
    return next
  }
  close(): void {
    this.#waiting = []
  }
}

function message(type: number, flags: number, seq: number, payload: Uint8Array): Uint8Array {
  const writer = new Writer()
  writeMessage(writer, { type, flags: 0, write: (w) => w.put(payload) }, flags, seq)
  return Uint8Array.from(writer.bytes())
}

function code(errno: number): Uint8Array {
  const bytes = new Uint8Array(20)
  new DataView(bytes.buffer).setInt32(0, -errno, LITTLE)
  return bytes
}

const ack = (seq: number) => message(2, 0, seq, code(0))
const done = (seq: number, flags = 2) => message(3, flags, seq, code(0))
const error = (seq: number, errno: number) => message(2, 0x100, seq, code(errno))
const newLink = (seq: number, name: string, flags = 2) => {
  const writer = new Writer()
  writeMessage(writer, outgoing(RTM_NEWLINK, 0, link, { index: 1 }, { name }), flags, seq)
  return Uint8Array.from(writer.bytes())
}
const del = (name: string) => outgoing(RTM_DELLINK, 0, link, {}, { name })
const dump = outgoing(RTM_GETLINK, 0, link, {})

test('request() gives ok for an acknowledgement', () => {
  const connection = new Connection(new FakeKernel((r) => [ack(r.seq)]))
  expect(connection.request(del('a'))).toEqual({ ok: true })
})

test('request() skips leftovers with another sequence number', () => {
  const kernel = new FakeKernel((r) => [ack(r.seq + 1000), error(r.seq, 16)])
  const answer = new Connection(kernel).request(del('a'))
  expect(answer).toMatchObject({ ok: false, errno: 'EBUSY', extack: undefined })
})

test('request() throws netlink-lost when the kernel stays silent', () => {
  const connection = new Connection(new FakeKernel(() => []))
  expect(() => connection.request(del('a'))).toThrowError(
    expect.objectContaining({ code: 'netlink-lost' }) as LanyardError,
  )
})

test('request() throws netlink-lost after an overrun and works again afterwards', () => {
  let broken = true
  const kernel = new FakeKernel((r) => (broken ? ['overrun', ack(r.seq)] : [ack(r.seq)]))
  const connection = new Connection(kernel)
  expect(() => connection.request(del('a'))).toThrow(LanyardError)
  broken = false
  expect(connection.request(del('a'))).toEqual({ ok: true })
})

test('batch() keeps answers in order and sends 64 requests a datagram', () => {
  let n = 0
  const kernel = new FakeKernel((r) => [n++ % 10 === 3 ? error(r.seq, 17) : ack(r.seq)])
  const answers = new Connection(kernel).batch(Array.from({ length: 150 }, () => del('a')))
  expect(kernel.datagrams).toEqual([64, 64, 22])
  expect(answers.length).toBe(150)
  expect(answers.map((answer, i) => answer.ok === (i % 10 !== 3)).every(Boolean)).toBe(true)
})

test('batch() hands replies to the request they belong to', () => {
  const kernel = new FakeKernel((r) => [newLink(r.seq, `l${r.seq}`, 0), ack(r.seq)])
  const seen: number[] = []
  new Connection(kernel).batch(
    Array.from({ length: 70 }, () => dump),
    (index) => void seen.push(index),
  )
  expect(seen).toEqual(Array.from({ length: 70 }, (_, i) => i))
})

test('get() gives the entry, or the refusal', () => {
  const found = new Connection(new FakeKernel((r) => [newLink(r.seq, 'x', 0), ack(r.seq)]))
  expect(found.get(dump, link)).toMatchObject({ ok: true, entry: { attributes: { name: 'x' } } })
  const none = new Connection(new FakeKernel((r) => [error(r.seq, 19)]))
  expect(none.get(dump, link)).toMatchObject({ ok: false, errno: 'ENODEV' })
})

test('dump() gathers the parts up to the end', () => {
  const kernel = new FakeKernel((r) => [newLink(r.seq, 'a'), newLink(r.seq, 'b'), done(r.seq)])
  const names = new Connection(kernel).dump(dump, link).map((entry) => entry.attributes.name)
  expect(names).toEqual(['a', 'b'])
})

test('dump() begins again when it was interrupted, and takes the eighth pass', () => {
  let passes = 0
  const calm = new FakeKernel((r) => [
    newLink(r.seq, `a${++passes}`),
    done(r.seq, passes < 3 ? 0x12 : 2),
  ])
  expect(new Connection(calm).dump(dump, link)[0]?.attributes.name).toBe('a3')
  let storms = 0
  const storm = new FakeKernel((r) => [newLink(r.seq, `a${++storms}`, 0x12), done(r.seq)])
  expect(new Connection(storm).dump(dump, link)[0]?.attributes.name).toBe('a8')
})

test('dump() begins again after an overrun', () => {
  let passes = 0
  const kernel = new FakeKernel((r) =>
    ++passes === 1
      ? [newLink(r.seq, 'a'), 'overrun', done(r.seq)]
      : [newLink(r.seq, 'b'), done(r.seq)],
  )
  const names = new Connection(kernel).dump(dump, link).map((entry) => entry.attributes.name)
  expect(names).toEqual(['b'])
})

test('dump() throws netlink-lost when no pass is ever complete', () => {
  const kernel = new FakeKernel(() => ['overrun'])
  expect(() => new Connection(kernel).dump(dump, link)).toThrowError(
    expect.objectContaining({ code: 'netlink-lost' }) as LanyardError,
  )
})

test('dump() throws netlink-refused with what the kernel said', () => {
  const kernel = new FakeKernel((r) => [error(r.seq, 95)])
  expect(() => new Connection(kernel).dump(dump, link)).toThrowError(
    expect.objectContaining({ code: 'netlink-refused' }) as LanyardError,
  )
})

test('dump() does not decode what keep refuses', () => {
  const kernel = new FakeKernel((r) => [newLink(r.seq, 'a'), done(r.seq)])
  expect(new Connection(kernel).dump(dump, link, () => false)).toEqual([])
})
