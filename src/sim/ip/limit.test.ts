/** Buckets of errors, where kernels differ. */
import { expect, test } from 'vitest'
import type { Netns } from '../model.ts'
import { runUntil } from '../run.ts'
import { createWorld } from '../world.ts'
import { allow, allowRouteError, peerOf } from './limit.ts'
import { netnsIp } from './state.ts'

const HOST = 0x0a090001

/** Route errors sent in a row; each pays both tolls, the second is free (icmp_ratelimit 0). */
function routeErrors(version: '6.18' | '6.1'): number {
  const world = createWorld({ kernel: { version } })
  runUntil(world, 1e9)
  const peer = peerOf(world, netnsIp(world.netns.get('') as Netns), HOST)
  let sent = 0
  while (sent < 20 && allowRouteError(world, peer) && allow(world, peer, 0)) sent++
  return sent
}

test('allow() with no cost leaves the bucket of route errors alone since Linux 6.13', () => {
  expect(routeErrors('6.18')).toBe(5)
  expect(routeErrors('6.1')).toBe(1)
})
