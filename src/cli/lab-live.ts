/** A lab that is up, opened by a command: found by name, played to where it is, one at a time. */
import { readFileSync } from 'node:fs'
import { LanyardError } from '../errors.ts'
import type { Plan } from '../fabric/plan.ts'
import {
  commandsOf,
  isSave,
  type Journal,
  type JournalRecord,
  parseJournal,
} from '../lab/journal.ts'
import { type LiveBase, openLive } from '../lab/live.ts'
import { Recorder, replay } from '../lab/recorder.ts'
import { didYouMean, listed } from '../lab/text.ts'
import { MachineFabric, machineIn } from '../shell/machine.ts'
import { runCommand } from '../shell/run.ts'
import { openSession, type Output } from '../shell/session.ts'
import type { SimFabric } from '../sim/fabric.ts'
import type { LabInfo, LabState } from './lab-state.ts'

/** Which lab is meant: the one named, or the only one. @throws LanyardError */
export function chooseLab(state: LabState, named: string | undefined): string {
  const wanted = named ?? process.env['LANYARD_LAB']
  const known = state.names()
  if (wanted !== undefined && wanted !== '') {
    if (known.includes(wanted)) return wanted
    throw new LanyardError('lab-not-up', { lab: wanted, known })
  }
  const [first] = known
  if (first === undefined) throw new LanyardError('lab-not-up', { lab: '', known })
  if (known.length === 1) return first
  const sentence = `${known.length} labs are up: say which one, --lab ${known.join('|')}`
  throw new LanyardError('usage', { sentence, help: 'lanyard lab status' })
}

/** The node of a name. @throws LanyardError `usage` */
export function checkNode(info: LabInfo, node: string): void {
  const names = info.nodes.map((n) => n.name)
  if (names.includes(node)) return
  const sentence =
    `there is no node "${node}"${didYouMean(node, names)} in lab ${info.lab}: ` +
    `it has ${listed(names)}`
  throw new LanyardError('usage', { sentence, help: `lanyard lab status ${info.lab}` })
}

/** Says when the file a lab was made from is another by now. */
export function fileNote(state: LabState, info: LabInfo): string | undefined {
  let text: string
  try {
    text = readFileSync(info.file, 'utf8')
  } catch {
    return `${info.file}, from which lab ${info.lab} was made, is gone`
  }
  if (text === state.text(info.lab)) return undefined
  return (
    `${info.file} has changed since lab ${info.lab} was made, and the lab is as it was; ` +
    `"lanyard lab down ${info.lab}", then "lanyard lab up" takes the file as it is`
  )
}

export function tellFileNote(state: LabState, info: LabInfo): void {
  const note = fileNote(state, info)
  if (note !== undefined) process.stderr.write(`lanyard: ${note}\n`)
}

/** A simulated lab, open in this process. */
export class LiveSim {
  readonly info: LabInfo
  readonly base: LiveBase
  readonly #state: LabState
  #world: SimFabric
  #recorder: Recorder
  #records: readonly JournalRecord[] = []
  #length = 0
  /** Exit status of the command before. */
  #last = 0

  private constructor(state: LabState, info: LabInfo, base: LiveBase, world: SimFabric) {
    this.#state = state
    this.info = info
    this.base = base
    this.#world = world
    this.#recorder = new Recorder(world)
  }

  /** Opens a lab and plays it; its lock must be held from here to the end of each use. */
  static async open(state: LabState, lab: string): Promise<LiveSim> {
    const info = state.info(lab)
    const base = state.base(lab)
    const { records, length } = readJournal(state, lab)
    const live = new LiveSim(state, info, base, await openLive(base, records))
    live.#records = records
    live.#length = length
    return live
  }

  /** The world as it is now: to look at, or to fork. */
  get world(): SimFabric {
    return this.#world
  }

  get records(): readonly JournalRecord[] {
    return this.#records
  }

  /** Catches up with what other processes did since. */
  async refresh(): Promise<void> {
    const { records, length } = readJournal(this.#state, this.info.lab)
    if (length === this.#length) return
    const known = this.#records.length
    const grew = length > this.#length && sameStart(this.#records, records)
    if (grew) {
      for (const { calls } of commandsOf(records.slice(known))) await replay(this.#world, calls)
    } else {
      this.#world = await openLive(this.base, records)
      this.#recorder = new Recorder(this.#world)
    }
    this.#records = records
    this.#length = length
  }

  /**
   * Runs a command line at a node. It is in the journal before its output is seen; one that only
   * looks is not. Afterwards virtual time passes until nothing moves by itself any more, as it does
   * while a person types the next one.
   */
  async run(node: string, line: string): Promise<Output> {
    const machine = new MachineFabric(this.#recorder, node)
    const about = machineIn(this.#world, node, this.#recorder)
    const out = await runCommand(openSession(machine, '', about, this.#last), line)
    this.#last = out.code
    if (this.#recorder.count > 0) {
      await this.#recorder.settle()
      const calls = this.#recorder.take()
      const atNs = this.#world.clock.nowNs()
      this.#add({ node, line, code: out.code, atNs, calls })
    }
    return out
  }

  /**
   * Does a plan, and keeps it under what asked for it. Refused, nothing of it is kept, and this is
   * no longer the lab: it is to be let go.
   *
   * @throws LanyardError `op-refused`
   */
  async apply(node: string, line: string, plan: Plan): Promise<void> {
    await this.#recorder.apply(plan)
    await this.#recorder.settle()
    const calls = this.#recorder.take()
    this.#add({ node, line, code: 0, atNs: this.#world.clock.nowNs(), calls })
  }

  /** Gives the state reached a name; an earlier one of that name is forgotten. */
  save(name: string): void {
    this.#add({ save: name })
  }

  #add(record: JournalRecord): void {
    this.#length += this.#state.append(this.info.lab, record)
    this.#records = [...this.#records, record]
  }
}

function sameStart(a: readonly JournalRecord[], b: readonly JournalRecord[]): boolean {
  const last = a.at(-1)
  return (
    last === undefined || JSON.stringify(headOf(last)) === JSON.stringify(headOf(b[a.length - 1]))
  )
}

function headOf(record: JournalRecord | undefined): unknown {
  if (record === undefined) return undefined
  return isSave(record) ? record : [record.node, record.line, record.atNs]
}

/** Reads a journal; a torn end is cut off and said. @throws LanyardError `lab-state-broken` */
export function readJournal(
  state: LabState,
  lab: string,
): {
  readonly records: readonly JournalRecord[]
  readonly length: number
  readonly journal: Journal
} {
  const text = state.journal(lab)
  const journal = parseJournal(text)
  const { records, torn, damaged } = journal
  if (damaged !== undefined) {
    const file = state.journalFile(lab)
    const why = `record ${damaged} is damaged, and others follow it`
    throw new LanyardError('lab-state-broken', { lab, file, why })
  }
  const length = Buffer.byteLength(text.slice(0, journal.ends.at(-1) ?? 0))
  if (torn) {
    state.cut(lab, length)
    const { length: count } = commandsOf(records)
    process.stderr.write(
      `lanyard: the journal of lab ${lab} ended in the middle of a record, which was cut off: ` +
        `${count} ${count === 1 ? 'command is' : 'commands are'} left\n`,
    )
  }
  return { records, length, journal }
}
