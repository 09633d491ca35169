/**
 * The house rules hold for the tree, and each of them was seen to fail on a tree that breaks it.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { LAYERS, OPEN } from './tidy/layers.ts'
import { RULES } from './tidy/rules.ts'
import { importsOf, type Source, scan } from './tidy/source.ts'

const ROOT = join(import.meta.dirname, '..')
const SKIP = new Set(['node_modules', 'dist', 'coverage', '.git', 'truth'])
const TEXT = /(\.(ts|tsx|mjs|md|json|yaml|txt|html|css)|^run)$/

function readTree(folder = ''): Source[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (SKIP.has(entry.name)) return []
    if (entry.isDirectory()) return readTree(path)
    const read = entry.isFile() && TEXT.test(entry.name) && entry.name !== 'package-lock.json'
    return [{ path, text: read ? readFileSync(join(ROOT, path), 'utf8') : '' }]
  })
}

const tree = readTree()

describe('the tree keeps the house rules', () => {
  // The broken trees below name pages that do not exist.
  const files = tree.map((f) => (f.path === 'test/tidy.test.ts' ? { ...f, text: '' } : f))
  for (const [name, rule] of Object.entries(RULES))
    test(name, () => expect(rule(name === 'linksLead' ? files : tree)).toEqual([]))

  test('tsconfig.core.json compiles exactly the core folders of the table', () => {
    const config: unknown = JSON.parse(readFileSync(join(ROOT, 'tsconfig.core.json'), 'utf8'))
    const core = Object.keys(LAYERS).filter((name) => LAYERS[name]?.core)
    expect(config).toHaveProperty('include', [...OPEN, ...core.map((n) => `src/${n}`)])
  })
})

/** A tree that breaks one rule, and what is said of it. */
const BROKEN: readonly [keyof typeof RULES, Record<string, string>, RegExp][] = [
  ['importTable', { 'src/addr/a.ts': "import { b } from '../wire/b.ts'" }, /addr may not import w/],
  ['importTable', { 'src/wire/a.ts': "import type { B } from '../sim/b.ts'" }, /wire may not/],
  ['importTable', { 'src/sim/a.ts': "import fs from 'node:fs'" }, /may not import Node's/],
  ['importTable', { 'src/sim/a.ts': "const x = await import('koffi')" }, /the package koffi/],
  ['importTable', { 'src/sim/ip/a.ts': "type X = import('../../kernel/k.ts').X" }, /may not/],
  ['importTable', { 'src/kernel/a.ts': "export * from '../sim/b.ts'" }, /kernel may not/],
  ['importTable', { 'src/kernel/a.ts': "import '../cli/main.ts'" }, /nobody imports cli/],
  ['importTable', { 'src/odd/a.ts': '' }, /folder odd\/ has no row/],
  ['importTable', { 'src/lab/a.ts': "import x from '../../test/x.ts'" }, /leads out of src/],
  ['importTable', { 'src/sim/a.test.ts': "import x from '../kernel/x.ts'" }, /sim may not/],
  ['importTable', { 'console/a.tsx': "import x from '../src/engine/x.ts'" }, /console may not/],
  [
    'noCycles',
    { 'src/sim/a.ts': "import './b.ts'", 'src/sim/b.ts': "import type { A } from './a.ts'" },
    /cycle: src\/sim\/a.ts -> src\/sim\/b.ts -> src\/sim\/a.ts/,
  ],
  ['noBarrels', { 'src/addr/index.ts': '' }, /not a published/],
  [
    'noBarrels',
    { 'src/sim/a.ts': "export { b } from './b.ts'" },
    /published sub-paths are barrels/,
  ],
  ['noBarrels', { 'src/lab/a.ts': "import { W } from '../sim/index.ts'" }, /the file itself/],
  ['pureCore', { 'src/sim/a.ts': 'const t = Date.now()' }, /:1: Date/],
  ['pureCore', { 'src/lab/a.ts': '\nconst t = Math.random()' }, /:2: Math.random/],
  ['pureCore', { 'src/shell/a.ts': 'console.log(1)' }, /console/],
  ['pureCore', { 'src/shell/a.ts': 'setTimeout(f, 1)' }, /setTimeout/],
  ['pureCore', { 'src/shell/a.ts': 'const a = `b${process.pid}`' }, /process/],
  ['size', { 'src/addr/a.ts': '\n'.repeat(501) }, /501 lines/],
  ['size', { 'src/addr/a.ts': `// ${'x'.repeat(98)}` }, /wider/],
  ['headComment', { 'src/addr/a.ts': 'export const a = 1' }, /says nothing/],
  ['testBesideCode', { 'src/addr/a.kernel.test.ts': '', 'src/addr/b.ts': '' }, /beside it/],
  ['noWorkplace', { 'docs/a.md': 'see /wor\u006b/x' }, /speaks of/],
  ['noWorkplace', { 'src/addr/a.ts': '// as iss\u0075e 12 asks' }, /speaks of/],
  ['linksLead', { 'README.md': '[a](docs/a.md)' }, /docs\/a.md does not exist/],
  ['linksLead', { 'docs/x/b.md': '[a](../a.md#there)' }, /docs\/a.md does not/],
  ['linksLead', { 'src/addr/a.ts': '// doc\u0073/lab-notes/a.md' }, /does not exist/],
]

describe('every rule fails on a tree that breaks it', () => {
  const asTree = (files: Record<string, string>): Source[] =>
    Object.entries(files).map(([path, text]) => ({ path, text }))

  BROKEN.forEach(([name, files, says], i) =>
    test(`${name} ${i}: ${Object.values(files)[0]?.trim().slice(0, 40)}`, () => {
      const complaints = RULES[name](asTree(files))
      expect(complaints).toHaveLength(1)
      expect(complaints[0]).toMatch(says)
    }),
  )

  test('every rule is among them', () => {
    expect([...new Set(BROKEN.map(([name]) => name))].sort()).toEqual(Object.keys(RULES).sort())
  })

  test('a good tree is left alone', () => {
    const good = asTree({
      'src/errors.ts': '/** Errors. */',
      'src/sim/a.ts':
        "// Date is passed in\nimport { b } from '../fabric/b.ts'\nimport '../errors.ts'\nb.Date()",
      'src/sim/a.test.ts': "import { test } from 'vitest'\nimport fs from 'node:fs'",
      'src/wire/tables/tables.test.ts': "import { test } from 'vitest'",
      'src/fabric/b.ts':
        '/** B. */\nexport { d } from "./d.ts"\nexport const c = 1\nconst s = "import \'node:fs\' // Date"',
      'src/index.ts': "// Root.\nexport * from './sim/index.ts'\nexport { b } from './fabric/b.ts'",
      'src/sim/index.ts': "// Sim.\nexport { a } from './a.ts'",
      'docs/a.md': '[b](../src/errors.ts) [c](https://example.org)',
    })
    for (const rule of Object.values(RULES)) expect(rule(good)).toEqual([])
  })
})

describe('scan() tells code from text', () => {
  test('importsOf() sees every form and no sentence', () => {
    const text = [
      "import a, { b as c } from 'one'",
      "import type {\n  D,\n} from 'two'",
      "import * as e from 'three'",
      "import 'four'",
      "export * from 'five'",
      "const x = import('six')",
      "// import 'no'",
      '/* from "no" */',
      'const s = "import \'no\'"',
      "const t = `import 'no'`",
      "const u = `${await import('seven')} import 'no'`",
      "export const v = 'no'",
    ].join('\n')
    const names = importsOf(text).map((i) => i.specifier)
    expect(names).toEqual(['one', 'two', 'three', 'four', 'five', 'six', 'seven'])
    expect(importsOf(text)[2]?.line).toBe(5)
  })

  test('scan() blanks strings, comments and regular expressions, not divisions', () => {
    const { code } = scan('a = /["/]{2}/.test(b) // c\nd = e / f / `g${h({ i: "}" })}j` // k')
    expect(code.replace(/\s+/g, ' ').trim()).toBe('a = .test(b) d = e / f / h({ i: })')
  })
})

/** What oxlint keeps for us: a file that breaks each rule is refused by name. */
test('oxlint refuses what the house rules forbid', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tidy-'))
  try {
    const long = Array.from({ length: 71 }, (_, i) => `  f(${i})`).join('\n')
    const text = `export default function f(a: any): void {\n${long}\n}\n`
    writeFileSync(join(folder, 'bad.ts'), text)
    const args = ['-c', '.oxlintrc.json', '-f', 'unix', folder]
    const run = spawnSync(join(ROOT, 'node_modules/.bin/oxlint'), args, {
      cwd: ROOT,
      encoding: 'utf8',
    })
    for (const rule of ['max-lines-per-function', 'no-explicit-any', 'no-default-export'])
      expect(run.stdout).toContain(rule)
    expect(run.status).toBe(1)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('the lock file names no registry', () => {
  const lock = readFileSync(join(ROOT, 'package-lock.json'), 'utf8')
  expect(lock).not.toContain('"resolved"')
  expect(execFileSync('bash', ['-n', join(ROOT, '.ci', 'run')], { encoding: 'utf8' })).toBe('')
})
