/** The version of this program, from its package.json. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Looked up from wherever the bundler put this file. */
export function version(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json')) && folder !== dirname(folder)) {
    folder = dirname(folder)
  }
  const found: unknown = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  return (found as { readonly version: string }).version
}
