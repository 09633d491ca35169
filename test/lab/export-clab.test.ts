/** Every example as a containerlab topology, imported again: the same machines reach each other. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { formatNetem } from '../../src/fabric/netem.ts'
import { exportClab } from '../../src/lab/export-clab.ts'
import { importClab } from '../../src/lab/ports/clab.ts'
import type { RunAt } from '../../src/lab/ports/world.ts'
import { readLab } from '../../src/lab/read.ts'
import { runLab } from '../../src/lab/run.ts'
import { LabSource } from '../../src/lab/source.ts'
import type { Topology } from '../../src/lab/topology.ts'
import { formatVariables } from '../../src/lab/variables.ts'
import { MachineFabric, machineIn } from '../../src/shell/machine.ts'
import { runCommand } from '../../src/shell/run.ts'
import { openSession } from '../../src/shell/session.ts'
import { openSim } from '../../src/sim/fabric.ts'
import { ROOT } from '../support/program.ts'

const EXAMPLES = join(ROOT, 'examples')
const names = readdirSync(EXAMPLES, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name)

const atMachine: RunAt = (fabric, node, line) =>
  runCommand(openSession(new MachineFabric(fabric, node), '', machineIn(fabric, node)), line)

/** `A -> B target: ok ttl`, of the matrices alone. */
async function matrix(topology: Topology): Promise<string[]> {
  const report = await runLab([{ ...topology, expect: [], steps: [] }], {
    file: 'lab.yaml',
    open: async () => openSim({ seed: 1 }),
    atOnce: 1,
    signal: { aborted: false },
    breathe: async () => undefined,
    command: (fabric, netns, line) => runCommand(openSession(fabric, netns), line),
  })
  return report.combinations
    .flatMap(({ matrices }) => matrices.flatMap((m) => m.cells))
    .map((c) => `${c.from} -> ${c.to}: ${c.ok} ${c.ttl ?? ''}`)
    .sort()
}

/** What befalls frames, at the end they leave by. */
function impairments({ switches, hosts }: Topology): string[] {
  return [
    ...switches.flatMap((s) => s.ports.map((p) => ({ node: s.name, link: p }))),
    ...hosts.flatMap((h) => h.nics.map((n) => ({ node: h.name, link: n }))),
  ].flatMap(({ node, link: { name, impair } }) =>
    impair === undefined ? [] : [`${node}:${name} ${formatNetem(impair)}`],
  )
}

async function roundTrip(topology: Topology): Promise<{ lab: Topology; notes: readonly string[] }> {
  const text = exportClab(topology, { image: 'x' })
  const imported = await importClab('x.clab.yml', text, 'x', { set: {} }, atMachine)
  const [lab] = readLab(new LabSource('lab.yaml', imported.text))
  if (lab === undefined) throw new Error('no lab')
  return { lab, notes: imported.notes.map((n) => n.sentence) }
}

/** Examples that have no such form, with the reason. */
const CANNOT: Readonly<Record<string, string>> = {
  'vepa-hairpin': 'containerlab keeps the name "host" for itself',
}
/** What a line gets that only shows something. */
const SHOWS = 'it changes nothing of the network'

describe('lanyard lab export FILE clab, and import', () => {
  test.each(names)('examples/%s gives the same matrix in every combination', async (name) => {
    const file = join(EXAMPLES, name, 'lab.yaml')
    const reason = CANNOT[name]
    for (const topology of readLab(new LabSource(file, readFileSync(file, 'utf8')))) {
      if (reason !== undefined) {
        expect(() => exportClab(topology, { image: 'x' })).toThrow(reason)
        continue
      }
      const { lab, notes } = await roundTrip(topology)
      const lost = notes.filter((note) => !note.endsWith(SHOWS))
      const where = formatVariables(topology.variables)
      const found = await matrix(lab)
      expect(found.length).toBeGreaterThan(5)
      expect([where, lost, found]).toEqual([where, [], await matrix(topology)])
      expect(impairments(lab)).toEqual(impairments(topology))
    }
  })

  test('says what containerlab has no words for', () => {
    const [lab] = readLab(
      new LabSource('lab.yaml', 'lab: x\nhosts: {host: {nics: {eth0: none}}}\n'),
    )
    expect(() => exportClab(lab as Topology, { image: 'x' })).toThrow(
      'lab x has no form as a containerlab topology: containerlab keeps the name "host" for itself; ' +
        'host:eth0 has no cable, and every link of containerlab has two ends',
    )
  })
})
