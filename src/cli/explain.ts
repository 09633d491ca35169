/** `lanyard explain`: one question, its answer, and what mends it. */
import { existsSync } from 'node:fs'
import { LanyardError } from '../errors.ts'
import type { Answer } from '../explain/ask.ts'
import type { Explanation } from '../explain/types.ts'
import { codeText } from '../lab/explain-code.ts'
import { chooseTopology, explainLab, openLabWorld } from '../lab/explain.ts'
import { printExplanation } from '../lab/explain-print.ts'
import { explanationJson } from '../lab/explain-schema.ts'
import type { LabSource } from '../lab/source.ts'
import type { Topology } from '../lab/topology.ts'
import { runCommand } from '../shell/run.ts'
import { openSession } from '../shell/session.ts'
import type { SimFabric } from '../sim/fabric.ts'
import { showFix } from './explain-fix.ts'
import type { ExplainCliOptions } from './explain-options.ts'
import { writeJourney } from './explain-pcap.ts'
import { EXIT } from './failure.ts'
import { loadLab } from './lab-file.ts'
import { LabState } from './lab-state.ts'
import { painter } from './terminal.ts'

/** @returns the exit status */
export async function explainCommand(
  from: string,
  to: string | undefined,
  options: ExplainCliOptions,
): Promise<number> {
  const paint = painter(process.stdout)
  if (to === undefined) {
    process.stdout.write(`${codeText(from, paint)}\n`)
    return EXIT.ok
  }
  const { world, topology, source } = await openScene(options)
  const asking = {
    from,
    to,
    family: options[6] === true ? (6 as const) : undefined,
    protocol: options.proto.name,
    port: options.proto.port,
    size: options.size,
  }
  let journey: { readonly answer: Answer; readonly world: SimFabric } | undefined
  const found = explainLab(world, topology, source, asking, {
    onAnswer: (answer, at) => {
      journey = { answer, world: at }
    },
  })
  if (options.pcap !== undefined && journey !== undefined) {
    writeJourney(options.pcap, journey.answer, journey.world)
  }
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify(explanationJson(found), undefined, 2)}\n`)
  } else process.stdout.write(`${printExplanation(found, { paint })}\n`)
  if (options.fix !== undefined) {
    process.stdout.write(
      `\n${await showFix(world, topology, remedyNumber(found, options.fix), paint)}\n`,
    )
  }
  return found.verdict === 'ok' ? EXIT.ok : EXIT.missed
}

/** `explain` at the prompt of a lab that is up. @returns the exit status */
export function explainAt(from: string, to: string, lab: string): Promise<number> {
  return explainCommand(from, to, { lab, set: {}, proto: { name: 'icmp' } })
}

interface Scene {
  readonly world: SimFabric
  readonly topology: Topology
  readonly source: LabSource
}

/** The lab that is meant: a file, or one that is up, by its name. */
async function openScene({ lab, set }: ExplainCliOptions): Promise<Scene> {
  const state = new LabState()
  if (lab === undefined && state.names().length === 0) {
    throw usage('say where the ends are: --lab FILE')
  }
  if (lab === undefined || (state.has(lab) && !existsSync(lab))) {
    const { openLiveScene } = await import('./lab-measure.ts')
    return await openLiveScene(lab)
  }
  const { file, topologies, source } = loadLab(lab)
  const topology = chooseTopology(topologies, set)
  const world = await openLabWorld(topology, file, (fabric, netns, line) =>
    runCommand(openSession(fabric, netns), line),
  )
  return { world, topology, source }
}

function remedyNumber(found: Explanation, number: number): Explanation['remedies'][number] {
  const remedy = found.remedies[number - 1]
  if (remedy !== undefined) return remedy
  const count = found.remedies.length
  throw usage(
    count === 0 ? 'there is no remedy to try' : `there is no remedy ${number}: there are ${count}`,
  )
}

function usage(sentence: string): LanyardError {
  return new LanyardError('usage', { sentence, help: 'lanyard explain --help' })
}
