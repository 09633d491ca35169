/**
 * What well-known walkthroughs of Docker's macvlan driver type, typed twice on one dockerd: with
 * `-d macvlan` (or ipvlan) and with `-d lanyard`. Both see the same pings, and the same `ip addr`
 * and `ip route` in every container; where Lanyard means to do better, the chapter names the line.
 */
import { expect } from 'vitest'
import type { Hands } from './hands.ts'
import type { Need } from './needs.ts'

/** How the same network is asked of each driver. */
type Driver = 'built-in' | 'lanyard'

export interface Seen {
  /** What was seen, by what was typed. */
  readonly [typed: string]: string
}

export interface Chapter {
  readonly name: string
  readonly needs: readonly Need[]
  /** What is otherwise with Lanyard, on purpose: typed -> what each saw. */
  readonly better: Readonly<Record<string, readonly [builtIn: string, lanyard: string]>>
  run(pen: Pen): Promise<void> | void
}

/** Types a chapter for one driver, and keeps what came of it. */
export class Pen {
  readonly seen: Record<string, string> = {}
  readonly t: Hands
  readonly driver: Driver

  constructor(t: Hands, driver: Driver) {
    this.t = t
    this.driver = driver
  }

  /** `docker network create`, `-d macvlan` or `-d ipvlan` in it as the walkthrough has it. */
  create(words: string): void {
    const typed = `network create ${words}`
    const given =
      this.driver === 'built-in'
        ? typed
        : typed.replace(/-d (macvlan|ipvlan)/, '-d lanyard --ipam-driver lanyard')
    const { status, stderr } = this.t.world.tryDocker(given.replaceAll(/ +/g, ' '))
    this.seen[typed] = status === 0 ? 'created' : plain(stderr.trim().split('\n')[0] ?? '')
  }

  run(name: string, words: string): void {
    this.t.run(name, words)
  }

  /** Whether a ping is answered; one that should be may take a moment to. */
  async ping(from: string, to: string, hoped = true): Promise<void> {
    if (hoped) await this.t.pings(from, to)
    this.seen[`${from} ping ${to}`] = this.t.hasPing(from, to) ? 'answered' : 'not answered'
  }

  /** `ip addr show eth0` and `ip route`, numbers of links and MACs aside. */
  look(name: string): void {
    this.seen[`${name} ip addr`] = plain(this.t.exec(name, 'ip addr show eth0'))
    this.seen[`${name} ip route`] = plain(this.t.exec(name, 'ip route'))
  }
}

/** Without what is a container's own: link numbers, MACs and what follows from them, ids. */
const plain = (text: string): string =>
  text
    .replaceAll(/^\d+: eth0@if\d+:/gm, 'eth0:')
    .replaceAll(/(?:[0-9a-f]{2}:){5}[0-9a-f]{2}/g, 'MAC')
    .replaceAll(/inet6 fe80:\S+/g, 'inet6 LINK-LOCAL')
    .replaceAll(/\b[0-9a-f]{12}\b/g, 'ID')
    // A queue length that says nothing: neither link has a queue.
    .replaceAll(/(qdisc noqueue) qlen \d+/g, '$1')
    .replaceAll(/[ \t]+$/gm, '')
    .replaceAll('<BROADCAST,MULTICAST,UP,LOWER_UP,M-DOWN>', '<BROADCAST,MULTICAST,UP,LOWER_UP>')

/** Types a chapter for both, and holds the two against each other. */
export async function compare(t: Hands, { better, run }: Chapter): Promise<void> {
  const seen: Seen[] = []
  for (const driver of ['built-in', 'lanyard'] as const) {
    const pen = new Pen(t, driver)
    await run(pen)
    seen.push(pen.seen)
    t.clear()
  }
  const [builtIn = {}, lanyard = {}] = seen
  expect(Object.keys(lanyard)).toEqual(Object.keys(builtIn))
  expect(Object.keys(builtIn).length).toBeGreaterThan(0)
  const differences = Object.keys(builtIn)
    .filter((typed) => builtIn[typed] !== lanyard[typed])
    .map((typed) => [typed, [builtIn[typed], lanyard[typed]]])
  expect(Object.fromEntries(differences)).toEqual(better)
}

