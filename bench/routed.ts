/**
 * Datagrams through a router host: VLAN links, a filtering bridge, connection tracking, a packet
 * filter and a masquerade on the way, simulated with the trace on, beside the kernel's own path.
 * A kernel without 8021q gets the same router with plain links, and so does the simulator beside
 * it.
 */
import { parseIp4 } from '../src/addr/ip4.ts'
import { parseMac } from '../src/addr/mac.ts'
import type { Op } from '../src/fabric/plan.ts'
import { openKernel } from '../src/kernel/fabric.ts'
import { planOfLine } from '../src/shell/plan-of.ts'
import { transmit } from '../src/sim/core.ts'
import { openSim } from '../src/sim/fabric.ts'
import { runUntil } from '../src/sim/run.ts'
import { encodeFrame } from '../src/wire/codec.ts'
import { ETH_IP4, type Frame } from '../src/wire/frame.ts'
import { makeFrame, makeUdp, makeUdp4 } from '../src/wire/make.ts'
import { flood } from './flood.ts'
import { type Contestant, measure, needRoot } from './harness.ts'
import { PREFIX } from './worlds.ts'

const SIM_FRAMES = 400_000
const KERNEL_FRAMES = 100_000
/** Connections, each with a source port of its own. */
const FLOWS = 64
const [SOURCE, SWITCH, ROUTER, SINK] = ['from', 'sw', 'r', 'to'].map((name) => PREFIX + name) as [
  string,
  string,
  string,
  string,
]
const SOURCE_MAC = '02:00:00:00:09:01'
const ROUTER_MAC = '02:00:00:00:09:02'
const SINK_MAC = '02:00:00:00:09:03'

/** Two subnets, one a VLAN each on a trunk to the router, or one a cable each. */
function world(hasVlans: boolean): readonly Op[] {
  const [inside, outside] = hasVlans ? ['eth0.100', 'eth0.200'] : ['eth0', 'eth1']
  const cable = (netns: string, link: string, mac: string, port: string): string =>
    `ip -n ${netns} link add ${link} address ${mac} type veth peer name ${port} netns ${SWITCH}`
  const port = (name: string, bridge: string): readonly string[] => [
    `ip -n ${SWITCH} link set ${name} master ${bridge}`,
    `ip -n ${SWITCH} link set ${name} up`,
  ]
  const all = [SOURCE, SWITCH, ROUTER, SINK]
  const lines = [
    ...all.map((netns) => `ip netns add ${netns}`),
    ...all.map((n) => `ip netns exec ${n} sysctl -w net.ipv6.conf.default.disable_ipv6=1`),
    cable(SOURCE, 'eth0', SOURCE_MAC, 'p1'),
    cable(ROUTER, 'eth0', ROUTER_MAC, 'p2'),
    cable(SINK, 'eth0', SINK_MAC, 'p3'),
    ...(hasVlans ? trunk(port) : plain(cable, port)),
    ...[SOURCE, ROUTER, SINK].map((netns) => `ip -n ${netns} link set eth0 up`),
    ...(hasVlans ? [] : [`ip -n ${ROUTER} link set eth1 up`]),
    ...(hasVlans ? [inside, outside].map((name) => `ip -n ${ROUTER} link set ${name} up`) : []),
    `ip -n ${SOURCE} address add 10.100.0.2/24 dev eth0`,
    `ip -n ${ROUTER} address add 10.100.0.1/24 dev ${inside}`,
    `ip -n ${ROUTER} address add 10.200.0.1/24 dev ${outside}`,
    `ip -n ${SINK} address add 10.200.0.2/24 dev eth0`,
    `ip -n ${ROUTER} neigh add 10.200.0.2 lladdr ${SINK_MAC} dev ${outside} nud permanent`,
    `ip netns exec ${ROUTER} sysctl -w net.ipv4.ip_forward=1`,
    ...rules(inside, outside),
  ]
  return lines.flatMap((line) => planOfLine(line))
}

function trunk(port: (name: string, bridge: string) => readonly string[]): readonly string[] {
  const vlan = (name: string, id: number, untagged: boolean): string =>
    `bridge -n ${SWITCH} vlan add dev ${name} vid ${id}${untagged ? ' pvid untagged' : ''}`
  return [
    `ip -n ${SWITCH} link add br0 type bridge vlan_filtering 1`,
    `ip -n ${SWITCH} link set br0 up`,
    ...['p1', 'p2', 'p3'].flatMap((name) => port(name, 'br0')),
    vlan('p1', 100, true),
    vlan('p2', 100, false),
    vlan('p2', 200, false),
    vlan('p3', 200, true),
    ...[100, 200].map(
      (id) => `ip -n ${ROUTER} link add link eth0 name eth0.${id} type vlan id ${id}`,
    ),
    // The switch knows everybody, as after the first words.
    `bridge -n ${SWITCH} fdb add ${ROUTER_MAC} dev p2 vlan 100 master static`,
    `bridge -n ${SWITCH} fdb add ${SINK_MAC} dev p3 vlan 200 master static`,
  ]
}

