/** `lanyard lab save` and `lanyard lab back`: names for states, and the way back to them. */
import { LanyardError } from '../errors.ts'
import { isSave, type JournalRecord } from '../lab/journal.ts'
import { didYouMean, listed } from '../lab/text.ts'
import { chooseLab, readJournal } from './lab-live.ts'
import { fabricText, LabState } from './lab-state.ts'

interface LabOption {
  readonly lab?: string
}

export async function labSave(name: string, options: LabOption): Promise<void> {
  if (!/^[A-Za-z][\w.-]*$/.test(name)) {
    const sentence = `"${name}" is no name for a save point: a letter, then letters, digits, - _ .`
    throw new LanyardError('usage', { sentence, help: 'lanyard lab save --help' })
  }
  const state = new LabState()
  const lab = onlySimulated(state, chooseLab(state, options.lab), 'save')
  const lock = await state.lock(lab)
  try {
    const { records } = readJournal(state, lab)
    state.append(lab, { save: name })
    const commands = records.filter((r) => !isSave(r)).length
    process.stdout.write(`saved ${name}: lab ${lab} after ${countOf(commands)}\n`)
  } finally {
    lock.release()
  }
}

/**
 * Goes back: the journal is cut, in one call, so a crash leaves the lab before or after.
 * @param to how many commands, or the name of a save point
 */
export async function labBack(to: string, options: LabOption): Promise<void> {
  const state = new LabState()
  const lab = onlySimulated(state, chooseLab(state, options.lab), 'back')
  const lock = await state.lock(lab)
  try {
    const { records, journal } = readJournal(state, lab)
    const keep = /^\d+$/.test(to) ? commandsBack(lab, records, Number(to)) : saved(lab, records, to)
    const gone = records.slice(keep).filter((r) => !isSave(r))
    const text = state.journal(lab).slice(0, keep === 0 ? 0 : journal.ends[keep - 1])
    state.cut(lab, Buffer.byteLength(text))
    const left = records.slice(0, keep).filter((r) => !isSave(r)).length
    const lines = gone.map((r) => `  ${isSave(r) ? '' : `${r.node}# ${r.line}`}\n`)
    const what = gone.length === 0 ? 'nothing taken back' : `${countOf(gone.length)} taken back`
    process.stdout.write(`${what}, ${countOf(left)} left\n${lines.join('')}`)
  } finally {
    lock.release()
  }
}

/** Only what the simulator does can be done again, and so be left out. */
function onlySimulated(state: LabState, lab: string, verb: string): string {
  const { fabric } = state.info(lab)
  if (fabric === 'sim') return lab
  const sentence = `lab ${lab} is ${fabricText(fabric)}: only a simulated lab can go back`
  throw new LanyardError('usage', { sentence, help: `lanyard lab ${verb} --help` })
}

function countOf(n: number): string {
  return `${n} ${n === 1 ? 'command' : 'commands'}`
}

/** How many records to keep. */
function commandsBack(lab: string, records: readonly JournalRecord[], back: number): number {
  const at = records.flatMap((r, i) => (isSave(r) ? [] : [i]))
  if (back > at.length) {
    const sentence = `lab ${lab} has only ${countOf(at.length)} to take back, not ${back}`
    throw new LanyardError('usage', { sentence, help: `lanyard lab status ${lab}` })
  }
  return back === 0 ? records.length : (at[at.length - back] as number)
}

function saved(lab: string, records: readonly JournalRecord[], name: string): number {
  const at = records.findLastIndex((r) => isSave(r) && r.save === name)
  if (at >= 0) return at + 1
  const names = [...new Set(records.flatMap((r) => (isSave(r) ? [r.save] : [])))]
  const there = names.length === 0 ? 'it has none' : `it has ${listed(names)}`
  const sentence = `lab ${lab} has no save point "${name}"${didYouMean(name, names)}: ${there}`
  throw new LanyardError('usage', { sentence, help: 'lanyard lab save --help' })
}
