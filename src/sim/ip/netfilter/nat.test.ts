import { expect, test } from 'vitest'
import { parseIp } from '../../../addr/ip.ts'
import type { World } from '../../model.ts'
import { applyOp } from '../../world.ts'
import { runProbes } from '../probe.ts'
import { listen } from '../transport.ts'
import { connect, iptables, netfilterOf, ping, routerWorld, word } from './lab.fixture.ts'

/** Sources of the packets a namespace's stack got, by what they carry. */
function sourcesAt(world: World, netns: string, since: number, kind: string): unknown[] {
  const id = world.netns.get(netns)?.id
  return world.trace
    .read(since)
    .steps.filter((step) => step.action === 'consume' && step.netns === id)
    .map((step) => step.frame?.packet)
    .filter((packet) => packet?.kind === 'ip4' && packet.payload.kind === kind)
    .map((packet) => (packet?.kind === 'ip4' ? packet.src : undefined))
}

/** h2 does not know the way back to 10.1.0.0/24. */
function oneWay(): World {
  const world = routerWorld()
  applyOp(world, { do: 'route.del', netns: 'h2', to: { address: 0, length: 0 } })
  return world
}

test('masquerade: the other side sees the address of the link, the answer finds its way', () => {
  const world = oneWay()
  expect(word(ping(world, 'h1', '10.2.0.2'))).toBe('timeout')
  iptables(world, 'r', 'iptables -t nat -A POSTROUTING -o p2 -j MASQUERADE')
  const since = world.trace.count
  const result = ping(world, 'h1', '10.2.0.2')
  expect(result).toMatchObject({ outcome: 'reply', ttl: 63, responder: parseIp('10.2.0.2') })
  expect(sourcesAt(world, 'h2', since, 'icmp')).toEqual([parseIp('10.2.0.1')])
  expect(word(connect(world, 'tcp', 'h1', '10.2.0.2', 9))).toBe('ECONNREFUSED')
})

test('masquerade: without an address to take the packet is dropped', () => {
  const world = oneWay()
  iptables(world, 'r', 'iptables -t nat -A POSTROUTING -o p2 -j MASQUERADE')
  for (const name of ['p1', 'p2']) applyOp(world, { do: 'address.flush', netns: 'r', link: name })
  for (const n of [1, 2])
    applyOp(world, {
      do: 'route.add',
      netns: 'r',
      to: { address: parseIp(`10.${n}.0.0`), length: 24 },
      link: `p${n}`,
    })
  const mac = world.netns.get('r')?.byName.get('p1')?.mac ?? 0
  const gateway = { netns: 'h1', link: 'eth0', ip: parseIp('10.1.0.1'), mac }
  applyOp(world, { do: 'neighbour.replace', ...gateway, state: 'permanent' })
  const since = world.trace.count
  expect(word(ping(world, 'h1', '10.2.0.2'))).toBe('timeout')
  const drop = world.trace.read(since).steps.find((step) => step.reason === 'NETFILTER_NAT')
  expect(drop?.note).toBe('nat POSTROUTING rule 1')
})

test('bind: two with the same port get different ones', () => {
  const world = oneWay()
  iptables(world, 'r', 'iptables -t nat -A POSTROUTING -o p2 -j MASQUERADE')
  // the identifiers of both namespaces' first pings are the same
  const [one, two] = runProbes(world, [
    { protocol: 'icmp', from: 'h1', to: parseIp('10.2.0.2') },
    { protocol: 'icmp', from: 'r', to: parseIp('10.2.0.2') },
  ])
  expect([word(one as never), word(two as never)]).toEqual(['ttl 63', 'ttl 64'])
  const connections = new Set(netfilterOf(world, 'r').connections.values())
  const ids = [...connections].map(({ reply }) => reply.dstPort)
  expect(new Set(ids).size).toBe(2)
})

test('snat to an address and ports', () => {
  const world = oneWay()
  const line = 'iptables -t nat -A POSTROUTING -p tcp -o p2 -j SNAT --to-source 10.2.0.1:4000-4001'
  iptables(world, 'r', line)
  const h2 = world.netns.get('h2')
  if (h2 === undefined) throw new Error('h2')
  listen(h2, 'tcp', 80)
  expect(word(connect(world, 'tcp', 'h1', '10.2.0.2', 80))).toBe('open')
  const [connection] = netfilterOf(world, 'r').connections.values()
  expect(connection?.reply).toMatchObject({ dst: parseIp('10.2.0.1'), dstPort: 4000 })
})

