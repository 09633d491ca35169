/**
 * The journal of a lab that lives in the simulator: one record a line, what was typed and what that
 * asked of the fabric. Doing the same calls again from the same start gives the same world, so the
 * journal is the lab's state, and going back is reading less of it.
 *
 * The calls are kept, not only the words: a replay needs no shell, and a later version of the shell
 * cannot read an old line differently.
 */
import type { Probe, Service } from '../fabric/fabric.ts'
import type { Plan } from '../fabric/plan.ts'

/** One call of a fabric that changes it, or lets its time pass. */
export type Call =
  | { readonly do: 'apply'; readonly plan: Plan; readonly keepGoing?: true }
  | { readonly do: 'probe'; readonly probes: readonly Probe[]; readonly sequential?: true }
  | { readonly do: 'sleep'; readonly ms: number }
  | { readonly do: 'settle'; readonly netns?: readonly string[]; readonly timeoutMs?: number }
  | { readonly do: 'listen'; readonly netns: string; readonly service: Service }
  | { readonly do: 'unlisten'; readonly netns: string; readonly service: Service }
  | { readonly do: 'write'; readonly path: string; readonly text: string }
  | { readonly do: 'send'; readonly netns: string; readonly link: string; readonly hex: string }

/** What was typed at a node. */
export interface CommandRecord {
  readonly node: string
  readonly line: string
  readonly code: number
  /** Virtual time afterwards, ns: a replay that comes out elsewhere is noticed. */
  readonly atNs: number
  readonly calls: readonly Call[]
}

/** A name for the state reached. */
export interface SaveRecord {
  readonly save: string
}

export type JournalRecord = CommandRecord | SaveRecord

export function isSave(record: JournalRecord): record is SaveRecord {
  return 'save' in record
}

/** A journal as read. */
export interface Journal {
  readonly records: readonly JournalRecord[]
  /** Length of each record and all before it, in characters. */
  readonly ends: readonly number[]
  /** The text ends in the middle of a record: it counts up to `ends.at(-1)`. */
  readonly torn: boolean
  /** Number of the first record that is none although others follow, from 1. */
  readonly damaged: number | undefined
}

/** A record as its line, line end included. */
export function formatRecord(record: JournalRecord): string {
  return `${toJson(record)}\n`
}

/**
 * Reads a journal. Writing is one append: what a crash leaves is a beginning of the last line, and
 * that command never happened.
 */
export function parseJournal(text: string): Journal {
  const records: JournalRecord[] = []
  const ends: number[] = []
  let at = 0
  while (at < text.length) {
    const end = text.indexOf('\n', at)
    const record = end < 0 ? undefined : parseRecord(text.slice(at, end))
    if (record === undefined) {
      const last = end < 0 || end === text.length - 1
      return { records, ends, torn: last, damaged: last ? undefined : records.length + 1 }
    }
    records.push(record)
    at = end + 1
    ends.push(at)
  }
  return { records, ends, torn: false, damaged: undefined }
}

function parseRecord(line: string): JournalRecord | undefined {
  let value: unknown
  try {
    value = fromJson(line)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  if ('save' in value) return typeof value.save === 'string' ? { save: value.save } : undefined
  const whole = 'node' in value && 'line' in value && 'calls' in value && Array.isArray(value.calls)
  return whole ? (value as CommandRecord) : undefined
}

/** JSON with the numbers of IPv6 in it. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === 'bigint' ? { bigint: item.toString(16) } : item,
  )
}

export function fromJson(text: string): unknown {
  // The reviver is asked for every value: most journals have no use for it.
  if (!text.includes('{"bigint":')) return JSON.parse(text)
  return JSON.parse(text, (_key, item: unknown) =>
    typeof item === 'object' && item !== null && 'bigint' in item && typeof item.bigint === 'string'
      ? BigInt(`0x${item.bigint}`)
      : item,
  )
}

/** Commands of a journal, save points left out. */
export function commandsOf(records: readonly JournalRecord[]): CommandRecord[] {
  return records.filter((r): r is CommandRecord => !isSave(r))
}
