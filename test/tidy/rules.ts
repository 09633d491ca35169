/**
 * The house rules a machine can keep, each a function from the files of the tree to complaints
 * (`path:line: what is wrong`). What oxlint, biome, knip and the compiler keep is not repeated
 * here.
 */
import { CLOSED, LAYERS, OPEN, PUBLISHED } from './layers.ts'
import { importsOf, lineAt, type Source, scan } from './source.ts'

type Rule = (files: readonly Source[]) => string[]

const FILE_LINES = 500
/** One table by intent: split, it would have to be looked for. */
const TABLES: readonly string[] = ['src/errors.ts']
const WIDTH = 100

const isTs = (f: Source): boolean => /\.tsx?$/.test(f.path)
const isCode = (f: Source): boolean => /\.(ts|tsx|mjs)$/.test(f.path)
const isTest = (path: string): boolean => /\.test\.tsx?$/.test(path)

/** The row of the import table a file belongs to; `''` for the files that stand in src/ itself. */
function layerOf(path: string): string | undefined {
  if (path.startsWith('console/')) return 'console'
  return /^src\/(?:([^/]+)\/)?/.exec(path)?.[1] ?? (path.startsWith('src/') ? '' : undefined)
}

/** The file an import leads to, or undefined for a package or a `node:` module. */
function target(from: string, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined
  const parts = from.split('/').slice(0, -1)
  for (const part of specifier.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '.') parts.push(part)
  }
  return parts.join('/')
}

/** Tests, and what they share. */
const forTests = (path: string): boolean => /\.(?:test|fixture|case)\.tsx?$/.test(path)

/** What a test beside the code may import on top of its folder's row. */
const TEST_PACKAGES = ['vitest', 'fast-check']

/** src/ and console/: imports go only where the table of layers.ts lets them. */
const importTable: Rule = (files) => {
  const wrong: string[] = []
  for (const file of files.filter(isTs)) {
    const layer = layerOf(file.path)
    if (layer === undefined) continue
    const row = LAYERS[layer]
    if (row === undefined && layer !== '') {
      wrong.push(`${file.path}:1: folder ${layer}/ has no row in test/tidy/layers.ts`)
      continue
    }
    for (const { specifier, line } of importsOf(file.text)) {
      const why = forbidden(file.path, layer, specifier)
      if (why !== undefined) wrong.push(`${file.path}:${line}: "${specifier}": ${why}`)
    }
  }
  return wrong
}

function forbidden(path: string, layer: string, specifier: string): string | undefined {
  const to = target(path, specifier)
  if (to === undefined) return forbiddenPackage(path, layer, specifier)
  const other = layerOf(to)
  if (other === undefined)
    return isTest(path) && to.startsWith('test/') ? undefined : 'leads out of src/'
  if (OPEN.includes(to) || other === layer) return undefined
  if (CLOSED.includes(other)) return `nobody imports ${other}`
  // The files of src/ itself stand above the table; what they take is browser-safe.
  if (layer === '') return LAYERS[other]?.core ? undefined : `the root may not import ${other}`
  // A kernel test brings the sockets its folder is handed at run time.
  if (path.endsWith('.kernel.test.ts') && ['sys', 'kernel'].includes(other)) return undefined
  const may = LAYERS[layer]?.may ?? []
  return may.includes(other) || may.includes('*') ? undefined : `${layer} may not import ${other}`
}

function forbiddenPackage(path: string, layer: string, specifier: string): string | undefined {
  const row = LAYERS[layer]
  if (specifier.startsWith('node:'))
    return row?.node || isTest(path) ? undefined : `${layer} may not import Node's modules`
  const name = specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
  if (row?.packages?.includes(name)) return undefined
  if (forTests(path) && TEST_PACKAGES.includes(name)) return undefined
  return `${layer === '' ? 'the root' : layer} may not import the package ${name}`
}

/** No import cycle between files of src/, type-only imports included. */
const noCycles: Rule = (files) => {
  const graph = new Map<string, string[]>()
  for (const file of files.filter(isTs)) {
    const to = importsOf(file.text).map((i) => target(file.path, i.specifier))
    graph.set(
      file.path,
      to.filter((t) => t !== undefined),
    )
  }
  const wrong: string[] = []
  const done = new Set<string>()
  const visit = (path: string, trail: string[]): void => {
    const at = trail.indexOf(path)
    if (at !== -1) {
      wrong.push(`${path}:1: import cycle: ${[...trail.slice(at), path].join(' -> ')}`)
      return
    }
    if (done.has(path)) return
    for (const next of graph.get(path) ?? []) visit(next, [...trail, path])
    done.add(path)
  }
  for (const path of graph.keys()) visit(path, [])
  return wrong
}

