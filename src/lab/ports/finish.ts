/** The end of every import of machines: the lab is made and compared with what it came from. */
import { compareSnapshots, type Difference } from '../../fabric/compare.ts'
import type { Snapshot } from '../../fabric/snapshot.ts'
import { openSim } from '../../sim/fabric.ts'
import { planLab } from '../plan.ts'
import { Recorder } from '../recorder.ts'
import type { Topology } from '../topology.ts'
import type { Draft, Imported, Place } from './draft.ts'
import { putMachines, type Written } from './observe.ts'
import { type ForeignLab, playForeign, type RunAt } from './world.ts'

/** Fields a lab sets for itself, and those without a part in who reaches whom. */
const OWN_FIELDS = [
  'group',
  'alias',
  'broadcast',
  'qdisc',
  'protocol',
  'minMtu',
  'maxMtu',
  'operState',
  'dynamic',
]
const TABLES = ['link', 'address', 'route', 'sysctl']

/**
 * Plays the machines of a foreign lab, writes the lab, makes it, and notes where the two differ.
 *
 * @throws LanyardError `lab-invalid` when what the file says is no lab
 */
export async function finishImport(
  draft: Draft,
  lab: ForeignLab,
  file: string,
  run: RunAt,
): Promise<Imported> {
  const played = await playForeign(lab, run, draft)
  const written = putMachines(draft, lab, played)
  const made = await makeAgain(draft.topology(file), run)
  const before = renamed(played.snapshot, written)
  const kept = { netns: made.netns.filter((n) => !written.switches.has(n.name)) }
  const told = new Map<string, string[]>()
  for (const d of compareSnapshots(given(before), given(kept))) {
    if (!TABLES.includes(d.table) || OWN_FIELDS.includes(d.field ?? '')) continue
    told.set(d.netns, [...(told.get(d.netns) ?? []), differenceText(d)])
  }
  for (const [netns, texts] of told) {
    const place: Place = lab.nodes.find((n) => n.name === netns) ?? { file, line: 1 }
    draft.note(place, `${netns}: the lab differs from the file: ${texts.join('; ')}`)
  }
  return { text: draft.text(), notes: draft.notes }
}

async function makeAgain(topology: Topology, run: RunAt): Promise<Snapshot> {
  const world = openSim({ seed: 1 })
  const recorder = new Recorder(world)
  await recorder.apply(planLab(topology, { prefix: '' }))
  await recorder.settle()
  for (const host of topology.hosts) {
    for (const { node, text } of host.run) await run(recorder, node, text)
  }
  await recorder.settle()
  return world.snapshot()
}

/** Without the addresses a link makes for itself: they come of its MAC, or of loopback being up. */
function given({ netns }: Snapshot): Snapshot {
  const own = netns.map((n) => ({
    ...n,
    addresses: n.addresses.filter((a) => a.scope === 'global' && !a.dynamic),
  }))
  return { netns: own }
}

/** The foreign world under the names of the lab, without what became a switch. */
function renamed({ netns }: Snapshot, { switches, containers }: Written): Snapshot {
  const own = (name: string): string => containers.get(name) ?? name
  return {
    netns: netns
      .filter((n) => !switches.has(n.name))
      .map((n) => ({
        ...n,
        name: own(n.name),
        links: n.links.map((l) =>
          l.parent?.netns === undefined
            ? l
            : { ...l, parent: { ...l.parent, netns: own(l.parent.netns) } },
        ),
      })),
  }
}

function differenceText({ table, key, field, a, b }: Difference): string {
  const what = `${table} ${key}${field === undefined ? '' : ` ${field}`}`
  if (field === undefined) return a === undefined ? `${what} is new` : `${what} is missing`
  return `${what} is ${b ?? 'nothing'} in place of ${a ?? 'nothing'}`
}
