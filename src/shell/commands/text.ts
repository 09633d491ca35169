/** The little tools of a pipe: grep, head, tail, wc, sort, cat, echo, seq, sleep, true, false. */
import { type Command, done, failed, type Output } from '../session.ts'
import { readProcFile } from './sysctl.ts'

const lines = (text: string): string[] => {
  const all = text.split('\n')
  if (all.at(-1) === '') all.pop()
  return all
}
const join = (list: readonly string[]): string => list.map((l) => `${l}\n`).join('')
const notYet = (tool: string, word: string): Output =>
  failed(127, `lanyard: "${word}" of ${tool} is not part of this shell yet\n`)

interface GrepOptions {
  invert: boolean
  ignoreCase: boolean
  extended: boolean
  fixed: boolean
  count: boolean
  quiet: boolean
  onlyMatching: boolean
  after: number
  before: number
}

const grep: Command = async (_session, words, stdin) => {
  const o: GrepOptions = {
    invert: false,
    ignoreCase: false,
    extended: false,
    fixed: false,
    count: false,
    quiet: false,
    onlyMatching: false,
    after: 0,
    before: 0,
  }
  let pattern: string | undefined
  let named = false
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string
    if (word.startsWith('-') && (pattern === undefined || named) && word.length > 1) {
      const context = /^-([ABC])(\d*)$/.exec(word)
      if (context !== null) {
        const n = Number(context[2] === '' ? words[++at] : context[2])
        if (context[1] !== 'B') o.after = n
        if (context[1] !== 'A') o.before = n
      } else if (word === '-e') {
        pattern = also(pattern, words[++at] ?? '')
        named = true
      } else {
        const wrong = word
          .slice(1)
          .split('')
          .find((letter) => !grepFlag(letter, o))
        if (wrong !== undefined) return notYet('grep', `-${wrong}`)
      }
    } else if (pattern === undefined) pattern = word
    else return notYet('grep', `file ${word}`)
  }
  if (pattern === undefined) return failed(2, 'Usage: grep [OPTION]... PATTERNS [FILE]...\n')
  return runGrep(pattern, o, lines(stdin))
}

/** Several `-e`: any of them (basic regular expressions join with an escaped bar). */
function also(pattern: string | undefined, more: string): string {
  return pattern === undefined ? more : `${pattern}\\|${more}`
}

function grepFlag(letter: string, o: GrepOptions): boolean {
  if (letter === 'v') o.invert = true
  else if (letter === 'i') o.ignoreCase = true
  else if (letter === 'E') o.extended = true
  else if (letter === 'F') o.fixed = true
  else if (letter === 'c') o.count = true
  else if (letter === 'q') o.quiet = true
  else if (letter === 'o') o.onlyMatching = true
  else return false
  return true
}

function runGrep(pattern: string, o: GrepOptions, text: readonly string[]): Output {
  const source = o.fixed
    ? pattern.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
    : regexOf(pattern, o.extended)
  const regex = new RegExp(source, o.ignoreCase ? 'i' : '')
  const hits = text.map((l) => regex.test(l) !== o.invert)
  const found = hits.filter(Boolean).length
  const code = found > 0 ? 0 : 1
  if (o.quiet) return { code, stdout: '', stderr: '' }
  if (o.count) return { code, stdout: `${found}\n`, stderr: '' }
  if (o.onlyMatching) {
    const all = new RegExp(source, o.ignoreCase ? 'gi' : 'g')
    return { code, stdout: join(text.flatMap((l) => l.match(all) ?? [])), stderr: '' }
  }
  const out: string[] = []
  let last = -1
  for (const [n, line] of text.entries()) {
    const near = hits.slice(Math.max(0, n - o.after), n + o.before + 1).includes(true)
    if (!near) continue
    if ((o.after > 0 || o.before > 0) && last >= 0 && n > last + 1) out.push('--')
    out.push(line)
    last = n
  }
  return { code, stdout: join(out), stderr: '' }
}

