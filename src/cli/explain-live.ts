/** `lanyard explain --live`: the snapshot, the answer, a real probe beside it. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LanyardError } from '../errors.ts'
import type { Answer } from '../explain/ask.ts'
import { ASSUME_NOTHING } from '../explain/beyond.ts'
import { explainLive, type LiveCase, type LiveExplanation } from '../explain/live.ts'
import { formatProtocol, probeOf, type Question } from '../explain/question.ts'
import { agrees, resultText } from '../explain/reality.ts'
import { decodeReplay, encodeReplay } from '../explain/replay.ts'
import { Scene } from '../explain/scene.ts'
import type { ProbeResult } from '../fabric/fabric.ts'
import { type KernelFabric, openKernel } from '../kernel/fabric.ts'
import { hasListener } from '../kernel/listening.ts'
import { printExplanation, section } from '../lab/explain-print.ts'
import { explanationJson } from '../lab/explain-schema.ts'
import type { Paint } from '../lab/paint.ts'
import type { SimFabric } from '../sim/fabric.ts'
import { applyLive } from './explain-live-fix.ts'
import type { ExplainCliOptions } from './explain-options.ts'
import { writeJourney } from './explain-pcap.ts'
import { EXIT } from './failure.ts'
import { listContainers } from './containers.ts'
import { settledSnapshot } from './lab-settle.ts'
import { liveQuestion } from './live-ends.ts'
import { type LiveNames, nameNamespaces } from './live-names.ts'
import { shortcomingsOf } from './live-shortcomings.ts'
import { painter } from './terminal.ts'
import { writing } from './files.ts'
import { version } from './version.ts'

/** As long as ping(8) waits for its answer. */
const PROBE_MS = 1000

interface Shown {
  readonly answer: LiveExplanation
  /** An assumption with which what was said would fit what a real probe met. */
  readonly better: string | undefined
  readonly question: Question
  readonly real: ProbeResult | undefined
  readonly unread: readonly string[]
  readonly replay: string | undefined
  /** Of a case kept before: the probe is of that time. */
  readonly replayed: boolean
}

/** @returns the exit status */
export async function explainLiveCommand(
  from: string,
  to: string,
  options: ExplainCliOptions,
): Promise<number> {
  const kernel = await openKernel()
  try {
    const { asked, real, unread } = await lookAround(kernel, from, to, options)
    const { answer, status } = show(asked, real, unread, options)
    if (options.fix === undefined) return status
    const remedy = remedyNumber(answer, options.fix)
    return await applyLive(kernel, remedy, asked.question, options.yes === true)
  } finally {
    await kernel.close()
  }
}

/** `--replay FILE`: the same answer without that host. @returns the exit status */
export function replayCommand(file: string, options: ExplainCliOptions): number {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new LanyardError('file-unreadable', { file, why }, { cause: error })
  }
  const replay = decodeReplay(text)
  if (typeof replay === 'string') throw new LanyardError('file-unreadable', { file, why: replay })
  const assume = options.assume ?? replay.assume
  return show({ ...replay, assume }, replay.real, [], options, file).status
}

interface Around {
  readonly asked: LiveCase
  readonly real: ProbeResult | undefined
  readonly unread: readonly string[]
}

/**
 * Reads the machine, sends the real probe, and reads again where the probe taught the neighbour
 * tables something about somebody beyond the wire.
 */
async function lookAround(
  kernel: KernelFabric,
  from: string,
  to: string,
  options: ExplainCliOptions,
): Promise<Around> {
  const [taken, engines] = await Promise.all([settledSnapshot(), listContainers()])
  const { containers, silent } = engines
  const names = nameNamespaces(taken.namespaces, taken.snapshot, containers)
  const question = liveQuestion(
    { scene: new Scene(taken.snapshot), names, containers },
    {
      from,
      to,
      family: options[6] === true ? 6 : undefined,
      protocol: options.proto.name,
      port: options.proto.port,
      size: options.size,
    },
  )
  const real = await probe(kernel, question)
  const now = question.to === undefined ? await settledSnapshot() : taken
  return {
    asked: {
      question,
      assume: options.assume ?? ASSUME_NOTHING,
      answered: real?.outcome === 'reply',
      snapshot: now.snapshot,
      names: Object.fromEntries(names.of),
      owners: ownersOf(names),
      listening: listens(question),
    },
    real,
    unread: shortcomingsOf(now, silent, (netns) => names.of.get(netns) ?? netns),
  }
}

/** The first one may have been lost to a neighbour that was being asked for. */
async function probe(kernel: KernelFabric, question: Question): Promise<ProbeResult | undefined> {
  const asked = { ...probeOf(question), timeoutMs: PROBE_MS }
  for (let attempt = 1; ; attempt++) {
    const [result] = await kernel.probe([asked])
    if (result?.outcome !== 'timeout' || attempt === 2) return result
  }
}

function listens({ to, protocol, port }: Question): boolean {
  if (to === undefined || port === undefined) return false
  return (protocol === 'tcp' || protocol === 'udp') && hasListener(to, protocol, port)
}

