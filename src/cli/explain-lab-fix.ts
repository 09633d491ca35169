/** `--fix N` in a lab that is up: the remedy is done there, and in its journal. */
import { LanyardError } from '../errors.ts'
import type { Plan } from '../fabric/plan.ts'
import { LiveSim } from './lab-live.ts'
import { LabState } from './lab-state.ts'

/** A lab that is up, as it was when it was asked about. */
export interface LivePlace {
  readonly lab: string
  /** Names of the namespaces made by hand: in the lab, and where it is talked about. */
  readonly names: ReadonlyMap<string, string>
  /** Length of its journal. */
  readonly records: number
}

/**
 * All of the plan or nothing: what is refused, or killed on its way, is not in the journal.
 *
 * @param asked what was typed, for who reads the journal
 * @throws LanyardError `usage` where the lab is another by now, `op-refused`
 */
export async function fixLab(
  place: LivePlace,
  plan: Plan,
  asked: { readonly node: string; readonly line: string },
): Promise<void> {
  const { lab, names, records } = place
  const state = new LabState()
  const lock = await state.lock(lab)
  try {
    const live = await LiveSim.open(state, lab)
    if (live.records.length !== records) {
      const sentence = `lab ${lab} has changed since it was asked: nothing was done, ask again`
      throw new LanyardError('usage', { sentence, help: `lanyard lab status ${lab}` })
    }
    const long = new Map([...names].map(([name, short]) => [short, name]))
    await live.apply(asked.node, asked.line, renamed(plan, long) as Plan)
  } finally {
    lock.release()
  }
}

/** Every namespace of a plan by another name: the fields that hold one end so. */
function renamed(value: unknown, names: ReadonlyMap<string, string>): unknown {
  if (Array.isArray(value)) return value.map((one) => renamed(one, names))
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => {
      const named = /netns$/i.test(key) && typeof one === 'string'
      return [key, named ? (names.get(one) ?? one) : renamed(one, names)]
    }),
  )
}
