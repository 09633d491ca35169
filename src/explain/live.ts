/** `explain` for a live host: its snapshot with an assumed outside, and remedies as told there. */
import type { Op, Plan } from '../fabric/plan.ts'
import { printOp } from '../fabric/print-ip.ts'
import type { SimFabric } from '../sim/fabric.ts'
import { listen } from '../sim/ip/transport.ts'
import { takeSnapshot } from '../sim/snapshot.ts'
import { isOutside, openBeyond } from './beyond.ts'
import { explain, type ExplainOptions } from './explain.ts'
import { liveOrigins } from './live-origin.ts'
import type { Replay } from './replay.ts'
import { Scene } from './scene.ts'
import { type Alike, thin } from './thin.ts'
import type { Explanation, Remedy } from './types.ts'

/** What there is to know of a live host for one question. */
export type LiveCase = Pick<
  Replay,
  'question' | 'assume' | 'answered' | 'snapshot' | 'names' | 'owners' | 'listening'
>

export interface LiveExplanation {
  readonly found: Explanation
  readonly assumptions: readonly string[]
  readonly world: SimFabric
  /** A namespace as people call it. */
  readonly name: (netns: string) => string
}

/**
 * Explains one pair of a live host. Nothing is sent, nothing changed: it all happens in a copy.
 *
 * @example
 * ```ts
 * const { found, assumptions } = explainLive({ ...taken, question, assume: ASSUME_NOTHING })
 * ```
 */
export function explainLive(asked: LiveCase, options: ExplainOptions = {}): LiveExplanation {
  const { assume, answered, names, owners } = asked
  const { target } = asked.question
  const { snapshot, alike, left } = thin(asked.snapshot, [asked.question.from, asked.question.to])
  const beyond = openBeyond(snapshot, assume, [target], answered ? [target] : [])
  const to = asked.question.to ?? beyond.holderOf(target)
  const question = { ...asked.question, to }
  const world = beyond.fabric
  if (asked.listening) hear(world, question)
  const name = (netns: string): string => beyond.names.get(netns) ?? names[netns] ?? netns
  const scene = new Scene(takeSnapshot(world.world))
  const origins = liveOrigins(scene, question, (netns, link) => ownerOf(owners, netns, link?.alias))
  const found = explain(world, question, { ...options, name, origins, alike })
  const remedies = found.remedies.map((remedy) => told(remedy, name))
  const notes = [
    ...found.notes,
    ...leftNotes(left, alike, name),
    ...keptNotes(remedies, owners, name),
  ]
  return { found: { ...found, remedies, notes }, assumptions: beyond.assumptions, world, name }
}

/** Somebody listens on the port asked. */
function hear({ world }: SimFabric, { to, protocol, port }: LiveCase['question']): void {
  const netns = to === undefined ? undefined : world.netns.get(to)
  if (netns === undefined || port === undefined) return
  if (protocol === 'tcp' || protocol === 'udp') listen(netns, protocol, port, { echo: true })
}

const ENDPOINT = /^lanyard:(?!parent:|host:)([^/]+)\/(.+)$/

function ownerOf(
  owners: LiveCase['owners'],
  netns: string,
  alias: string | undefined,
): string | undefined {
  const ours = ENDPOINT.exec(alias ?? '')
  if (ours !== null) return `network ${ours[1]} of Lanyard, endpoint ${ours[2]}`
  return owners[netns]
}

/** Command lines of a remedy; what is to be done elsewhere says where. */
function told(remedy: Remedy, name: (netns: string) => string): Remedy {
  if (!isElsewhere(remedy)) return remedy
  const lines = (plan: Plan): string[] => plan.flatMap((op) => opLines(op, name))
  return { ...remedy, commands: lines(remedy.plan), undoCommands: lines(remedy.undo) }
}

function opLines(op: Op, name: (netns: string) => string): string[] {
  if (!isOutside(op.netns)) return printOp(op)
  return printOp({ ...op, netns: '' }).map((line) => `(on the ${name(op.netns)}) ${line}`)
}

/** Whether a part of a remedy is not this machine's to do. */
export function isElsewhere({ plan }: { readonly plan: Plan }): boolean {
  return plan.some((op) => isOutside(op.netns))
}

/** Who stands for whom: copies of a flooded frame are counted without them. */
function leftNotes(left: number, { others }: Alike, name: (netns: string) => string): string[] {
  if (left === 0) return []
  const some = [...others.keys()].slice(0, 3).map(name).join(', ')
  const count = left === 1 ? '1 namespace' : `${left} namespaces`
  return [`${count} nothing tells from ${some} went without a copy of their own`]
}

/** A container's links are made anew with it. */
function keptNotes(
  remedies: readonly Remedy[],
  owners: LiveCase['owners'],
  name: (netns: string) => string,
): string[] {
  const touched = new Set(remedies.flatMap(({ plan }) => plan.map((op) => op.netns)))
  const theirs = [...touched].filter((netns) => owners[netns] !== undefined).map(name)
  if (theirs.length === 0) return []
  const who = theirs.join(', ')
  return [
    `what is changed inside ${who} lasts until the container starts anew: for good, change its network`,
  ]
}
