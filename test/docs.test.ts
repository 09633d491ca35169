/** The generated pages say what the code says. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { pages } from '../scripts/reference.ts'

const ROOT = join(import.meta.dirname, '..')

for (const [path, text] of Object.entries(pages(ROOT)))
  test(`${path} is what \`npm run docs\` writes`, () => {
    const file = join(ROOT, path)
    expect(existsSync(file) ? readFileSync(file, 'utf8') : 'missing').toBe(text)
  })

test('pages() lists every error and reason once, with no placeholder left unprinted', () => {
  const all = pages(ROOT)
  const errors = all['docs/reference/errors.md'] ?? ''
  expect(errors).toContain(
    '| `link-missing` | link "\\<link>" does not exist in namespace "\\<netns>"',
  )
  for (const page of Object.values(all)) expect(page).not.toMatch(/\[object|undefined|=>/)
})
