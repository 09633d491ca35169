/** The packet filter: what passes, what is answered, what is translated. Read off Linux 6.18. */
import { expect } from 'vitest'
import { opsOf, parseIptables } from '../../src/fabric/parse-iptables.ts'
import { detectTraits } from '../../src/fabric/traits.ts'
import { undoPlan } from '../../src/fabric/undo.ts'
import { netnsOps } from '../lan.ts'
import { Router } from './router-bench.ts'
import { conforms } from './suite.ts'

conforms('netfilter: the policy of FORWARD stops what is routed', async (bench) => {
  const router = await Router.build(bench)
  const lines = ['h1 icmp 10.2.0.2', 'h1 icmp 10.2.0.1', 'h1 icmp fd02::2', 'r icmp 10.2.0.2']
  expect(await router.say(...lines)).toEqual(['ttl 63', 'ttl 64', 'ttl 63', 'ttl 64'])
  await router.rules('r iptables -P FORWARD DROP')
  expect(await router.say(...lines)).toEqual(['timeout', 'ttl 64', 'ttl 63', 'ttl 64'])
  await router.rules('r ip6tables -P FORWARD DROP', 'r iptables -A FORWARD -i p+ -j ACCEPT')
  expect(await router.say(...lines)).toEqual(['ttl 63', 'ttl 64', 'timeout', 'ttl 64'])
})

conforms('netfilter: every answer of REJECT', async (bench) => {
  const router = await Router.build(bench)
  const found: string[] = []
  // No more than six: then the rate of errors to one host is used up.
  for (const answer of [
    'icmp-port-unreachable',
    'icmp-host-unreachable',
    'icmp-net-unreachable',
    'icmp-host-prohibited',
    'icmp-net-prohibited',
    'icmp-admin-prohibited',
  ]) {
    await router.rules('r iptables -F', `r iptables -A FORWARD -j REJECT --reject-with ${answer}`)
    found.push(...(await router.say('h1 icmp 10.2.0.2')))
  }
  expect(found).toEqual(['3/3', '3/1', '3/0', '3/10', '3/9', '3/13'])
})

conforms('netfilter: REJECT of IPv6, of TCP, of INPUT', async (bench) => {
  const router = await Router.build(bench)
  await router.rules(
    'r ip6tables -A FORWARD -p icmpv6 -j REJECT --reject-with icmp6-adm-prohibited',
    'r iptables -A FORWARD -p tcp -j REJECT --reject-with tcp-reset',
    'r iptables -A FORWARD -p udp -j REJECT',
    'h2 iptables -A INPUT -p icmp -j REJECT',
  )
  const lines = ['h1 icmp fd02::2', 'h1 tcp 10.2.0.2 9', 'h1 udp 10.2.0.2 9', 'h1 icmp 10.2.0.2']
  expect(await router.say(...lines)).toEqual(['1/1', 'ECONNREFUSED', 'ECONNREFUSED', '3/3'])
})

conforms('netfilter: INPUT and OUTPUT of the host itself', async (bench) => {
  const router = await Router.build(bench)
  await router.rules('h2 iptables -A INPUT -s 10.1.0.2 -j DROP')
  expect(await router.say('h1 icmp 10.2.0.2', 'r icmp 10.2.0.2')).toEqual(['timeout', 'ttl 64'])
  await router.rules('h2 iptables -F', 'h1 iptables -A OUTPUT -d 10.2.0.2 -j DROP')
  expect(await router.say('h1 icmp 10.2.0.2', 'h1 udp 10.2.0.2 9', 'h1 icmp 10.2.0.1')).toEqual([
    'EPERM',
    'EPERM',
    'ttl 64',
  ])
  await router.rules('h1 iptables -F', 'h1 iptables -A OUTPUT -d 10.2.0.2 -j REJECT')
  expect(await router.say('h1 icmp 10.2.0.2')).toEqual(['3/3 EPERM'])
})

conforms('netfilter: no error is sent about an answer of its own', async (bench) => {
  const router = await Router.build(bench)
  await router.rules(
    'h2 iptables -A OUTPUT -p icmp -j REJECT',
    'h2 ip6tables -A OUTPUT -p icmpv6 --icmpv6-type 129 -j REJECT',
    'h2 ip6tables -A OUTPUT -p icmpv6 --icmpv6-type 1',
  )
  const lines = ['h1 icmp 10.2.0.2', 'h1 icmp fd02::2', 'h2 icmp 10.2.0.1']
  expect(await router.say(...lines)).toEqual(['timeout', 'timeout', 'EPERM'])
  const { netns } = await bench.fabric.snapshot({ netns: [bench.ns('h2')] })
  const counts = (netns[0]?.filters ?? [])
    .filter(({ rules }) => rules.length > 0)
    .map(({ family, rules }) => [family, ...rules.map(({ packets }) => packets)])
  // An answer, a question of its own and the error about that, which is rejected itself; on one
  // processor nothing is locked.
  const { locksIcmp } = await detectTraits(bench.fabric, bench.ns('traits'))
  const [expected4, expected6] = locksIcmp ? [3, 0] : [4, 1]
  expect(counts).toEqual([
    [4, expected4],
    [6, 1, expected6],
  ])
})