function plain(
  cable: (netns: string, link: string, mac: string, port: string) => string,
  port: (name: string, bridge: string) => readonly string[],
): readonly string[] {
  return [
    cable(ROUTER, 'eth1', '02:00:00:00:09:04', 'p4'),
    ...['br0', 'br1'].flatMap((name) => [
      `ip -n ${SWITCH} link add ${name} type bridge`,
      `ip -n ${SWITCH} link set ${name} up`,
    ]),
    ...port('p1', 'br0'),
    ...port('p2', 'br0'),
    ...port('p3', 'br1'),
    ...port('p4', 'br1'),
    `bridge -n ${SWITCH} fdb add ${ROUTER_MAC} dev p2 master static`,
    `bridge -n ${SWITCH} fdb add ${SINK_MAC} dev p3 master static`,
  ]
}

function rules(inside: string, outside: string): readonly string[] {
  const on = (netns: string, words: string): string => `ip netns exec ${netns} iptables ${words}`
  return [
    on(ROUTER, '-P FORWARD DROP'),
    on(ROUTER, '-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT'),
    on(ROUTER, `-A FORWARD -i ${inside} -o ${outside} -s 10.100.0.0/24 -j ACCEPT`),
    on(ROUTER, `-t nat -A POSTROUTING -o ${outside} -j MASQUERADE`),
    // Taken and ended there, without an answer.
    on(SINK, '-A INPUT -s 10.200.0.1 -p udp --dport 9 -j DROP'),
  ]
}

function datagrams(): readonly Frame[] {
  const [src, dst] = [parseIp4('10.100.0.2'), parseIp4('10.200.0.2')]
  return Array.from({ length: FLOWS }, (_, flow) => {
    const packet = makeUdp4(src, dst, 64, makeUdp(40_000 + flow, 9, new Uint8Array(18)))
    return makeFrame(parseMac(ROUTER_MAC), parseMac(SOURCE_MAC), ETH_IP4, packet, packet.length)
  })
}

function simulated(hasVlans: boolean): Contestant {
  const sim = openSim()
  const { world: simWorld } = sim
  sim.applyNow(world(hasVlans))
  runUntil(simWorld, simWorld.now + 5e9)
  const from = simWorld.netns.get(SOURCE)?.byName.get('eth0')
  if (from === undefined) throw new Error('the world is not whole')
  const frames = datagrams()
  const arrived = async (): Promise<number> => {
    const { netns } = await sim.snapshot({ netns: [SINK] })
    return netns[0]?.filters?.find(({ chain }) => chain === 'INPUT')?.rules[0]?.packets ?? 0
  }
  return {
    name: `simulator, ${hasVlans ? 'VLANs on a trunk' : 'plain links'}, trace on`,
    run: async () => {
      const before = await arrived()
      const started = performance.now()
      for (let i = 0; i < SIM_FRAMES; i++) {
        transmit(simWorld, from, frames[i % FLOWS] as Frame)
        if ((i & 63) === 63) runUntil(simWorld, simWorld.now + 1e6)
      }
      runUntil(simWorld, simWorld.now + 1e6)
      const seconds = (performance.now() - started) / 1000
      const count = (await arrived()) - before
      if (count !== SIM_FRAMES) throw new Error(`${count} of ${SIM_FRAMES} arrived`)
      return SIM_FRAMES / seconds
    },
  }
}

function kernelPath(): Promise<number> {
  const frames = datagrams().map((frame) => encodeFrame(frame))
  return flood({ netns: SOURCE, link: 'eth0' }, SINK, frames, KERNEL_FRAMES)
}

await measure('routed', async () => {
  needRoot()
  const kernel = await openKernel()
  const gone = [SOURCE, SWITCH, ROUTER, SINK].map((netns): Op => ({ do: 'netns.del', netns }))
  await kernel.apply(gone, { keepGoing: true })
  const works = (await kernel.apply(world(true), { keepGoing: true })).every(({ ok }) => ok)
  if (!works) {
    await kernel.apply(gone, { keepGoing: true })
    await kernel.apply(world(false))
  }
  await kernel.settle({ netns: [SOURCE, SWITCH, ROUTER, SINK] })
  const links = works ? 'VLANs on a trunk' : 'plain links (it has no 8021q)'
  return {
    question:
      'how many datagrams a second get through a router that tracks, filters and masquerades?',
    unit: 'frames/s',
    better: 'higher',
    contestants: [
      simulated(true),
      simulated(false),
      { name: `real kernel, ${links}, one AF_PACKET send() a frame`, run: kernelPath },
    ],
    close: async () => {
      await kernel.apply(gone, { keepGoing: true })
      await kernel.close()
    },
  }
})
