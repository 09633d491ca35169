import { expect, test } from 'vitest'
import { forkWorld } from '../../fork.ts'
import { type Connection, ConnectionTable, invert, type Tuple } from './connections.ts'
import { iptables, netfilterOf, ping, routerWorld, word } from './lab.fixture.ts'

function connection(original: Tuple): Connection {
  return {
    original,
    reply: invert(original),
    confirmed: true,
    seenReply: false,
    destinationDone: false,
    sourceDone: false,
    destinationNat: false,
    sourceNat: false,
    expires: 0,
    streamAt: 0,
    assured: false,
    tcp: 'NONE',
  }
}

const udp = (srcPort: number, src: number | bigint = 1): Tuple => ({
  src,
  dst: typeof src === 'number' ? 2 : 2n,
  protocol: 17,
  srcPort,
  dstPort: 53,
  icmpType: 0,
})

test('ConnectionTable finds a connection by either direction, until it is removed', () => {
  const table = new ConnectionTable()
  // enough for some to share a hash, whichever it is
  const all = Array.from({ length: 40_000 }, (_, port) => connection(udp(port)))
  for (const one of all) table.add(one)
  expect([...table.values()]).toHaveLength(all.length)
  for (const one of all) {
    expect(table.find({ ...one.original })).toMatchObject({ direction: 'original' })
    expect(table.find({ ...one.reply })?.connection).toBe(one)
  }
  for (const one of all.slice(1)) table.remove(one)
  expect([...table.values()]).toEqual(all.slice(0, 1))
  expect(table.find(udp(1))).toBeUndefined()
  expect(table.find(udp(0, 1n))).toBeUndefined()
  table.remove(all[0] as Connection)
  expect(table.heads.size).toBe(0)
})

test('ConnectionTable is copied with its world and goes on by itself', () => {
  const world = routerWorld()
  iptables(world, 'r', 'iptables -t nat -A POSTROUTING -o p2 -j MASQUERADE')
  expect(word(ping(world, 'h1', '10.2.0.2'))).toBe('ttl 63')
  const fork = forkWorld(world)
  expect(word(ping(fork, 'h1', '10.2.0.2'))).toBe('ttl 63')
  expect([...netfilterOf(fork, 'r').connections.values()]).toHaveLength(2)
  expect([...netfilterOf(world, 'r').connections.values()]).toHaveLength(1)
})
