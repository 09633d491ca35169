// `npm run bench -- NAME [NAME...]`: bundles bench/NAME.ts and runs it; without a name, says which
// there are.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const names = readdirSync(join(root, 'bench'))
  .filter((name) => name.endsWith('.ts') && name !== 'harness.ts')
  .map((name) => name.slice(0, -3))
const asked = process.argv.slice(2)
if (asked.length === 0)
  console.log(`npm run bench -- NAME...   with NAME one of: ${names.join(' ')}`)
for (const name of asked) {
  if (!existsSync(join(root, 'bench', `${name}.ts`))) {
    console.error(`no bench "${name}": there are ${names.join(' ')}`)
    process.exitCode = 2
    continue
  }
  // Beside the sources, so that packages resolve.
  const cache = join(root, 'node_modules', '.cache')
  mkdirSync(cache, { recursive: true })
  const outfile = join(cache, `lanyard-bench-${name}-${process.pid}.mjs`)
  const entryPoints = [join(root, 'bench', `${name}.ts`)]
  const common = { bundle: true, format: 'esm', platform: 'node', packages: 'external' }
  await build({ entryPoints, outfile, ...common })
  try {
    const run = spawnSync(process.execPath, ['--expose-gc', outfile], { stdio: 'inherit' })
    if (run.status !== 0) process.exitCode = 1
  } finally {
    rmSync(outfile)
  }
}
