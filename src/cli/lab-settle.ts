/**
 * A lab on this kernel is up before it stands still: IPv6 looks for duplicates of every new address
 * for one or two seconds. `lab up` does not wait for that; it leaves a note until when it may last,
 * and whoever looks at the lab or runs something in it first waits for what is left.
 *
 * The note is beside the lab's mounts, on /run: it goes with the lab, and at boot.
 */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type LiveSnapshot, takeLiveSnapshot } from '../kernel/live.ts'
import { SETTLE_MS, settleNetns } from '../kernel/settle.ts'
import { LIVE_FOLDER } from './lab-enter.ts'

interface Note {
  /** Milliseconds of the clock that all processes share and nobody sets. */
  readonly untilMs: number
  readonly namespaces: readonly string[]
}

const nowMs = (): number => Number(process.hrtime.bigint() / 1_000_000n)

/** Notes that the lab may not stand still yet. A crash before leaves a lab nobody waits for. */
export function leaveSettling(
  lab: string,
  namespaces: readonly string[],
  folder = LIVE_FOLDER,
): void {
  const note: Note = { untilMs: nowMs() + SETTLE_MS, namespaces }
  writeFileSync(noteOf(folder, lab), JSON.stringify(note))
}

/**
 * Waits until a lab stands still, at most until its note says; a lab without one does. Two that
 * wait at once both see it stand still.
 *
 * @param wait takes the place of {@link settleNetns} in a test
 */
export async function settleLab(
  lab: string,
  folder = LIVE_FOLDER,
  wait: typeof settleNetns = settleNetns,
): Promise<void> {
  const note = readNote(folder, lab)
  if (note === undefined) return
  // Never longer than a whole wait, whatever the note says.
  const leftMs = Math.min(note.untilMs - nowMs(), SETTLE_MS)
  if (leftMs > 0) await wait(note.namespaces, leftMs, true)
  rmSync(noteOf(folder, lab), { force: true })
}

/** All namespaces of this machine, when no lab of ours is on its way any more. */
export async function settledSnapshot(): Promise<LiveSnapshot> {
  const labs = existsSync(LIVE_FOLDER) ? readdirSync(LIVE_FOLDER) : []
  // What cannot be waited for, the snapshot cannot read either, and says so.
  await Promise.allSettled(labs.map((lab) => settleLab(lab)))
  return await takeLiveSnapshot()
}

function noteOf(folder: string, lab: string): string {
  return join(folder, lab, 'settling')
}

function readNote(folder: string, lab: string): Note | undefined {
  try {
    return JSON.parse(readFileSync(noteOf(folder, lab), 'utf8')) as Note
  } catch {
    return undefined
  }
}
