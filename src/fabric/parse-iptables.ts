/** A whole command line of iptables(8) or ip6tables(8), read into what it asks for. */
import type { FilterOp, FilterRule, FilterTable } from './filter.ts'
import { closeDraft, IptablesProblem, openDraft, readOption } from './parse-iptables-rule.ts'

/** How a listing looks. */
export interface ListOptions {
  readonly numeric: boolean
  readonly verbose: boolean
  readonly exact: boolean
  readonly lineNumbers: boolean
}

export type IptablesCommand = {
  readonly family: 4 | 6
  readonly table: FilterTable
} & (
  | { readonly do: 'append'; readonly chain: string; readonly rules: readonly FilterRule[] }
  | {
      readonly do: 'insert' | 'replace'
      readonly chain: string
      readonly at: number
      readonly rules: readonly FilterRule[]
    }
  | {
      readonly do: 'delete'
      readonly chain: string
      readonly rules: readonly (FilterRule | number)[]
    }
  | { readonly do: 'check'; readonly chain: string; readonly rules: readonly FilterRule[] }
  | { readonly do: 'flush' | 'remove' | 'zero'; readonly chain: string | undefined }
  | { readonly do: 'create'; readonly chain: string }
  | { readonly do: 'policy'; readonly chain: string; readonly policy: string }
  | {
      readonly do: 'list' | 'show'
      readonly chain: string | undefined
      readonly at: number | undefined
      readonly options: ListOptions
    }
  | { readonly do: 'version' }
)

/** Commands by letter: how many words they must and may have, and what they are called. */
const COMMANDS: Readonly<Record<string, readonly [min: number, max: number]>> = {
  '-A': [1, 1],
  '-I': [1, 2],
  '-R': [2, 2],
  '-D': [1, 2],
  '-C': [1, 1],
  '-F': [0, 1],
  '-X': [0, 1],
  '-Z': [0, 1],
  '-N': [1, 1],
  '-P': [2, 2],
  '-L': [0, 2],
  '-S': [0, 2],
  '-V': [0, 0],
}

const LONG: Readonly<Record<string, string>> = {
  '--append': '-A',
  '--insert': '-I',
  '--replace': '-R',
  '--delete': '-D',
  '--check': '-C',
  '--flush': '-F',
  '--delete-chain': '-X',
  '--zero': '-Z',
  '--new-chain': '-N',
  '--new': '-N',
  '--policy': '-P',
  '--list': '-L',
  '--list-rules': '-S',
  '--version': '-V',
  '--table': '-t',
  '--numeric': '-n',
  '--verbose': '-v',
  '--exact': '-x',
  '--wait': '-w',
}
/** Commands whose second word is a position, if it is there. */
const POSITIONED = ['-I', '-D', '-R', '-L', '-S']

interface Reading {
  command: string | undefined
  words: string[]
  table: string
  numeric: boolean
  verbose: boolean
  exact: boolean
  lineNumbers: boolean
}

/**
 * Reads the words after `iptables` or `ip6tables`.
 *
 * @throws IptablesProblem with what the tool says of the line
 * @example
 * ```ts
 * parseIptables(['-A', 'FORWARD', '-i', 'eth0', '-j', 'DROP'], 4)
 * // { do: 'append', chain: 'FORWARD', rules: [...], family: 4, table: 'filter' }
 * ```
 */
export function parseIptables(words: readonly string[], family: 4 | 6): IptablesCommand {
  const reading: Reading = {
    command: undefined,
    words: [],
    table: 'filter',
    numeric: false,
    verbose: false,
    exact: false,
    lineNumbers: false,
  }
  const draft = openDraft(family)
  const rest = spread(words)
  let inverted = false
  for (let at = 0; at < rest.length; ) {
    const word = rest[at] as string
    if (word === '!') {
      inverted = true
      at++
      continue
    }
    const taken = readCommand(reading, rest, at) || readOption(draft, word, rest[at + 1], inverted)
    if (taken === 0)
      throw word.startsWith('-')
        ? new IptablesProblem(`unknown option "${word}"`)
        : new IptablesProblem(`Bad argument \`${word}'`, true)
    at += taken
    inverted = false
  }
  return close(reading, family, () => {
    checkLinks(reading, draft.match.iif, draft.match.oif)
    return closeDraft(draft)
  })
}

/** Flags may be written together: `-nvL`; the last may want words. */
function spread(words: readonly string[]): string[] {
  return words.flatMap((word) =>
    /^-[A-Za-z]{2,}$/.test(word)
      ? word
          .slice(1)
          .split('')
          .map((letter) => `-${letter}`)
      : [word],
  )
}

/** @returns how many words it took, 0 when it is no command or flag of its own */
function readCommand(reading: Reading, words: readonly string[], at: number): number {
  const word = words[at] as string
  const letter = LONG[word] ?? word
  const limits = COMMANDS[letter]
  if (limits !== undefined) {
    if (reading.command !== undefined && !(isListing(reading.command) && letter === '-Z'))
      throw new IptablesProblem(`Cannot use ${letter} with ${reading.command}`)
    reading.command = letter
    const [min, max] = limits
    while (reading.words.length < max) {
      const next = words[at + 1 + reading.words.length]
      if (next === undefined || next === '!' || next.startsWith('-')) break
      if (reading.words.length >= min && POSITIONED.includes(letter) && min + 1 === max) {
        if (!/^\d+$/.test(next)) break
      }
      reading.words.push(next)
    }
    if (reading.words.length < min) throw missing(letter)
    return 1 + reading.words.length
  }
  switch (letter) {
    case '-t': {
      const table = words[at + 1]
      if (table === undefined) throw new IptablesProblem('option "-t" requires an argument')
      reading.table = table
      return 2
    }
    case '-n':
      reading.numeric = true
      return 1
    case '-v':
      reading.verbose = true
      return 1
    case '-x':
      reading.exact = true
      return 1
    case '--line-numbers':
      reading.lineNumbers = true
      return 1
    case '-w':
      return /^\d+$/.test(words[at + 1] ?? '') ? 2 : 1
    default:
      return 0
  }
}

