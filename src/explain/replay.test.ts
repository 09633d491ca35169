import { expect, test } from 'vitest'
import { parseIp } from '../addr/ip.ts'
import { openSim } from '../sim/fabric.ts'
import { takeSnapshot } from '../sim/snapshot.ts'
import { ASSUME_NOTHING } from './beyond.ts'
import { decodeReplay, encodeReplay, type Replay } from './replay.ts'

const sim = openSim()
sim.applyNow([
  { do: 'netns.add', netns: 'a' },
  { do: 'link.set', netns: 'a', name: 'lo', up: true },
])
const REPLAY: Replay = {
  lanyard: '0.1.0',
  at: '2026-11-26T00:00:00.000Z',
  question: { from: 'a', to: undefined, target: parseIp('fd00::1'), protocol: 'icmp' },
  assume: { ...ASSUME_NOTHING, hosts: [parseIp('10.0.0.1'), parseIp('fd00::1')] },
  answered: false,
  snapshot: takeSnapshot(sim.world),
  names: { a: 'web' },
  owners: {},
  listening: false,
  real: { outcome: 'timeout' },
  said: 'web cannot reach fd00::1',
}

test('decodeReplay() reads what encodeReplay() wrote, IPv6 addresses too', () => {
  const read = decodeReplay(encodeReplay(REPLAY))
  expect(read).toEqual(REPLAY)
})

test('decodeReplay() says why not', () => {
  expect(decodeReplay('{')).toBe('it is no JSON')
  expect(decodeReplay('{"a":1}')).toContain('it is no case')
  expect(decodeReplay('{"format":"lanyard-replay","version":9}')).toContain('version 9')
  expect(decodeReplay('{"format":"lanyard-replay","version":1}')).toBe('a part of it is missing')
})
