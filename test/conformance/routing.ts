/** What a router does besides passing on: proxy ARP, redirects, rules by source, errors, states. */
import { expect } from 'vitest'
import { parseMac } from '../../src/addr/mac.ts'
import { parseIp4 } from '../../src/addr/ip4.ts'
import type { Op } from '../../src/fabric/plan.ts'
import { encodeFrame } from '../../src/wire/codec.ts'
import { ETH_IP4 } from '../../src/wire/frame.ts'
import { makeEcho, makeEcho4, makeFrame } from '../../src/wire/make.ts'
import { cableOps, netnsOps, switchOps } from '../lan.ts'
import { Router } from './router-bench.ts'
import { type Bench, conforms } from './suite.ts'

conforms('routing: TTL, time exceeded, no route, prohibited', async (bench) => {
  const router = await Router.build(bench)
  await router.rules(
    'r ip route add prohibit 10.8.0.0/24',
    'r ip route add blackhole 10.7.0.0/24',
    'r ip route add unreachable 10.6.0.0/24',
  )
  const lines = [
    'h1 icmp 10.2.0.2 ttl 1',
    'h1 icmp 10.2.0.2 ttl 2',
    'h1 icmp 10.8.0.1',
    'h1 icmp 10.7.0.1',
    'h1 icmp 10.6.0.1',
    'h1 icmp fd02::2 ttl 1',
  ]
  expect(await router.tell(...lines)).toEqual([
    '11/0 from 10.1.0.1',
    'ttl 63 from 10.2.0.2',
    '3/13 from 10.1.0.1',
    'timeout',
    '3/1 from 10.1.0.1',
    '3/0 from fd01::1',
  ])
})

conforms('routing: proxy_arp answers for what lies behind another link', async (bench) => {
  const router = await Router.build(bench)
  await router.rules(
    'h1 ip route del default',
    'h1 ip route add 10.2.0.0/24 dev eth0',
    'r sysctl -w net.ipv4.neigh.p1.proxy_delay=0',
  )
  const lines = [
    'h1 arp 10.2.0.2 source 10.1.0.2',
    'h1 arp 10.1.0.77 source 10.1.0.2',
    'h1 arp 10.9.0.1 source 10.1.0.2',
    // Who asks whether an address is free, from 0.0.0.0, hears of the router's own ones only.
    'h1 arp 10.2.0.2',
    'h1 arp 10.1.0.1',
    'h1 icmp 10.2.0.2',
  ]
  const silent = 'timeout'
  const before = [silent, silent, silent, silent, 'open', silent]
  expect(await router.sayAtLast(before, ...lines)).toEqual(before)
  await router.rules('r sysctl -w net.ipv4.conf.p1.proxy_arp=1', 'h1 ip neigh flush dev eth0')
  const after = ['open', silent, silent, silent, 'open', 'ttl 63']
  expect(await router.sayAtLast(after, ...lines)).toEqual(after)
})

conforms('routing: rp_filter strict and loose', async (bench) => {
  const router = await Router.build(bench)
  await router.rules(
    'h1 ip address add 10.2.0.77/32 dev eth0',
    'h1 ip address add 10.9.0.77/32 dev eth0',
    'h2 iptables -A INPUT -p icmp -s 10.2.0.77',
    'h2 iptables -A INPUT -p icmp -s 10.9.0.77',
  )
  const met: number[][] = []
  for (const mode of [0, 1, 2]) {
    await router.rules(`r sysctl -w net.ipv4.conf.p1.rp_filter=${mode}`)
    await router.say('h1 icmp 10.2.0.2 source 10.2.0.77', 'h1 icmp 10.2.0.2 source 10.9.0.77')
    met.push(await router.counts('h2', 'INPUT'))
  }
  // Off lets both by; strict neither: the way back is another link, or there is none; loose one.
  expect(met).toEqual([
    [1, 1],
    [1, 1],
    [2, 1],
  ])
})

