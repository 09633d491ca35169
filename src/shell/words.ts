/**
 * The grammar of a command line, as far as the shell speaks it: quotes, `$name`, `$(...)`,
 * pipes, `&&`, `||`, `;`, `&`, `(...)`, `for`, redirection. Text in, a tree out; nothing runs here.
 */

/** A piece of a word: `quoted` pieces are not split, `text` may hold `$name`. */
export type Piece =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'variable'; readonly name: string; readonly quoted: boolean }
  | { readonly kind: 'command'; readonly source: string; readonly quoted: boolean }

export type Word = readonly Piece[]

export interface Redirect {
  readonly from: 1 | 2
  readonly append: boolean
  /** `1` is `2>&1`. */
  readonly to: Word | 1
}

export type Node =
  | {
      readonly kind: 'simple'
      readonly words: readonly Word[]
      readonly redirects: readonly Redirect[]
    }
  | { readonly kind: 'group'; readonly body: List; readonly redirects: readonly Redirect[] }
  | {
      readonly kind: 'for'
      readonly name: string
      readonly words: readonly Word[]
      readonly body: List
      readonly redirects: readonly Redirect[]
    }

export type Pipeline = readonly Node[]
/** Pipelines with what joins each to the one before. */
export type List = readonly {
  readonly join: ';' | '&&' | '||'
  readonly pipeline: Pipeline
  /** `&` behind it. */
  readonly background: boolean
}[]

type Token =
  | { readonly kind: 'word'; readonly word: Word; readonly bare: string | undefined }
  | { readonly kind: 'op'; readonly op: string }
  | {
      readonly kind: 'redirect'
      readonly from: 1 | 2
      readonly append: boolean
      readonly dup: boolean
    }

/** What the shell says of a line it cannot read. */
export interface SyntaxFailure {
  readonly kind: 'syntax'
  readonly near: string
}

const END = 'end of file'
const UNTERMINATED = 'unterminated'

/** In the words of Debian's sh. */
export function syntaxText({ near }: SyntaxFailure): string {
  if (near === UNTERMINATED) return 'sh: 1: Syntax error: Unterminated quoted string\n'
  return `sh: 1: Syntax error: ${near === END ? END : `"${near}"`} unexpected\n`
}

/** @returns the tree, or what the line stumbled over */
export function parseLine(line: string): List | SyntaxFailure {
  const tokens = tokenize(line)
  if (!Array.isArray(tokens)) return tokens
  const reader: Reader = { tokens, at: 0, wrong: undefined }
  const list = readList(reader)
  const rest = tokens[reader.at]
  if (reader.wrong === undefined && rest !== undefined) reader.wrong = describe(rest)
  return reader.wrong === undefined ? list : { kind: 'syntax', near: reader.wrong }
}

interface Reader {
  readonly tokens: readonly Token[]
  at: number
  wrong: string | undefined
}

function describe(token: Token | undefined): string {
  if (token === undefined) return END
  if (token.kind === 'op') return token.op
  return token.kind === 'redirect' ? '>' : (token.bare ?? 'word')
}

function isWord(token: Token | undefined, text: string): boolean {
  return token?.kind === 'word' && token.bare === text
}

function isOp(token: Token | undefined, op: string): boolean {
  return token?.kind === 'op' && token.op === op
}

function readList(r: Reader): List {
  const list: { join: ';' | '&&' | '||'; pipeline: Pipeline; background: boolean }[] = []
  let join: ';' | '&&' | '||' = ';'
  for (;;) {
    const token = r.tokens[r.at]
    if (token === undefined || isOp(token, ')') || isWord(token, 'done')) {
      if (join !== ';') r.wrong ??= describe(token)
      return list
    }
    if (isOp(token, ';')) {
      r.at++
      continue
    }
    const item = { join, pipeline: readPipeline(r), background: false }
    list.push(item)
    if (r.wrong !== undefined) return list
    const next = r.tokens[r.at]
    if (isOp(next, '&')) {
      item.background = true
      join = ';'
      r.at++
      continue
    }
    if (next?.kind === 'op' && (next.op === ';' || next.op === '&&' || next.op === '||')) {
      join = next.op
      r.at++
    } else return list
  }
}

function readPipeline(r: Reader): Pipeline {
  const nodes: Node[] = [readNode(r)]
  while (r.wrong === undefined && isOp(r.tokens[r.at], '|')) {
    r.at++
    nodes.push(readNode(r))
  }
  return nodes
}

function readNode(r: Reader): Node {
  const token = r.tokens[r.at]
  if (isOp(token, '(')) {
    r.at++
    const body = readList(r)
    expectOp(r, ')')
    return { kind: 'group', body, redirects: readRedirects(r) }
  }
  if (isWord(token, 'for')) return readFor(r)
  const words: Word[] = []
  const redirects: Redirect[] = []
  for (;;) {
    const next = r.tokens[r.at]
    if (next?.kind === 'word') {
      words.push(next.word)
      r.at++
    } else if (next?.kind === 'redirect') redirects.push(...readRedirects(r))
    else break
  }
  if (words.length === 0) r.wrong ??= describe(r.tokens[r.at])
  return { kind: 'simple', words, redirects }
}

function readFor(r: Reader): Node {
  r.at++
  const name = r.tokens[r.at++]
  if (name?.kind !== 'word' || name.bare === undefined) r.wrong ??= describe(name)
  expectWord(r, 'in')
  const words: Word[] = []
  for (let t = r.tokens[r.at]; t?.kind === 'word'; t = r.tokens[++r.at]) words.push(t.word)
  expectOp(r, ';')
  expectWord(r, 'do')
  const body = readList(r)
  expectWord(r, 'done')
  const bare = name?.kind === 'word' ? (name.bare ?? '') : ''
  return { kind: 'for', name: bare, words, body, redirects: readRedirects(r) }
}

