/**
 * Reads TypeScript without a compiler: what is code, what is text or comment, and what is imported.
 */

/** A file of the tree: its path from the root of the repository, and its text. */
export interface Source {
  readonly path: string
  readonly text: string
}

export interface Import {
  readonly specifier: string
  readonly line: number
  readonly reexport: boolean
}

const IMPORT =
  /\b(import|export)\b(?:(?:\s+type)?[\w$*{},\s]*?\bfrom\b)?\s*\(?\s*(['"])([^'"\n]+)\2/g

/** Every static, dynamic, type-only and side-effect import, and every re-export. */
export function importsOf(text: string): Import[] {
  const { code, strings } = scan(text)
  const found: Import[] = []
  // Strings are blanked in `code`, so that no sentence looks like an import: put the quoted ones
  // back.
  let withStrings = ''
  let at = 0
  for (const [from, to] of strings) {
    withStrings += code.slice(at, from) + text.slice(from, to)
    at = to
  }
  withStrings += code.slice(at)
  for (const match of withStrings.matchAll(IMPORT)) {
    if (code[match.index] === ' ') continue
    found.push({
      specifier: match[3] ?? '',
      line: lineAt(text, match.index),
      reexport: match[1] === 'export',
    })
  }
  return found
}

export function lineAt(text: string, index: number): number {
  let line = 1
  for (let i = text.indexOf('\n'); i !== -1 && i < index; i = text.indexOf('\n', i + 1)) line++
  return line
}

interface Scanned {
  /** The text with comments, strings and regular expressions blanked; offsets and lines stay. */
  readonly code: string
  /** Where the quoted strings stand, quotes included. */
  readonly strings: readonly (readonly [from: number, to: number])[]
}

const LINE_COMMENT = /\/\/[^\n]*/y
const BLOCK_COMMENT = /\/\*[\s\S]*?\*\//y
const QUOTED = /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"/y
const REGEX = /\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\//y
/** A piece of a template: from a backtick or a closing brace to the next `${` or the end. */
const TEMPLATE = /[`}](?:\\[\s\S]|\$(?!\{)|[^\\`$])*(?:`|\$\{)/y
/** What stands before a `/` that begins a regular expression and does not divide. */
const BEFORE_REGEX = /(?:^|[=(,:;!&|?[{}+\-*%~^<>]|\b(?:return|case|typeof|of|in))\s*$/

/** Separates code from what is not; what stands inside the `${}` of a template is code. */
export function scan(text: string): Scanned {
  const strings: [number, number][] = []
  const pieces: string[] = []
  /** Open `${`s, each with the depth of braces inside it. */
  const templates: number[] = []
  let kept = 0
  const special = /[/'"`{}]/g
  const blankTo = (from: number, to: number): void => {
    pieces.push(text.slice(kept, from), text.slice(from, to).replace(/[^\n]/g, ' '))
    kept = to
    special.lastIndex = to
  }
  for (let m = special.exec(text); m !== null; m = special.exec(text)) {
    const at = m.index
    const c = m[0]
    const depth = templates.at(-1)
    if (c === '`' || (c === '}' && depth === 0)) {
      if (c === '}') templates.pop()
      const end = match(TEMPLATE, text, at) ?? text.length
      if (text[end - 1] === '{') templates.push(0)
      blankTo(at, end)
    } else if (c === '{' || c === '}') {
      if (depth !== undefined) templates[templates.length - 1] = depth + (c === '{' ? 1 : -1)
    } else if (c === '/') {
      const end = match(LINE_COMMENT, text, at) ?? match(BLOCK_COMMENT, text, at)
      if (end !== undefined) blankTo(at, end)
      else if (BEFORE_REGEX.test(text.slice(Math.max(0, at - 40), at)))
        blankTo(at, match(REGEX, text, at) ?? at + 1)
    } else {
      const end = match(QUOTED, text, at)
      if (end === undefined) continue
      strings.push([at, end])
      blankTo(at, end)
    }
  }
  pieces.push(text.slice(kept))
  return { code: pieces.join(''), strings }
}

function match(sticky: RegExp, text: string, at: number): number | undefined {
  sticky.lastIndex = at
  return sticky.test(text) ? sticky.lastIndex : undefined
}
