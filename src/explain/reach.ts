/**
 * Who reaches whom, for ten thousand endpoints and more: endpoints that nothing tells apart are one
 * class, pairs of them that meet at the same depth are one question, and each question is asked
 * once, of the simulator, between two real namespaces and with everything that stands between them.
 * There is no second model of a network: the verdict of a pair is that of its witness.
 */
import { contains } from '../addr/prefix.ts'
import { LanyardError } from '../errors.ts'
import type { ReasonCode } from '../fabric/reason.ts'
import type { AddressSnapshot, NetnsSnapshot, Snapshot } from '../fabric/snapshot.ts'
import { loadSim, type SimFabric } from '../sim/fabric.ts'
import { runUntil } from '../sim/run.ts'
import { ask, forget } from './ask.ts'
import { explain, type ExplainOptions } from './explain.ts'
import { placeOf } from './place.ts'
import type { Question } from './question.ts'
import { type Classes, classify } from './reach-classes.ts'
import { type Facts, FactsReader, isUsable } from './reach-facts.ts'
import { meetingDepth, upFrom } from './reach-forest.ts'
import { Print, Words } from './reach-hash.ts'
import { type PairClass, type Pairs, pairUp } from './reach-pairs.ts'
import { partOf } from './reach-world.ts'
import type { Explanation, Place } from './types.ts'

/** What came of a pair. */
export interface ReachCell {
  readonly ok: boolean
  /** Undefined when it works. */
  readonly code: ReasonCode | undefined
  /** Of the answer. */
  readonly ttl: number | undefined
  /** Where it ended, between the two that stand for the pair. */
  readonly at: Place | undefined
}

export interface ReachOptions {
  /** Default 4. */
  readonly family?: 4 | 6
  /** What is known already; pass the same one again after a change. */
  readonly memory?: ReachMemory
}

/** A router may say once in so long that something failed (icmp_ratelimit). */
const TOLD_NS = 2_200_000_000
/** Trace steps of one ping through a network that stands for others. */
const TRACE = 1 << 16

/** Answers by the fingerprints of those asked: what was found once holds for the same again. */
export class ReachMemory {
  readonly words = new Words()
  readonly reader = new FactsReader(this.words)
  /** The state looked at before. */
  last: Classes | undefined
  readonly #cells = new Map<number, ReachCell>()

  get(key: number): ReachCell | undefined {
    return this.#cells.get(key)
  }

  set(key: number, cell: ReachCell): void {
    this.#cells.set(key, cell)
  }
}

/** Members of one class. */
export interface ReachClass {
  readonly number: number
  readonly members: readonly string[]
}

/** Pairs of two classes that are one question. */
export interface ReachKind {
  /** Numbers of the classes. */
  readonly from: number
  readonly to: number
  readonly cell: ReachCell
  readonly count: number
  readonly example: readonly [from: string, to: string]
}

export interface ReachCounts {
  /** Ordered pairs. */
  readonly pairs: number
  readonly ok: number
  readonly endpoints: number
  readonly classes: number
  /** Questions there are, and how many of them had to be asked. */
  readonly questions: number
  readonly asked: number
}

export class Reach {
  readonly family: 4 | 6
  readonly #classes: Classes
  readonly #pairs: Pairs
  readonly #cells = new Map<number, ReachCell>()
  readonly #memory: ReachMemory
  #asked = 0

  /**
   * Finds out who reaches whom.
   *
   * @example
   * ```ts
   * const reach = new Reach(await fabric.snapshot())
   * if (!reach.cell('web', 'db').ok) say(reach.why('web', 'db').headline)
   * ```
   */
  constructor(snapshot: Snapshot, options: ReachOptions = {}) {
    this.family = options.family ?? 4
    this.#memory = options.memory ?? new ReachMemory()
    const { reader, words } = this.#memory
    const before = this.#memory.last?.forest.facts ?? []
    const facts = snapshot.netns.map((netns, i) => {
      const known = before[i]
      return known?.snapshot === netns ? known : reader.of(netns)
    })
    this.#classes = classify(facts, reader, words, this.#memory.last)
    this.#memory.last = this.#classes
    this.#pairs = pairUp(this.#classes, (i) => this.#first(i) !== undefined)
    this.#answerAll()
  }

  get classes(): readonly ReachClass[] {
    const name = (i: number): string => this.#netns(i).name
    return this.#pairs.members.map((list, number) => ({ number, members: list.map(name) }))
  }

