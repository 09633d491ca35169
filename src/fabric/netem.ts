/**
 * Impairments of a link, as the queueing discipline `netem` knows them: what leaves the link is
 * delayed, lost, doubled, reordered or slowed down. A cable has two ends, so each of its directions
 * has an impairment of its own.
 *
 * The words are those of tc-netem(8); they are read and written here, for lab files, plans and the
 * shell's `tc` alike.
 */

/** What netem does to the frames that leave a link; absent or 0 = not at all. */
export interface Netem {
  readonly delayNs?: number
  /** The delay varies by so much up and down, evenly; frames may overtake each other. */
  readonly jitterNs?: number
  /** 0 to 100. */
  readonly lossPercent?: number
  readonly duplicatePercent?: number
  /** So many frames are sent at once, before those that wait. Needs a delay. */
  readonly reorderPercent?: number
  /** Bits per second. */
  readonly rateBits?: number
  /** Frames that may wait at a time; the default is 1000. */
  readonly limit?: number
}

/**
 * A netem at the root of a link. As in the kernel, `add` is refused where one is, `change` where
 * none is; `change` and `replace` leave a rate that they do not name.
 */
export type QdiscChange =
  | {
      readonly do: 'qdisc.add' | 'qdisc.change' | 'qdisc.replace'
      readonly netns: string
      readonly link: string
      readonly netem: Netem
    }
  | { readonly do: 'qdisc.del'; readonly netns: string; readonly link: string }

export const NETEM_LIMIT = 1000

type Parsed =
  | { readonly ok: true; readonly netem: Netem }
  | {
      readonly ok: false
      /** An unknown word, a value that is missing or wrong, or a contradiction. */
      readonly what: 'word' | 'end' | 'value' | 'order'
      /** The impairment the value is for, or the unknown word. */
      readonly word: string
      readonly sentence: string
    }

/** Nanoseconds of tc's units of time; a bare number counts microseconds. */
const TIMES: Readonly<Record<string, number>> = {
  s: 1e9,
  sec: 1e9,
  secs: 1e9,
  ms: 1e6,
  msec: 1e6,
  msecs: 1e6,
  us: 1e3,
  usec: 1e3,
  usecs: 1e3,
  ns: 1,
  nsec: 1,
  nsecs: 1,
  '': 1e3,
}

/** `100ms` as nanoseconds; undefined for what is no time. */
export function parseTcTime(text: string): number | undefined {
  const [, number, unit] = /^(\d+(?:\.\d+)?)([a-z]*)$/i.exec(text) ?? []
  const factor = TIMES[(unit ?? '?').toLowerCase()]
  if (number === undefined || factor === undefined) return undefined
  const ns = Math.round(Number(number) * factor)
  return Number.isSafeInteger(ns) ? ns : undefined
}

const PREFIXES: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  m: 1e6,
  g: 1e9,
  t: 1e12,
  ki: 1024,
  mi: 1024 ** 2,
  gi: 1024 ** 3,
  ti: 1024 ** 4,
}

/** `10mbit` as bits per second; `bps` are bytes per second; a bare number counts bits. */
export function parseTcRate(text: string): number | undefined {
  const [, number, prefix, unit] = /^(\d+(?:\.\d+)?)(|[kmgt]i?)(|bit|bps)$/i.exec(text) ?? []
  const factor = PREFIXES[(prefix ?? '?').toLowerCase()]
  if (number === undefined || factor === undefined || unit === undefined) return undefined
  if (prefix !== '' && unit === '') return undefined
  const bits = Math.round(Number(number) * factor * (unit.toLowerCase() === 'bps' ? 8 : 1))
  // The kernel counts bytes: what is left over is lost, but not all of it.
  const whole = bits - (bits % 8)
  return Number.isSafeInteger(whole) && (whole > 0 || bits === 0) ? whole : undefined
}

/** `5%` or `5`. */
export function parsePercent(text: string): number | undefined {
  const [, number] = /^(\d+(?:\.\d+)?)%?$/.exec(text) ?? []
  const percent = Number(number)
  return number === undefined || percent > 100 ? undefined : percent
}

const FORM = 'delay TIME [JITTER] loss PERCENT duplicate PERCENT reorder PERCENT rate RATE limit N'

/**
 * Reads the words after `netem`.
 *
 * @example
 * ```ts
 * parseNetem(['delay', '100ms', '10ms', 'loss', '5%'])
 * // { ok: true, netem: { delayNs: 100_000_000, jitterNs: 10_000_000, lossPercent: 5 } }
 * ```
 */
