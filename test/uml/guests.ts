/**
 * A program of ours run inside User Mode Linux: the same bundle, with other words, in as many boots
 * as there are batches, a few at a time. Each run leaves a JSON report in a scratch file, which is
 * what comes back.
 *
 * Killed outright it leaves a scratch directory in the temporary folder, and its guests running.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runInUml } from '../../src/kernel/uml.ts'
import { nodeInUml } from '../../src/kernel/uml-boot.ts'
import { withGuestSlot } from '../support/guest-slot.ts'

/** Guests that run side by side: each keeps one processor busy. */
export const GUESTS_AT_ONCE = 2

export interface Batch {
  /** Says in messages which batch it was. */
  readonly name: string
  /** Words of the program; `REPORT` in them becomes the path it is to write its report to. */
  readonly args: readonly string[]
}

/** What came of a batch: its report, or how its guest died. */
export type Came<T> =
  | { readonly name: string; readonly report: T; readonly seconds: number }
  | { readonly name: string; readonly died: string; readonly seconds: number }

export interface GuestOptions {
  /** Path of the bundle to run. */
  readonly program: string
  /** How long one batch may take, its boot included. */
  readonly timeoutMs: number
  readonly memoryMib?: number
  readonly env?: Readonly<Record<string, string>>
  /** What the guests say as they run. */
  readonly onOutput?: (text: string) => void
}

/** Runs every batch in a boot of its own; results in order. */
export async function inGuests<T>(
  batches: readonly Batch[],
  options: GuestOptions,
): Promise<Came<T>[]> {
  const dir = mkdtempSync(join(tmpdir(), 'lanyard-guests-'))
  const came: Came<T>[] = []
  let next = 0
  const worker = async (): Promise<void> => {
    for (let at = next++; at < batches.length; at = next++)
      came[at] = await inGuest<T>(batches[at] as Batch, join(dir, `${at}.json`), options)
  }
  try {
    await Promise.all(Array.from({ length: GUESTS_AT_ONCE }, worker))
    return came
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

async function inGuest<T>(
  { name, args }: Batch,
  file: string,
  { program, timeoutMs, memoryMib, env, onOutput }: GuestOptions,
): Promise<Came<T>> {
  let started = 0
  const result = await withGuestSlot(() => {
    started = performance.now()
    return runInUml({
      command: [...nodeInUml(), program, ...args.map((arg) => arg.replace('REPORT', file))],
      timeoutMs,
      ...(memoryMib === undefined ? {} : { memoryMib }),
      ...(env === undefined ? {} : { env }),
      ...(onOutput === undefined ? {} : { onOutput }),
    })
  })
  const seconds = (performance.now() - started) / 1000
  if (existsSync(file) && result.exitCode !== undefined)
    return { name, report: JSON.parse(readFileSync(file, 'utf8')) as T, seconds }
  const how =
    result.exitCode === undefined
      ? `the guest died (${result.ended})`
      : `the program ended with ${result.exitCode} and without a report`
  const last = (result.output === '' ? result.console : result.output).trim().split('\n').slice(-15)
  return { name, died: `${how}; its last words:\n${last.join('\n')}`, seconds }
}

/** Cuts a list into runs of at most `size`. */
export function cut<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) =>
    items.slice(i * size, (i + 1) * size),
  )
}
