/**
 * Asks one question of several contestants in one run and prints the answer as JSON.
 *
 * The contestants take turns, round by round, so that a busy machine slows all of them alike; what
 * counts is the ratio of their medians, and `spread` says how far the rounds were apart. Nothing
 * here passes or fails.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, release, tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Contestant {
  readonly name: string
  /** One round. @returns the figure in the bench's unit */
  run(): number | Promise<number>
  /** Puts everything back for the next round; not measured. */
  reset?(): void | Promise<void>
}

export interface Bench {
  /** What is asked, in one sentence. */
  readonly question: string
  readonly unit: string
  readonly better: 'lower' | 'higher'
  readonly rounds?: number
  /** Rounds that warm up (caches, the compiler) and do not count; one unless given. */
  readonly warmUps?: number
  /** The first one is ours; every other is a peer. */
  readonly contestants: readonly Contestant[]
  close?(): void | Promise<void>
}

interface Result {
  readonly name: string
  readonly median: number
  readonly min: number
  readonly max: number
  /** (max - min) / median */
  readonly spread: number
  readonly rounds: readonly number[]
}

/** Runs a bench; `open` makes it ready (and may refuse, naming what it needs). */
export async function measure(name: string, open: () => Bench | Promise<Bench>): Promise<void> {
  const bench = await open()
  const figures = bench.contestants.map((): number[] => [])
  try {
    const { rounds = 5, warmUps = 1 } = bench
    for (let round = 1 - warmUps; round <= rounds; round++)
      for (const [i, contestant] of bench.contestants.entries()) {
        const figure = await contestant.run()
        if (round > 0) figures[i]?.push(figure)
        await contestant.reset?.()
      }
  } finally {
    await bench.close?.()
  }
  const results = bench.contestants.map((c, i) => summarise(c.name, figures[i] ?? []))
  const [ours, ...peers] = results
  const ratios = peers.map((peer) => [peer.name, round((ours?.median ?? 0) / peer.median)])
  const { question, unit, better } = bench
  const report = { bench: name, question, unit, better, results, oursToPeer: fromPairs(ratios) }
  process.stdout.write(`${JSON.stringify({ ...report, machine: machine() }, undefined, 2)}\n`)
}

const fromPairs = (pairs: (string | number)[][]): Record<string, unknown> =>
  Object.fromEntries(pairs) as Record<string, unknown>

function summarise(name: string, figures: readonly number[]): Result {
  const sorted = figures.toSorted((a, b) => a - b)
  const min = sorted[0] ?? Number.NaN
  const max = sorted.at(-1) ?? Number.NaN
  const median = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
  const spread = round((max - min) / median)
  return {
    name,
    median: round(median),
    min: round(min),
    max: round(max),
    spread,
    rounds: figures.map(round),
  }
}

const round = (n: number): number => Number(n.toPrecision(4))

function machine(): Readonly<Record<string, unknown>> {
  const cpu = cpus()
  return {
    date: new Date().toISOString().slice(0, 10),
    cpu: cpu[0]?.model,
    cores: cpu.length,
    kernel: release(),
    node: process.version,
    iproute2: version('ip', '-V'),
  }
}

function version(command: string, flag: string): string {
  try {
    return execFileSync(command, [flag], { encoding: 'utf8' }).trim()
  } catch {
    return 'not installed'
  }
}

/** Mean of several runs, one after another: less of it is a single garbage collection's. */
export async function meanMs(times: number, run: () => unknown): Promise<number> {
  return (
    (await timeMs(async () => {
      for (let i = 0; i < times; i++) await run()
    })) / times
  )
}

/** Milliseconds `work` took. */
export async function timeMs(work: () => unknown): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}

/** Refuses to go on without root; names what is needed. */
export function needRoot(): void {
  if (process.platform !== 'linux' || process.getuid?.() !== 0)
    throw new Error('this bench changes network namespaces: run it as root on Linux')
}

/** Runs `ip -batch` on the lines given (in a namespace, when one is named). */
export function ipBatch(lines: readonly string[], netns?: string): void {
  const where = netns === undefined ? [] : ['-n', netns]
  execFileSync('ip', [...where, '-batch', '-'], { input: lines.join('\n'), stdio: ['pipe', 2, 2] })
}

/** `lanyard lab` as a process, with a lab's file and a state of its own. */
export interface Labs {
  readonly file: string
  lab(...words: readonly string[]): void
  /** The same by another file of the program. */
  labBy(program: string, ...words: readonly string[]): void
  /** Labs that are up are the caller's to take down. */
  close(): void
}

export function openLabs(text: string): Labs {
  const folder = mkdtempSync(join(tmpdir(), 'lanyard-bench-'))
  const env = { ...process.env, XDG_STATE_HOME: folder, LANYARD_LAB: '' }
  const file = join(folder, 'lab.yaml')
  writeFileSync(file, text)
  const labBy: Labs['labBy'] = (program, ...words) => {
    execFileSync(process.execPath, [join(process.cwd(), program), 'lab', ...words], {
      env,
      stdio: ['ignore', 'ignore', 2],
    })
  }
  return {
    file,
    lab: (...words) => labBy('bin/lanyard.cjs', ...words),
    labBy,
    close: () => rmSync(folder, { recursive: true, force: true }),
  }
}