function expectOp(r: Reader, op: string): void {
  if (isOp(r.tokens[r.at], op)) r.at++
  else r.wrong ??= describe(r.tokens[r.at])
}

function expectWord(r: Reader, text: string): void {
  if (isWord(r.tokens[r.at], text)) r.at++
  else r.wrong ??= describe(r.tokens[r.at])
}

function readRedirects(r: Reader): Redirect[] {
  const out: Redirect[] = []
  for (let t = r.tokens[r.at]; t?.kind === 'redirect'; t = r.tokens[r.at]) {
    r.at++
    if (t.dup) {
      out.push({ from: t.from, append: false, to: 1 })
      continue
    }
    const target = r.tokens[r.at]
    if (target?.kind !== 'word') {
      r.wrong ??= describe(target)
      return out
    }
    r.at++
    out.push({ from: t.from, append: t.append, to: target.word })
  }
  return out
}

function tokenize(line: string): Token[] | SyntaxFailure {
  const tokens: Token[] = []
  let at = 0
  while (at < line.length) {
    const c = line[at] as string
    if (c === ' ' || c === '\t') {
      at++
      continue
    }
    if (c === '#') break
    const redirect = /^([12]?)(>>?)(&1)?/.exec(line.slice(at))
    if (redirect !== null) {
      const from = redirect[1] === '2' ? 2 : 1
      tokens.push({
        kind: 'redirect',
        from,
        append: redirect[2] === '>>',
        dup: redirect[3] !== undefined,
      })
      at += redirect[0].length
      continue
    }
    const op = /^(&&|\|\||[;|()&\n])/.exec(line.slice(at))
    if (op !== null) {
      tokens.push({ kind: 'op', op: op[0] === '\n' ? ';' : op[0] })
      at += op[0].length
      continue
    }
    if (c === '<' || c === '`') return { kind: 'syntax', near: c }
    const read = readWord(line, at)
    if (typeof read === 'string') return { kind: 'syntax', near: read }
    tokens.push({ kind: 'word', word: read.word, bare: read.bare })
    at = read.end
  }
  return tokens
}

interface WordRead {
  readonly word: Word
  /** Its text when it is plain and unquoted: only such a word can be a keyword. */
  readonly bare: string | undefined
  readonly end: number
}

function readWord(line: string, start: number): WordRead | string {
  const pieces: Piece[] = []
  let text = ''
  let plain = true
  let at = start
  const flush = () => {
    if (text !== '') pieces.push({ kind: 'text', text })
    text = ''
  }
  while (at < line.length && !/[\s;|()&<>]/.test(line[at] as string)) {
    const c = line[at] as string
    if (c === "'") {
      const end = line.indexOf("'", at + 1)
      if (end < 0) return UNTERMINATED
      text += line.slice(at + 1, end)
      plain = false
      if (end === at + 1 && text === '') pieces.push({ kind: 'text', text: '' })
      at = end + 1
    } else if (c === '"') {
      plain = false
      const end = readQuoted(line, at + 1, pieces, flush, (s) => {
        text += s
      })
      if (end < 0) return UNTERMINATED
      at = end
    } else if (c === '\\') {
      text += line[at + 1] ?? ''
      plain = false
      at += 2
    } else if (c === '$') {
      plain = false
      flush()
      const end = readDollar(line, at, false, pieces)
      if (end < 0) return '$('
      at = end
    } else {
      text += c
      at++
    }
  }
  const bare = plain ? text : undefined
  flush()
  return { word: pieces, bare, end: at }
}

function readQuoted(
  line: string,
  start: number,
  pieces: Piece[],
  flush: () => void,
  add: (text: string) => void,
): number {
  let at = start
  let empty = true
  while (at < line.length) {
    const c = line[at] as string
    if (c === '"') {
      if (empty) pieces.push({ kind: 'text', text: '' })
      return at + 1
    }
    empty = false
    if (c === '\\' && /["\\$]/.test(line[at + 1] ?? '')) {
      add(line[at + 1] as string)
      at += 2
    } else if (c === '$') {
      flush()
      const end = readDollar(line, at, true, pieces)
      if (end < 0) return -1
      at = end
    } else {
      add(c)
      at++
    }
  }
  return -1
}

/** `$(...)`, `$name` or a lone `$`. @returns where it ends, -1 when never closed */
function readDollar(line: string, at: number, quoted: boolean, pieces: Piece[]): number {
  if (line[at + 1] === '(') {
    let depth = 0
    for (let end = at + 1; end < line.length; end++) {
      if (line[end] === '(') depth++
      else if (line[end] === ')' && --depth === 0) {
        pieces.push({ kind: 'command', source: line.slice(at + 2, end), quoted })
        return end + 1
      }
    }
    return -1
  }
  // Also what no command here sets ($1, $$, ${x:-y}): it is refused when it is asked for.
  const name = /^\$(\w+|[?$!#@*-])|^\$\{([^}]+)\}/.exec(line.slice(at))
  if (name === null) {
    pieces.push({ kind: 'text', text: '$' })
    return at + 1
  }
  pieces.push({ kind: 'variable', name: (name[1] ?? name[2]) as string, quoted })
  return at + name[0].length
}

/** Splits on white space alone, as `ip -batch` reads its lines; `#` begins a comment. */
export function splitWords(line: string): string[] {
  return (line.split('#')[0] ?? '').split(/\s+/).filter((w) => w !== '')
}