const LAN = '--subnet=192.168.8.0/24 --gateway=192.168.8.1'

export const chapters: readonly Chapter[] = [
  {
    name: '000: two containers on mcv ping each other; the host does not answer, with Docker alone',
    needs: [],
    better: { 'c1 ping 192.168.8.110': ['not answered', 'answered'] },
    async run(pen) {
      pen.create(`-d macvlan ${LAN} -o parent=eth0 mcv`)
      pen.run('c1', '--net=mcv --rm')
      pen.run('c2', '--net=mcv --rm')
      for (const name of ['c1', 'c2']) pen.look(name)
      await pen.ping('c1', '192.168.8.3')
      await pen.ping('c2', '192.168.8.2')
      await pen.ping('c1', '192.168.8.1')
      await pen.ping('c1', '192.168.8.9')
      await pen.ping('c1', '192.168.8.110', pen.driver === 'lanyard')
    },
  },
  {
    name: '002: a second network on the same parent',
    needs: [],
    better: {
      'network create -d macvlan --subnet=172.16.20.0/24 --gateway=172.16.20.1 -o parent=eth0 macvlan2':
        [
          'Error response from daemon: network dm-ID is already using parent interface eth0',
          'created',
        ],
    },
    async run(pen) {
      pen.create('-d macvlan --subnet=172.16.5.0/24 --gateway=172.16.5.1 -o parent=eth0 macvlan1')
      pen.create('-d macvlan --subnet=172.16.20.0/24 --gateway=172.16.20.1 -o parent=eth0 macvlan2')
      pen.run('busybox1', '--ip=172.16.5.2 --network macvlan1')
      pen.run('busybox2', '--ip=172.16.5.3 --network macvlan1')
      pen.look('busybox1')
      await pen.ping('busybox2', '172.16.5.2')
    },
  },
  {
    name: '003: b1 and b2 with addresses of their own',
    needs: [],
    better: { 'b2 ping 192.168.8.110': ['not answered', 'answered'] },
    async run(pen) {
      pen.create(`-d macvlan ${LAN} -o parent=eth0 mac_net1`)
      pen.run('b1', '--ip=192.168.8.11 --network mac_net1')
      pen.run('b2', '--ip=192.168.8.12 --network mac_net1')
      await pen.ping('b2', '192.168.8.11')
      await pen.ping('b2', '192.168.8.110', pen.driver === 'lanyard')
      for (const name of ['b1', 'b2']) pen.look(name)
    },
  },
  {
    name: '004: my-macvlan-net, its gateway and beyond',
    needs: [],
    better: {},
    async run(pen) {
      // A range of its own: Lanyard rests an address before another container gets it.
      pen.create(`-d macvlan ${LAN} --ip-range=192.168.8.64/27 -o parent=eth0 my-macvlan-net`)
      pen.run('my-macvlan-alpine', '--rm --network my-macvlan-net')
      pen.look('my-macvlan-alpine')
      await pen.ping('my-macvlan-alpine', '192.168.8.1')
      // Beyond the gateway: its other address is what the walkthrough has the internet for.
      await pen.ping('my-macvlan-alpine', '10.255.0.1')
    },
  },
  {
    name: '003: eth0.50 and eth0.60, made by the driver',
    needs: ['vlan'],
    better: {},
    async run(pen) {
      for (const [vlan, third] of [
        [50, 14],
        [60, 15],
      ] as const) {
        const subnet = `--subnet=192.168.${third}.0/24 --gateway=192.168.${third}.1`
        pen.create(`-d macvlan ${subnet} -o parent=eth0.${vlan} macvlan${vlan}`)
      }
      for (const name of ['b1', 'b2']) pen.run(name, '--net=macvlan50')
      for (const name of ['b3', 'b4']) pen.run(name, '--net=macvlan60')
      for (const name of ['b1', 'b4']) pen.look(name)
      await pen.ping('b1', '192.168.14.3')
      await pen.ping('b3', '192.168.15.3')
      // The trunk's other end routes between the two, as the walkthrough's node1 does.
      await pen.ping('b1', '192.168.14.1')
      await pen.ping('b1', '192.168.15.3')
    },
  },
  {
    name: '003: two subnets on one VLAN parent',
    needs: ['vlan'],
    better: {},
    async run(pen) {
      pen.create(
        '-d macvlan --subnet=192.168.216.0/24 --gateway=192.168.216.1 --subnet=192.168.218.0/24' +
          ' --gateway=192.168.218.1 -o parent=eth0.218 -o macvlan_mode=bridge macvlan216',
      )
      pen.run('m216', '--net=macvlan216 --ip=192.168.216.10')
      pen.run('m218', '--net=macvlan216 --ip=192.168.218.10')
      pen.run('n216', '--net=macvlan216 --ip=192.168.216.11')
      pen.run('n218', '--net=macvlan216 --ip=192.168.218.11')
      for (const name of ['m216', 'm218']) pen.look(name)
      await pen.ping('n216', '192.168.216.10')
      await pen.ping('n218', '192.168.218.10')
      await pen.ping('n216', '192.168.218.10', false)
    },
  },
  {
    name: '003: ipvlan210, two subnets without a parent',
    needs: ['dummy', 'ipvlan'],
    // Nobody is at the gateway of a network without a parent; Docker's own driver knows since 28.
    better: Object.fromEntries(
      [210, 212].map((third) => {
        const own = `192.168.${third}.0/24 dev eth0 scope link  src 192.168.${third}.10`
        return [`a${third} ip route`, [`default via 192.168.${third}.254 dev eth0\n${own}`, own]]
      }),
    ),
    async run(pen) {
      pen.create(
        '-d ipvlan --subnet=192.168.210.0/24 --subnet=192.168.212.0/24' +
          ' --gateway=192.168.210.254 --gateway=192.168.212.254 -o ipvlan_mode=l2 ipvlan210',
      )
      pen.run('a210', '--net=ipvlan210 --ip=192.168.210.10')
      pen.run('b210', '--net=ipvlan210 --ip=192.168.210.9')
      pen.run('a212', '--net=ipvlan210 --ip=192.168.212.10')
      pen.run('b212', '--net=ipvlan210 --ip=192.168.212.9')
      for (const name of ['a210', 'a212']) pen.look(name)
      await pen.ping('b210', '192.168.210.10')
      await pen.ping('b212', '192.168.212.10')
      await pen.ping('b210', '192.168.212.10', false)
    },
  },
  {
    name: '004: ens19.1318 on a trunk',
    needs: ['vlan'],
    better: {},
    async run(pen) {
      pen.create(
        '-d macvlan --subnet=10.103.18.0/24 --gateway=10.103.18.1 -o parent=eth0.1318' +
          ' my-8021q-1318-macvlan-net',
      )
      pen.run('alpine', '--rm --network my-8021q-1318-macvlan-net')
      pen.look('alpine')
      await pen.ping('alpine', '10.103.18.1')
    },
  },
]

/** What stands at the other end of the cable: a router, and a way beyond. */
export function prepare(t: Hands): void {
  const gw = (...words: string[]): string => t.world.ok('ip', '-n', 'gw', ...words)
  gw('address', 'add', '10.255.0.1/32', 'dev', 'lo')
  t.world.ok('ip', 'netns', 'exec', 'gw', 'sysctl', '-qw', 'net.ipv4.ip_forward=1')
}

/** VLANs of the walkthroughs' routers, with their addresses. */
export function prepareVlans(t: Hands): void {
  for (const [id, address] of [
    [50, '192.168.14.1'],
    [60, '192.168.15.1'],
    [1318, '10.103.18.1'],
  ] as const) {
    const name = `eth0.${id}`
    const gw = (...words: string[]): string => t.world.ok('ip', '-n', 'gw', ...words)
    gw('link', 'add', 'link', 'eth0', 'name', name, 'type', 'vlan', 'id', `${id}`)
    gw('address', 'add', `${address}/24`, 'dev', name)
    gw('link', 'set', name, 'up')
  }
}