const OWN_EXPORT = /^export (?:type|interface|const|let|(?:async )?function|class)\b(?! \{)/m

/**
 * Only the published sub-paths are barrels, and nobody inside goes through them. A file may pass on
 * names of its own folder beside what it declares itself.
 */
const noBarrels: Rule = (files) => {
  const wrong: string[] = []
  for (const file of files.filter((f) => isTs(f) && layerOf(f.path) !== undefined)) {
    if (file.path.endsWith('/index.ts') && !PUBLISHED.includes(file.path))
      wrong.push(`${file.path}:1: index.ts of a folder that is not a published sub-path`)
    for (const { specifier, line, reexport } of importsOf(file.text)) {
      const to = target(file.path, specifier)
      if (to !== undefined && PUBLISHED.includes(to) && file.path !== 'src/index.ts')
        wrong.push(`${file.path}:${line}: import the file itself, not ${to}`)
      if (!reexport || PUBLISHED.includes(file.path)) continue
      if (!/^\.\/[^/]+$/.test(specifier) || !OWN_EXPORT.test(file.text))
        wrong.push(`${file.path}:${line}: only published sub-paths are barrels`)
    }
  }
  return wrong
}

const IMPURE =
  /\b(?:Date|Math\.random|globalThis|(?:performance|crypto|process|console|Buffer)(?=[.[]))\b/g
const TIMERS = /\b(?:setTimeout|setInterval|setImmediate|queueMicrotask)\b/g

/** Core folders take time and chance as arguments and know nothing of Node. */
const pureCore: Rule = (files) => {
  const wrong: string[] = []
  for (const file of files.filter((f) => isTs(f) && !isTest(f.path))) {
    const layer = layerOf(file.path)
    if (layer === undefined || (layer !== '' && !LAYERS[layer]?.core)) continue
    const { code } = scan(file.text)
    for (const pattern of [IMPURE, TIMERS])
      for (const m of code.matchAll(pattern)) {
        // A property of that name is somebody else's.
        if (code[m.index - 1] === '.' || code[m.index + m[0].length] === ':') continue
        wrong.push(`${file.path}:${lineAt(code, m.index)}: ${m[0]} in a core folder`)
      }
  }
  return wrong
}

/** Files end somewhere, and lines fit side by side (what is one literal cannot be broken). */
const size: Rule = (files) => {
  const wrong: string[] = []
  for (const file of files.filter(isCode)) {
    const lines = file.text.split('\n')
    if (lines.length - 1 > FILE_LINES && !TABLES.includes(file.path))
      wrong.push(`${file.path}:${FILE_LINES}: ${lines.length - 1} lines, at most ${FILE_LINES}`)
    lines.forEach((line, i) => {
      const mayBeLong = /['"`/]/.test(line.slice(0, WIDTH)) && !/^\s*(?:\*|\/[/*])/.test(line)
      if (Array.from(line).length > WIDTH && !mayBeLong)
        wrong.push(`${file.path}:${i + 1}: wider than ${WIDTH}`)
    })
  }
  return wrong
}

/** A file says what it is before it begins; a test is named by what it tests. */
const headComment: Rule = (files) =>
  files
    .filter(
      (f) => isCode(f) && !isTest(f.path) && !/^(#!.*\n)?\s*(\/\*\*?|\/\/)\s?\S?/.test(f.text),
    )
    .map((f) => `${f.path}:1: says nothing of what it is`)

/**
 * A unit test in src/ stands beside the file it tests: `a.test.ts`, `a.x.test.ts` beside `a.ts`.
 */
const testBesideCode: Rule = (files) => {
  const paths = new Set(files.map((f) => f.path))
  return files
    .filter((f) => /^(src|console)\//.test(f.path) && isTest(f.path))
    .filter((f) => !/\/([^/.]+)\/\1\.[^/]*$/.test(f.path))
    .filter((f) => !paths.has(f.path.replace(/(\/[^/.]+)\.[^/]*$/, '$1.ts')))
    .map((f) => `${f.path}:1: no file of that name beside it`)
}

/**
 * The project speaks of itself alone: no path of somebody's machine, no note that is not in the
 * tree, no ticket by its number. (Written so that this file does not find itself.)
 */
const WORKPLACE: readonly RegExp[] = [
  /\/w[o]rk\//g,
  /\bshared\/(?:facts|truth|seeds)|\bf[a]cts\/[\w.]+/g,
  /\bDESIGN\.m[d]\b|\bBRIEF\.m[d]\b/g,
  /\b[i]ssue #?\d{1,3}\b|\b(?:later|other|next|trunks|laboratory's) [i]ssue\b/gi,
  /\bworktre[e]\b|\bcolleag[u]e/gi,
]

const noWorkplace: Rule = (files) =>
  files.flatMap((f) =>
    WORKPLACE.flatMap((pattern) => [...f.text.matchAll(pattern)]).map(
      (m) => `${f.path}:${lineAt(f.text, m.index)}: speaks of a workplace: "${m[0]}"`,
    ),
  )

/** Every relative link of a page, and every `docs/...` page named in code, leads to a file. */
const linksLead: Rule = (files) => {
  const paths = new Set(files.map((f) => f.path))
  const folders = new Set([...paths].map((p) => p.replace(/\/[^/]*$/, '')))
  const there = (p: string): boolean => paths.has(p) || folders.has(p.replace(/\/$/, ''))
  const wrong: string[] = []
  for (const file of files) {
    const page = file.path.endsWith('.md')
    const links = page
      ? file.text.matchAll(/\]\((?!\w+:|#)([^)#\s]+)(?:#[^)\s]*)?\)/g)
      : file.text.matchAll(/(?<![\w/])(docs\/[\w/.-]+\.md)\b/g)
    for (const m of links) {
      const to = page ? target(file.path, `./${m[1]}`) : m[1]
      if (to === undefined || there(to)) continue
      wrong.push(`${file.path}:${lineAt(file.text, m.index)}: ${to} does not exist`)
    }
  }
  return wrong
}

/** All of them, by name. */
export const RULES = {
  importTable,
  noCycles,
  noBarrels,
  pureCore,
  size,
  headComment,
  testBesideCode,
  noWorkplace,
  linksLead,
} satisfies Record<string, Rule>
