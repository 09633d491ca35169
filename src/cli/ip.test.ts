import { expect, test } from 'vitest'
import { parseIp } from '../addr/ip.ts'
import { parseMac } from '../addr/mac.ts'
import type { Lease } from '../engine/types.ts'
import { whoText } from './ip.ts'

test('who has an address: one of ours, a stranger, a stranger for whom it rests', () => {
  const [ours, other] = ['02:00:00:00:00:01', '62:ac:dd:d0:b9:64'] as const
  const lease: Lease = {
    ...{ segment: 'eth0', network: 'lan', address: parseIp('10.0.0.9'), since: '' },
    ...{ holder: 'web', kind: 'endpoint', mac: parseMac(ours) },
  }
  const rests: Lease = {
    ...lease,
    kind: 'cooldown',
    holder: `${other} on the LAN`,
    mac: undefined,
  } as const
  const who = (one: Lease | undefined, by?: string, ownLink?: string) =>
    whoText('10.0.0.9', {
      lease: one,
      ownLink,
      answeredBy: by === undefined ? undefined : parseMac(by),
    })
  expect([who(lease, ours), who(lease, other), who(rests, other), who(rests, ours)]).toEqual([
    `10.0.0.9: endpoint web of network lan (segment eth0, ${ours})`,
    `10.0.0.9: endpoint web of network lan (segment eth0, ${ours}); but ${other} answers for it on the LAN, nobody of ours`,
    `10.0.0.9: ${other} answers for it on the LAN, nobody of ours; not handed out for a while on network lan (segment eth0)`,
    `10.0.0.9: not handed out for a while on network lan, because of ${other} on the LAN (segment eth0); but ${ours} answers for it on the LAN, nobody of ours`,
  ])
  expect([who(undefined, other), who(undefined)]).toEqual([
    `10.0.0.9: ${other} answers for it on the LAN, nobody of ours`,
    '10.0.0.9: nobody has it',
  ])
  expect([who(undefined, undefined, 'eth0'), who(lease, undefined, 'eth0')]).toEqual([
    '10.0.0.9: this host has it itself, on eth0',
    `10.0.0.9: endpoint web of network lan (segment eth0, ${ours}); but this host has it itself, on eth0`,
  ])
})
