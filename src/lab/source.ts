/**
 * The text of a lab file with its positions: which line and column a path of it stands at, and the
 * problems found so far. All problems of a file are collected and reported together.
 */
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml'
import { LanyardError } from '../errors.ts'

/** Keys and indexes from the root of the file to a value. */
export type Path = readonly (string | number)[]

/** One thing that is wrong with a lab file. */
export interface Problem {
  readonly file: string
  readonly line: number
  readonly column: number
  /** `networks.lan.mode`; empty for the file as a whole. */
  readonly path: string
  readonly sentence: string
}

/** `file:line:column: path: sentence` */
export function formatProblem(problem: Problem): string {
  const path = problem.path === '' ? '' : `${problem.path}: `
  return `${problem.file}:${problem.line}:${problem.column}: ${path}${problem.sentence}`
}

/** `networks.lan.subnet[1]` */
export function formatPath(path: Path): string {
  return path.reduce<string>(
    (text, key) =>
      typeof key === 'number' ? `${text}[${key}]` : text === '' ? key : `${text}.${key}`,
    '',
  )
}

export class LabSource {
  readonly file: string
  /** The parsed value; undefined when the text is no YAML. */
  value: unknown
  readonly #root: Node | null
  readonly #text: string
  readonly #lines = new LineCounter()
  readonly #problems = new Map<string, Problem>()

  /**
   * @param file the name problems are reported under
   * @param merge whether `<<` merges mappings, as YAML 1.1 and the files of other programs have it
   */
  constructor(file: string, text: string, { merge = false }: { readonly merge?: boolean } = {}) {
    this.file = file
    this.#text = text
    const doc = parseDocument(text, {
      lineCounter: this.#lines,
      version: '1.2',
      merge,
      prettyErrors: false,
      uniqueKeys: true,
    })
    this.#root = doc.contents
    const lines = new Set<number>()
    for (const error of doc.errors) {
      const { line } = this.#lines.linePos(error.pos[0])
      // A parser that stumbles goes on stumbling: the first of a line is the one to mend.
      if (!lines.has(line)) {
        this.#add(error.pos[0], '', yamlSentence(error.message, lineAt(text, error.pos[0])))
      }
      lines.add(line)
    }
    this.value = doc.errors.length === 0 ? doc.toJS({ maxAliasCount: 100 }) : undefined
  }

  /** Reports a problem at a value, or at its key; the same one is kept once. */
  problem(path: Path, sentence: string, at: 'key' | 'value' = 'value'): void {
    this.#add(this.#offset(path, at), formatPath(path), sentence)
  }

  /** Reports a problem of a line, where a whole line is what is known. */
  problemAtLine(line: number, sentence: string): void {
    const problem: Problem = { file: this.file, line, column: 1, path: '', sentence }
    this.#problems.set(formatProblem(problem), problem)
  }

  /** Line of a value, or of its key, counted from 1. */
  lineOf(path: Path, at: 'key' | 'value' = 'value'): number {
    return this.#lines.linePos(this.#offset(path, at)).line
  }

  /** Line and column of a value, counted from 1. */
  placeOf(path: Path): { readonly line: number; readonly column: number } {
    const { line, col } = this.#lines.linePos(this.#offset(path, 'value'))
    return { line: Math.max(1, line), column: col }
  }

  /** The text of a line, without what stands around it. */
  textAt(line: number): string {
    return (this.#text.split('\n')[line - 1] ?? '').trim()
  }

  get problems(): readonly Problem[] {
    return [...this.#problems.values()].sort((a, b) => a.line - b.line || a.column - b.column)
  }

  /** @throws LanyardError `lab-invalid` when problems were reported */
  check(): void {
    if (this.#problems.size > 0) throw new LanyardError('lab-invalid', { problems: this.problems })
  }

  #add(offset: number, path: string, sentence: string): void {
    const { line, col } = this.#lines.linePos(offset)
    const problem: Problem = {
      file: this.file,
      line: Math.max(1, line),
      column: col,
      path,
      sentence,
    }
    const key = formatProblem(problem)
    if (!this.#problems.has(key)) this.#problems.set(key, problem)
  }

  /** Walks as far along the path as the file goes. */
  #offset(path: Path, at: 'key' | 'value'): number {
    let node: unknown = this.#root
    let offset = startOf(this.#root)
    for (const [i, step] of path.entries()) {
      if (isAlias(node)) break
      if (isMap(node)) {
        const pair = node.items.find((p) => isScalar(p.key) && String(p.key.value) === String(step))
        if (pair === undefined) break
        const wantKey = at === 'key' && i === path.length - 1
        offset = startOf(wantKey || pair.value === null ? pair.key : pair.value)
        node = pair.value
      } else if (isSeq(node) && node.items[Number(step)] !== undefined) {
        node = node.items[Number(step)]
        offset = startOf(node)
      } else break
    }
    return offset
  }
}

function startOf(node: unknown): number {
  const range = (node as { readonly range?: readonly number[] } | null)?.range
  return range?.[0] ?? 0
}

function lineAt(text: string, offset: number): string {
  const start = text.lastIndexOf('\n', offset - 1) + 1
  const end = text.indexOf('\n', offset)
  return text.slice(start, end < 0 ? text.length : end)
}

/** The parser's own words, with the mend for what people really trip over. */
function yamlSentence(message: string, line: string): string {
  const own = message.charAt(0).toLowerCase() + message.slice(1).replace(/\.$/, '')
  if (/^\s*-\s*[{*]/.test(line) && line.includes('->')) {
    return 'put quotes around an expectation that begins with { or *, as "{a,b} -> c ok"'
  }
  // oxlint-disable-next-line no-template-curly-in-string -- what is to be typed
  if (/\$\{/.test(line)) return 'put quotes around a value with a variable, as "${name}"'
  return `not YAML: ${own}`
}
