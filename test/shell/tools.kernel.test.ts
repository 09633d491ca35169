/** The shell beside the tools it imitates, on one kernel: same words, same exit code. */
import { spawnSync } from 'node:child_process'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Fabric } from '../../src/fabric/fabric.ts'
import { openKernel } from '../../src/kernel/fabric.ts'
import { runCommand } from '../../src/shell/run.ts'
import { openSession } from '../../src/shell/session.ts'

const root = process.getuid?.() === 0
const has = (tool: string) => spawnSync('sh', ['-c', `command -v ${tool}`]).status === 0
const version = spawnSync('ip', ['-V'], { encoding: 'utf8' }).stdout ?? ''
const why = !root
  ? 'not root'
  : !version.includes('iproute2-6.1')
    ? 'iproute2 6.1 is not installed'
    : (['brctl', 'ifconfig', 'traceroute', 'nc', 'vconfig']
        .filter((tool) => !has(tool))
        .map((tool) => `${tool} is not installed`)[0] ?? undefined)
const A = 'shtool-a'
const B = 'shtool-b'
let fabric: Fabric

const real = (line: string) => spawnSync('sh', ['-c', line], { encoding: 'utf8' })

beforeAll(async () => {
  if (why !== undefined) {
    if (process.env['CI'] === 'true') throw new Error(`must not be skipped in CI: ${why}`)
    return
  }
  fabric = await openKernel()
  const session = openSession(fabric)
  for (const line of [
    `ip netns add ${A}`,
    `ip netns add ${B}`,
    `ip -n ${A} link add br0 type bridge`,
    `ip -n ${A} link add v0 address 02:00:00:00:00:10 type veth peer name v1`,
    `ip -n ${A} link add v2 type veth peer name eth0 netns ${B}`,
    `ip -n ${A} link set v0 master br0`,
    `ip -n ${A} link add link v1 name m0 type macvlan mode source macaddr add 02:00:00:00:00:99`,
    `ip -n ${A} link set v2 alias cable group 7`,
    ...['lo', 'br0', 'v0', 'v1', 'v2', 'm0'].map((l) => `ip -n ${A} link set ${l} up`),
    `ip -n ${B} link set eth0 up promisc on`,
    `ip -n ${A} addr add 10.0.0.1/24 brd + dev v1`,
    `ip -n ${A} addr add 10.0.0.5/24 dev v1`,
    `ip -n ${A} addr add fd00::1/64 dev v1`,
    `ip -n ${A} route add 10.5.0.0/16 via 10.0.0.9 metric 7`,
    `ip -n ${A} route add unreachable 10.6.0.0/16`,
    `ip -n ${A} -6 route add fd01::/64 via fd00::9`,
    `ip -n ${A} neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev v1`,
    `ip -n ${A} rule add from 10.0.0.0/8 to 1.2.3.4 iif v0 prohibit`,
    `bridge -n ${A} fdb add 02:00:00:00:00:33 dev v0 master static`,
  ]) {
    const out = await runCommand(session, line)
    expect(`${line}: ${out.code} ${out.stderr}`).toBe(`${line}: 0 `)
  }
  // So that there is something to count.
  real(`ip netns exec ${A} ping -c 9 -i 0.1 -s 9000 127.0.0.1`)
  await fabric.clock.sleep(3000)
})

afterAll(async () => {
  if (why !== undefined) return
  await fabric.apply(
    [A, B].map((netns) => ({ do: 'netns.del', netns })),
    { keepGoing: true },
  )
  await fabric.close()
})

