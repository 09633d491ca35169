/** The generated pages say what the code says. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openSim } from '../src/sim/fabric.ts'
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

test('README.md shows what was printed', () => {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
  const block = /\n\$ npx lanyard lab run examples\/seed-001\n([\s\S]*?)```/.exec(readme)
  const transcript = readFileSync(join(ROOT, 'examples/seed-001/transcript.txt'), 'utf8')
  const parts = block?.[1]?.split('...\n') ?? []
  expect(parts).toHaveLength(2)
  expect(transcript.startsWith(parts[0] ?? 'missing')).toBe(true)
  expect(transcript.trimEnd().endsWith(parts[1]?.trimEnd() ?? 'missing')).toBe(true)
})

test('README.md: its session at a terminal is that of the page, with lines left out', () => {
  const blockOf = (path: string, start: string): string => {
    const [, block] = readFileSync(join(ROOT, path), 'utf8').split(`\`\`\`console\n${start}`)
    return `${start}${block?.split('\n```')[0] ?? ''}`.replaceAll('$ npx ', '$ ')
  }
  const up = 'lanyard lab up examples/seed-001 --set mode=bridge --set hairpin=false -q\n'
  const page = blockOf('docs/tutorial/session.md', `$ ${up}`)
  const shown = blockOf('README.md', `$ npx ${up}`)
  const pieces = shown
    .split('\n...\n')
    .map((text) => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
  expect(pieces.length).toBeGreaterThan(1)
  // Where lines are left out there are some.
  expect(page).toMatch(new RegExp(`^${pieces.join('\n(?:.*\n)+?')}$`))
  expect(shown.match(/^(?:\$|\[root.*#) .*$/gm)).toEqual(page.match(/^(?:\$|\[root.*#) .*$/gm))
})

test('README.md: the program in it does what it says', async () => {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
  const program = /```ts\nimport \{ openSim \} from 'lanyard\/sim'\n([\s\S]*?)```/.exec(readme)?.[1]
  // oxlint-disable-next-line typescript/no-implied-eval -- the text is our own README
  const run = new Function('openSim', `return (async () => {${program}\nreturn netns})()`)
  const netns: { readonly name: string }[] = await run(openSim)
  expect(netns.map((n) => n.name)).toEqual(['', 'box1'])
})
