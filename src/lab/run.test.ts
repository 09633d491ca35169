import { expect, test } from 'vitest'
import { formatIp } from '../addr/ip.ts'
import { LanyardError } from '../errors.ts'
import type { Fabric, OpOutcome, Probe, ProbeResult } from '../fabric/fabric.ts'
import type { Plan } from '../fabric/plan.ts'
import type { Snapshot } from '../fabric/snapshot.ts'
import { readLab } from './read.ts'
import { runLab, type RunOptions } from './run.ts'
import { LabSource } from './source.ts'

const LAB = `lab: t
switches: {sw: {ports: {p0: {}, p1: {}, p2: {}}}}
hosts:
  h1: {nics: {eth0: {to: sw:p0, addr: 10.0.0.1/24}}}
  h2: {nics: {eth0: {to: sw:p1, addr: 10.0.0.2/24}}}
  h3: {nics: {eth0: {to: sw:p2, addr: 10.0.0.3/24}}}
expect:
  - h1 -> h2 ok ttl 64
  - h1 -> h3 fail
  - h2 <-> h3 ok
steps:
  - name: hairpin
    set: {switches.sw.ports.p0.hairpin: true}
    run: {h1: [ip route]}
    expect: [h1 -> h2 ok]
`

/** A fabric that remembers what it was told; h1 and h3 do not reach each other. */
class FakeFabric {
  readonly kind = 'sim'
  readonly clock = { nowNs: () => 0, sleep: () => Promise.resolve() }
  readonly log: string[] = []
  readonly netns = new Set<string>()
  refuse: string | undefined
  errno = 'EBUSY'

  apply(plan: Plan, options?: { keepGoing?: boolean }): Promise<readonly OpOutcome[]> {
    return Promise.resolve(
      plan.map((op, index): OpOutcome => {
        this.log.push(op.do)
        const kind = op.do === 'link.add' ? `${op.do} ${op.spec.kind}` : op.do
        if (op.do === this.refuse || kind === this.refuse) {
          if (options?.keepGoing === true) {
            return { ok: false, op, index, errno: 'EBUSY', extack: undefined }
          }
          const { errno } = this
          throw new LanyardError('op-refused', { op: op.do, errno, message: 'no', index })
        }
        if (op.do === 'netns.add') this.netns.add(op.netns)
        if (op.do === 'netns.del') this.netns.delete(op.netns)
        return { ok: true }
      }),
    )
  }

  probe(probes: readonly Probe[]): Promise<readonly ProbeResult[]> {
    this.log.push(`probe ${probes.map((p) => `${p.from}>${formatIp(p.to)}`).join(' ')}`)
    return Promise.resolve(
      probes.map((p): ProbeResult => {
        const ends = `${p.from}>${formatIp(p.to)}`
        if (['h1>10.0.0.3', 'h3>10.0.0.1'].includes(ends)) return { outcome: 'timeout' }
        return { outcome: 'reply', ttl: 64, rttNs: 1, responder: p.to }
      }),
    )
  }

  snapshot(): Promise<Snapshot> {
    return Promise.resolve({ netns: [] })
  }

  settle(): Promise<void> {
    return Promise.resolve()
  }
}

function options(fabric: FakeFabric, more: Partial<RunOptions> = {}): RunOptions {
  return {
    file: 'lab.yaml',
    open: () => Promise.resolve(fabric as unknown as Fabric),
    atOnce: 1,
    signal: { aborted: false },
    breathe: () => Promise.resolve(),
    command: () => Promise.resolve({ code: 0, stdout: 'done\n', stderr: '' }),
    ...more,
  }
}

const topologies = readLab(new LabSource('lab.yaml', LAB))

test('runLab measures every ordered pair, judges, and removes what it made', async () => {
  const fabric = new FakeFabric()
  const report = await runLab(topologies, options(fabric))
  const [combination] = report.combinations
  expect(combination?.matrices[0]?.cells.map((c) => `${c.from}>${c.to} ${c.ok}`)).toEqual([
    'h1>h2 true',
    'h1>h3 false',
    'h2>h1 true',
    'h2>h3 true',
    'h3>h1 false',
    'h3>h2 true',
  ])
  expect(combination?.expectations.map((e) => e.met)).toEqual([true, true, true])
  expect(combination?.steps[0]?.commands[0]).toMatchObject({ node: 'h1', stdout: 'done\n' })
  expect([report.met, report.missed]).toEqual([4, 0])
  expect([...fabric.netns]).toEqual([])
})

