/** Sandboxes as they are. */
import { LanyardError } from '../errors.ts'
import type { NetnsSnapshot, SnapshotPart } from '../fabric/snapshot.ts'
import type { Context } from './context.ts'

const ALL_PARTS: readonly SnapshotPart[] = ['addresses', 'routes', 'neighbours']

/** A sandbox as it is, its links and what else is asked for; undefined when it is gone. */
export async function snapshotOf(
  context: Context,
  sandbox: string,
  parts = ALL_PARTS,
): Promise<NetnsSnapshot | undefined> {
  try {
    return (await context.fabric.snapshot({ netns: [sandbox], parts })).netns[0]
  } catch (error) {
    if (error instanceof LanyardError && error.code.startsWith('netns-')) return undefined
    throw error
  }
}