conforms(
  'netfilter: neighbour discovery belongs to no connection, its answers included',
  async (bench) => {
    const router = await Router.build(bench)
    await router.rules(
      'h2 ip6tables -A OUTPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
      'h2 ip6tables -A OUTPUT -j DROP',
    )
    expect(await router.say('r icmp fd02::2')).toEqual(['timeout'])
    await router.rules('h2 ip6tables -I OUTPUT -p icmpv6 --icmpv6-type 136 -j ACCEPT')
    expect(await router.say('r icmp fd02::2')).toEqual(['ttl 64'])
  },
)

conforms('netfilter: MASQUERADE lets a subnet out that nobody knows', async (bench) => {
  const router = await Router.build(bench)
  await router.oneWay()
  const lines = ['h1 icmp 10.2.0.2', 'h1 tcp 10.2.0.2 9', 'h1 udp 10.2.0.2 9', 'h1 icmp fd02::2']
  const before = await router.say('h1 icmp 10.2.0.2', 'h1 udp 10.2.0.2 9', 'h1 icmp fd02::2')
  expect(before).toEqual(['timeout', 'timeout', 'timeout'])
  await router.rules(
    'r iptables -t nat -A POSTROUTING -o p2 -j MASQUERADE',
    'r ip6tables -t nat -A POSTROUTING -o p2 -j MASQUERADE',
  )
  expect(await router.say(...lines)).toEqual(['ttl 63', 'ECONNREFUSED', 'ECONNREFUSED', 'ttl 63'])
})

conforms('netfilter: SNAT to a given address', async (bench) => {
  const router = await Router.build(bench)
  await router.oneWay()
  await router.rules('r iptables -t nat -A POSTROUTING -s 10.1.0.0/24 -j SNAT --to-source 10.2.0.1')
  expect(await router.say('h1 icmp 10.2.0.2', 'h1 tcp 10.2.0.2 9')).toEqual([
    'ttl 63',
    'ECONNREFUSED',
  ])
})

conforms('netfilter: DNAT to an inner host, errors included', async (bench) => {
  const router = await Router.build(bench)
  await router.rules(
    'r iptables -t nat -A PREROUTING -d 10.1.0.1 -p icmp -j DNAT --to-destination 10.2.0.2',
    'r iptables -t nat -A PREROUTING -d 10.1.0.1 -p udp --dport 53 -j DNAT --to-destination 10.2.0.2:54',
    'r iptables -t nat -A PREROUTING -d 10.1.0.1 -p tcp --dport 53 -j DNAT --to-destination :54',
    'h2 iptables -A INPUT -p udp --dport 54 -j REJECT --reject-with icmp-admin-prohibited',
  )
  expect(await router.say('h1 icmp 10.1.0.1', 'h1 udp 10.1.0.1 53', 'h1 tcp 10.1.0.1 53')).toEqual([
    'ttl 63',
    '3/13',
    'ECONNREFUSED',
  ])
})

conforms('netfilter: a rejection of a translated packet reaches its sender', async (bench) => {
  const router = await Router.build(bench)
  await router.rules(
    'r iptables -t nat -A PREROUTING -d 10.1.0.1 -p icmp -j DNAT --to-destination 10.2.0.2',
    'r iptables -A FORWARD -d 10.2.0.2 -j REJECT',
  )
  expect(await router.say('h1 icmp 10.1.0.1')).toEqual(['3/3'])
})

conforms('netfilter: REDIRECT to the router itself', async (bench) => {
  const router = await Router.build(bench)
  await router.rules('r iptables -P FORWARD DROP')
  expect(await router.say('h1 udp 10.2.0.2 53')).toEqual(['timeout'])
  await router.rules(
    'r iptables -t nat -A PREROUTING -p udp --dport 53 -j REDIRECT --to-ports 5353',
    'r iptables -t nat -A PREROUTING -p icmp -j REDIRECT',
    'h1 iptables -t nat -A OUTPUT -d 10.9.9.9 -p icmp -j REDIRECT',
  )
  expect(await router.say('h1 udp 10.2.0.2 53', 'h1 icmp 10.2.0.2', 'h1 icmp 10.9.9.9')).toEqual([
    'ECONNREFUSED',
    'ttl 64',
    'ttl 64',
  ])
})

conforms('netfilter: the state lets answers back and nothing else', async (bench) => {
  const router = await Router.build(bench)
  await router.rules(
    'r iptables -P FORWARD DROP',
    'r iptables -A FORWARD -i p1 -o p2 -j ACCEPT',
    'r iptables -A FORWARD -i p2 -o p1 -m state --state RELATED,ESTABLISHED -j ACCEPT',
  )
  const lines = ['h1 icmp 10.2.0.2', 'h2 icmp 10.1.0.2', 'h1 udp 10.2.0.2 9', 'h1 tcp 10.2.0.2 9']
  expect(await router.say(...lines)).toEqual(['ttl 63', 'timeout', 'ECONNREFUSED', 'ECONNREFUSED'])
})