test('runLab flushes before every ping and lets no node be in two pings at once', async () => {
  const fabric = new FakeFabric()
  await runLab(topologies, options(fabric))
  const probes = fabric.log.flatMap((line, i) => (line.startsWith('probe') ? [i] : []))
  for (const at of probes) expect(fabric.log[at - 1]).toBe('fdb.flush')
  // Three nodes: two pings would always share one. Six pings, and one again after the step.
  expect(probes).toHaveLength(7)
})

test('runLab says which pair missed an expectation and why', async () => {
  const text = LAB.replace('h1 -> h3 fail', '"{h1,h2} -> h3 ok"')
  const report = await runLab(readLab(new LabSource('lab.yaml', text)), options(new FakeFabric()))
  expect(report.missed).toBe(1)
  expect(report.combinations[0]?.expectations[1]).toMatchObject({
    line: 9,
    met: false,
    misses: ['h1 -> h3 fails: no answer'],
  })
})

test('runLab says that a ttl differs', async () => {
  const text = LAB.replace('ok ttl 64', 'ok ttl 63')
  const report = await runLab(readLab(new LabSource('lab.yaml', text)), options(new FakeFabric()))
  expect(report.combinations[0]?.expectations[0]?.misses).toEqual([
    'h1 -> h2 works with ttl 64, not 63',
  ])
})

test('runLab removes what was made when an op is refused', async () => {
  const fabric = new FakeFabric()
  fabric.refuse = 'address.add'
  await expect(runLab(topologies, options(fabric))).rejects.toThrow(
    'ip -n h1 addr add 10.0.0.1/24 dev eth0: no (EBUSY)',
  )
  expect([...fabric.netns]).toEqual([])
})

test('runLab names the module a kernel lacks', async () => {
  const lacking = async (kind: string): Promise<string> => {
    const text =
      'lab: t\nswitches: {sw: {ports: {p0: trunk 5}}}\nhosts: {h: {nics: {eth0: sw:p0}, vlans: eth0.5}}\n'
    const fabric = new FakeFabric()
    fabric.refuse = `link.add ${kind}`
    fabric.errno = 'EOPNOTSUPP'
    const error: unknown = await runLab(
      readLab(new LabSource('lab.yaml', text)),
      options(fabric),
    ).catch((e: unknown) => e)
    expect([...fabric.netns]).toEqual([])
    return String(error)
  }
  expect(await lacking('vlan')).toMatch(
    /^LanyardError: this kernel has no module 8021q: "ip -n h link add link eth0 name eth0\.5 /,
  )
  expect(await lacking('bridge')).toMatch(/has no VLAN filtering of bridges \(CONFIG_BRIDGE_VLAN_F/)
})

test('runLab never removes a namespace it did not make', async () => {
  const fabric = new FakeFabric()
  fabric.netns.add('h2')
  const apply = fabric.apply.bind(fabric)
  fabric.apply = (plan, more) => {
    const [op] = plan
    if (op?.do === 'netns.add' && op.netns === 'h2') fabric.refuse = 'netns.add'
    return apply(plan, more)
  }
  await expect(runLab(topologies, options(fabric))).rejects.toThrow('ip netns add h2: no (EBUSY)')
  expect([...fabric.netns]).toEqual(['h2'])
})

test('runLab stops when asked to, and removes what was made', async () => {
  const fabric = new FakeFabric()
  const signal = { aborted: false }
  const breathe = () => {
    if (fabric.log.some((l) => l.startsWith('probe'))) signal.aborted = true
    return Promise.resolve()
  }
  await expect(runLab(topologies, options(fabric, { signal, breathe }))).rejects.toMatchObject({
    code: 'lab-stopped',
  })
  expect([...fabric.netns]).toEqual([])
})

test('runLab reports a failed removal along with what went wrong before', async () => {
  const fabric = new FakeFabric()
  const command = () => {
    fabric.refuse = 'netns.del'
    return Promise.resolve({ code: 2, stdout: '', stderr: 'Error: no such thing\n' })
  }
  const failure: unknown = await runLab(topologies, options(fabric, { command })).catch((e) => e)
  expect(failure).toBeInstanceOf(AggregateError)
  expect(String((failure as AggregateError).errors[0])).toContain(
    'lab.yaml:14: "ip route" on h1 ended with status 2: Error: no such thing',
  )
})