export function parseNetem(words: readonly string[]): Parsed {
  const netem: { -readonly [K in keyof Netem]: Netem[K] } = {}
  const rest = [...words]
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    const read = READERS[word === 'drop' ? 'loss' : word === 'latency' ? 'delay' : word]
    if (read === undefined) return no('word', word, `"${word}" is no impairment: write ${FORM}`)
    if (read === READERS.loss && rest[0] === 'random') rest.shift()
    const value = rest.shift()
    if (value === undefined)
      return no('end', word, `a value is missing after "${word}": write ${FORM}`)
    const say = read(value, netem)
    if (say !== undefined) return no('value', word, `"${value}" is no ${word}: ${say}`)
    const jitter = word === 'delay' || word === 'latency' ? parseTcTime(rest[0] ?? '?') : undefined
    if (jitter === undefined) continue
    netem.jitterNs = jitter
    rest.shift()
  }
  if ((netem.reorderPercent ?? 0) > 0 && (netem.delayNs ?? 0) === 0) {
    return no('order', 'reorder', 'reordering is not possible without a delay')
  }
  return { ok: true, netem: tidy(netem) }
}

type Reader = (
  value: string,
  into: { -readonly [K in keyof Netem]: Netem[K] },
) => string | undefined

const percent =
  (name: 'lossPercent' | 'duplicatePercent' | 'reorderPercent'): Reader =>
  (value, into) => {
    const read = parsePercent(value)
    if (read === undefined) return 'write a percentage from 0 to 100, like 5%'
    into[name] = read
    return undefined
  }

const READERS: Readonly<Record<string, Reader>> = {
  delay(value, into) {
    const ns = parseTcTime(value)
    if (ns === undefined) return 'write a time like 100ms, 2s or 500us'
    into.delayNs = ns
    return undefined
  },
  loss: percent('lossPercent'),
  duplicate: percent('duplicatePercent'),
  reorder: percent('reorderPercent'),
  rate(value, into) {
    const bits = parseTcRate(value)
    if (bits === undefined) return 'write bits per second like 10mbit or 64kbit'
    into.rateBits = bits
    return undefined
  },
  limit(value, into) {
    if (!/^\d{1,9}$/.test(value)) return 'write how many frames may wait, like 1000'
    into.limit = Number(value)
    return undefined
  },
}

function no(what: 'word' | 'end' | 'value' | 'order', word: string, sentence: string): Parsed {
  return { ok: false, what, word, sentence }
}

/** Without what does nothing, so that two that do the same are equal. */
export function tidy(netem: Netem): Netem {
  const kept = Object.entries(netem).filter(
    ([name, value]) => (value ?? 0) !== 0 && !(name === 'limit' && value === NETEM_LIMIT),
  )
  // A limit of nothing lets nothing through, which is not the default.
  return { ...Object.fromEntries(kept), ...(netem.limit === 0 ? { limit: 0 } : {}) }
}

/** The words after `netem`, as a reader types them. */
export function netemWords(netem: Netem): string[] {
  const { delayNs, jitterNs, lossPercent, duplicatePercent, reorderPercent, rateBits, limit } =
    netem
  return [
    ...(limit === undefined ? [] : ['limit', `${limit}`]),
    ...(delayNs === undefined && jitterNs === undefined ? [] : ['delay', timeWord(delayNs ?? 0)]),
    ...(jitterNs === undefined ? [] : [timeWord(jitterNs)]),
    ...(lossPercent === undefined ? [] : ['loss', `${lossPercent}%`]),
    ...(duplicatePercent === undefined ? [] : ['duplicate', `${duplicatePercent}%`]),
    ...(reorderPercent === undefined ? [] : ['reorder', `${reorderPercent}%`]),
    ...(rateBits === undefined ? [] : ['rate', rateWord(rateBits)]),
  ]
}

/** Whole numbers in the largest unit that gives one. */
function timeWord(ns: number): string {
  for (const [unit, factor] of [
    ['s', 1e9],
    ['ms', 1e6],
    ['us', 1e3],
  ] as const)
    if (ns % factor === 0 && ns > 0) return `${ns / factor}${unit}`
  return `${ns}ns`
}

function rateWord(bits: number): string {
  for (const [unit, factor] of [
    ['gbit', 1e9],
    ['mbit', 1e6],
    ['kbit', 1e3],
  ] as const)
    if (bits % factor === 0 && bits > 0) return `${bits / factor}${unit}`
  return `${bits}bit`
}

/** What such a link does to frames, in words: `delay 100ms loss 5%`. */
export function formatNetem(netem: Netem): string {
  return netemWords(netem).join(' ')
}