test('dnat: an inner host answers under the address that was asked', () => {
  const world = routerWorld()
  iptables(
    world,
    'r',
    'iptables -t nat -A PREROUTING -d 10.1.0.1 -p tcp --dport 8080 -j DNAT --to-destination 10.2.0.2:80',
  )
  iptables(
    world,
    'r',
    'iptables -t nat -A PREROUTING -d 10.1.0.1 -p icmp -j DNAT --to-destination 10.2.0.2',
  )
  const h2 = world.netns.get('h2')
  if (h2 === undefined) throw new Error('h2')
  listen(h2, 'tcp', 80)
  expect(connect(world, 'tcp', 'h1', '10.1.0.1', 8080)).toMatchObject({ outcome: 'reply' })
  expect(ping(world, 'h1', '10.1.0.1')).toMatchObject({ ttl: 63, responder: parseIp('10.1.0.1') })
  expect(word(connect(world, 'tcp', 'h1', '10.1.0.1', 8081))).toBe('ECONNREFUSED')
})

test('translateError: an error quotes the packet as its sender knew it', () => {
  const world = oneWay()
  iptables(world, 'r', 'iptables -t nat -A POSTROUTING -o p2 -j MASQUERADE')
  // h2 has no such port: the error goes to the router's address and is translated back
  expect(word(connect(world, 'udp', 'h1', '10.2.0.2', 9))).toBe('ECONNREFUSED')
  const more = routerWorld()
  iptables(
    more,
    'r',
    'iptables -t nat -A PREROUTING -d 10.1.0.1 -p udp -j DNAT --to-destination 10.2.0.2',
  )
  expect(word(connect(more, 'udp', 'h1', '10.1.0.1', 9))).toBe('ECONNREFUSED')
})

test('redirect: to the link it came in by, or to loopback for what was made here', () => {
  const world = routerWorld()
  const r = world.netns.get('r')
  const h1 = world.netns.get('h1')
  if (r === undefined || h1 === undefined) throw new Error('r')
  iptables(
    world,
    'r',
    'iptables -t nat -A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 3128',
  )
  listen(r, 'tcp', 3128)
  expect(word(connect(world, 'tcp', 'h1', '10.2.0.2', 80))).toBe('open')
  iptables(world, 'h1', 'iptables -t nat -A OUTPUT -p tcp --dport 81 -j REDIRECT --to-ports 99')
  listen(h1, 'tcp', 99)
  expect(word(connect(world, 'tcp', 'h1', '10.2.0.2', 81))).toBe('open')
})

test('natHook: the table is asked for the first packet alone', () => {
  const world = routerWorld()
  iptables(world, 'r', 'iptables -t nat -A POSTROUTING -o p2 -j MASQUERADE')
  runProbes(world, [
    { protocol: 'icmp', from: 'h1', to: parseIp('10.2.0.2'), sequence: 1 },
    { protocol: 'icmp', from: 'h1', to: parseIp('10.2.0.2'), sequence: 2, startMs: 10 },
  ])
  const rule = netfilterOf(world, 'r').tables[4].get('nat')?.get('POSTROUTING')?.rules[0]
  expect(rule?.packets).toBe(2)
  // answers are not new: the rule for the other direction never counts
  iptables(world, 'r', 'iptables -t nat -A POSTROUTING -o p1 -j MASQUERADE')
  ping(world, 'h1', '10.2.0.2')
  const other = netfilterOf(world, 'r').tables[4].get('nat')?.get('POSTROUTING')?.rules[1]
  expect(other?.packets).toBe(0)
})

test('masquerade in IPv6', () => {
  const world = routerWorld()
  applyOp(world, { do: 'route.del', netns: 'h2', to: { address: 0n, length: 0 } })
  expect(word(ping(world, 'h1', 'fd02::2'))).toBe('timeout')
  iptables(world, 'r', 'ip6tables -t nat -A POSTROUTING -o p2 -j MASQUERADE')
  expect(word(ping(world, 'h1', 'fd02::2'))).toBe('ttl 63')
})

test('a large ping through a tracking router is put together and cut again', () => {
  const world = oneWay()
  iptables(world, 'r', 'iptables -t nat -A POSTROUTING -o p2 -j MASQUERADE')
  expect(word(ping(world, 'h1', '10.2.0.2', { size: 4000 }))).toBe('ttl 63')
})

test('answerTo: errors made on the way to an inner host speak of the outer address', () => {
  const world = routerWorld()
  for (const line of [
    'iptables -t nat -A PREROUTING -d 10.1.0.1 -p icmp -j DNAT --to-destination 10.2.0.2',
    'iptables -t nat -A POSTROUTING -o p2 -j MASQUERADE',
  ])
    iptables(world, 'r', line)
  // before the connection is in the table
  expect(word(ping(world, 'h1', '10.1.0.1', { ttl: 1 }))).toBe('11/0')
  iptables(world, 'r', 'iptables -A FORWARD -d 10.2.0.2 -j REJECT')
  expect(word(ping(world, 'h1', '10.1.0.1'))).toBe('3/3')
  iptables(world, 'r', 'iptables -F')
  // after translation, when nobody answers for the inner host
  applyOp(world, { do: 'address.flush', netns: 'h2', link: 'eth0' })
  expect(word(ping(world, 'h1', '10.1.0.1', { timeoutMs: 5000 }))).toBe('3/1')
})
