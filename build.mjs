// Bundles the program and the published sub-paths into dist/ and writes their declarations. Run by
// `npm ci` (as `prepare`) and by `npm run build`. Dependencies stay outside; whoever never opens
// the kernel never loads koffi.
import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { build } from 'esbuild'
import { buildDoor } from './scripts/door.mjs'

const { exports } = JSON.parse(readFileSync('package.json', 'utf8'))
const entries = { main: 'src/cli/main.ts' }
for (const target of Object.values(exports)) {
  if (typeof target === 'string') continue
  // dist/sim/index.mjs is the bundle of src/sim/index.ts
  const name = target.default.replace(/^\.\/dist\/|\.mjs$/g, '')
  entries[name] = `src/${name}.ts`
}

rmSync('dist', { recursive: true, force: true })
await build({
  entryPoints: entries,
  outdir: 'dist',
  outExtension: { '.js': '.mjs' },
  chunkNames: 'chunks/[name]-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  packages: 'external',
  sourcemap: true,
  sourcesContent: false,
  logLevel: 'warning',
})
await buildDoor('dist')
execFileSync('node_modules/.bin/tsc', ['-p', 'tsconfig.build.json'], { stdio: 'inherit' })
