// Bundles the truth runner (test/truth/run.ts) and runs it with the words given: `npm run truth -- --help`-free, see its head.
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import { spawnSync } from 'node:child_process'

const folder = mkdtempSync(join(process.cwd(), 'node_modules', '.truth-'))
const outfile = join(folder, 'truth.mjs')
let code = 2
try {
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
  const run = spawnSync(process.execPath, [outfile, ...process.argv.slice(2)], {
    stdio: 'inherit',
    env,
  })
  code = run.status ?? 130
} finally {
  rmSync(folder, { recursive: true, force: true })
}
process.exitCode = code
