/** conntrack of the shell beside the tool: the same lines in a simulated and in a real router. */
import { spawnSync } from 'node:child_process'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { MachineFabric, machineIn } from '../../src/shell/machine.ts'
import { runCommand } from '../../src/shell/run.ts'
import { openSession } from '../../src/shell/session.ts'
import { openSim } from '../../src/sim/fabric.ts'

const root = process.getuid?.() === 0
const version = spawnSync('conntrack', ['-V'], { encoding: 'utf8' }).stdout ?? ''
const why = !root
  ? 'not root'
  : version.includes('v1.4.7')
    ? undefined
    : 'conntrack 1.4.7 is not installed'

const MADE: readonly string[] = [
  ...['a', 'r', 'b'].map((n) => `ip netns add ct-${n}`),
  'ip -n ct-a link add eth0 type veth peer name eth0 netns ct-r',
  'ip -n ct-b link add eth0 type veth peer name eth1 netns ct-r',
  'ip -n ct-a addr add 10.1.0.2/24 dev eth0',
  'ip -n ct-r addr add 10.1.0.1/24 dev eth0',
  'ip -n ct-r addr add 10.2.0.1/24 dev eth1',
  'ip -n ct-b addr add 10.2.0.2/24 dev eth0',
  'ip -n ct-a link set eth0 up',
  'ip -n ct-r link set eth0 up',
  'ip -n ct-r link set eth1 up',
  'ip -n ct-b link set eth0 up',
  'ip -n ct-a route add default via 10.1.0.1',
  'ip netns exec ct-r sysctl -w net.ipv4.ip_forward=1',
  'ip netns exec ct-r iptables -t nat -A POSTROUTING -o eth1 -j MASQUERADE',
]
const TRAFFIC: readonly string[] = [
  'ip netns exec ct-a ping -c 1 -W 1 10.2.0.2',
  'ip netns exec ct-a ping -c 1 -W 1 10.2.0.77',
  // Refused at once: nothing stays of it.
  'ip netns exec ct-a nc -z -w 1 10.2.0.2 81',
  'ip netns exec ct-a nc -z -w 1 10.2.0.78 82',
]
const LINES: readonly string[] = [
  '-L',
  '-L conntrack',
  '-L -p icmp',
  '-L -p tcp',
  '-L -p tcp --state SYN_SENT',
  '-L -p tcp --dport 82',
  '-L -p tcp --dport 83',
  '-L -d 10.2.0.77',
  '-L -s 10.1.0.0/24',
  '-L -q 10.2.0.1',
  '-L -n',
  '-L -g',
  '-L -j',
  '-L -f ipv6',
  '-L -u ASSURED',
  '-L -o extended',
  '-C',
  '-V',
  '-X',
  '-L -L',
  '-L nope',
  '-L -p',
  '-L -p nope',
  '-L -s nope',
  '-L --dport 3',
  '-L -f nope',
  '-L -u NOPE',
  '-L -p tcp --state NOPE',
]

/** Numbers that no two runs have in common, and the order of a hash. */
const plain = (text: string): string =>
  text
    .replace(/id=\d+/g, 'id=N')
    .replace(/(sport|dport)=\d{4,}/g, '$1=N')
    .replace(/^((?:ipv\d +\d+ )?\w+ +\d+) \d+ /gm, '$1 T ')
    .replace(/use=\d/g, 'use=N')
    .split('\n')
    .toSorted()
    .join('\n')

const world = openSim()
world.applyNow([{ do: 'netns.add', netns: 'm' }])
const simulated = async (line: string) => {
  const session = openSession(new MachineFabric(world, 'm'), '', machineIn(world, 'm', world))
  const { code, stdout, stderr } = await runCommand(session, line)
  return { code, out: plain(stdout), err: stderr }
}
const real = (line: string) => {
  const tool = line.replace(/\biptables\b/, 'iptables-legacy')
  const { status, stdout, stderr } = spawnSync('sh', ['-c', tool], { encoding: 'utf8' })
  return { code: status, out: plain(stdout), err: stderr }
}

beforeAll(async () => {
  if (why !== undefined) {
    if (process.env['CI'] === 'true') throw new Error(`must not be skipped in CI: ${why}`)
    return
  }
  for (const line of MADE) {
    expect([line, (await simulated(line)).code, real(line).code]).toEqual([line, 0, 0])
  }
  for (const line of TRAFFIC) {
    const ours = await simulated(line)
    expect([line, ours.code]).toEqual([line, real(line).code])
  }
})

afterAll(() => {
  for (const n of ['a', 'r', 'b']) spawnSync('ip', ['netns', 'del', `ct-${n}`])
})

test.skipIf(why !== undefined).each(LINES)(
  `conntrack says what conntrack says (${why ?? 'beside it'}): %s`,
  async (words) => {
    const line = `ip netns exec ct-r conntrack ${words}`
    expect(await simulated(line)).toEqual(real(line))
  },
)