  /** Ordered pairs of endpoints and how many work. */
  get counts(): ReachCounts {
    const { all } = this.#pairs
    let [pairs, ok] = [0, 0]
    for (const one of all) {
      pairs += one.count
      if (this.#cell(one.from, one.to, one.depth).ok) ok += one.count
    }
    const { members } = this.#pairs
    const endpoints = members.reduce((n, list) => n + list.length, 0)
    const classes = members.length
    return { pairs, ok, endpoints, classes, questions: all.length, asked: this.#asked }
  }

  get endpoints(): string[] {
    return this.#pairs.members.flatMap((list) => list.map((i) => this.#netns(i).name))
  }

  has(name: string): boolean {
    return this.classOf(name) >= 0
  }

  /** Number of an endpoint's class; -1 for what is no endpoint. */
  classOf(name: string): number {
    const i = this.#classes.forest.byName.get(name)
    return i === undefined ? -1 : (this.#pairs.classOf[i] as number)
  }

  /**
   * The verdict of a pair.
   * @throws LanyardError `usage` for what is no endpoint, or the same one twice
   */
  cell(from: string, to: string): ReachCell {
    const [i, j] = [this.#endpoint(from), this.#endpoint(to)]
    if (i === j) throw unknown(`${from} reaches itself`)
    return this.#between(i, j)
  }

  /** Everybody one endpoint reaches, or is reached by, and those it does not. */
  row(name: string, direction: 'from' | 'to'): Map<string, ReachCell> {
    const i = this.#endpoint(name)
    const out = new Map<string, ReachCell>()
    for (const list of this.#pairs.members) {
      for (const j of list) {
        if (i === j) continue
        const cell = direction === 'from' ? this.#between(i, j) : this.#between(j, i)
        out.set(this.#netns(j).name, cell)
      }
    }
    return out
  }

  /** Every kind of pair there is. */
  kinds(): ReachKind[] {
    return this.#pairs.all.map(({ from, to, depth, count, a, b }) => {
      const example = [this.#netns(a).name, this.#netns(b).name] as const
      return { from, to, count, example, cell: this.#cell(from, to, depth) }
    })
  }

  /** The question behind a cell. */
  question(from: string, to: string): Question {
    return this.#question(this.#endpoint(from), this.#endpoint(to))
  }

  /**
   * Why, for these two: asked of the part of the network between them, so that the places are
   * theirs. Remedies are not looked for unless asked for.
   */
  why(from: string, to: string, options: ExplainOptions = {}): Explanation {
    const [i, j] = [this.#endpoint(from), this.#endpoint(to)]
    const world = loadSim(partOf(this.#classes, [i, j]))
    return explain(world, this.#question(i, j), { remedies: false, ...options })
  }

  /**
   * Pairs of endpoints that are in both states, those together that are alike in both. Where the
   * network has another shape than before, every pair is one of its own.
   */
  static *jointly(before: Reach, after: Reach): Generator<JointPairs> {
    const { forest } = after.#classes
    const there = (i: number): boolean =>
      after.#first(i) !== undefined && before.has(after.#netns(i).name)
    if (!Reach.#sameShape(before, after, there)) {
      yield* eachPair(before, after)
      return
    }
    const words = after.#memory.words
    const print = Float64Array.from(forest.facts, ({ snapshot: { name } }, i) => {
      const old = before.#classes.forest.byName.get(name)
      const was = old === undefined ? -1 : (before.#classes.print[old] as number)
      return new Print().add(after.#classes.print[i] as number).value(was, words).number
    })
    const pairs = pairUp({ ...after.#classes, print }, there)
    const name = (i: number): string => after.#netns(i).name
    for (const { from, to, depth, count, a, b } of pairs.all) {
      yield {
        count,
        before: before.cell(name(a), name(b)),
        after: after.#between(a, b),
        *pairs() {
          for (const i of pairs.members[from] ?? []) {
            for (const j of pairs.members[to] ?? []) {
              if (i !== j && meetingDepth(forest, i, j) === depth) yield [name(i), name(j)]
            }
          }
        },
      }
    }
  }

  static #shape(reach: Reach, name: string): string {
    const { forest } = reach.#classes
    const i = forest.byName.get(name) as number
    return upFrom(forest, i)
      .map((up) => reach.#netns(up).name)
      .join(' ')
  }

  /** Whether all who are in both states hang on the same ones. */
  static #sameShape(before: Reach, after: Reach, there: (i: number) => boolean): boolean {
    const { facts } = after.#classes.forest
    return facts.every(({ snapshot: { name } }, i) => {
      return !there(i) || Reach.#shape(before, name) === Reach.#shape(after, name)
    })
  }

  #answerAll(): void {
    const missing: { readonly pair: PairClass; readonly key: number }[] = []
    for (const pair of this.#pairs.all) {
      const key = this.#key(pair)
      const known = this.#memory.get(key)
      if (known === undefined) missing.push({ pair, key })
      else this.#cells.set(placeOfPair(pair.from, pair.to, pair.depth), known)
    }
    this.#asked = missing.length
    if (missing.length === 0) return
    const needed = new Set(missing.flatMap(({ pair }) => [pair.a, pair.b]))
    const world = loadSim(partOf(this.#classes, needed), { traceSize: TRACE })
    for (const { pair, key } of missing) {
      const cell = answer(world, this.#question(pair.a, pair.b))
      this.#memory.set(key, cell)
      this.#cells.set(placeOfPair(pair.from, pair.to, pair.depth), cell)
    }
  }

  /** Fingerprint of a question: both classes, where they meet, and all that matter to everybody. */
  #key({ a, b, depth }: PairClass): number {
    const { print, context } = this.#classes
    const of = new Print().add(this.family).add(context).add(depth)
    return of.add(print[a] as number).add(print[b] as number).number
  }

  #between(i: number, j: number): ReachCell {
    const { classOf } = this.#pairs
    const depth = meetingDepth(this.#classes.forest, i, j)
    return this.#cell(classOf[i] as number, classOf[j] as number, depth)
  }

  #cell(from: number, to: number, depth: number): ReachCell {
    return this.#cells.get(placeOfPair(from, to, depth)) as ReachCell
  }

  #question(i: number, j: number): Question {
    const own = this.#first(i) as AddressSnapshot
    const theirs = this.#addresses(j)
    const near = theirs.find((t) => contains(own.address, t.address.address))
    const target = (near ?? theirs[0] ?? own).address.address
    return { from: this.#netns(i).name, to: this.#netns(j).name, target, protocol: 'icmp' }
  }

  #facts(i: number): Facts {
    return this.#classes.forest.facts[i] as Facts
  }

  #netns(i: number): NetnsSnapshot {
    return this.#facts(i).snapshot
  }

  #endpoint(name: string): number {
    const i = this.#classes.forest.byName.get(name)
    if (i !== undefined && (this.#pairs.classOf[i] as number) >= 0) return i
    throw unknown(`${name} has no IPv${this.family} address`)
  }

  #addresses(i: number): AddressSnapshot[] {
    const { links, addresses } = this.#netns(i)
    const loop = links.find((l) => l.kind === 'loopback')?.name
    return addresses.filter((a) => isUsable(a, this.family) && a.link !== loop)
  }

  #first(i: number): AddressSnapshot | undefined {
    const { first4, first6 } = this.#facts(i)
    return this.family === 4 ? first4 : first6
  }
}

/** Pairs that are alike in two states. */
export interface JointPairs {
  readonly count: number
  readonly before: ReachCell
  readonly after: ReachCell
  pairs(): Generator<readonly [from: string, to: string]>
}

function* eachPair(before: Reach, after: Reach): Generator<JointPairs> {
  const both = after.endpoints.filter((name) => before.has(name))
  for (const from of both) {
    for (const to of both) {
      if (from === to) continue
      yield {
        count: 1,
        before: before.cell(from, to),
        after: after.cell(from, to),
        *pairs() {
          yield [from, to]
        },
      }
    }
  }
}

/** A class pair and a depth as one number. */
function placeOfPair(from: number, to: number, depth: number): number {
  return (from * 4_194_304 + to) * 64 + depth + 1
}

/** Asks from empty tables, and leaves them empty. */
function answer(fabric: SimFabric, question: Question): ReachCell {
  const { world } = fabric
  world.trace.forget()
  const found = ask(fabric, question, false)
  forget(fabric)
  const { ok, code, end, result } = found
  if (result.outcome === 'icmp-error') runUntil(world, world.now + TOLD_NS)
  return {
    ok,
    code,
    ttl: result.outcome === 'reply' ? result.ttl : undefined,
    at: end === undefined ? undefined : placeOf(world, end),
  }
}

function unknown(sentence: string): LanyardError {
  return new LanyardError('usage', { sentence, help: 'lanyard matrix --help' })
}
