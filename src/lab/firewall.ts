/**
 * Filters and address translation of a node, as the lab file says them. Rules hold for IPv4, and
 * for IPv6 too where nothing in them is of one family; translation is IPv4's.
 */
import type { Prefix } from '../addr/ip.ts'
import { tryParseIp } from '../addr/ip.ts'
import { tryParsePrefix } from '../addr/prefix.ts'
import type { ConnectionState, FilterMatch, FilterOp, FilterVerdict } from '../fabric/filter.ts'
import { noLink } from './links.ts'
import { parseNat } from './phrases.ts'
import type { Resolving } from './resolving.ts'
import type { ContainerFile, HostFile } from './schema.ts'
import type { Path } from './source.ts'
import { didYouMean, listed } from './text.ts'

type Rule = Exclude<HostFile['filter'], undefined>[number]

const STATES: readonly ConnectionState[] = ['new', 'established', 'related', 'invalid', 'untracked']
const PROTOCOLS: Readonly<Record<string, readonly [four: number, six: number]>> = {
  tcp: [6, 6],
  udp: [17, 17],
  icmp: [1, 58],
}
/** Which link a packet can be asked about: what comes in has not gone out yet. */
const SIDES: Readonly<Record<string, readonly ('in' | 'out')[]>> = {
  input: ['in'],
  forward: ['in', 'out'],
  output: ['out'],
}

/** The ops of a node, its namespace left open (`''`). */
export function resolveFirewall(
  reading: Resolving,
  path: Path,
  name: string,
  node: HostFile | ContainerFile,
  links: readonly string[],
): FilterOp[] {
  const check = linkCheck(reading, name, links)
  const policies = Object.entries(node.policy ?? {}).flatMap(([chain, policy]): FilterOp[] => {
    if (policy !== 'accept' && policy !== 'drop') return []
    const both = { do: 'filter.policy', netns: '', table: 'filter', chain: chain.toUpperCase() }
    return ([4, 6] as const).map((family) => ({ ...both, family, policy }) as FilterOp)
  })
  const rules = (node.filter ?? []).flatMap((rule, i) =>
    filterOps(reading, [...path, 'filter', i], rule, check),
  )
  const nat = typeof node.nat === 'string' ? [node.nat] : (node.nat ?? [])
  const translations = nat.flatMap((text, i): FilterOp[] => {
    const at: Path = [...path, 'nat', ...(typeof node.nat === 'string' ? [] : [i])]
    const parsed = parseNat(text)
    if (!parsed.ok) {
      reading.source.problem(at, parsed.sentence)
      return []
    }
    const { chain, match, verdict } = parsed.value
    check(at, match.iif ?? match.oif)
    const rule = { match, verdict }
    return [{ do: 'filter.add', netns: '', family: 4, table: 'nat', chain, rule }]
  })
  return [...policies, ...rules, ...translations]
}

type LinkCheck = (path: Path, link: string | undefined) => void

/** A kernel takes a rule about a link that is not there, and it never matches. */
function linkCheck({ source }: Resolving, name: string, links: readonly string[]): LinkCheck {
  return (path, link) => {
    if (link === undefined || link.endsWith('+') || ['lo', ...links].includes(link)) return
    const say = noLink(name, link, links).replace(/^host/, 'node')
    source.problem(path, `${say}; a rule about it would never match`)
  }
}

function filterOps(reading: Resolving, path: Path, rule: Rule, check: LinkCheck): FilterOp[] {
  const { source } = reading
  for (const side of ['in', 'out'] as const) {
    check([...path, side], rule[side])
    if (rule[side] !== undefined && SIDES[rule.chain]?.includes(side) === false) {
      const other = side === 'in' ? 'is made here' : 'stays here'
      source.problem(
        [...path, side],
        `a packet of chain ${rule.chain} ${other}: leave it out`,
        'key',
      )
    }
  }
  const from = prefixAt(reading, [...path, 'from'], rule.from)
  const to = prefixAt(reading, [...path, 'to'], rule.to)
  const states = statesOf(reading, path, rule.state)
  const port = portsOf(rule.port)
  if (typeof port === 'string') source.problem([...path, 'port'], port)
  else if (port !== undefined && rule.proto !== 'tcp' && rule.proto !== 'udp') {
    source.problem([...path, 'port'], 'only tcp and udp have ports: write proto: tcp or proto: udp')
  }
  const own = [from, to].find((p) => p !== undefined)
  const families = ([4, 6] as const).filter(
    (family) => own === undefined || (typeof own.address === 'bigint') === (family === 6),
  )
  return families.map((family) => {
    const protocol = PROTOCOLS[rule.proto ?? '']?.[family === 4 ? 0 : 1]
    const match: FilterMatch = {
      ...(rule.in === undefined ? {} : { iif: rule.in }),
      ...(rule.out === undefined ? {} : { oif: rule.out }),
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
      ...(protocol === undefined ? {} : { protocol }),
      ...(port === undefined || typeof port === 'string' ? {} : { destinationPorts: port }),
      ...(states.length === 0 ? {} : { states }),
    }
    const chain = rule.chain.toUpperCase()
    const added = { match, verdict: verdictOf(rule.do, family) }
    return { do: 'filter.add', netns: '', family, table: 'filter', chain, rule: added }
  })
}

function verdictOf(word: string, family: 4 | 6): FilterVerdict {
  if (word === 'accept' || word === 'drop') return { do: word }
  return { do: 'reject', with: family === 4 ? 'icmp-port-unreachable' : 'icmp6-port-unreachable' }
}

function prefixAt({ source }: Resolving, path: Path, text: string | undefined): Prefix | undefined {
  if (text === undefined) return undefined
  const ip = tryParseIp(text)
  if (ip !== undefined) return { address: ip, length: typeof ip === 'number' ? 32 : 128 }
  const prefix = tryParsePrefix(text)
  if (prefix === undefined) source.problem(path, `"${text}" is neither an address nor a prefix`)
  return prefix
}

function statesOf(
  { source }: Resolving,
  path: Path,
  typed: string | readonly string[] | undefined,
): ConnectionState[] {
  const words = typeof typed === 'string' ? typed.split(/[\s,]+/) : (typed ?? [])
  return words.flatMap((word) => {
    const state = STATES.find((s) => s === word.toLowerCase())
    if (state !== undefined) return [state]
    const near = didYouMean(word, STATES)
    source.problem(
      [...path, 'state'],
      `there is no state "${word}"${near}: there is ${listed(STATES)}`,
    )
    return []
  })
}

/** A port, or `8000-8080`; a sentence when it is neither. */
function portsOf(
  typed: number | string | undefined,
): { first: number; last: number } | string | undefined {
  if (typed === undefined) return undefined
  const [, a, b] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(String(typed)) ?? []
  const [first, last] = [Number(a), Number(b ?? a)]
  if (first >= 1 && last >= first && last <= 65_535) return { first, last }
  return `"${typed}" is no port: write 80 or 8000-8080, up to 65535`
}

/** What a step's change of them takes: everything anew, since rules have an order. */
export function changeFirewall(
  before: readonly FilterOp[],
  after: readonly FilterOp[],
): FilterOp[] {
  const gone = before.flatMap((op): FilterOp[] => {
    const { netns, family, table } = op
    if (op.do !== 'filter.policy') return [{ do: 'filter.flush', netns, family, table }]
    return [{ ...op, policy: 'accept' }]
  })
  const once = new Map(gone.map((op) => [JSON.stringify(op), op]))
  return [...once.values(), ...after]
}
