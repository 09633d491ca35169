// `npm run docs`: writes the generated pages of docs/ (scripts/reference.ts says what they are).
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
// Beside the sources, so that packages resolve.
const bundle = join(root, 'node_modules', '.cache', 'lanyard-reference.mjs')
await build({
  entryPoints: [join(root, 'scripts/reference.ts')],
  outfile: bundle,
  bundle: true,
  format: 'esm',
  platform: 'node',
  packages: 'external',
})
const { pages } = await import(bundle)
rmSync(bundle)
for (const [path, text] of Object.entries(pages(root))) {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
  console.log(path)
}
