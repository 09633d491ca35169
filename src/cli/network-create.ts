/** `lanyard network create`. */
import { encodeNetwork } from '../daemon/codec.ts'
import { printPlan } from '../fabric/print-ip.ts'
import { type CreateOptions, specOf } from './network-options.ts'
import { type PlaceOptions, withEngine } from './place.ts'

export interface CreateCommand extends CreateOptions, PlaceOptions {
  readonly dryRun?: boolean
  readonly json?: boolean
}

/** Prints the id, as Docker does. */
export async function networkCreate(name: string, options: CreateCommand): Promise<void> {
  const spec = specOf(name, options)
  await withEngine(options, async (engine) => {
    if (options.dryRun === true) {
      printLines(printPlan(await engine.planCreate(spec)))
      return
    }
    const network = await engine.createNetwork(spec)
    process.stdout.write(
      options.json === true
        ? `${JSON.stringify(encodeNetwork(network), undefined, 2)}\n`
        : `${network.id}\n`,
    )
  })
}

export function printLines(lines: readonly string[]): void {
  process.stdout.write(lines.map((line) => `${line}\n`).join(''))
}