conforms('netfilter: a snapshot has the rules with what they counted', async (bench) => {
  const router = await Router.build(bench)
  await router.rules(
    'r iptables -N mine',
    'r iptables -A mine -s 10.1.0.0/24 -j RETURN',
    'r iptables -A mine -j ACCEPT',
    'r iptables -A FORWARD -p icmp -j mine',
    'r iptables -A FORWARD -p icmp -m comment --comment both',
  )
  expect(await router.say('h1 icmp 10.2.0.2')).toEqual(['ttl 63'])
  const { netns } = await bench.fabric.snapshot({ netns: [bench.ns('r')] })
  const counts = (netns[0]?.filters ?? [])
    .filter(({ rules }) => rules.length > 0)
    .map(({ chain, rules }) => [chain, ...rules.map(({ packets, bytes }) => [packets, bytes])])
  expect(counts).toEqual([
    ['FORWARD', [2, 168], [1, 84]],
    ['mine', [1, 84], [1, 84]],
  ])
})

conforms('netfilter: undo gives the rules back that were there', async (bench) => {
  const router = await Router.build(bench)
  await router.rules('r iptables -P FORWARD DROP', 'r iptables -A FORWARD -p icmp -j ACCEPT')
  const said = async (): Promise<unknown> => {
    const { netns } = await bench.fabric.snapshot({ netns: [bench.ns('r')] })
    return (netns[0]?.filters ?? []).map(({ rules, ...chain }) => ({
      ...chain,
      rules: rules.map(({ match, verdict }) => ({ match, verdict })),
    }))
  }
  const before = await bench.fabric.snapshot({ netns: [bench.ns('r')] })
  const former = await said()
  const plan = router.ops(
    'r iptables -N mine',
    'r iptables -A mine -j DROP',
    'r iptables -I FORWARD 1 -j mine',
    'r iptables -P FORWARD ACCEPT',
    'r iptables -D FORWARD -p icmp -j ACCEPT',
  )
  await bench.build(plan)
  const { plan: back, kept } = undoPlan(plan, before)
  expect(kept).toEqual([])
  await bench.build(back)
  expect(await said()).toEqual(former)
})

conforms('netfilter: a built-in chain is there once a change named it', async (bench) => {
  const netns = bench.ns('r')
  await bench.build(...netnsOps(netns))
  const { legacyFilters } = await detectTraits(bench.fabric, bench.ns('traits'))
  const said = async (line: string): Promise<string> => {
    const ops = opsOf(netns, parseIptables(line.split(' '), 4)) ?? []
    const outcomes = await bench.fabric.apply(ops, { keepGoing: true })
    const refused = outcomes.find((outcome) => !outcome.ok)
    return refused?.ok === false ? refused.errno : 'done'
  }
  const found: string[] = []
  for (const line of UNMADE) found.push(`${await said(line)}  ${line}`)
  const expected = UNMADE.map((line, at) => {
    const [nft, legacy = nft] = UNMADE_SAID[at] ?? []
    return `${legacyFilters ? legacy : nft}  ${line}`
  })
  expect(found).toEqual(expected)
  const { netns: seen } = await bench.fabric.snapshot({ netns: [netns] })
  const unmade = (seen[0]?.filters ?? [])
    .filter((chain) => chain.unmade === true)
    .map(({ table, chain }) => `${table} ${chain}`)
  expect(unmade).toEqual(
    legacyFilters ? [] : ['filter INPUT', 'nat PREROUTING', 'nat INPUT', 'nat OUTPUT'],
  )
})

/** What is tried, and what nf_tables says to it, then ip_tables where that says another thing. */
const UNMADE_SAID: readonly (readonly string[])[] = [
  ['ENOENT', 'EINVAL'],
  ['ENOENT', 'E2BIG'],
  ['ENOENT'],
  ['E2BIG'],
  ['ENOENT', 'E2BIG'],
  ['done'],
  ['E2BIG'],
  ['done', 'EINVAL'],
  ['ENOENT', 'E2BIG'],
  ['done'],
  ['EBUSY', 'EINVAL'],
  ['done'],
  ['E2BIG'],
  ['done'],
  ['EBUSY', 'EINVAL'],
  ['done'],
  ['done', 'EINVAL'],
  ['done'],
  ['done'],
  ['ENOENT', 'E2BIG'],
  ['done'],
  ['E2BIG'],
]
const UNMADE: readonly string[] = [
  '-X INPUT',
  '-D INPUT 1',
  '-D INPUT -j DROP',
  '-I INPUT 2 -j DROP',
  '-D INPUT 1',
  '-F INPUT',
  '-D INPUT 1',
  '-X INPUT',
  '-D INPUT 1',
  '-A INPUT -j DROP',
  '-X INPUT',
  '-D INPUT 1',
  '-D INPUT 1',
  '-P INPUT DROP',
  '-X INPUT',
  '-P INPUT ACCEPT',
  '-X INPUT',
  '-A FORWARD -j ACCEPT',
  '-P OUTPUT ACCEPT',
  '-t nat -D POSTROUTING 1',
  '-t nat -A POSTROUTING -j ACCEPT',
  '-t nat -D POSTROUTING 2',
]