const SHOWN: readonly string[] = [
  'ip -n A link',
  'ip -n A -br link',
  'ip -n A addr',
  'ip -n A -4 addr',
  'ip -n A -br addr',
  'ip -n A -s link show dev v2',
  'ip -n A -s addr show dev lo',
  'ip -n A -s -h link show dev lo',
  'ip -n A -s -h -iec link show dev lo',
  'ip -n A -s -br link',
  'ip -n A -s -o link show dev lo',
  'ip -n A -o link',
  'ip -n A -o addr',
  'ip -n A -j link',
  'ip -n A -j -p link show dev v2',
  'ip -n A -j -br link',
  'ip -n A -j -4 addr',
  'ip -n A -j -br -4 addr',
  'ip -n A -j addr show dev v2',
  'ip -n A -j -br addr show dev br0',
  'ip -n A -j route',
  'ip -n A -j -p route show dev v1',
  'ip -n A -j -6 route',
  'ip -n A -j neigh show nud permanent',
  'ip -n A -j rule',
  'ip -n A -j -p rule',
  'ip -n A route',
  'ip -n A -6 route',
  'ip -n A route show table local',
  'ip -n A route get 10.5.1.1',
  'ip -n A route get 10.0.0.1',
  'ip -n A route get 8.8.8.8',
  'ip -n A route get 10.6.0.1',
  'ip -n A rule',
  'ip -n A neigh show nud permanent',
  'ip -n B addr show dev eth0',
  'ip -n A link show master br0',
  'ip -n A link show type veth',
  'ip -n A link show nope',
  'ip -n A link show up',
  'bridge -n A link',
  'bridge -n A -d link',
  'ip netns exec A brctl show',
  'ip netns exec A brctl show nope',
  'ip netns exec A sysctl net.ipv4.ip_forward',
  'ip netns exec A sysctl -n net.ipv4.conf.v0.rp_filter',
  'ip netns exec A sysctl net.ipv4.nope',
  'ip netns exec A cat /proc/sys/net/ipv4/ip_forward',
  'ip netns exec nope true',
  'ip -n A link | grep -c ether',
  'ip netns exec A ifconfig',
  'ip netns exec A ifconfig -a',
  'ip netns exec A ifconfig v1',
  'ip netns exec A busybox ifconfig',
  'ip netns exec A busybox ifconfig v1',
  'ip netns exec A route -n',
  'ip netns exec A route -e -n',
  'ip netns exec A arp -n',
  'ip netns exec A arp -an',
  'ip netns exec A arp -n 10.0.0.77',
  'ip netns exec A traceroute -n -m 2 -q 1 10.0.0.1 | head -1',
  'ip netns exec A nc -zv 10.0.0.1 9',
  'ip netns exec A nc -z 10.0.0.1 9',
  'ip netns exec A busybox nc -w 1 10.0.0.1 9',
  'ip netns exec A busybox nc -w 1 10.77.0.1 9',
  'ip netns exec A busybox nc -w x 10.0.0.1 9',
  'ip netns exec A busybox traceroute -n -m 2 -q 1 -w 1 10.0.0.1 | head -1',
  'ip netns exec A busybox traceroute -n -m 2 -q 1 -w 1 10.77.0.1',
]

const REFUSED: readonly string[] = [
  'ip -n A link add v0 type bridge',
  'ip -n A link add link nope name x type macvlan',
  'ip -n A link add link v1 name x type macvlan mode trunk',
  'ip -n A link set v0 mtu 70000',
  'ip -n A link set nope up',
  'ip -n A link set v0 master nope',
  'ip -n A link set v0 netns nope',
  'ip -n A link set br0 master br0',
  'ip -n A addr add 10.0.0.1/24 dev v1',
  'ip -n A addr del 10.9.0.1/24 dev v1',
  'ip -n A addr add 10.0.0.1/24 dev nope',
  'ip -n A route add default via 10.8.0.1',
  'ip -n A route add 10.5.0.1/16 dev v1',
  'ip -n A route del 10.99.0.0/16',
  'ip -n A neigh del 10.0.0.77 dev v1',
  'ip -n A rule del from 11.0.0.0/8 table 100',
  'ip -n A route | ',
  'ip -n A route "show',
  'ip netns exec A ping -c0 10.0.0.1',
  'ip netns exec A ping -t 300 -c1 10.0.0.1',
  'ip netns exec A ping -c1 -4 ::1',
  'ip netns exec A ping -c1 -6 10.0.0.1',
  'ip netns exec A traceroute -m x 10.0.0.1',
  'ip netns exec A traceroute -m 300 10.0.0.1',
  'ip netns exec A nc -z 10.0.0.1 70000',
  'ip netns exec A arp -d',
  'ip netns exec A ifconfig -Z',
  'ip netns exec A brctl addbr',
  'ip netns exec A brctl addif br0',
  'ip netns exec A brctl hairpin br0 v0',
  'ip netns exec A brctl stp',
  'ip netns exec A brctl stp nope on',
  'ip netns exec A brctl setageing nope 3',
  'ip netns exec A brctl setfd nope 3',
  'ip -n A rule add nope',
  'ip -n A link add x type nope',
  'ip netns add',
  'ip netns del',
  'ip netns exec',
  'ip netns exec A',
  'ip netns add A',
  'ip netns del nope',
  'ip -n nope link set lo up',
  'bridge -n A link set dev v1 hairpin on',
  'bridge -n A link set dev nope hairpin on',
  'bridge -n A fdb add 02:00:00:00:00:33 dev v0 master static',
  'bridge -n A fdb del 02:00:00:00:00:77 dev v0 master',
  'bridge -n A vlan add dev v1 vid 5',
  'ip netns exec A brctl addif br0 v0',
  'ip netns exec A brctl addbr br0',
  'ip netns exec A brctl delbr br0',
  'ip netns exec A brctl delif br0 v1',
  'ip netns exec A sysctl -w net.ipv4.ip_forward=abc',
  'ip netns exec A ifconfig nope',
  'ip netns exec A ifconfig nope up',
  'ip netns exec A ifconfig v1 foo',
  'ip netns exec A ifconfig v1 10.0.0.300',
  'ip netns exec A ifconfig v1 mtu 99999',
  'ip netns exec A busybox ifconfig nope',
  'ip netns exec A route del -net 10.99.0.0/16',
  'ip netns exec A route add default gw 10.8.0.1',
  'ip netns exec A route add -net 10.5.0.1 netmask 255.255.0.0 gw 10.0.0.9',
  'ip netns exec A route add -net nope gw 10.0.0.9',
  'ip netns exec A arp -d 10.0.0.77',
  'ip netns exec A uname -x',
  'ip netns exec A traceroute -Q',
  'ip netns exec A vconfig',
  'ip netns exec A vconfig add v0',
  'ip netns exec A vconfig add nope 5',
  'ip netns exec A vconfig rem nope',
  'ip netns exec A vconfig set_flag v0 1',
  'ip netns exec A vconfig set_flag nope 1 1',
  'ip netns exec A vconfig set_flag v0 1 1',
  'ip netns exec A vconfig foo a',
]

