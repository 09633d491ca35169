/** `lanyard network rm` and `prune`. */
import { createInterface } from 'node:readline/promises'
import { LanyardError } from '../errors.ts'
import { EXIT, fail } from './failure.ts'
import { filterOf } from './network-show.ts'
import { type PlaceOptions, withEngine } from './place.ts'

export interface RemoveOptions extends PlaceOptions {
  readonly force?: boolean
  readonly disconnect?: boolean
}

export interface PruneOptions extends PlaceOptions {
  readonly force?: boolean
  readonly filter: readonly string[]
}

/** Removes what can be removed, tells what cannot. @returns the exit status */
export async function networkRemove(
  names: readonly string[],
  options: RemoveOptions,
): Promise<number> {
  return await withEngine(options, async (engine) => {
    let status: number = EXIT.ok
    for (const name of names) {
      try {
        // Removing is repeatable in the engine; whoever types a wrong name wants to know.
        const network = await engine.network(name)
        await engine.removeNetwork(network.name, {
          disconnect: options.disconnect === true,
          force: options.force === true,
        })
        process.stdout.write(`${name}\n`)
      } catch (error) {
        const gone = error instanceof LanyardError && error.status === 404
        if (!gone || options.force !== true) status = Math.max(status, fail(error))
      }
    }
    return status
  })
}

const WARNING =
  'WARNING! This will remove all custom networks not used by at least one container.\n' +
  'Are you sure you want to continue? [y/N] '

/** @returns the exit status */
export async function networkPrune(options: PruneOptions): Promise<number> {
  const keep = filterOf(options.filter)
  if (options.force !== true && !(await confirmed())) return EXIT.missed
  return await withEngine(options, async (engine) => {
    const used = new Set((await engine.endpoints()).map(({ network }) => network))
    const idle = (await engine.networks()).filter((one) => !used.has(one.name) && keep(one))
    let status: number = EXIT.ok
    const removed: string[] = []
    for (const { name } of idle) {
      try {
        await engine.removeNetwork(name)
        removed.push(name)
      } catch (error) {
        // Docker has a prune of its own.
        const isDockers = error instanceof LanyardError && error.code === 'network-kept'
        if (!isDockers) status = Math.max(status, fail(error))
      }
    }
    if (removed.length > 0) process.stdout.write(`Deleted Networks:\n${removed.join('\n')}\n`)
    return status
  })
}

async function confirmed(): Promise<boolean> {
  const lines = createInterface({ input: process.stdin, output: process.stdout })
  // At the end of the input nobody has said yes.
  const ended = new Promise<string>((resolve) => lines.once('close', () => resolve('')))
  try {
    const answer = await Promise.race([lines.question(WARNING), ended])
    return /^y(es)?$/i.test(answer.trim())
  } finally {
    lines.close()
  }
}
