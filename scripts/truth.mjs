// Bundles the truth runner (test/truth/run.ts) and runs it with the words given.
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { spawn } from 'node:child_process'
import { build } from 'esbuild'

// Inside the project, so that the bundle finds its packages; not in dist/, which a build empties.
const folder = join(process.cwd(), 'node_modules', '.cache', `truth-${process.pid}`)
const outfile = join(folder, 'truth.mjs')
mkdirSync(folder, { recursive: true })
await build({
  entryPoints: ['test/truth/run.ts'],
  outfile,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  packages: 'external',
  logLevel: 'warning',
})
const env = { ...process.env, LANYARD_TRUTH: join(process.cwd(), 'test/truth') }
const child = spawn(process.execPath, [outfile, ...process.argv.slice(2)], {
  stdio: 'inherit',
  env,
})
// Ctrl-C reaches the runner too: it removes its namespaces and then ends, so this waits.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
child.on('exit', (code) => {
  rmSync(folder, { recursive: true, force: true })
  process.exitCode = code ?? 130
})