function isListing(command: string): boolean {
  return command === '-L' || command === '-S'
}

function missing(letter: string): IptablesProblem {
  if (letter === '-P') return new IptablesProblem('-P requires a chain and a policy')
  if (letter === '-R') return new IptablesProblem('-R requires a rule number')
  return new IptablesProblem(`option "${letter}" requires an argument`)
}

/** Chains in which a packet has no link of one side yet, or no more. */
function checkLinks(reading: Reading, iif: string | undefined, oif: string | undefined): void {
  const [chain = ''] = reading.words
  if (iif !== undefined && (chain === 'OUTPUT' || chain === 'POSTROUTING'))
    throw new IptablesProblem(`Can't use -i with ${chain}\n`)
  if (oif !== undefined && (chain === 'INPUT' || chain === 'PREROUTING'))
    throw new IptablesProblem(`Can't use -o with ${chain}\n`)
}

function close(
  reading: Reading,
  family: 4 | 6,
  rulesOf: () => readonly FilterRule[],
): IptablesCommand {
  const { command, words } = reading
  if (command === undefined) throw new IptablesProblem('no command specified')
  const table = tableOf(reading.table)
  const base = { family, table }
  const [chain = '', second] = words
  const at = second === undefined || command === '-P' ? undefined : position(second)
  const rules = rulesOf()
  if (table === 'nat' && rules.some(({ verdict }) => verdict.do === 'drop'))
    throw new IptablesProblem(
      '\nThe "nat" table is not intended for filtering, the use of DROP is therefore inhibited.\n\n',
    )
  switch (command) {
    case '-A':
      return { ...base, do: 'append', chain, rules }
    case '-I':
      return { ...base, do: 'insert', chain, at: at ?? 1, rules }
    case '-R':
      return { ...base, do: 'replace', chain, at: at ?? 1, rules }
    case '-D':
      return { ...base, do: 'delete', chain, rules: at === undefined ? rules : [at] }
    case '-C':
      return { ...base, do: 'check', chain, rules }
    case '-N':
      if (chain.length > 28)
        throw new IptablesProblem(`chain name \`${chain}' too long (must be under 29 chars)`)
      return { ...base, do: 'create', chain }
    case '-P':
      return { ...base, do: 'policy', chain, policy: second ?? '' }
    case '-F':
    case '-X':
    case '-Z': {
      const what = command === '-F' ? 'flush' : command === '-X' ? 'remove' : 'zero'
      return { ...base, do: what, chain: words[0] }
    }
    case '-L':
    case '-S': {
      const { numeric, verbose, exact, lineNumbers } = reading
      const options = { numeric, verbose, exact, lineNumbers }
      return { ...base, do: command === '-L' ? 'list' : 'show', chain: words[0], at, options }
    }
    default:
      return { ...base, do: 'version' }
  }
}

function position(text: string): number {
  const at = /^\d+$/.test(text) ? Number(text) : 0
  if (at === 0) throw new IptablesProblem(`Invalid rule number \`${text}'`)
  return at
}

function tableOf(name: string): FilterTable {
  if (name === 'filter' || name === 'nat') return name
  throw new IptablesProblem(
    `table '${name}' does not exist\nPerhaps iptables or your kernel needs to be upgraded.`,
  )
}

/**
 * The ops of a command that changes rules; undefined for the others.
 * `-X` without a chain and `-R` need to know what is there: the caller makes those.
 */
export function opsOf(netns: string, command: IptablesCommand): FilterOp[] | undefined {
  const { family, table } = command
  const base = { netns, family, table }
  switch (command.do) {
    case 'append':
      return command.rules.map((rule) => ({
        ...base,
        do: 'filter.add',
        chain: command.chain,
        rule,
      }))
    case 'insert':
      return command.rules
        .toReversed()
        .map((rule) => ({ ...base, do: 'filter.add', chain: command.chain, rule, at: command.at }))
    case 'delete':
      return command.rules.map((rule) => ({
        ...base,
        do: 'filter.del',
        chain: command.chain,
        rule,
      }))
    case 'replace': {
      const [rule] = command.rules
      const { chain, at } = command
      if (rule === undefined) return []
      return [
        { ...base, do: 'filter.del', chain, rule: at },
        { ...base, do: 'filter.add', chain, rule, at },
      ]
    }
    case 'flush': {
      const { chain } = command
      return [
        chain === undefined
          ? { ...base, do: 'filter.flush' }
          : { ...base, do: 'filter.flush', chain },
      ]
    }
    case 'create':
      return [{ ...base, do: 'filter.chain-add', chain: command.chain }]
    case 'remove':
      return command.chain === undefined
        ? undefined
        : [{ ...base, do: 'filter.chain-del', chain: command.chain }]
    case 'policy': {
      const policy = command.policy.toLowerCase()
      if (command.policy !== 'ACCEPT' && command.policy !== 'DROP') return undefined
      return [
        {
          ...base,
          do: 'filter.policy',
          chain: command.chain,
          policy: policy === 'drop' ? 'drop' : 'accept',
        },
      ]
    }
    case 'check':
    case 'list':
    case 'show':
    case 'zero':
    case 'version':
      return undefined
  }
}
