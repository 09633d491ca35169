/** `tcpdump` of the shell on the simulator, beside the real one on this kernel: the same lines. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runCommand } from '../../src/shell/run.ts'
import { openSession } from '../../src/shell/session.ts'
import { openSim } from '../../src/sim/fabric.ts'

const has = (tool: string) => spawnSync('sh', ['-c', `command -v ${tool}`]).status === 0
const why =
  process.getuid?.() !== 0
    ? 'not root'
    : ['tcpdump', 'ping', 'nc'].filter((t) => !has(t)).map((t) => `${t} is not installed`)[0]

const [A, B] = ['shtcp-a', 'shtcp-b']
const MAKE: readonly string[] = [
  ...[A, B].flatMap((n) => [
    `ip netns add ${n}`,
    `ip netns exec ${n} sysctl -w net.ipv6.conf.all.disable_ipv6=1`,
    `ip netns exec ${n} sysctl -w net.ipv6.conf.default.disable_ipv6=1`,
  ]),
  `ip -n ${A} link add v0 address 02:00:00:00:00:01 type veth peer name v1 netns ${B} address 02:00:00:00:00:02`,
  `ip -n ${A} addr add 10.0.0.1/24 dev v0`,
  `ip -n ${B} addr add 10.0.0.2/24 dev v1`,
  `ip -n ${A} link set v0 up`,
  `ip -n ${B} link set v1 up`,
  // Else it asks on its own after five seconds whether the other is still there.
  `ip -n ${B} neigh add 10.0.0.1 lladdr 02:00:00:00:00:01 dev v1`,
]
const TRAFFIC = [
  `ip netns exec ${A} ping -c 1 10.0.0.2`,
  `ip netns exec ${A} ping -c 1 -s 2000 10.0.0.2`,
  `ip netns exec ${A} nc -z 10.0.0.2 99`,
]

/** Words behind `tcpdump`, each with the lines a capture of TRAFFIC has. */
const CAPTURES: readonly string[] = [
  '-n -i v0',
  '-n -v -i v0',
  '-n -e -i v0 arp or icmp',
  '-n -i any',
  '-n -e -i any not tcp',
  '-nt -S -i v0 tcp',
  '-ni v0 -c 2',
  '-ni v0 icmp and src 10.0.0.2',
  '-ni v0 arp and ether src 02:00:00:00:00:02',
  '-ni v0 ether dst ff:ff:ff:ff:ff:ff',
  '-ni v0 broadcast',
  '-ni v0 net 10.0.0.0/24 and not ( icmp or arp )',
  '-ni v0 dst port 99',
  '-ni v0 src or dst host 10.0.0.2 and greater 100',
  '-ni v0 host 10.0.0.9 or 10.0.0.2 and not tcp',
  '-ni v0 vlan',
  '-ni v0 ip6',
]
const REFUSED: readonly string[] = [
  '-ni v9',
  '-ni v0 foo bar',
  '-ni v0 icmp and',
  '-ni v0 -c x',
  '-ni v0 host',
]

/** What no two runs have in common. */
const plain = (text: string) =>
  text
    .split('\n')
    .map((line) =>
      line
        .replace(/^\d\d:\d\d:\d\d\.\d{6}/, 'TIME')
        .replace(/ id \d+/g, ' id N')
        .replace(/10\.0\.0\.1\.\d+/g, '10.0.0.1.PORT')
        .replace(/, cksum \S+ \([^)]*\)/, '')
        .replace(/(seq|ack) \d{6,}/g, '$1 N')
        .replace(/, options \[[^\]]*\]/, '')
        .replace(/( proto TCP \(6\), length) \d+/, '$1 N')
        .replace(/^\d+ (packets received by filter)/, 'N $1')
        .replace(/^1 packet received by filter/, 'N packets received by filter'),
    )
    .join('\n')

const sim = openSim()
const simulated = async (line: string) => {
  const out = await runCommand(openSession(sim), line)
  return { code: out.code, out: plain(out.stdout), err: plain(out.stderr) }
}
const NOT_LISTED = / > \/dev\/null/

beforeAll(async () => {
  if (why !== undefined) {
    if (process.env['CI'] === 'true') throw new Error(`must not be skipped in CI: ${why}`)
    return
  }
  for (const line of MAKE) {
    spawnSync('sh', ['-c', line])
    const out = await simulated(line)
    expect(`${line}: ${out.code} ${out.err}`).toBe(`${line}: 0 `)
  }
})

afterAll(() => {
  for (const n of [A, B]) spawnSync('ip', ['netns', 'del', n])
})

interface Running {
  readonly child: ChildProcess
  readonly closed: Promise<number | null>
  out: string
  err: string
}

function start(words: string): Running {
  const quiet = ['netns', 'exec', A, 'tcpdump', '--immediate-mode', '-l', ...words.split(' ')]
  const child = spawn('ip', quiet)
  const closed = new Promise<number | null>((resolve) => {
    child.on('close', resolve)
  })
  const running: Running = { child, closed, out: '', err: '' }
  child.stdout.on('data', (data: Buffer) => {
    running.out += data.toString()
  })
  child.stderr.on('data', (data: Buffer) => {
    running.err += data.toString()
  })
  return running
}

async function until(ready: () => boolean): Promise<void> {
  for (const end = Date.now() + 60_000; !ready() && Date.now() < end; ) {
    await new Promise((resolve) => {
      setTimeout(resolve, 20)
    })
  }
}

test.skipIf(why !== undefined)(
  `tcpdump prints what tcpdump prints (${why ?? 'beside it'})`,
  async () => {
    const flush = `ip -n ${A} neigh flush all`
    const ours: Awaited<ReturnType<typeof simulated>>[] = []
    for (const words of CAPTURES) {
      await simulated(`${flush}; ip -n ${B} neigh flush all`)
      const quiet = TRAFFIC.map((line) => `${line} > /dev/null 2>&1`).join('; ')
      ours.push(
        await simulated(`ip netns exec ${A} tcpdump ${words.replace(/[()]/g, '\\$&')} & ${quiet}`),
      )
    }
    const real = CAPTURES.map(start)
    try {
      await until(() => real.every(({ err }) => err.includes('listening on')))
      for (const line of TRAFFIC) spawnSync('sh', ['-c', line.replace(NOT_LISTED, '')])
      const lines = (text: string) => text.split('\n').filter((line) => line !== '').length
      await until(() => real.every(({ out }, i) => lines(out) >= lines(ours[i]?.out ?? '')))
    } finally {
      for (const { child } of real) child.kill('SIGINT')
    }
    for (const [i, running] of real.entries()) {
      await running.closed
      const theirs = { out: plain(running.out), err: plain(running.err) }
      expect({ words: CAPTURES[i], out: ours[i]?.out, err: ours[i]?.err }).toEqual({
        words: CAPTURES[i],
        ...theirs,
      })
    }
  },
)

test.skipIf(why !== undefined).each(REFUSED)(
  `tcpdump refuses as tcpdump does (${why ?? 'beside it'}): %s`,
  async (words) => {
    const line = `ip netns exec ${A} tcpdump ${words}`
    const { status, stdout, stderr } = spawnSync('sh', ['-c', line], { encoding: 'utf8' })
    expect(await simulated(line)).toEqual({ code: status, out: stdout, err: stderr })
  },
)
