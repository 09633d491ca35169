/** `lanyard explain`: one question, its answer, and what mends it. */
import { existsSync } from 'node:fs'
import { LanyardError } from '../errors.ts'
import type { Answer } from '../explain/ask.ts'
import { recognise } from '../explain/recognise.ts'
import type { Explanation } from '../explain/types.ts'
import { codeText, isCode } from '../lab/explain-code.ts'
import { chooseTopology, explainLab, openLabWorld } from '../lab/explain.ts'
import { printExplanation } from '../lab/explain-print.ts'
import { explanationJson } from '../lab/explain-schema.ts'
import { textJson, textMeaning, textsFor } from '../lab/explain-text.ts'
import type { LabSource } from '../lab/source.ts'
import type { Topology } from '../lab/topology.ts'
import { runCommand } from '../shell/run.ts'
import { openSession } from '../shell/session.ts'
import type { SimFabric } from '../sim/fabric.ts'
import { showFix } from './explain-fix.ts'
import { fixLab, type LivePlace } from './explain-lab-fix.ts'
import type { ExplainCliOptions } from './explain-options.ts'
import { writeJourney } from './explain-pcap.ts'
import { EXIT } from './failure.ts'
import { loadLab } from './lab-file.ts'
import { LabState } from './lab-state.ts'
import { painter } from './terminal.ts'

/** @returns the exit status */
export async function explainCommand(
  from: string | undefined,
  to: string | undefined,
  options: ExplainCliOptions,
): Promise<number> {
  const paint = painter(process.stdout)
  if (options.replay !== undefined) {
    if (from !== undefined) throw usage('a case in a file says itself who asks: leave out the ends')
    const { replayCommand } = await import('./explain-live.ts')
    return replayCommand(options.replay, options)
  }
  if (from === undefined) throw usage('say who asks and who is asked, or a code')
  if (options.live === true) {
    if (options.lab !== undefined) throw usage('--lab or --live, not both')
    if (to === undefined) throw usage('say both ends: lanyard explain FROM TO --live')
    const { explainLiveCommand } = await import('./explain-live.ts')
    return await explainLiveCommand(from, to, options)
  }
  if (to === undefined) {
    process.stdout.write(`${aloneText(from, options.json === true)}\n`)
    return EXIT.ok
  }
  if (from === 'parent' && options.lab === undefined) {
    const { explainParentCommand } = await import('./explain-parent.ts')
    return await explainParentCommand(to, options.json === true)
  }
  const { world, topology, source, live } = await openScene(options)
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
    const remedy = remedyNumber(found, options.fix)
    const out = options.json === true ? process.stderr : process.stdout
    out.write(`\n${await showFix(world, topology, remedy, paint)}\n`)
    if (live !== undefined) {
      const line = `explain ${from} ${to} --fix ${options.fix}`
      await fixLab(live, remedy.plan, { node: from, line })
      out.write(`${paint('good', 'done')} in lab ${live.lab}: "lanyard lab back 1" takes it back\n`)
      return EXIT.ok
    }
  }
  return found.verdict === 'ok' ? EXIT.ok : EXIT.missed
}

/** One argument: a code, or an error text. @throws LanyardError `usage` for neither */
function aloneText(said: string, json: boolean): string {
  const paint = painter(process.stdout)
  // One word is a code before it is a text.
  const isWord = /^\S+$/.test(said)
  if (isCode(said) || (isWord && recognise(said).length === 0)) return codeText(said, paint)
  const found = textsFor(said)
  return json ? JSON.stringify(textJson(found), undefined, 2) : textMeaning(found, paint)
}

/** `explain` at the prompt of a lab that is up. @returns the exit status */
export function explainAt(
  from: string,
  to: string,
  lab: string,
  fix: number | undefined,
): Promise<number> {
  const options = { lab, set: {}, proto: { name: 'icmp' } } as const
  return explainCommand(from, to, fix === undefined ? options : { ...options, fix })
}

interface Scene {
  readonly world: SimFabric
  readonly topology: Topology
  readonly source: LabSource
  /** It is up, so that a remedy can be done in it. */
  readonly live?: LivePlace
}

/** The lab that is meant: a file, or one that is up, by its name. */
async function openScene({ lab, set }: ExplainCliOptions): Promise<Scene> {
  const state = new LabState()
  if (lab === undefined && state.names().length === 0) {
    throw usage('say where the ends are: --lab FILE, or --live for this machine')
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
