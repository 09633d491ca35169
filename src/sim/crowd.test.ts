import { expect, test } from 'vitest'
import { parseIp } from '../addr/ip.ts'
import { parsePrefix } from '../addr/prefix.ts'
import type { Probe } from '../fabric/fabric.ts'
import type { Op } from '../fabric/plan.ts'
import { openSim, type SimFabric } from './fabric.ts'

/** Enough for a glance to be worth it. */
const COUNT = 14

/** Hosts on one bridge with macvlan children in bridge and vepa mode; the last child forwards. */
function lab(): SimFabric {
  const plan: Op[] = [
    { do: 'netns.add', netns: 'sw' },
    { do: 'link.add', netns: 'sw', name: 'br0', up: true, spec: { kind: 'bridge' } },
  ]
  for (const host of ['h1', 'h2']) {
    const spec = { kind: 'veth', peer: { name: 'eth0', netns: host } } as const
    plan.push(
      { do: 'netns.add', netns: host },
      { do: 'link.add', netns: 'sw', name: host, master: 'br0', up: true, spec },
      { do: 'link.set', netns: host, name: 'eth0', up: true },
    )
  }
  for (let n = 1; n <= COUNT; n++) {
    const netns = `c${n}`
    const mode = n % 3 === 0 ? 'vepa' : 'bridge'
    const spec = { kind: 'macvlan', parent: 'eth0', macvlan: { mode } } as const
    const parentNetns = n % 2 === 0 ? 'h1' : 'h2'
    plan.push(
      { do: 'netns.add', netns },
      { do: 'link.add', netns, parentNetns, name: 'eth0', up: true, spec },
      { do: 'address.add', netns, link: 'eth0', address: parsePrefix(`10.9.0.${n}/24`) },
    )
  }
  plan.push(
    { do: 'sysctl.set', netns: `c${COUNT}`, key: 'net.ipv4.ip_forward', value: '1' },
    { do: 'sysctl.set', netns: 'c2', key: 'net.ipv4.conf.eth0.arp_accept', value: '1' },
    { do: 'link.set', netns: 'c4', name: 'eth0', mtu: 1400 },
  )
  const sim = openSim({ seed: 3, traceSize: 131_072 })
  sim.applyNow(plan)
  return sim
}

/** Everybody pings everybody, one address nobody has included. */
function probes(): Probe[] {
  const all: Probe[] = []
  for (let from = 1; from <= COUNT; from++) {
    for (let to = 1; to <= COUNT + 1; to++) {
      const ip = parseIp(`10.9.0.${to}`)
      if (from !== to) all.push({ protocol: 'icmp', from: `c${from}`, to: ip, timeoutMs: 4000 })
    }
  }
  return all
}

test('receiveAll: what is told at a glance is what receiving it comes to, step by step', async () => {
  const [quick, slow] = [lab(), lab()]
  // With a capture anywhere every frame is received properly.
  await slow.openPort('sw', 'br0', () => undefined)
  for (let round = 0; round < 2; round++) {
    const results = await quick.probe(probes())
    expect(results).toEqual(await slow.probe(probes()))
    expect(results.some((r) => r.outcome === 'reply')).toBe(true)
  }
  const [a, b] = [quick.trace(0), slow.trace(0)]
  expect(a.truncated || b.truncated).toBe(false)
  expect(a.steps.filter((s) => s.reason === 'ARP_NOT_FOR_US').length).toBeGreaterThan(20)
  expect(a.steps).toEqual(b.steps)
  expect(quick.traceCount).toBeLessThan(slow.traceCount)
  expect(await quick.snapshot()).toEqual(await slow.snapshot())
})

test('receiveAll: who heard a sender before looks again once something else is known of it', async () => {
  const [quick, slow] = [lab(), lab()]
  await slow.openPort('sw', 'br0', () => undefined)
  const ip = parseIp('10.9.0.1')
  const changes: Op[] = [
    {
      do: 'neighbour.replace',
      netns: 'c7',
      link: 'eth0',
      ip,
      mac: 0x02_00_00_00_00_99,
      state: 'stale',
    },
    { do: 'neighbour.flush', netns: 'c8', link: 'eth0' },
    { do: 'neighbour.del', netns: 'c9', link: 'eth0', ip },
    {
      do: 'neighbour.replace',
      netns: 'c10',
      link: 'eth0',
      ip,
      mac: 0x02_00_00_00_00_98,
      state: 'permanent',
    },
  ]
  for (const sim of [quick, slow]) await sim.probe(probes())
  for (const change of changes) {
    for (const sim of [quick, slow]) {
      sim.applyNow([{ do: 'neighbour.flush', netns: 'c1', link: 'eth0' }, change])

      const asks = [3, 5, 11].map((n): Probe => {
        const to = parseIp(`10.9.0.${n}`)
        return { protocol: 'icmp', from: 'c1', to, timeoutMs: 4000 }
      })
      await sim.probe(asks)
    }
    expect(await quick.snapshot()).toEqual(await slow.snapshot())
  }
  expect(quick.trace(0).steps).toEqual(slow.trace(0).steps)
  expect(quick.traceCount).toBeLessThan(slow.traceCount)
})

test('sendToAll: a broadcast in flight belongs to the fork it is in', () => {
  const sim = lab()
  const [frame] = sim.trace(0).steps.flatMap((s) => (s.action === 'flood' ? [s.frame] : []))
  if (frame === undefined) throw new Error('nobody sent a group frame')
  const since = sim.traceCount
  sim.inject('c1', 'eth0', frame)
  const copy = sim.fork()
  copy.applyNow([{ do: 'link.del', netns: 'c5', name: 'eth0' }])
  sim.applyNow([])
  const heard = (one: SimFabric) => one.trace(since).steps.map((s) => s.netns)
  expect(heard(copy)).not.toContain('c5')
  expect(sim.world.netns.get('c5')?.byName.has('eth0')).toBe(true)
})