conforms('routing: rules by source choose the table', async (bench) => {
  const router = await Router.build(bench)
  await router.rules(
    'h1 ip address add 10.1.0.22/24 dev eth0',
    'h1 ip address add 10.1.0.23/24 dev eth0',
    'r ip route add 10.9.0.1 via 10.2.0.2',
    'h2 ip address add 10.9.0.1/32 dev lo',
    'r ip rule add from 10.1.0.22 table 77 priority 100',
    'r ip route add prohibit 10.9.0.0/24 table 77',
    'r ip rule add from 10.1.0.23 priority 101 unreachable',
    'r ip rule add from 10.1.0.1 to 10.9.0.0/24 table 78 priority 102',
    'r ip route add blackhole default table 78',
  )
  const lines = [
    'h1 icmp 10.9.0.1 source 10.1.0.2',
    'h1 icmp 10.9.0.1 source 10.1.0.22',
    'h1 icmp 10.2.0.2 source 10.1.0.22',
    'h1 icmp 10.9.0.1 source 10.1.0.23',
    'r icmp 10.9.0.1',
    'r icmp 10.9.0.1 source 10.1.0.1',
    'r icmp 10.2.0.2 source 10.1.0.1',
  ]
  expect(await router.say(...lines)).toEqual([
    'ttl 63',
    '3/13',
    'ttl 63',
    '3/0',
    'ttl 64',
    'EINVAL',
    'ttl 64',
  ])
})

/** h1 10.1.0.2 and g 10.1.0.3 on a switch with r 10.1.0.1, which sends 10.9.0.0/24 to g. */
async function buildDetour(bench: Bench): Promise<void> {
  const sw = bench.ns('sw')
  const names = ['h1', 'r', 'g']
  const cables = names.flatMap((name, n): Op[] => {
    const netns = bench.ns(name)
    const [portMac, mac] = [0x020000000d00 + n, 0x020000000b00 + n]
    return [
      ...netnsOps(netns, { ip6: false, forward: name !== 'h1' }),
      ...cableOps({ sw, port: `p${n}`, portMac, netns, mac }),
      { do: 'link.set', netns, name: 'eth0', up: true },
    ]
  })
  await bench.build([
    ...netnsOps(sw, { ip6: false }),
    ...switchOps(sw, 0x020000000e00),
    ...cables,
    ...Router.opsOf(
      bench,
      'h1 ip address add 10.1.0.2/24 dev eth0',
      'r ip address add 10.1.0.1/24 dev eth0',
      'g ip address add 10.1.0.3/24 dev eth0',
      'g ip address add 10.9.0.1/32 dev lo',
      'h1 ip route add default via 10.1.0.1',
      'r ip route add 10.9.0.0/24 via 10.1.0.3',
    ),
  ])
  await bench.fabric.settle({ netns: ['sw', ...names].map((name) => bench.ns(name)) })
}

conforms('routing: a redirect shows the short way, which is then taken', async (bench) => {
  await buildDetour(bench)
  const router = new Router(bench)
  const line = 'h1 icmp 10.9.0.1'
  await router.say('h1 icmp 10.1.0.3')
  const first = await router.tell(line)
  expect(first).toEqual(['ttl 64 from 10.9.0.1, redirected to 10.1.0.3'])
  await bench.fabric.clock.sleep(1000)
  await router.rules('r iptables -A FORWARD -d 10.9.0.1')
  expect(await router.tell(line)).toEqual(['ttl 64 from 10.9.0.1'])
  expect(await router.counts('r', 'FORWARD')).toEqual([0])
})

conforms('routing: redirects are not sent, or not believed, where that is set', async (bench) => {
  await buildDetour(bench)
  const router = new Router(bench)
  const line = 'h1 icmp 10.9.0.1'
  await router.rules(
    'r iptables -A FORWARD -d 10.9.0.1',
    'h1 sysctl -w net.ipv4.conf.all.accept_redirects=0',
    'h1 sysctl -w net.ipv4.conf.eth0.accept_redirects=0',
  )
  const found: string[] = []
  for (let n = 0; n < 2; n++) {
    found.push(...(await router.tell('h1 icmp 10.1.0.3', line)))
    await bench.fabric.clock.sleep(500)
  }
  const redirected = 'ttl 64 from 10.9.0.1, redirected to 10.1.0.3'
  const near = 'ttl 64 from 10.1.0.3'
  expect(found).toEqual([near, redirected, near, redirected])
  expect(await router.counts('r', 'FORWARD')).toEqual([2])
  await router.rules(
    'r sysctl -w net.ipv4.conf.all.send_redirects=0',
    'r sysctl -w net.ipv4.conf.eth0.send_redirects=0',
  )
  expect(await router.tell(line)).toEqual(['ttl 64 from 10.9.0.1'])
})

