import { describe, expect, test } from 'vitest'
import { MachineFabric } from '../../src/shell/machine.ts'
import { runCommand } from '../../src/shell/run.ts'
import { openSession } from '../../src/shell/session.ts'
import { formatRecord, type JournalRecord, parseJournal } from '../../src/lab/journal.ts'
import { liveTopology, makeLive, openLive } from '../../src/lab/live.ts'
import { readLab } from '../../src/lab/read.ts'
import { Recorder } from '../../src/lab/recorder.ts'
import { LabSource } from '../../src/lab/source.ts'
import type { Topology } from '../../src/lab/topology.ts'

const LAB = `lab: t
switches: {sw: {ports: {p0: {}, p1: {}}}}
hosts:
  a: {nics: {eth0: {to: sw:p0, addr: [10.0.0.1/24, "fd00::1/64"]}}, run: sysctl -w net.ipv4.ip_forward=1}
  b: {nics: {eth0: {to: sw:p1, addr: 10.0.0.2/24}}, listen: tcp/80}
`
const [TOPOLOGY] = readLab(new LabSource('lab.yaml', LAB)) as [Topology]
const shell = (fabric: Recorder, node: string, line: string) =>
  runCommand(openSession(new MachineFabric(fabric, node)), line)

/** What people typed, as a journal has it after a way through text. */
async function typed(lines: readonly (readonly [string, string])[]) {
  const base = await makeLive(TOPOLOGY, { lab: 't', file: 'lab.yaml', seed: 3 }, shell)
  const world = await openLive(base, [])
  const recorder = new Recorder(world)
  const records: JournalRecord[] = []
  for (const [node, line] of lines) {
    const { code } = await shell(recorder, node, line)
    const calls = recorder.take()
    if (calls.length > 0) records.push({ node, line, code, atNs: world.clock.nowNs(), calls })
  }
  return { base, world, records: parseJournal(records.map(formatRecord).join('')).records }
}

const LINES = [
  ['a', 'ip netns add ns1'],
  ['b', 'ip netns add ns1'],
  ['a', 'ip link add link eth0 name m1 type macvlan mode bridge'],
  ['a', 'ip link add link eth0 name m1 type macvlan'],
  ['a', 'ip link set m1 netns ns1'],
  ['a', 'ip -n ns1 addr add 10.0.0.11/24 dev m1'],
  ['a', 'ip -n ns1 link set m1 up'],
  ['a', 'ip netns exec ns1 ping -c2 10.0.0.2'],
  ['a', 'ip link'],
  ['b', 'ping -c1 -W1 10.0.0.77'],
] as const

describe('a lab that lives', () => {
  test('comes out the same when its journal is played', async () => {
    const { base, world, records } = await typed(LINES)
    expect(records.map((r) => ('line' in r ? [r.line, r.code] : []))).toEqual(
      LINES.filter(([, line]) => line !== 'ip link').map(([, line]) => [
        line,
        line.endsWith('type macvlan') ? 2 : line.includes('77') ? 1 : 0,
      ]),
    )
    const again = await openLive(base, records)
    expect(await again.snapshot()).toEqual(await world.snapshot())
    expect(again.clock.nowNs()).toBe(world.clock.nowNs())
  })

  test('that comes out otherwise says so', async () => {
    const { base, records } = await typed(LINES)
    const wrong = records.map((r, i) => ('line' in r && i === 8 ? { ...r, atNs: 1 } : r))
    await expect(openLive(base, wrong)).rejects.toThrow('does not come out as it did')
  })

  test('without its last command is what it was before', async () => {
    const before = await typed(LINES.slice(0, 5))
    const { base, records } = await typed(LINES)
    const back = await openLive(base, records.slice(0, 5))
    expect(await back.snapshot()).toEqual(await before.world.snapshot())
  })

  test('keeps ports that answer', async () => {
    const { base } = await typed([])
    const world = await openLive(base, [])
    const [result] = await world.probe([
      { protocol: 'tcp', port: 80, from: 'a', to: 0x0a000002, timeoutMs: 500 },
    ])
    expect(result?.outcome).toBe('reply')
  })

  test('shows namespaces made by hand under names that are theirs alone', async () => {
    const { world } = await typed(LINES)
    const { topology, names } = liveTopology(TOPOLOGY, await world.snapshot())
    expect([...names]).toEqual([
      ['a/ns1', 'a/ns1'],
      ['b/ns1', 'b/ns1'],
    ])
    const addresses = topology.hosts.map((h) => [h.name, h.nics.map((n) => n.addresses.length)])
    expect(addresses).toEqual([
      ['a', [2]],
      ['b', [1]],
      ['a/ns1', [1]],
      ['b/ns1', []],
    ])
  })

  test("a command of its file that fails is the file's failure", async () => {
    const text = LAB.replace('sysctl -w net.ipv4.ip_forward=1', 'ip link set nope up')
    const [bad] = readLab(new LabSource('lab.yaml', text)) as [Topology]
    await expect(makeLive(bad, { lab: 't', file: 'lab.yaml', seed: 1 }, shell)).rejects.toThrow(
      'lab.yaml:4: "ip link set nope up" on a ended with status 1: Cannot find device "nope"',
    )
  })
})
