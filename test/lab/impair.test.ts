/** Impairments of a lab file: read, planned, run in steps, and named when they stop a ping. */
import { expect, test } from 'vitest'
import { printOp } from '../../src/fabric/print-ip.ts'
import { exportSh } from '../../src/lab/export-sh.ts'
import { planLab } from '../../src/lab/plan.ts'
import { readLab } from '../../src/lab/read.ts'
import { runLab } from '../../src/lab/run.ts'
import { LabSource } from '../../src/lab/source.ts'
import { simReason } from '../../src/lab/why.ts'
import { openSim, SimFabric } from '../../src/sim/fabric.ts'
import { Reach } from '../../src/explain/reach.ts'
import { decisive, explainIn } from '../explain/labs.ts'

const LAB = `lab: impaired
switches: {sw: {ports: {p0: {}, p1: {impair: {delay: 20ms, loss: 0}}}}}
hosts:
  a: {nics: {eth0: {to: sw:p0, addr: 10.0.0.1/24}}}
  b: {nics: {eth0: {to: sw:p1, addr: 10.0.0.2/24, impair: delay 30ms}}}
expect:
  - a <-> b ok
steps:
  - name: lost towards b
    at: 30s
    set: {switches.sw.ports.p1.impair: loss 100%}
    expect: [a -> b fail why NETEM_LOSS]
  - name: later than anybody waits
    set: {switches.sw.ports.p1.impair: {delay: 2s}}
    expect: [a -> b fail why NETEM_LATE]
  - name: the answer comes too late
    set: {switches.sw.ports.p1.impair: none, hosts.b.nics.eth0.impair: delay 700ms}
    expect: [a -> b fail why NETEM_LATE]
  - name: who waits longer hears it
    set: {hosts.b.nics.eth0.impair: delay 600ms}
    expect: [a -> b ok within 3s]
  - name: cut
    at: 60s
    set: {hosts.b.nics.eth0.impair: down}
    expect: [a -> b fail why NETEM_LOSS]
  - name: healed
    set: {hosts.b.nics.eth0.impair: none}
    expect: [a <-> b ok]
`

function read(text: string) {
  const source = new LabSource('impair.yaml', text)
  return readLab(source)
}

test('a lab is impaired by direction, in steps and at a time, and says why', async () => {
  const worlds: SimFabric[] = []
  const report = await runLab(read(LAB), {
    file: 'impair.yaml',
    open: () => {
      const world = openSim()
      worlds.push(world)
      return Promise.resolve(world)
    },
    atOnce: 1,
    signal: { aborted: false },
    breathe: () => Promise.resolve(),
    command: () => Promise.resolve({ code: 0, stdout: '', stderr: '' }),
    reason: (fabric, naming) =>
      fabric instanceof SimFabric ? simReason(fabric, naming) : undefined,
  })
  const said = report.combinations.flatMap((c) =>
    [...c.expectations, ...c.steps.flatMap((s) => s.expectations)].map((j) => j.met),
  )
  expect(said).toEqual([true, true, true, true, true, true, true])
  expect(worlds[0]?.clock.nowNs()).toBeGreaterThanOrEqual(60e9)
})

test('its plan and its script end with tc', () => {
  const [lab] = read(LAB)
  const lines = planLab(lab!, { prefix: '' }).flatMap(printOp)
  expect(lines.filter((l) => l.startsWith('tc'))).toEqual([
    'tc -n sw qdisc add dev p1 root netem delay 20ms',
    'tc -n b qdisc add dev eth0 root netem delay 30ms',
  ])
  expect(exportSh(lab!)).toContain('tc -n impaired-b qdisc add dev eth0 root netem delay 30ms')
})

const CUT = `lab: cut
switches: {sw: {ports: {p1: {}, p2: {}, p3: {}, p4: {}}}}
hosts:
  a: {nics: {eth0: {to: sw:p1, addr: 10.0.0.1/24}}}
  b: {nics: {eth0: {to: sw:p2, addr: 10.0.0.2/24}}}
  c:
    nics:
      eth0:
        to: sw:p3
        addr: 10.0.0.3/24
        impair: IMPAIR
  d: {nics: {eth0: {to: sw:p4, addr: 10.0.0.4/24}}}
`

test.each([
  ['down', 'NETEM_LOSS', 'loses it', 'loss 100%'],
  ['delay 2s', 'NETEM_LATE', 'is too slow', 'delay 2s'],
])(
  'explain names the cable and the line of "%s", and what mends it',
  async (how, code, says, is) => {
    const found = await explainIn(CUT.replace('IMPAIR', how), 'a', 'c')
    expect(found).toMatchObject({ verdict: 'fail', code })
    expect(found.headline).toContain(`the impaired cable at c:eth0 ${says}`)
    expect(decisive(found)).toEqual(['c:eth0'])
    expect(found.origins.map((o) => o.text.trim())).toContain(`impair: ${how}`)
    expect(found.remedies.map((r) => r.title)).toContain(`no impairment at c:eth0 (${is})`)
  },
)

test('who reaches whom: an impaired one is like no other', async () => {
  const world = openSim()
  await world.apply(planLab(read(CUT.replace('IMPAIR', 'down'))[0]!, { prefix: '' }))
  await world.settle()
  const reach = new Reach(await world.snapshot(), { family: 4 })
  const hosts = ['a', 'b', 'c', 'd']
  const cells = hosts.map((from) =>
    hosts.map((to) => (from === to ? '·' : reach.cell(from, to).ok ? 'ok' : 'x')).join(' '),
  )
  expect(cells).toEqual(['· ok x ok', 'ok · x ok', 'x x · x', 'ok ok x ·'])
})

test.each([
  ['impair: loss 120%', 'hosts.a.nics.eth0.impair', '"120%" is no loss'],
  ['impair: {speed: 3}', 'hosts.a.nics.eth0.impair', 'delay'],
  ['impair: {reorder: 25}', 'hosts.a.nics.eth0.impair', 'not possible without a delay'],
])('%s is refused', (impair, _path, sentence) => {
  const text = `lab: t
switches: {sw: {ports: {p0: {}}}}
hosts: {a: {nics: {eth0: {to: sw:p0, addr: 10.0.0.1/24, ${impair}}}}}
`
  expect(() => read(text)).toThrow(sentence)
})

test('a time that is none, or before that of the step above, is refused', () => {
  const steps = (first: string, then: string) => `lab: t
switches: {sw: {ports: {p0: {}}}}
hosts: {a: {nics: {eth0: {to: sw:p0, addr: 10.0.0.1/24}}}}
steps: [{name: one, at: ${first}}, {name: two, at: ${then}}]
`
  expect(() => read(steps('soon', '2s'))).toThrow('"soon" is no time')
  expect(() => read(steps('2s', '1s'))).toThrow('1s is before the step above')
})
