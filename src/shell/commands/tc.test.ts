/** Expectations are what tc of iproute2 6.1 printed inside User Mode Linux (6.1). */
import { beforeEach, expect, test } from 'vitest'
import { openSim } from '../../sim/fabric.ts'
import { planOfLine } from '../plan-of.ts'
import { runCommand } from '../run.ts'
import { openSession, type Session } from '../session.ts'

let session: Session

beforeEach(async () => {
  session = openSession(openSim())
  await run('ip link add v0 type veth peer name v1')
  await run('ip link set v0 up')
})

async function run(line: string): Promise<string> {
  const { code, stdout, stderr } = await runCommand(session, line)
  return `${stdout}${stderr}${code === 0 ? '' : `-> ${code}`}`
}

test('what is added is shown as the tool shows it, and a change leaves the rate', async () => {
  const ALL = 'delay 100ms 10ms loss 5% duplicate 1% reorder 25% rate 10mbit limit 50'
  expect(await run(`tc qdisc add dev v0 root netem ${ALL}`)).toBe('')
  expect(await run('tc qdisc show dev v0')).toBe(
    'qdisc netem 8001: root refcnt 2 limit 50 delay 100ms  10ms loss 5% duplicate 1% reorder 25% rate 10Mbit gap 1\n',
  )
  expect(await run('tc qdisc replace dev v0 root netem loss 100%')).toBe('')
  expect(await run('tc q s')).toContain(
    'qdisc netem 8001: dev v0 root refcnt 2 limit 1000 loss 100% rate 10Mbit\n',
  )
  expect(await run('ip link show v0')).toContain(' qdisc netem ')
  expect(await run('tc qdisc del dev v0 root')).toBe('')
  expect(await run('tc qdisc show dev v0')).toBe('qdisc noqueue 0: root refcnt 2 \n')
  await run('tc qdisc add dev v0 root netem delay 2s rate 1500')
  expect(await run('tc qdisc show dev v0')).toBe(
    'qdisc netem 8002: root refcnt 2 limit 1000 delay 2s rate 1496bit\n',
  )
  await run('tc qdisc replace dev v0 root netem delay 10')
  expect(await run('tc qdisc show dev v0')).toContain(' delay 9us ')
})

test.each([
  ['tc qdisc del dev v0 root', 'Error: Cannot delete qdisc with handle of zero.\n-> 2'],
  [
    'tc qdisc change dev v0 root netem delay 10ms',
    'Error: Qdisc not found. To create specify NLM_F_CREATE flag.\n-> 2',
  ],
  ['tc qdisc add dev none root netem loss 1%', 'Cannot find device "none"\n-> 1'],
  ['tc qdisc add dev v0 root foo', 'Error: Specified qdisc kind is unknown.\n-> 2'],
  ['tc qdisc del dev none root', 'Cannot find device "none"\n-> 1'],
  ['tc qdisc show dev none', 'Cannot find device "none"\n-> 1'],
  ['tc qdisc replace dev v0 root netem loss 120%', 'Illegal "loss percent"\n-> 1'],
  ['tc qdisc replace dev v0 root netem delay soon', 'Illegal "latency"\n-> 1'],
  ['tc qdisc replace dev v0 root netem rate fast', 'Illegal "rate"\n-> 1'],
  ['tc qdisc replace dev v0 root netem limit x', 'Illegal "limit"\n-> 1'],
  ['tc qdisc replace dev v0 root netem duplicate x', 'Illegal "duplicate"\n-> 1'],
  [
    'tc qdisc replace dev v0 root netem delay',
    'Command line is not complete. Try option "help"\n-> 255',
  ],
  ['tc qdisc add root netem loss 1%', 'RTNETLINK answers: No such device\n-> 2'],
  ['tc qdisc add dev v0 netem loss 1%', 'Error: Handle cannot be zero.\n-> 2'],
  ['tc qdisc del dev v0', 'Error: Failed to find qdisc with specified handle.\n-> 2'],
  ['tc qdisc frob', 'Command "frob" is unknown, try "tc qdisc help".\n-> 255'],
  ['tc frob', 'Object "frob" is unknown, try "tc help".\n-> 255'],
])('%s', async (line, said) => {
  expect(await run(line)).toBe(said)
})

test('a word that is none comes with the usage, and what is not here says so', async () => {
  expect(await run('tc qdisc add dev v0 root netem speed 3')).toMatch(
    /^What is "speed"\?\nUsage: \.\.\. netem \[ limit PACKETS \]\n[^]*-> 1$/,
  )
  expect(await run('tc qdisc add dev v0 root netem reorder 25%')).toMatch(
    /^reordering not possible without specifying some delay\nUsage: /,
  )
  for (const line of [
    'tc qdisc add dev v0 root netem corrupt 1%',
    'tc qdisc add dev v0 root netem loss 1% 25%',
    'tc qdisc add dev v0 root tbf rate 1mbit',
    'tc -s class show dev v0',
  ])
    expect(await run(line)).toMatch(/is not part of this shell yet\n-> 127$/)
  await run('tc qdisc add dev v0 root netem')
  expect(await run('tc qdisc add dev v0 root netem')).toBe(
    'Error: Exclusivity flag on, cannot modify.\n-> 2',
  )
})

