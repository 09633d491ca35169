import { expect, test } from 'vitest'
import { loadSnapshot } from '../../load.ts'
import { takeSnapshot } from '../../snapshot.ts'
import { applyOp } from '../../world.ts'
import { listen } from '../transport.ts'
import { connect, counts, iptables, ping, routerWorld, word } from './lab.fixture.ts'

test('hooks: the policy of FORWARD stops what is routed, not what is for the router', () => {
  const world = routerWorld()
  expect(word(ping(world, 'h1', '10.2.0.2'))).toBe('ttl 63')
  iptables(world, 'r', 'iptables -P FORWARD DROP')
  expect(word(ping(world, 'h1', '10.2.0.2'))).toBe('timeout')
  expect(word(ping(world, 'h1', '10.2.0.1'))).toBe('ttl 64')
  expect(word(ping(world, 'h1', 'fd02::2'))).toBe('ttl 63')
  iptables(world, 'r', 'ip6tables -P FORWARD DROP')
  expect(word(ping(world, 'h1', 'fd02::2'))).toBe('timeout')
})

test('hooks: a drop names its rule in the trace', () => {
  const world = routerWorld()
  iptables(world, 'r', 'iptables -A FORWARD -s 10.9.0.0/16 -j ACCEPT')
  iptables(world, 'r', 'iptables -A FORWARD -i p1 -p icmp -j DROP')
  const since = world.trace.count
  ping(world, 'h1', '10.2.0.2')
  const drop = world.trace.read(since).steps.find((step) => step.note !== undefined)
  expect([drop?.reason, drop?.note]).toEqual(['NETFILTER_FORWARD', 'filter FORWARD rule 2'])
})

// Measured on Linux 6.18 and 6.1: who answers is the router's address on the sender's side.
test.each([
  ['', '3/3'],
  [' --reject-with icmp-host-prohibited', '3/10'],
  [' --reject-with icmp-admin-prohibited', '3/13'],
  [' --reject-with icmp-net-unreachable', '3/0'],
])('hooks: REJECT%s of FORWARD answers %s', (more, says) => {
  const world = routerWorld()
  iptables(world, 'r', `iptables -A FORWARD -j REJECT${more}`)
  const result = ping(world, 'h1', '10.2.0.2')
  expect(word(result)).toBe(says)
  expect(result).toMatchObject({ responder: 0x0a010001 })
})

test('hooks: REJECT of IPv6 and of INPUT answer as well', () => {
  const world = routerWorld()
  iptables(world, 'r', 'ip6tables -A FORWARD -j REJECT --reject-with icmp6-adm-prohibited')
  expect(word(ping(world, 'h1', 'fd02::2'))).toBe('1/1')
  iptables(world, 'h2', 'iptables -A INPUT -p icmp -j REJECT')
  const result = ping(world, 'h1', '10.2.0.2')
  expect(result).toMatchObject({ type: 3, code: 3, responder: 0x0a020002 })
})

test('hooks: a sender hears EPERM of OUTPUT at once', () => {
  const world = routerWorld()
  iptables(world, 'h1', 'iptables -A OUTPUT -d 10.2.0.2 -j DROP')
  expect(word(ping(world, 'h1', '10.2.0.2'))).toBe('EPERM')
  expect(word(ping(world, 'h1', '10.2.0.1'))).toBe('ttl 64')
  iptables(world, 'h1', 'ip6tables -A OUTPUT -p icmpv6 --icmpv6-type echo-request -j REJECT')
  // rejected: the answer of its own filter comes besides
  const rejected = ping(world, 'h1', 'fd02::2')
  expect(rejected).toMatchObject({ type: 1, code: 4, sendErrno: 'EPERM' })
})

test('hooks: neighbour discovery passes the rules of IPv6 too', () => {
  const world = routerWorld()
  iptables(world, 'h2', 'ip6tables -A INPUT -p icmpv6 --icmpv6-type neighbour-solicitation -j DROP')
  expect(word(ping(world, 'h1', 'fd02::2', { timeoutMs: 5000 }))).toBe('1/3')
})

test('match: ports, protocols, links with + and ! ', () => {
  const world = routerWorld()
  const h2 = world.netns.get('h2')
  if (h2 === undefined) throw new Error('h2')
  for (const port of [80, 81, 90]) listen(h2, 'tcp', port)
  iptables(world, 'r', 'iptables -A FORWARD -p tcp --dport 80:89 ! -o p1 -j DROP')
  iptables(
    world,
    'r',
    'iptables -A FORWARD -i p+ -p tcp --dport 90 -j REJECT --reject-with tcp-reset',
  )
  expect(word(connect(world, 'tcp', 'h1', '10.2.0.2', 81))).toBe('timeout')
  expect(word(connect(world, 'tcp', 'h1', '10.2.0.2', 90))).toBe('ECONNREFUSED')
  expect(word(connect(world, 'tcp', 'h1', '10.2.0.2', 79))).toBe('ECONNREFUSED')
  iptables(world, 'r', 'iptables -F')
  expect(word(connect(world, 'tcp', 'h1', '10.2.0.2', 81))).toBe('open')
})

test('judge: chains made by hand, RETURN, and a count for every rule asked', () => {
  const world = routerWorld()
  for (const line of [
    'iptables -N mine',
    'iptables -A mine -s 10.1.0.0/24 -j RETURN',
    'iptables -A mine -j DROP',
    'iptables -A FORWARD -p icmp -j mine',
    'iptables -A FORWARD -p icmp',
    'iptables -A FORWARD -j ACCEPT',
    'iptables -P FORWARD DROP',
  ])
    expect(iptables(world, 'r', line), line).toBeUndefined()
  expect(word(ping(world, 'h1', '10.2.0.2'))).toBe('timeout')
  // the request, then the answer, which is not from 10.1.0.0/24
  expect(counts(world, 'r', 'filter', 'FORWARD')).toEqual([2, 1, 1])
  expect(counts(world, 'r', 'filter', 'mine')).toEqual([1, 1])
})

