/** The network a matrix is asked of: a lab's, or this machine's. */
import type { ExplainOptions } from '../explain/explain.ts'
import type { Question } from '../explain/question.ts'
import { quiet } from '../explain/explain.ts'
import { chooseTopology, openLabWorld } from '../lab/explain.ts'
import { originsIn } from '../lab/origin.ts'
import { runCommand } from '../shell/run.ts'
import { openSession } from '../shell/session.ts'
import type { SimFabric } from '../sim/fabric.ts'
import { loadLab } from './lab-file.ts'

export interface MatrixWorld {
  /** Nobody has met anybody in it. */
  readonly fabric: SimFabric
  /** A namespace as people call it. */
  readonly name: (netns: string) => string
  /** Namespaces by what people call them. */
  readonly byName: ReadonlyMap<string, string>
  /** What was taken for granted, a sentence each. */
  readonly assumptions: readonly string[]
  /** Where somebody wrote what made it so. */
  origins(question: Question): Pick<ExplainOptions, 'origins'>
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
    origins: (question) => ({ origins: originsIn(topology, source, question) }),
  }
}
