// node scripts/run.mjs FILE.ts [ARGS]: bundles one of the project's own programs and runs it.
import { mkdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const [file, ...args] = process.argv.slice(2)
const root = join(dirname(fileURLToPath(import.meta.url)), '..')
// Inside the project, so that the bundle finds the project's packages.
const dir = join(root, 'node_modules', '.cache', `run-${process.pid}`)
mkdirSync(dir, { recursive: true })
process.on('exit', () => rmSync(dir, { recursive: true, force: true }))
await build({
  entryPoints: { main: join(root, file) },
  outdir: dir,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  packages: 'external',
  sourcemap: 'inline',
  logLevel: 'warning',
})
process.argv = [process.argv[0], file, ...args]
await import(pathToFileURL(join(dir, 'main.mjs')).href)
