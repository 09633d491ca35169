/**
 * The machines of a foreign lab as a simulated world: their cables are laid, their own command
 * lines are run by the laboratory's shell, and what stands then is read off a snapshot. There is no
 * second reader of `ip` here.
 */
import { strerror } from '../../errno.ts'
import { LanyardError } from '../../errors.ts'
import type { Op } from '../../fabric/plan.ts'
import type { Snapshot } from '../../fabric/snapshot.ts'
import { openSim } from '../../sim/fabric.ts'
import { macFor } from '../identity.ts'
import { Recorder } from '../recorder.ts'
import type { CommandResult } from '../run.ts'
import type { End } from '../topology.ts'
import type { Draft, Place } from './draft.ts'

/** Runs a line at a machine: the shell, which this folder may not import. */
export type RunAt = (fabric: Recorder, node: string, line: string) => Promise<CommandResult>

/** A command line of a foreign lab. */
export interface ForeignLine extends Place {
  readonly text: string
}

/** A machine of a foreign lab. */
export interface ForeignNode extends Place {
  readonly name: string
  readonly kind: 'host' | 'switch'
  /** Settings it starts with, before its lines. */
  readonly sysctls: readonly (readonly [key: string, value: string])[]
  readonly lines: readonly ForeignLine[]
}

/** A cable of a foreign lab; without a far end nothing is plugged in. */
export interface ForeignCable extends Place {
  readonly a: End
  readonly b: End
  readonly mtu: number | undefined
  /** MACs of its ends, where the file gives them. */
  readonly macs: readonly [number | undefined, number | undefined]
}

export interface ForeignLab {
  readonly name: string
  readonly nodes: readonly ForeignNode[]
  readonly cables: readonly ForeignCable[]
}

/** What a line did. */
export interface Done extends ForeignLine {
  readonly node: string
  /** The ops that were done, in the namespaces of the fabric: `NODE`, or `NODE/NAME` made there. */
  readonly ops: readonly Op[]
}

export interface Played {
  readonly snapshot: Snapshot
  /** The settings of a new namespace. */
  readonly fresh: Readonly<Record<string, string>>
  /** Settings of nodes that were refused, by {@link settingKey}. */
  readonly refused: ReadonlySet<string>
  readonly done: readonly Done[]
}

/** Brings the machines of a lab up and runs their lines; what cannot be run is noted. */
export async function playForeign(lab: ForeignLab, run: RunAt, draft: Draft): Promise<Played> {
  const world = openSim({ seed: 1 })
  const recorder = new Recorder(world)
  const refused = await makeNodes(recorder, lab, draft)
  await recorder.settle()
  recorder.take()
  const done: Done[] = []
  for (const node of lab.nodes) {
    for (const line of node.lines) {
      const ops = await runLine(recorder, run, draft, node.name, line)
      if (ops !== undefined) done.push({ ...line, node: node.name, ops })
    }
  }
  await recorder.settle()
  return { snapshot: await world.snapshot(), fresh: await freshSettings(), refused, done }
}

/**
 * Makes the nodes and their cables. A setting that is refused is said; a link that is refused is a
 * mistake of the file.
 *
 * @throws LanyardError `lab-invalid`
 */
async function makeNodes(
  recorder: Recorder,
  lab: ForeignLab,
  draft: Draft,
): Promise<ReadonlySet<string>> {
  const refused = new Set<string>()
  const outcomes = await recorder.apply(planNodes(lab), { keepGoing: true })
  for (const outcome of outcomes) {
    if (outcome.ok) continue
    const { op, errno, extack } = outcome
    const why = extack ?? strerror(errno)
    if (op.do === 'sysctl.set') {
      const node = lab.nodes.find((n) => n.name === op.netns) as ForeignNode
      draft.note(node, `${op.netns}: not carried: sysctl ${op.key}=${op.value}: ${why}`)
      refused.add(settingKey(op.netns, op.key))
      continue
    }
    const name = op.do === 'link.add' || op.do === 'link.set' ? op.name : ''
    const cable = lab.cables.find(({ a, b }) =>
      [a, b].some((end) => end.node === op.netns && end.link === name),
    )
    const place = cable ?? lab.nodes.find((n) => n.name === op.netns) ?? { file: '', line: 1 }
    const sentence = `${op.netns}:${name} cannot be made: ${why}`
    const problem = { file: place.file, line: place.line, column: 1, path: '', sentence }
    throw new LanyardError('lab-invalid', { problems: [problem] })
  }
  return refused
}

/** A setting of a node. */
export function settingKey(node: string, key: string): string {
  return `${node} ${key}`
}

async function freshSettings(): Promise<Readonly<Record<string, string>>> {
  const world = openSim({ seed: 1 })
  await world.apply([{ do: 'netns.add', netns: 'new' }])
  const { netns } = await world.snapshot()
  return netns.find((n) => n.name === 'new')?.sysctls ?? {}
}

/** The ops of a line; undefined when nothing of it was done. */
async function runLine(
  recorder: Recorder,
  run: RunAt,
  draft: Draft,
  node: string,
  line: ForeignLine,
): Promise<Op[] | undefined> {
  const { code, stdout, stderr } = await run(recorder, node, line.text)
  const ops = recorder.take().flatMap((call) => (call.do === 'apply' ? call.plan : []))
  if (code !== 0) {
    const said = (stderr || stdout)
      .trim()
      .replace(/^lanyard: /, '')
      .replaceAll('\n', '; ')
    draft.note(line, `${node}: not carried: "${line.text}": ${said || `it ended with ${code}`}`)
    return undefined
  }
  if (ops.length === 0) {
    draft.note(line, `${node}: not carried: "${line.text}": it changes nothing of the network`)
    return undefined
  }
  return ops
}

/** Namespaces, cables, bridges of switches: all up, as other tools leave them. */
function planNodes({ name, nodes, cables }: ForeignLab): Op[] {
  const ends = cables.flatMap(({ a, b }) => [a, b])
  const switches = nodes.filter((n) => n.kind === 'switch').map((n) => n.name)
  return [
    ...nodes.map((n): Op => ({ do: 'netns.add', netns: n.name })),
    ...nodes.map((n): Op => ({ do: 'link.set', netns: n.name, name: 'lo', up: true })),
    ...nodes.flatMap((n) =>
      n.sysctls.map(([key, value]): Op => ({ do: 'sysctl.set', netns: n.name, key, value })),
    ),
    ...switches.flatMap((netns): Op[] => [
      { do: 'link.add', netns, name: 'br0', spec: { kind: 'bridge' } },
      { do: 'link.set', netns, name: 'br0', up: true },
    ]),
    ...cables.map(({ a, b, mtu, macs }): Op => {
      const size = mtu === undefined ? {} : { mtu }
      const far = macs[1] ?? macFor(name, b.node, b.link)
      return {
        ...{ do: 'link.add', netns: a.node, name: a.link, ...size },
        address: macs[0] ?? macFor(name, a.node, a.link),
        spec: { kind: 'veth', peer: { name: b.link, netns: b.node, address: far, ...size } },
      }
    }),
    ...ends.map(({ node, link }): Op => {
      const master = switches.includes(node) ? { master: 'br0' } : {}
      return { do: 'link.set', netns: node, name: link, up: true, ...master }
    }),
  ]
}
