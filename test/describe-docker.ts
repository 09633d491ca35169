/** `describe` for suites that start a dockerd: skipped by name, with the reason, where none can. */
import { describe } from 'vitest'
import { whyNoDocker } from './docker/world.ts'

/** As vitest's `describe`; with CI=true nothing is skipped, so it fails instead. */
export function describeDocker(name: string, body: () => void): void {
  const why = whyNoDocker()
  if (why === undefined || process.env['CI'] === 'true') describe(name, body)
  else describe.skip(`${name} (skipped: ${why})`, body)
}
