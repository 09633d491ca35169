import { expect, test } from 'vitest'
import { type Ip, parseIp } from '../addr/ip.ts'
import { parsePrefix } from '../addr/prefix.ts'
import type { Op } from '../fabric/plan.ts'
import type { Snapshot } from '../fabric/snapshot.ts'
import { openSim } from '../sim/fabric.ts'
import { takeSnapshot } from '../sim/snapshot.ts'
import { ASSUME_NOTHING, type Assume } from './beyond.ts'
import { explainLive } from './live.ts'
import type { Question } from './question.ts'
import { thin } from './thin.ts'

/** A machine with `count` macvlan containers on eth0; the other end of its cable is left out. */
function machine(count: number, more: readonly Op[] = []): Snapshot {
  const sim = openSim()
  const ops: Op[] = [
    { do: 'netns.add', netns: 'far' },
    {
      do: 'link.add',
      netns: '',
      name: 'eth0',
      spec: { kind: 'veth', peer: { name: 'x', netns: 'far' } },
    },
    { do: 'link.set', netns: 'far', name: 'x', up: true },
    { do: 'link.set', netns: '', name: 'eth0', up: true },
    { do: 'address.add', netns: '', link: 'eth0', address: parsePrefix('10.0.0.2/24') },
    { do: 'route.add', netns: '', to: parsePrefix('0.0.0.0/0'), via: parseIp('10.0.0.1') },
  ]
  for (let i = 0; i < count; i++) {
    const netns = `c${i}`
    ops.push(
      { do: 'netns.add', netns },
      {
        do: 'link.add',
        netns,
        name: 'eth0',
        parentNetns: '',
        spec: { kind: 'macvlan', parent: 'eth0', macvlan: { mode: 'bridge' } },
      },
      { do: 'link.set', netns, name: 'eth0', up: true },
      { do: 'address.add', netns, link: 'eth0', address: parsePrefix(`10.0.0.${100 + i}/24`) },
    )
  }
  sim.applyNow([...ops, ...more])
  const { netns } = takeSnapshot(sim.world)
  return { netns: netns.filter(({ name }) => name !== 'far') }
}

function asked(
  snapshot: Snapshot,
  from: string,
  to: string | undefined,
  target: string,
  assume: Assume = ASSUME_NOTHING,
) {
  const ip: Ip = parseIp(target)
  const question: Question = { from, to, target: ip, protocol: 'icmp' }
  const known = { question, assume, answered: false, snapshot, names: { '': 'host' } }
  return explainLive({ ...known, owners: { c0: 'Docker container c0' }, listening: false })
}

test('explainLive() assumes a switch that does not send back, and can be told otherwise', () => {
  const one = asked(machine(2), '', 'c0', '10.0.0.100')
  expect(one.found).toMatchObject({ verdict: 'fail', cause: 'MACVLAN_HOST_TO_CHILD' })
  expect(one.found.headline).toBe('host cannot reach c0 10.0.0.100, its own macvlan child')
  expect(one.assumptions).toEqual([
    'the switch at eth0 does not send frames back by the port they came in by (else: --assume hairpin)',
    'a router holds the gateway 10.0.0.1 and forwards',
  ])
  expect(one.found.origins.at(-1)?.text).toBe(
    'ip link add link eth0 name eth0 netns c0 type macvlan mode bridge  # Docker container c0',
  )
  const told = asked(machine(2), '', 'c0', '10.0.0.100', { ...ASSUME_NOTHING, hairpin: true })
  expect(told.found.verdict).toBe('ok')
})

test('explainLive() puts the gateway there, and others when told or known', () => {
  expect(asked(machine(1), '', undefined, '10.0.0.1').found.verdict).toBe('ok')
  const stranger = asked(machine(1), '', undefined, '10.0.0.9')
  expect(stranger.found.cause).toBe('NOBODY_HAS_ADDRESS')
  expect(stranger.assumptions.join()).toContain('nobody holds 10.0.0.9')
  const host = [parseIp('10.0.0.9')]
  const told = asked(machine(1), '', undefined, '10.0.0.9', { ...ASSUME_NOTHING, hosts: host })
  expect(told.found.headline).toBe('host reaches LAN host 10.0.0.9')
  const known = machine(1, [
    {
      do: 'neighbour.add',
      netns: '',
      link: 'eth0',
      ip: parseIp('10.0.0.9'),
      mac: 0x021122334455,
      state: 'stale',
    },
  ])
  expect(asked(known, '', undefined, '10.0.0.9').found.verdict).toBe('ok')
  const nobody = { ...ASSUME_NOTHING, nobody: [parseIp('10.0.0.1')] }
  expect(asked(machine(1), '', undefined, '10.0.0.1', nobody).found.verdict).toBe('fail')
})

test('thin() lets two stand for many, and what changes for them counts for all', () => {
  const whole = machine(30)
  const { snapshot, left, alike } = thin(whole, ['', 'c0'])
  expect(left).toBe(27)
  expect(snapshot.netns.map((n) => n.name)).toEqual(['', 'c0', 'c1', 'c2'])
  expect(alike.others.get('c1')).toHaveLength(27)
  const hairpin = asked(whole, '', 'c0', '10.0.0.100').found.remedies.find((r) =>
    r.title.startsWith('hairpin'),
  )
  // Host and each of the 29 others, both ways.
  expect(hairpin?.effects).toMatchObject({ opened: 58, closed: 0 })
  expect(hairpin?.commands?.[0]).toContain('(on the switch) bridge link set')
})

test('thin() leaves twins and those with something of their own', () => {
  const whole = machine(20, [
    { do: 'address.add', netns: 'c3', link: 'eth0', address: parsePrefix('10.0.0.104/24') },
    { do: 'sysctl.set', netns: 'c5', key: 'net.ipv4.conf.eth0.arp_ignore', value: '1' },
  ])
  const names = thin(whole, []).snapshot.netns.map((n) => n.name)
  expect(names).toEqual(expect.arrayContaining(['c3', 'c4', 'c5']))
})
