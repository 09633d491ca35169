/** `npm run docs`: writes the generated pages of docs/; reference.ts says what they are. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pages } from './reference.ts'

const root = process.cwd()
for (const [path, text] of Object.entries(pages(root))) {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
  process.stdout.write(`${path}\n`)
}