test('track: ESTABLISHED lets answers back, nothing else', () => {
  const world = routerWorld()
  for (const line of [
    'iptables -P FORWARD DROP',
    'iptables -A FORWARD -i p1 -o p2 -j ACCEPT',
    'iptables -A FORWARD -i p2 -o p1 -m state --state RELATED,ESTABLISHED -j ACCEPT',
  ])
    iptables(world, 'r', line)
  expect(word(ping(world, 'h1', '10.2.0.2'))).toBe('ttl 63')
  expect(word(ping(world, 'h2', '10.1.0.2'))).toBe('timeout')
  // an error about a connection is related to it
  expect(word(connect(world, 'udp', 'h1', '10.2.0.2', 9))).toBe('ECONNREFUSED')
  expect(word(connect(world, 'tcp', 'h1', '10.2.0.2', 9))).toBe('ECONNREFUSED')
})

test('track: an answer nobody asked for is INVALID', () => {
  const world = routerWorld()
  iptables(world, 'h1', 'iptables -A INPUT -m conntrack --ctstate INVALID -j DROP')
  expect(word(ping(world, 'h1', '10.2.0.2'))).toBe('ttl 63')
  // h1 tracks only what it saw itself: the router swallows the question, h2's answer never was
  iptables(world, 'h1', 'iptables -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT')
  iptables(world, 'h1', 'iptables -P INPUT DROP')
  expect(word(ping(world, 'h1', '10.2.0.2'))).toBe('ttl 63')
  expect(word(ping(world, 'h2', '10.1.0.2'))).toBe('timeout')
})

test('changeFilter refuses as nf_tables does and leaves all as it was', () => {
  const world = routerWorld()
  const errno = (line: string): string | undefined => iptables(world, 'r', line)?.errno
  expect(errno('iptables -A nope -j DROP')).toBe('ENOENT')
  expect(errno('iptables -A INPUT -j nope')).toBe('ENOENT')
  expect(errno('iptables -D INPUT 1')).toBe('ENOENT')
  expect(errno('iptables -P INPUT ACCEPT')).toBeUndefined()
  expect(errno('iptables -D INPUT 1')).toBe('E2BIG')
  expect(errno('iptables -I INPUT 2 -j DROP')).toBe('E2BIG')
  expect(errno('iptables -D INPUT -j DROP')).toBe('ENOENT')
  expect(errno('iptables -N INPUT')).toBe('EEXIST')
  expect(errno('iptables -A INPUT -j MASQUERADE')).toBe('EINVAL')
  expect(errno('iptables -t nat -A PREROUTING -j MASQUERADE')).toBe('EINVAL')
  expect(errno('iptables -t nat -A POSTROUTING -j REJECT')).toBe('EINVAL')
  expect(errno('iptables -A INPUT -j REJECT --reject-with tcp-reset')).toBe('EINVAL')
  expect(errno('iptables -N a')).toBeUndefined()
  expect(errno('iptables -A a -j a')).toBeUndefined()
  expect(errno('iptables -A INPUT -j a')).toBe('EMLINK')
  expect(errno('iptables -F a')).toBeUndefined()
  expect(errno('iptables -A INPUT -j INPUT')).toBe('EOPNOTSUPP')
  expect(errno('iptables -A INPUT -j a')).toBeUndefined()
  expect(errno('iptables -X a')).toBe('EBUSY')
  expect(errno('iptables -D INPUT -j a')).toBeUndefined()
  expect(errno('iptables -X a')).toBeUndefined()
  expect(counts(world, 'r', 'filter', 'INPUT')).toEqual([])
  const missing = { do: 'filter.flush', netns: 'nowhere', family: 4, table: 'nat' } as const
  expect(applyOp(world, missing)?.errno).toBe('ENOENT')
})

test('listFilters and restoreFilters give a world back with its rules and counters', () => {
  const world = routerWorld()
  for (const line of [
    'iptables -P FORWARD DROP',
    'iptables -A FORWARD -p icmp -j ACCEPT',
    'ip6tables -N mine',
    'iptables -t nat -A POSTROUTING -o p2 -j MASQUERADE',
    'iptables -F INPUT',
  ])
    iptables(world, 'r', line)
  expect(word(ping(world, 'h1', '10.2.0.2'))).toBe('ttl 63')
  const snapshot = takeSnapshot(world)
  const filters = snapshot.netns.find(({ name }) => name === 'r')?.filters
  const forward = filters?.find(({ chain, family }) => chain === 'FORWARD' && family === 4)
  expect(forward).toMatchObject({ policy: 'drop', rules: [{ packets: 2, bytes: 168 }] })
  const again = loadSnapshot(snapshot)
  expect(takeSnapshot(again).netns.find(({ name }) => name === 'r')?.filters).toEqual(filters)
  // An empty chain that was made is there again, one that was not is not.
  expect(iptables(again, 'r', 'iptables -D INPUT 1')?.errno).toBe('E2BIG')
  expect(iptables(again, 'r', 'iptables -D OUTPUT 1')?.errno).toBe('ENOENT')
  expect(word(ping(again, 'h1', '10.2.0.2'))).toBe('ttl 63')
  expect(word(connect(again, 'udp', 'h1', '10.2.0.2', 9))).toBe('timeout')
})