conforms('conntrack: a rule for each state', async (bench) => {
  const router = await Router.build(bench)
  const states = ['NEW', 'ESTABLISHED', 'RELATED', 'INVALID', 'UNTRACKED']
  await router.rules(
    ...states.map((state) => `r iptables -A FORWARD -m conntrack --ctstate ${state}`),
  )
  const met: number[][] = []
  const after = async (...lines: readonly string[]): Promise<void> => {
    await router.say(...lines)
    met.push(await router.counts('r', 'FORWARD'))
  }
  await after('h1 icmp 10.2.0.2')
  await after('h1 udp 10.2.0.2 9')
  await after('h1 tcp 10.2.0.2 9')
  await answerNobodyAskedFor(bench)
  await after('h1 icmp 10.2.0.2 ttl 1')
  expect(met).toEqual([
    [1, 1, 0, 0, 0],
    [2, 1, 1, 0, 0],
    [3, 2, 1, 0, 0],
    [3, 2, 1, 1, 0],
  ])
})

/** An echo reply from h1 to h2 out of the blue. */
async function answerNobodyAskedFor({ fabric, ns }: Bench): Promise<void> {
  const { netns } = await fabric.snapshot({ netns: [ns('h1'), ns('r')], parts: [] })
  const macOf = (at: number, name: string): number =>
    netns[at]?.links.find((link) => link.name === name)?.address ?? parseMac('ff:ff:ff:ff:ff:ff')
  const echo = makeEcho(4, true, 4711, 1, 56)
  const packet = makeEcho4(parseIp4('10.1.0.2'), parseIp4('10.2.0.2'), 64, echo, { id: 1 })
  const frame = makeFrame(macOf(1, 'p1'), macOf(0, 'eth0'), ETH_IP4, packet, packet.length)
  const port = await fabric.openPort(ns('h1'), 'eth0', () => undefined, { etherType: 0x88b6 })
  port.send(encodeFrame(frame))
  await fabric.clock.sleep(50)
  port.close()
}

conforms('conntrack: errors come back through a translated source', async (bench) => {
  const router = await Router.build(bench)
  await router.oneWay()
  await router.rules(
    'r iptables -t nat -A POSTROUTING -o p2 -j MASQUERADE',
    'r ip route add 10.8.0.0/16 via 10.2.0.2',
    'h2 sysctl -w net.ipv4.ip_forward=1',
    'h2 ip route add prohibit 10.8.1.0/24',
    'h2 ip address add 10.8.2.1/32 dev lo',
    'h2 ip route add 10.8.4.0/24 via 10.2.0.1',
    'h2 iptables -A INPUT -d 10.8.2.1 -p tcp -j REJECT --reject-with icmp-admin-prohibited',
  )
  // Errors for want of a route are rationed: no more than two of them.
  const lines = [
    'h1 icmp 10.8.4.1 ttl 2',
    'h1 icmp 10.8.2.1',
    'h1 udp 10.8.2.1 9',
    'h1 tcp 10.8.2.1 9',
    'h1 icmp 10.8.1.1',
  ]
  expect(await router.tell(...lines)).toEqual([
    '11/0 from 10.2.0.2',
    'ttl 63 from 10.8.2.1',
    'ECONNREFUSED',
    '3/13 from 10.8.2.1',
    '3/13 from 10.2.0.2',
  ])
})

conforms('conntrack: errors come back from a translated destination', async (bench) => {
  const router = await Router.build(bench)
  await router.rules(
    'r iptables -t nat -A PREROUTING -d 10.1.0.1 -j DNAT --to-destination 10.2.0.2',
    'h2 iptables -A INPUT -p icmp -j REJECT --reject-with icmp-host-prohibited',
    'h2 iptables -A INPUT -p udp --dport 54 -j REJECT --reject-with icmp-admin-prohibited',
  )
  const lines = ['h1 icmp 10.1.0.1', 'h1 udp 10.1.0.1 53', 'h1 udp 10.1.0.1 54']
  expect(await router.tell(...lines)).toEqual([
    '3/10 from 10.1.0.1',
    'ECONNREFUSED',
    '3/13 from 10.1.0.1',
  ])
})
