/**
 * Finds what a pasted error text is. Texts come cut off, wrapped in the words of the tools they
 * went through, mistyped, with other names in them: words are compared in their order, rare ones
 * weighing more.
 */
import type { TextRow } from './text-row.ts'
import { TEXTS } from './texts.ts'

export interface Recognised {
  /** Key of the row in `TEXTS`. */
  readonly id: string
  readonly row: TextRow
  /** The text of the row that fits best. */
  readonly text: string
  /** 0 to 1: the share of the words that are there. */
  readonly score: number
  /** What stands where the row's text says `<word>`; only of a text that fits as a whole. */
  readonly words: Readonly<Record<string, string>>
}

interface Pattern {
  readonly id: string
  readonly row: TextRow
  readonly text: string
  readonly tokens: readonly string[]
  readonly whole: RegExp
}

/** Less than this share of the words is something else. */
const ENOUGH = 0.7
/** As good as the best. */
const NEAR = 0.9
const MOST = 3
/** Longer texts are logs: their end says what happened. */
const LONGEST = 300

const HOLE = /<([a-z]+)>/g

const tokensOf = (text: string): string[] => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []

function patternOf(id: string, row: TextRow, text: string): Pattern {
  const parts = text.split(HOLE)
  const source = parts.map((part, i) =>
    i % 2 === 1
      ? `(?<${part}>[^\\s"',;]+?)`
      : part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll(/\s+/g, '\\s+'),
  )
  // A hole at the end takes the whole word.
  const last = text.endsWith('>') ? '(?=[\\s"\',;.]*(?:\\s|$))' : ''
  const first = text.startsWith('<') ? '(?:^|[\\s"\'])' : ''
  return {
    id,
    row,
    text,
    tokens: tokensOf(text.replaceAll(HOLE, ' ')),
    whole: new RegExp(`${first}${source.join('')}${last}`, 'iu'),
  }
}

const PATTERNS: readonly Pattern[] = Object.entries(TEXTS).flatMap(([id, row]) =>
  row.texts.map((text) => patternOf(id, row, text)),
)

const COUNTS = new Map<string, number>()
for (const { tokens } of PATTERNS) {
  for (const token of new Set(tokens)) COUNTS.set(token, (COUNTS.get(token) ?? 0) + 1)
}

/** Words of many texts say little; so do names and numbers (`eth0`, `113`), which differ. */
const weightOf = (token: string): number =>
  /\d/.test(token) ? 1 : Math.log(1 + PATTERNS.length / (COUNTS.get(token) ?? 1))

/**
 * What a text is, the best first, at most three; empty when it is none of those known.
 *
 * @example
 * ```ts
 * recognise('Error response from daemon: network dm-1d34 is already using parent interface eth0')
 * ```
 */
export function recognise(pasted: string): readonly Recognised[] {
  const typed = tokensOf(pasted).slice(-LONGEST)
  const best = new Map<string, Recognised & { readonly weight: number }>()
  for (const { id, row, text, tokens, whole } of PATTERNS) {
    const match = whole.exec(pasted)
    const { score, weight } =
      match === null ? fit(typed, tokens) : { score: 1, weight: sum(tokens) }
    const known = best.get(id)
    if (score < ENOUGH || (known !== undefined && rank(known) >= rank({ score, weight }))) continue
    best.set(id, { id, row, text, score, weight, words: { ...match?.groups } })
  }
  const all = [...best.values()].toSorted((a, b) => rank(b) - rank(a))
  const [first] = all
  if (first === undefined) return []
  return all.filter((one) => rank(one) >= NEAR * rank(first)).slice(0, MOST)
}

/** Of two that fit as well, the one that says more. */
const rank = (one: { readonly score: number; readonly weight: number }): number =>
  one.score * Math.sqrt(one.weight)

const sum = (tokens: readonly string[]): number =>
  tokens.reduce((total, token) => total + weightOf(token), 0)

/** The heaviest row of words both have in the same order, against what the text known has. */
function fit(
  typed: readonly string[],
  known: readonly string[],
): { readonly score: number; readonly weight: number } {
  let above = Array.from({ length: known.length + 1 }, () => 0)
  for (const word of typed) {
    const row = [0]
    for (let j = 1; j <= known.length; j++) {
      const token = known[j - 1] as string
      const share = alike(word, token)
      const joined = share === 0 ? 0 : (above[j - 1] as number) + share * weightOf(token)
      row.push(Math.max(joined, above[j] as number, row[j - 1] as number))
    }
    above = row
  }
  const weight = above[known.length] as number
  const whole = sum(known)
  // A part of a text is that text when nearly all of what was typed is in it.
  const part = typed.length >= 3 ? NEAR * (weight / sum(typed)) : 0
  return { score: whole === 0 ? 0 : Math.max(weight / whole, part), weight }
}

/** 1 for the same word, a little less for one with a slip or two, 0 for another. */
function alike(a: string, b: string): number {
  if (a === b) return 1
  const most = Math.min(a.length, b.length) < 5 ? 0 : Math.min(a.length, b.length) < 8 ? 1 : 2
  if (most === 0 || Math.abs(a.length - b.length) > most) return 0
  return slips(a, b, most) ? 0.9 : 0
}

/** Whether one word becomes the other by at most so many letters added, lost or changed. */
function slips(a: string, b: string, most: number): boolean {
  if (a === '' || b === '') return Math.max(a.length, b.length) <= most
  if (a[0] === b[0]) return slips(a.slice(1), b.slice(1), most)
  if (most === 0) return false
  const left = most - 1
  return (
    slips(a.slice(1), b, left) || slips(a, b.slice(1), left) || slips(a.slice(1), b.slice(1), left)
  )
}

/** A mend with what the pasted text named; what it did not name stands in capitals. */
export function fillIn(mend: string, words: Readonly<Record<string, string>>): string {
  return mend.replaceAll(HOLE, (_, name: string) => words[name] ?? name.toUpperCase())
}
