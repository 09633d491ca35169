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
})

test.each([
  ['tc qdisc del dev v0 root', 'Error: Cannot delete qdisc with handle of zero.\n-> 2'],
  [
    'tc qdisc change dev v0 root netem delay 10ms',
    'Error: Qdisc not found. To create specify NLM_F_CREATE flag.\n-> 2',
  ],
  ['tc qdisc add dev none root netem loss 1%', 'Cannot find device "none"\n-> 1'],
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
    'tc -s qdisc',
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
