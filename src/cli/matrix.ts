/** `lanyard matrix`: who reaches whom, by classes; rows, columns, a cell's why, a plan's change. */
import { LanyardError } from '../errors.ts'
import { forget } from '../explain/ask.ts'
import { explain } from '../explain/explain.ts'
import { changeBetween, type Change } from '../explain/reach-change.ts'
import { Reach, ReachMemory } from '../explain/reach.ts'
import type { Snapshot } from '../fabric/snapshot.ts'
import { printExplanation } from '../lab/explain-print.ts'
import { explanationJson } from '../lab/explain-schema.ts'
import { changeCsv, matrixCsv, matrixJson, type MatrixSelection } from '../lab/matrix-data.ts'
import { cellText, changeText, count, matrixText, rowText } from '../lab/matrix-print.ts'
import { didYouMean, listed } from '../lab/text.ts'
import { takeSnapshot } from '../sim/snapshot.ts'
import { EXIT } from './failure.ts'
import type { MatrixCliOptions } from './matrix-options.ts'
import { doPlanFile } from './matrix-plan.ts'
import { labWorld, liveWorld, type MatrixWorld } from './matrix-world.ts'
import { painter } from './terminal.ts'

/** Pairs a CSV file may have. */
const CSV_PAIRS = 5_000_000
/** Namespaces from which on a cell is explained without remedies. */
const LARGE = 400

/** @returns the exit status */
export async function matrixCommand(options: MatrixCliOptions): Promise<number> {
  const world = await openWorld(options)
  const family = options[6] === true ? 6 : 4
  for (const one of world.warnings) process.stderr.write(`lanyard: ${one}\n`)
  const memory = new ReachMemory()
  const snapshot = takeSnapshot(world.fabric.world)
  const reach = new Reach(snapshot, { family, memory })
  if (reach.counts.endpoints < 2) {
    throw usage(`there are no two endpoints with an IPv${family} address`)
  }
  const selection = {
    from: endpoint(reach, world, options.from),
    to: endpoint(reach, world, options.to),
  }
  if (options.why !== undefined) return why(reach, world, options)
  if (options.plan === undefined) {
    print(options, { reach, snapshot, world }, selection, undefined)
    return EXIT.ok
  }
  const changed = world.fabric.fork()
  const refused = await doPlanFile(changed, options.plan)
  forget(changed)
  const after = new Reach(takeSnapshot(changed.world), { family, memory })
  const change = changeBetween(reach, after)
  print(options, { reach, snapshot, world }, selection, change)
  for (const line of refused) process.stderr.write(`lanyard: refused: ${line}\n`)
  return refused.length === 0 ? EXIT.ok : EXIT.missed
}

function openWorld({ lab, live, set, assume }: MatrixCliOptions): Promise<MatrixWorld> {
  if (lab !== undefined && live === true) throw usage('give --lab FILE or --live, not both')
  if (lab !== undefined) return labWorld(lab, set)
  if (live === true) return liveWorld(assume)
  throw usage('say which network is meant: --lab FILE, or --live for this machine')
}

interface Answered {
  readonly reach: Reach
  readonly snapshot: Snapshot
  readonly world: MatrixWorld
}

function print(
  options: MatrixCliOptions,
  { reach, snapshot, world }: Answered,
  selection: MatrixSelection,
  change: Change | undefined,
): void {
  const { name } = world
  const told = { reach, snapshot, name, paint: painter(process.stdout) }
  const { from, to } = selection
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify(matrixJson(told, selection, change), undefined, 2)}\n`)
    return
  }
  if (options.csv === true) {
    const { pairs } = reach.counts
    if (change === undefined && from === undefined && to === undefined && pairs > CSV_PAIRS) {
      throw usage(
        `a CSV file would have ${count(pairs)} lines: ask for a row (--from, --to), or --json`,
      )
    }
    write(change === undefined ? matrixCsv(told, selection) : changeCsv(change, name))
    return
  }
  const lines =
    change !== undefined
      ? changeText(told, change)
      : from !== undefined && to !== undefined
        ? cellText(told, from, to)
        : from !== undefined
          ? rowText(told, from, 'from')
          : to !== undefined
            ? rowText(told, to, 'to')
            : matrixText(told)
  process.stdout.write(`${lines}\n`)
  for (const one of world.assumptions) process.stdout.write(`  assumed: ${one}\n`)
}

/** Many lines, some at a time. */
function write(lines: Iterable<string>): void {
  let block: string[] = []
  for (const line of lines) {
    block.push(line)
    if (block.length < 4096) continue
    process.stdout.write(`${block.join('\n')}\n`)
    block = []
  }
  if (block.length > 0) process.stdout.write(`${block.join('\n')}\n`)
}

/**
 * Explains a cell. In a large network only the part between the two is looked at, which does not
 * know what a remedy would change for others: then none is looked for.
 */
function why(reach: Reach, world: MatrixWorld, options: MatrixCliOptions): number {
  const ends = options.why ?? []
  if (ends.length !== 2) throw usage('--why takes two endpoints: --why FROM TO')
  const [from, to] = ends.map((end) => endpoint(reach, world, end) as string) as [string, string]
  const question = reach.question(from, to)
  const { name, fabric } = world
  const asked = { ...world.origins(question), name }
  const large = fabric.world.netns.size > LARGE
  const found = large ? reach.why(from, to, asked) : explain(fabric, question, asked)
  const text =
    options.json === true
      ? JSON.stringify(explanationJson(found), undefined, 2)
      : printExplanation(found, { paint: painter(process.stdout), name })
  process.stdout.write(`${text}\n`)
  if (large && options.json !== true && found.verdict !== 'ok') {
    process.stdout.write(
      `  fix   not looked for among so many: lanyard explain ${ends.join(' ')}\n`,
    )
  }
  return found.verdict === 'ok' ? EXIT.ok : EXIT.missed
}

/** The namespace of an endpoint as people call it. */
function endpoint(reach: Reach, world: MatrixWorld, name: string | undefined): string | undefined {
  if (name === undefined) return undefined
  const netns = world.byName.get(name)
  if (netns !== undefined && reach.has(netns)) return netns
  if (netns !== undefined) throw usage(`${name} has no IPv${reach.family} address`)
  const names = reach.endpoints.map((one) => world.name(one))
  const few = names.length <= 20 ? `: there are ${listed(names)}` : ''
  throw usage(`there is no endpoint "${name}"${didYouMean(name, names)}${few}`)
}

function usage(sentence: string): LanyardError {
  return new LanyardError('usage', { sentence, help: 'lanyard matrix --help' })
}
