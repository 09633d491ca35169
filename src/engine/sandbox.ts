/** Sandboxes as they are. */
import { LanyardError } from '../errors.ts'
import type { NetnsSnapshot } from '../fabric/snapshot.ts'
import type { Context } from './context.ts'

/** A sandbox as it is; undefined when it is gone. */
export async function snapshotOf(
  context: Context,
  sandbox: string,
): Promise<NetnsSnapshot | undefined> {
  try {
    const parts = ['addresses', 'routes', 'neighbours'] as const
    return (await context.fabric.snapshot({ netns: [sandbox], parts })).netns[0]
  } catch (error) {
    if (error instanceof LanyardError && error.code.startsWith('netns-')) return undefined
    throw error
  }
}