test('a line is read into the op it asks for', () => {
  expect(planOfLine('tc -n h qdisc add dev eth0 root netem delay 100ms 1ms')).toEqual([
    {
      do: 'qdisc.add',
      netns: 'h',
      link: 'eth0',
      netem: { delayNs: 100_000_000, jitterNs: 1_000_000 },
    },
  ])
})

const NETEM_JSON =
  '[{"kind":"netem","handle":"8001:","root":true,"refcnt":2,"options":{"limit":50,' +
  '"delay":{"delay":0.1,"jitter":0.01,"correlation":0},' +
  '"loss-random":{"loss":0.5,"correlation":0},"duplicate":{"duplicate":0.01,"correlation":0},' +
  '"rate":{"rate":1250000,"packetoverhead":0,"cellsize":0,"celloverhead":0},' +
  '"ecn":false,"gap":0}}]\n'

test('-j says it as data, as the tool does', async () => {
  expect(await run('tc -j qdisc show dev v0')).toBe(
    '[{"kind":"noqueue","handle":"0:","root":true,"refcnt":2,"options":{}}]\n',
  )
  expect(await run('tc -j qdisc show dev nope')).toBe('Cannot find device "nope"\n-> 1')
  const all = 'delay 100ms 10ms loss 50% duplicate 1% rate 10mbit limit 50'
  await run(`tc qdisc add dev v0 root netem ${all}`)
  expect(await run('tc -j qdisc show dev v0')).toBe(NETEM_JSON)
  expect(await run('tc -j qdisc show')).toContain('"handle":"8001:","dev":"v0","root":true')
  await run('tc qdisc del dev v0 root')
  await run('tc qdisc add dev v0 root netem delay 1s reorder 25% rate 10mbit')
  expect(await run('tc -j qdisc show dev v0')).toContain(
    '"options":{"limit":1000,"delay":{"delay":1,"jitter":0,"correlation":0},' +
      '"reorder":{"reorder":0.25,"correlation":0},' +
      '"rate":{"rate":1250000,"packetoverhead":0,"cellsize":0,"celloverhead":0},' +
      '"ecn":false,"gap":1}}]',
  )
  await run('tc qdisc del dev v0 root')
  await run('tc qdisc add dev v0 root netem delay 1500us')
  expect(await run('tc -j qdisc show dev v0')).toContain('"delay":{"delay":0.001499,"jitter":0,')
})

test('-s counts what a netem let go and what it lost; where there is no queue, nothing', async () => {
  expect(await run('tc -s qdisc show dev v0')).toBe(
    'qdisc noqueue 0: root refcnt 2 \n' +
      ' Sent 0 bytes 0 pkt (dropped 0, overlimits 0 requeues 0) \n' +
      ' backlog 0b 0p requeues 0\n',
  )
  expect(await run('tc -s -j qdisc show dev v0')).toBe(
    '[{"kind":"noqueue","handle":"0:","root":true,"refcnt":2,"options":{},"bytes":0,"packets":0,' +
      '"drops":0,"overlimits":0,"requeues":0,"backlog":0,"qlen":0}]\n',
  )
  await run('ip link set v1 up; ip addr add 10.0.0.1/24 dev v0')
  await run('sysctl -w net.ipv6.conf.all.disable_ipv6=1')
  await run('tc qdisc add dev v0 root netem limit 50')
  // Three questions of 42 bytes for an address that nobody has.
  await run('ping -c 1 10.0.0.9')
  const counted = (sent: string, dropped: number) =>
    `qdisc netem 8001: root refcnt 2 limit 50${dropped === 0 ? '' : ' loss 100%'}\n` +
    ` Sent ${sent} pkt (dropped ${dropped}, overlimits 0 requeues 0) \n` +
    ' backlog 0b 0p requeues 0\n'
  expect(await run('tc -s qdisc show dev v0')).toBe(counted('126 bytes 3', 0))
  await run('tc qdisc change dev v0 root netem limit 50 loss 100%')
  await run('ping -c 1 10.0.0.8')
  expect(await run('tc -s qdisc show dev v0')).toBe(counted('126 bytes 3', 3))
  expect(await run('tc -j -p -s qdisc show dev v0')).toBe(`[ {
        "kind": "netem",
        "handle": "8001:",
        "root": true,
        "refcnt": 2,
        "options": {
            "limit": 50,
            "loss-random": {
                "loss": 1,
                "correlation": 0
            },
            "ecn": false,
            "gap": 0
        },
        "bytes": 126,
        "packets": 3,
        "drops": 3,
        "overlimits": 0,
        "requeues": 0,
        "backlog": 0,
        "qlen": 0
    } ]
`)
})
