/** The network a matrix is asked of: a lab's, or this machine's. */
import { type Assume, ASSUME_NOTHING, openBeyond } from '../explain/beyond.ts'
import type { ExplainOptions } from '../explain/explain.ts'
import type { Question } from '../explain/question.ts'
import { quiet } from '../explain/explain.ts'
import { chooseTopology, openLabWorld } from '../lab/explain.ts'
import { originsIn } from '../lab/origin.ts'
import { runCommand } from '../shell/run.ts'
import { openSession } from '../shell/session.ts'
import type { SimFabric } from '../sim/fabric.ts'
import { listContainers } from './containers.ts'
import { loadLab } from './lab-file.ts'
import { settledSnapshot } from './lab-settle.ts'
import { nameNamespaces } from './live-names.ts'
import { shortcomingsOf } from './live-shortcomings.ts'

export interface MatrixWorld {
  /** Nobody has met anybody in it. */
  readonly fabric: SimFabric
  /** A namespace as people call it. */
  readonly name: (netns: string) => string
  /** Namespaces by what people call them. */
  readonly byName: ReadonlyMap<string, string>
  /** What was taken for granted, a sentence each. */
  readonly assumptions: readonly string[]
  /** What could not be read, or not in peace. */
  readonly warnings: readonly string[]
  /** Where somebody wrote what made it so. */
  origins(question: Question): Pick<ExplainOptions, 'origins'>
}

/**
 * This machine's namespaces, with an assumed switch and routers beyond its cards.
 * @throws LanyardError `needs-root`
 */
export async function liveWorld(assume: Assume | undefined): Promise<MatrixWorld> {
  const [taken, { containers, silent }] = await Promise.all([settledSnapshot(), listContainers()])
  const names = nameNamespaces(taken.namespaces, taken.snapshot, containers)
  const beyond = openBeyond(taken.snapshot, assume ?? ASSUME_NOTHING, [])
  const name = (netns: string): string =>
    beyond.names.get(netns) ?? names.of.get(netns) ?? (netns === '' ? 'host' : netns)
  const byName = new Map([...beyond.names].map(([netns, called]) => [called, netns]))
  for (const [called, netns] of names.known) byName.set(called, netns)
  return {
    fabric: quiet(beyond.fabric),
    name,
    byName,
    assumptions: beyond.assumptions,
    warnings: shortcomingsOf(taken, silent, name),
    origins: () => ({}),
  }
}

/** @throws LanyardError `lab-invalid`, `file-unreadable`, `usage`, `lab-command-failed` */
export async function labWorld(
  path: string,
  set: Readonly<Record<string, string>>,
): Promise<MatrixWorld> {
  const { file, topologies, source } = loadLab(path)
  const topology = chooseTopology(topologies, set)
  const fabric = await openLabWorld(topology, file, (world, netns, line) =>
    runCommand(openSession(world, netns), line),
  )
  return {
    fabric: quiet(fabric),
    name: (netns) => netns,
    byName: new Map([...fabric.world.netns.keys()].map((netns) => [netns, netns])),
    assumptions: [],
    warnings: [],
    origins: (question) => ({ origins: originsIn(topology, source, question) }),
  }
}