const named = (line: string) => line.replace(/\bA\b/, A).replace(/\bB\b/, B)

test.skipIf(why !== undefined).each([...SHOWN, ...REFUSED])(
  `runCommand says what the tool says (${why ?? 'same kernel'}): %s`,
  async (line) => {
    const plain = (text: string) =>
      text
        .replace(/numtxqueues .*$/gm, '')
        // The kernel lists IPv6 addresses in the order of a hash.
        .replace(/(?: +inet6 .*\n){2,}/g, (l) => l.split('\n').sort().join('\n'))
    const both = async () => {
      const ours = await runCommand(openSession(fabric), named(line))
      const tool = real(named(line))
      return [
        { code: ours.code, out: plain(ours.stdout), err: ours.stderr },
        { code: tool.status, out: plain(tool.stdout), err: tool.stderr },
      ]
    }
    let [ours, tool] = await both()
    // Links count on meanwhile: what was sent between the two is no difference.
    for (let tries = 0; tries < 5 && ours?.out !== tool?.out; tries++) [ours, tool] = await both()
    expect(ours).toEqual(tool)
  },
)

/** Lines that change something: ours in one namespace, the tool's in another like it. */
const SETTINGS: readonly string[] = [
  'ifconfig v0 10.1.0.1 netmask 255.255.255.0 up',
  'ifconfig v0 10.1.0.2/16',
  'ifconfig v0 netmask 255.255.255.0',
  'ifconfig v0 promisc mtu 1400',
  'ifconfig v0 hw ether 02:00:00:00:00:55',
  'ifconfig v0 add fd00:7::1/64',
  'ifconfig v1 172.16.0.1',
  'route add -net 10.5.0.0 netmask 255.255.0.0 gw 10.1.0.9',
  'route add -net 10.6.0.0/16 dev v0',
  'route add -host 10.7.0.1 v0',
  'route add 10.8.0.1 reject',
  'route add default gw 10.1.0.7',
  'route add default gw 10.1.0.8 metric 5',
  'route del -net 10.6.0.0 netmask 255.255.0.0',
  'arp -s 10.1.0.10 02:00:00:00:00:10',
  'arp -s 10.1.0.11 02:00:00:00:00:11',
  'arp -d 10.1.0.11',
  'ifconfig v1 0.0.0.0',
  'ifconfig v1 down',
]

test.skipIf(why !== undefined)(
  `net-tools set what they set (${why ?? 'same kernel'})`,
  async () => {
    const [ours, theirs] = ['shtool-ours', 'shtool-theirs']
    const session = openSession(fabric)
    try {
      for (const netns of [ours, theirs]) {
        real(`ip netns add ${netns}`)
        real(
          `ip -n ${netns} link add v0 address 02:00:00:00:00:50 type veth peer name v1 address 02:00:00:00:00:51`,
        )
      }
      for (const line of SETTINGS) {
        const a = await runCommand(session, `ip netns exec ${ours} ${line}`)
        const b = real(`ip netns exec ${theirs} ${line}`)
        expect([line, a.code, a.stdout, a.stderr]).toEqual([line, b.status, b.stdout, b.stderr])
      }
      for (const shown of [
        'ip -4 addr',
        'ip link',
        'route -n',
        'arp -n',
        'ip -6 route show proto kernel',
      ]) {
        const of = (netns: string) => real(`ip netns exec ${netns} ${shown}`).stdout
        expect(of(ours)).toBe(of(theirs))
      }
    } finally {
      for (const netns of [ours, theirs]) real(`ip netns del ${netns}`)
    }
  },
)
