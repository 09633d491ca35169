/** The program that runs our suites inside guests, bundled: inside/main.ts and all it imports. */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { build, type Plugin } from 'esbuild'

const ROOT = join(import.meta.dirname, '../..')
// Inside the project, so that the bundle finds the project's packages.
const FOLDER = join(ROOT, 'node_modules', '.cache', `uml-${process.pid}`)
const STAND_IN = join(import.meta.dirname, 'inside/vitest.ts')

/** Test files get the stand-in; the stand-in itself gets vitest. */
const standIn: Plugin = {
  name: 'vitest inside',
  setup({ onResolve }) {
    onResolve({ filter: /^vitest$/ }, ({ importer }) =>
      importer === STAND_IN ? { path: 'vitest', external: true } : { path: STAND_IN },
    )
  },
}

/** @returns the path of the bundle; {@link removeInside} takes it away */
export async function buildInside(): Promise<string> {
  mkdirSync(FOLDER, { recursive: true })
  await build({
    entryPoints: { main: join(import.meta.dirname, 'inside/main.ts') },
    outdir: FOLDER,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    plugins: [standIn],
    logLevel: 'warning',
    sourcemap: 'inline',
  })
  return join(FOLDER, 'main.mjs')
}

export function removeInside(): void {
  rmSync(FOLDER, { recursive: true, force: true })
}
