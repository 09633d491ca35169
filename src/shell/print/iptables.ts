/** `iptables -L`, `-S` and `iptables-save` as iptables 1.8.9 prints them (nft.c, xshared.c). */
import { formatPrefix } from '../../addr/prefix.ts'
import type { Prefix } from '../../addr/ip.ts'
import type {
  FilterAspect,
  FilterChainSnapshot,
  FilterMatch,
  FilterVerdict,
  PortRange,
} from '../../fabric/filter.ts'
import { SERVICES } from '../../fabric/iptables-values.ts'
import { icmpTypeName, protocolName } from '../../fabric/iptables-words.ts'
import type { ListOptions } from '../../fabric/parse-iptables.ts'
import { printPorts, printStates, printTarget, ruleWords } from '../../fabric/print-iptables.ts'

type Counted = FilterChainSnapshot['rules'][number]

/** Chains one below the other, each with its head. */
export function printList(
  chains: readonly FilterChainSnapshot[],
  all: readonly FilterChainSnapshot[],
  options: ListOptions,
): string {
  return chains
    .map((chain) => {
      const rows = chain.rules.map((rule, at) => printRow(rule, at + 1, chain.family, options))
      return `${headOf(chain, all, options)}${rows.join('')}`
    })
    .join('\n')
}

function headOf(
  chain: FilterChainSnapshot,
  all: readonly FilterChainSnapshot[],
  { verbose, lineNumbers }: ListOptions,
): string {
  // The chains nf_tables made for iptables do not count.
  const counters = verbose ? ' 0 packets, 0 bytes' : ''
  const about =
    chain.policy === undefined
      ? `${references(chain, all)} references`
      : `policy ${chain.policy.toUpperCase()}${counters}`
  const number = lineNumbers ? 'num  ' : ''
  const counts = verbose ? ' pkts bytes ' : ''
  const links = verbose ? 'in     out     ' : ''
  const columns = `target     prot opt ${links}source               destination         `
  return `Chain ${chain.chain} (${about})\n${number}${counts}${columns}\n`
}

function references(chain: FilterChainSnapshot, all: readonly FilterChainSnapshot[]): number {
  return all
    .filter((other) => other.family === chain.family && other.table === chain.table)
    .flatMap(({ rules }) => rules)
    .filter(({ verdict }) => verdict.do === 'jump' && verdict.chain === chain.chain).length
}

/** One rule as a row of the list. */
export function printRow(rule: Counted, at: number, family: 4 | 6, options: ListOptions): string {
  const { match } = rule
  const { numeric, verbose, lineNumbers } = options
  const number = lineNumbers ? `${String(at).padEnd(4)} ` : ''
  const counts = verbose ? `${count(rule.packets, options)}${count(rule.bytes, options)}` : ''
  const protocol = protocolWord(match.protocol ?? 0, numeric)
  const links = verbose
    ? ` ${linkWord(match, 'iif', options).padEnd(6)} ${linkWord(match, 'oif', options).padEnd(6)} `
    : ''
  const from = `${sign(match, 'from', ' ')}${hostWord(match.from, family, numeric).padEnd(19)} `
  const to = `${sign(match, 'to', ' ')}${hostWord(match.to, family, numeric).padEnd(19)} `
  const said = [...matchWords(rule, family, numeric), ...targetWords(rule.verdict)]
  const target = `${targetName(rule.verdict).padEnd(9)} ${sign(match, 'protocol', ' ')}`
  const end = said.map((words) => ` ${words}`).join('')
  return `${number}${counts}${target}${protocol.padEnd(4)} -- ${links}${from}${to}${end}\n`
}

/** `print_num`: five wide, from 100,000 on in thousands. */
function count(value: number, { exact }: ListOptions): string {
  if (exact) return `${String(value).padStart(8)} `
  let rest = value
  if (rest <= 99_999) return `${String(rest).padStart(5)} `
  for (const unit of ['K', 'M', 'G']) {
    rest = Math.floor((rest + 500) / 1000)
    if (rest <= 9999 || unit === 'G') return `${String(rest).padStart(4)}${unit} `
  }
  return ''
}

function sign(match: FilterMatch, aspect: FilterAspect, otherwise: string): string {
  return match.not?.includes(aspect) === true ? '!' : otherwise
}

function protocolWord(protocol: number, numeric: boolean): string {
  if (numeric) return String(protocol)
  return protocol === 0 ? 'all' : protocolName(protocol)
}

function linkWord(match: FilterMatch, side: 'iif' | 'oif', { numeric }: ListOptions): string {
  const name = match[side]
  if (name === undefined) return numeric ? '*' : 'any'
  return `${sign(match, side, '')}${name}`
}

function hostWord(prefix: Prefix | undefined, family: 4 | 6, numeric: boolean): string {
  if (prefix !== undefined) return shortPrefix(prefix)
  if (!numeric) return 'anywhere'
  return family === 4 ? '0.0.0.0/0' : '::/0'
}

/** Without the length where it is one address. */
function shortPrefix(prefix: Prefix): string {
  const text = formatPrefix(prefix)
  const whole = typeof prefix.address === 'number' ? '/32' : '/128'
  return text.endsWith(whole) ? text.slice(0, -whole.length) : text
}

