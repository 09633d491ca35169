/** What iptables-save(8) prints, read into chains. */
import {
  FILTER_CHAINS,
  type FilterChainSnapshot,
  type FilterRule,
  type FilterTable,
} from './filter.ts'
import { closeDraft, openDraft, readOption, type RuleDraft } from './parse-iptables-rule.ts'

type Counted = FilterRule & { readonly packets: number; readonly bytes: number }

interface Chain {
  readonly name: string
  readonly policy: 'accept' | 'drop' | undefined
  readonly rules: Counted[]
}

/**
 * Reads the text of `iptables-save -c`; tables this model does not have are left out. Of a rule
 * that asks for more than it can say the rest stands in `beyond`.
 */
export function parseIptablesSave(text: string, family: 4 | 6): FilterChainSnapshot[] {
  const tables = new Map<FilterTable, Map<string, Chain>>()
  let chains: Map<string, Chain> | undefined
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) {
      const table = line.slice(1)
      chains = table === 'filter' || table === 'nat' ? new Map() : undefined
      if (chains !== undefined) tables.set(table as FilterTable, chains)
    } else if (chains !== undefined) readLine(chains, line, family)
  }
  return (['filter', 'nat'] as const).flatMap((table) =>
    inOrder(table, tables.get(table)).map(({ name, policy, rules }) => ({
      family,
      table,
      chain: name,
      policy,
      rules,
    })),
  )
}

/** The built-in ones first, in the tool's order. */
function inOrder(table: FilterTable, chains: ReadonlyMap<string, Chain> | undefined): Chain[] {
  if (chains === undefined) return []
  const builtIn = FILTER_CHAINS[table].flatMap((name) => chains.get(name) ?? [])
  return [...builtIn, ...[...chains.values()].filter((chain) => !builtIn.includes(chain))]
}

function readLine(chains: Map<string, Chain>, line: string, family: 4 | 6): void {
  const chain = /^:(\S+) (\S+)/.exec(line)
  if (chain !== null) {
    const [, name = '', policy] = chain
    const known = policy === 'DROP' ? 'drop' : policy === 'ACCEPT' ? 'accept' : undefined
    chains.set(name, { name, policy: known, rules: [] })
    return
  }
  const rule = /^(?:\[(\d+):(\d+)\] )?-A (\S+) ?(.*)$/.exec(line)
  if (rule === null) return
  const [, packets = '0', bytes = '0', name = '', words = ''] = rule
  const read = readRule(splitQuoted(words), family)
  chains.get(name)?.rules.push({ ...read, packets: Number(packets), bytes: Number(bytes) })
}

/** Words, of which one in double quotes may hold spaces and escaped quotes. */
export function splitQuoted(text: string): string[] {
  return [...text.matchAll(/"((?:[^"\\]|\\.)*)"|\S+/g)].map(([word, quoted]) =>
    quoted === undefined ? word : quoted.replaceAll(/\\(.)/g, '$1'),
  )
}

/** One rule; never throws: what is not understood goes into `beyond`. */
function readRule(words: readonly string[], family: 4 | 6): FilterRule {
  const draft = openDraft(family)
  const beyond: string[] = []
  for (const group of groupsOf(words)) {
    const trial = cloneDraft(draft)
    if (readGroup(trial, group)) Object.assign(draft, trial)
    else {
      beyond.push(...group)
      if (group[0] === '-j' || group[0] === '-g') draft.target = undefined
    }
  }
  const rule = tryClose(draft) ?? { match: {}, verdict: { do: 'continue' } }
  return beyond.length === 0 ? rule : { ...rule, beyond: beyond.join(' ') }
}

/** Words by what they belong to: each plain option, each `-m` and `-j` with its options. */
function groupsOf(words: readonly string[]): string[][] {
  const groups: string[][] = []
  let inModule = false
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string
    const next = word === '!' ? (words[at + 1] ?? '') : word
    const begins = /^-[a-z]$/i.test(next) && (word === '!' || words[at - 1] !== '!')
    const isOption = next.startsWith('-') && (word === '!' || words[at - 1] !== '!')
    if (begins) inModule = next === '-m' || next === '-j' || next === '-g'
    if (groups.length === 0 || begins || (isOption && !inModule)) groups.push([])
    groups.at(-1)?.push(word)
  }
  return groups
}

function cloneDraft(draft: RuleDraft): RuleDraft {
  const { match, not, modules } = draft
  return { ...draft, match: { ...match }, not: [...not], modules: new Set(modules) }
}

function readGroup(draft: RuleDraft, words: readonly string[]): boolean {
  let inverted = false
  try {
    for (let at = 0; at < words.length; ) {
      const word = words[at] as string
      if (word === '!') {
        inverted = true
        at++
        continue
      }
      const taken = readOption(draft, word, words[at + 1], inverted)
      if (taken === 0) return false
      at += taken
      inverted = false
    }
    return tryClose(draft) !== undefined
  } catch {
    return false
  }
}

function tryClose(draft: RuleDraft): FilterRule | undefined {
  try {
    return closeDraft(draft)[0]
  } catch {
    return undefined
  }
}
