/**
 * `describe` for suites that need a real kernel: skipped by name, with the reason, when not root.
 */
import { describe } from 'vitest'
import { missingCapabilities } from '../src/sys/capability.ts'

/**
 * As vitest's `describe`. Where the capabilities are missing the suite is skipped and its name says
 * so; with CI=true nothing is skipped, so it fails instead.
 */
export function describeKernel(name: string, body: () => void): void {
  const missing = process.platform === 'linux' ? missingCapabilities() : ['Linux']
  if (missing.length === 0 || process.env['CI'] === 'true') describe(name, body)
  else describe.skip(`${name} (skipped: needs ${missing.join(' and ')})`, body)
}