function targetName(verdict: FilterVerdict): string {
  if (verdict.do === 'continue') return ''
  return verdict.do === 'jump' ? verdict.chain : verdict.do.toUpperCase()
}

/** What the extensions print, one entry each. */
function matchWords(
  { match, comment, beyond }: Counted,
  family: 4 | 6,
  numeric: boolean,
): string[] {
  const words: string[] = []
  const { protocol, sourcePorts, destinationPorts, icmpType, icmpCode, states } = match
  const ports = [
    portsWord(match, 'sourcePorts', 'sp', sourcePorts, numeric),
    portsWord(match, 'destinationPorts', 'dp', destinationPorts, numeric),
  ].filter((word) => word !== '')
  if (ports.length > 0) words.push(`${protocolName(protocol ?? 6)} ${ports.join(' ')}`)
  if (icmpType !== undefined) {
    const kind = family === 4 ? 'icmp' : 'ipv6-icmp'
    const not = match.not?.includes('icmpType') === true
    const name = icmpTypeName({ type: icmpType, code: icmpCode }, family)
    if (!numeric && name !== undefined) words.push(`${kind} ${not ? '!' : ''}${name}`)
    else {
      const code = icmpCode === undefined ? '' : ` code ${icmpCode}`
      words.push(`${kind}${not ? ' !' : ''}type ${icmpType}${code}`)
    }
  }
  if (states !== undefined) {
    const option = match.statesBy === 'state' ? 'state' : 'ctstate'
    const not = match.not?.includes('states') === true ? '! ' : ''
    words.push(`${not}${option} ${printStates(states)}`)
  }
  if (comment !== undefined) words.push(`/* ${comment} */`)
  if (beyond !== undefined) words.push(beyond)
  return words
}

function portsWord(
  match: FilterMatch,
  aspect: 'sourcePorts' | 'destinationPorts',
  letter: 'sp' | 'dp',
  range: PortRange | undefined,
  numeric: boolean,
): string {
  if (range === undefined) return ''
  const { first, last } = range
  const name = (port: number): string => (numeric ? `${port}` : (SERVICES[port] ?? `${port}`))
  const value = first === last ? name(first) : `${name(first)}:${name(last)}`
  return `${letter}t${first === last ? '' : 's'}:${sign(match, aspect, '')}${value}`
}

function targetWords(verdict: FilterVerdict): string[] {
  switch (verdict.do) {
    case 'reject':
      return [`reject-with ${verdict.with}`]
    case 'masquerade':
      return verdict.ports === undefined ? [] : [`masq ports: ${printPorts(verdict.ports, '-')}`]
    case 'redirect':
      return verdict.ports === undefined ? [] : [`redir ports ${printPorts(verdict.ports, '-')}`]
    case 'snat':
    case 'dnat':
      return [`to:${printTarget(verdict.to, verdict.ports)}`]
    case 'accept':
    case 'drop':
    case 'return':
    case 'continue':
    case 'jump':
      return []
  }
}

/** `-S`: policies first, then chains made by hand, then every rule as it is made. */
export function printRules(chains: readonly FilterChainSnapshot[], verbose: boolean): string {
  const heads = chains.map(({ chain, policy }) => {
    if (policy === undefined) return `-N ${chain}\n`
    return `-P ${chain} ${policy.toUpperCase()}${verbose ? ' -c 0 0' : ''}\n`
  })
  const rules = chains.flatMap((chain) =>
    chain.rules.map((rule) => `${printRule(chain, rule, verbose)}\n`),
  )
  return [...heads, ...rules].join('')
}

/** One rule of `-S`. */
export function printRule(
  { chain, family }: FilterChainSnapshot,
  rule: Counted,
  verbose: boolean,
): string {
  const words = ruleWords(rule, family)
  const counters = verbose ? ['-c', `${rule.packets}`, `${rule.bytes}`] : []
  // Counters stand before the target.
  const target = words.indexOf('-j')
  const at = target < 0 ? words.length : target
  const all = [...words.slice(0, at).map(quoted), ...counters, ...words.slice(at)]
  return ['-A', chain, ...all].join(' ')
}

/** A comment with a space in it stands in double quotes (xtables_save_string). */
function quoted(word: string): string {
  return /^[-\w!:/.,+=*@%[\]]+$/.test(word) || word.startsWith('-')
    ? word
    : `"${word.replaceAll(/["\\]/g, String.raw`\$&`)}"`
}

/** `iptables-save` of some tables; `date` as ctime(3) says it. */
export function printSave(
  chains: readonly FilterChainSnapshot[],
  tool: string,
  counters: boolean,
  date: string,
): string {
  const tables = [...new Set(chains.map(({ table }) => table))]
  return tables
    .map((table) => {
      const own = chains.filter((chain) => chain.table === table)
      const heads = own.map((c) => `:${c.chain} ${c.policy?.toUpperCase() ?? '-'} [0:0]\n`)
      const rules = own.flatMap((chain) =>
        chain.rules.map((rule) => {
          const counts = counters ? `[${rule.packets}:${rule.bytes}] ` : ''
          return `${counts}${printRule(chain, rule, false)}\n`
        }),
      )
      return [
        `# Generated by ${tool} v1.8.9 (nf_tables) on ${date}\n*${table}\n`,
        ...heads,
        ...rules,
        `COMMIT\n# Completed on ${date}\n`,
      ].join('')
    })
    .join('')
}