/** A basic regular expression to ours: there `+ ? | ( ) { }` are plain unless escaped. */
function regexOf(pattern: string, extended: boolean): string {
  if (extended) return pattern
  return pattern.replace(/\\?[+?|(){}]/g, (m) => (m.length === 2 ? m.slice(1) : `\\${m}`))
}

/** `-3`, `-n 3`, `-n3`, `-n +2`. */
function lineCount(words: readonly string[]): string | undefined {
  const text = words.join(' ')
  if (text === '') return '10'
  return /^-n? ?(\+?\d+)$/.exec(text)?.[1]
}

const head: Command = async (_session, words, stdin) => {
  const n = lineCount(words)
  if (n === undefined) return notYet('head', words.join(' '))
  return done(join(lines(stdin).slice(0, Number(n))))
}

const tail: Command = async (_session, words, stdin) => {
  const n = lineCount(words)
  if (n === undefined) return notYet('tail', words.join(' '))
  const all = lines(stdin)
  if (n.startsWith('+')) return done(join(all.slice(Math.max(0, Number(n) - 1))))
  return done(join(Number(n) === 0 ? [] : all.slice(-Number(n))))
}

const wc: Command = async (_session, words, stdin) => {
  const flag = words[0]
  const count = {
    '-l': () => stdin.split('\n').length - 1,
    '-w': () => stdin.split(/\s+/).filter((w) => w !== '').length,
    '-c': () => stdin.length,
  }[flag ?? '']
  if (count === undefined || words.length > 1) return notYet('wc', words.join(' '))
  return done(`${count()}\n`)
}

const sort: Command = async (_session, words, stdin) => {
  const flags = new Set(words.join('').replaceAll('-', '').split(''))
  const unknown = [...flags].find((f) => !'rnu'.includes(f))
  if (unknown !== undefined) return notYet('sort', unknown)
  let list = lines(stdin)
  if (flags.has('u')) list = [...new Set(list)]
  list.sort((a, b) =>
    flags.has('n') ? Number.parseFloat(a) - Number.parseFloat(b) : a < b ? -1 : a > b ? 1 : 0,
  )
  return done(join(flags.has('r') ? list.toReversed() : list))
}

const cat: Command = async (session, words, stdin) => {
  if (words.length === 0 || (words.length === 1 && words[0] === '-')) return done(stdin)
  let stdout = ''
  let stderr = ''
  for (const path of words) {
    const out = await readProcFile(session, path)
    const file = session.machine?.disk?.read(path)
    if (out !== undefined) stdout += out.stdout
    else if (file !== undefined) stdout += file
    else stderr += `cat: ${path}: No such file or directory\n`
  }
  return { code: stderr === '' ? 0 : 1, stdout, stderr }
}

const echo: Command = async (_session, words) => {
  const bare = words[0] === '-n'
  const text = (bare ? words.slice(1) : words).join(' ')
  return done(bare ? text : `${text}\n`)
}

const seq: Command = async (_session, words) => {
  const [a, b] = words.map(Number)
  if (words.length < 1 || words.length > 2 || a === undefined || Number.isNaN(a)) {
    return notYet('seq', words.join(' '))
  }
  const [from, to] = b === undefined ? [1, a] : [a, b]
  const list = Array.from({ length: Math.max(0, to - from + 1) }, (_, n) => String(from + n))
  return done(join(list))
}

const sleep: Command = async (session, words) => {
  const seconds = Number(words[0])
  if (words.length !== 1 || Number.isNaN(seconds)) {
    return failed(1, `sleep: invalid time interval '${words[0] ?? ''}'\n`)
  }
  await session.fabric.clock.sleep(seconds * 1000)
  return done()
}

export const TEXT_COMMANDS: Readonly<Record<string, Command>> = {
  grep,
  head,
  tail,
  wc,
  sort,
  cat,
  echo,
  seq,
  sleep,
  true: async () => done(),
  false: async () => failed(1, ''),
  ':': async () => done(),
}