function ownersOf({ owners }: LiveNames): Record<string, string> {
  const whose = { docker: 'Docker', podman: 'podman' } as const
  return Object.fromEntries(
    [...owners].map(([netns, { engine, name }]) => [netns, `${whose[engine]} container ${name}`]),
  )
}

/** Prints the answer, and keeps the case where it was wrong. */
function show(
  asked: LiveCase,
  real: ProbeResult | undefined,
  unread: readonly string[],
  options: ExplainCliOptions,
  replayed?: string,
): { answer: LiveExplanation; status: number } {
  let journey: { readonly answer: Answer; readonly world: SimFabric } | undefined
  const answer = explainLive(asked, {
    onAnswer: (one, world) => {
      journey = { answer: one, world }
    },
  })
  const { found } = answer
  if (options.pcap !== undefined && journey !== undefined) {
    writeJourney(options.pcap, journey.answer, journey.world)
  }
  const wrong = real !== undefined && !agrees(found, real)
  const wanted = options.save !== undefined || (wrong && replayed === undefined)
  const replay = wanted ? saveCase(asked, real, found.headline, options.save) : replayed
  const better = wrong ? betterAssumption(asked, real) : undefined
  const { question } = asked
  const again = replayed !== undefined
  const shown: Shown = { answer, better, question, real, unread, replay, replayed: again }
  if (options.json === true) printJson(shown)
  else process.stdout.write(`${liveText(shown, painter(process.stdout))}\n`)
  return { answer, status: found.verdict === 'ok' && !wrong ? EXIT.ok : EXIT.missed }
}

/** The one thing a switch most often does otherwise than assumed. */
function betterAssumption(asked: LiveCase, real: ProbeResult): string | undefined {
  if (asked.assume.hairpin) return undefined
  const assume = { ...asked.assume, hairpin: true }
  const { found } = explainLive({ ...asked, assume }, { remedies: false })
  return agrees(found, real) ? '--assume hairpin' : undefined
}

function printJson({ answer, real, unread, replay }: Shown): void {
  const { found, assumptions } = answer
  const json = explanationJson(found, {
    assumptions: [...assumptions],
    real: real === undefined ? null : resultText(real),
    agrees: real === undefined ? null : agrees(found, real),
    replay: replay ?? null,
    unread: [...unread],
  })
  const call = (netns: string | null): string | null => (netns === null ? null : answer.name(netns))
  const named = { ...json, from: call(json.from), to: call(json.to) }
  process.stdout.write(`${JSON.stringify(named, undefined, 2)}\n`)
}

function liveText(shown: Shown, paint: Paint): string {
  const { answer, better, real, unread, replay, replayed, question } = shown
  const { found, assumptions, name } = answer
  const lines = [printExplanation(found, { paint, name })]
  for (const [i, text] of assumptions.entries()) {
    lines.push(section(i === 0 ? 'wire' : '', `${i === 0 ? 'assumed: ' : ''}${text}`, paint, true))
  }
  for (const text of unread) lines.push(section(paint('bad', 'note'), text, paint))
  if (real !== undefined) {
    const what = question.protocol === 'icmp' ? 'ping' : formatProtocol(question)
    const when = replayed ? 'then, ' : ''
    const right = agrees(found, real)
    const verdict = right
      ? ', as said'
      : ': an assumption does not hold here, or what is said is wrong'
    const text = `${when}a real ${what} ${resultText(real)}${verdict}`
    lines.push(section(right ? 'real' : paint('bad', 'real'), text, paint))
    if (!right && replay !== undefined) {
      const hint =
        better === undefined
          ? 'tell it better with --assume, or report it with this file'
          : `it fits with ${better}; if that is not so, report it with this file`
      const text = `${hint} (it holds addresses and MACs): lanyard explain --replay ${replay}`
      lines.push(section('', text, paint))
    }
  }
  if (shown.replay !== undefined && (real === undefined || agrees(found, real))) {
    lines.push(section('case', shown.replay, paint))
  }
  return lines.join('\n')
}

/** Only whoever ran it may read it: it tells how the machine's networks are made. */
function saveCase(
  asked: LiveCase,
  real: ProbeResult | undefined,
  said: string,
  wanted: string | undefined,
): string {
  const file = wanted ?? join(mkdtempSync(join(tmpdir(), 'lanyard-explain-')), 'case.json')
  const at = new Date().toISOString()
  const text = encodeReplay({ ...asked, lanyard: version(), at, real, said })
  writing(file, () => writeFileSync(file, text, { mode: 0o600 }))
  return file
}

function remedyNumber({ found }: LiveExplanation, number: number) {
  const remedy = found.remedies[number - 1]
  if (remedy !== undefined) return remedy
  const count = found.remedies.length
  const sentence =
    count === 0 ? 'there is no remedy to try' : `there is no remedy ${number}: there are ${count}`
  throw new LanyardError('usage', { sentence, help: 'lanyard explain --help' })
}
