/** Rules and ops as the words of iptables(8), in the order `iptables -S` says them. */
import { formatIp, type Ip, type Prefix } from '../addr/ip.ts'
import { formatPrefix } from '../addr/prefix.ts'
import type {
  ConnectionState,
  FilterAspect,
  FilterMatch,
  FilterOp,
  FilterRule,
  FilterVerdict,
  PortRange,
} from './filter.ts'
import { protocolName } from './iptables-words.ts'

/** In the order the tool prints them. */
const STATES: readonly ConnectionState[] = ['invalid', 'new', 'related', 'established', 'untracked']

/** The words of `iptables`, or `ip6tables` for family 6, that do an op. */
export function filterWords(op: FilterOp): readonly string[] {
  const tool = op.family === 4 ? 'iptables' : 'ip6tables'
  const table = op.table === 'filter' ? [] : ['-t', op.table]
  return [tool, ...table, ...commandWords(op)]
}

function commandWords(op: FilterOp): readonly string[] {
  switch (op.do) {
    case 'filter.add':
      return op.at === undefined
        ? ['-A', op.chain, ...ruleWords(op.rule, op.family)]
        : ['-I', op.chain, String(op.at), ...ruleWords(op.rule, op.family)]
    case 'filter.del':
      return typeof op.rule === 'number'
        ? ['-D', op.chain, String(op.rule)]
        : ['-D', op.chain, ...ruleWords(op.rule, op.family)]
    case 'filter.flush':
      return op.chain === undefined ? ['-F'] : ['-F', op.chain]
    case 'filter.policy':
      return ['-P', op.chain, op.policy.toUpperCase()]
    case 'filter.chain-add':
      return ['-N', op.chain]
    case 'filter.chain-del':
      return ['-X', op.chain]
  }
}

/**
 * A rule's matches and target.
 *
 * @example
 * ```ts
 * ruleWords({ match: { iif: 'eth0' }, verdict: { do: 'drop' } }, 4) // ['-i', 'eth0', '-j', 'DROP']
 * ```
 */
export function ruleWords(rule: FilterRule, family: 4 | 6): string[] {
  const { match, verdict, comment, beyond } = rule
  return [
    ...addressWords(match),
    ...matchWords(match, family),
    ...(comment === undefined ? [] : ['-m', 'comment', '--comment', comment]),
    ...(beyond === undefined ? [] : [beyond]),
    ...verdictWords(verdict),
  ]
}

function turned(match: FilterMatch, aspect: FilterAspect, words: readonly string[]): string[] {
  return match.not?.includes(aspect) === true ? ['!', ...words] : [...words]
}

function addressWords(match: FilterMatch): string[] {
  const { from, to, iif, oif, protocol } = match
  return [
    ...(from === undefined ? [] : turned(match, 'from', ['-s', fullPrefix(from)])),
    ...(to === undefined ? [] : turned(match, 'to', ['-d', fullPrefix(to)])),
    ...(iif === undefined ? [] : turned(match, 'iif', ['-i', iif])),
    ...(oif === undefined ? [] : turned(match, 'oif', ['-o', oif])),
    ...(protocol === undefined ? [] : turned(match, 'protocol', ['-p', protocolName(protocol)])),
  ]
}

/** With its length even where it is one address. */
export function fullPrefix(prefix: Prefix): string {
  const text = formatPrefix(prefix)
  return text.includes('/') ? text : `${text}/${prefix.length}`
}

function matchWords(match: FilterMatch, family: 4 | 6): string[] {
  const { protocol, sourcePorts, destinationPorts, icmpType, icmpCode, states } = match
  const stateWords = match.statesBy === 'state' ? ['state', '--state'] : ['conntrack', '--ctstate']
  const words: string[] = []
  if (sourcePorts !== undefined || destinationPorts !== undefined) {
    words.push('-m', protocolName(protocol ?? 6))
    if (sourcePorts !== undefined)
      words.push(...turned(match, 'sourcePorts', ['--sport', printPorts(sourcePorts, ':')]))
    if (destinationPorts !== undefined)
      words.push(
        ...turned(match, 'destinationPorts', ['--dport', printPorts(destinationPorts, ':')]),
      )
  }
  if (icmpType !== undefined) {
    const value = icmpCode === undefined ? `${icmpType}` : `${icmpType}/${icmpCode}`
    const option = family === 4 ? '--icmp-type' : '--icmpv6-type'
    words.push('-m', family === 4 ? 'icmp' : 'icmp6', ...turned(match, 'icmpType', [option, value]))
  }
  if (states !== undefined) {
    const [module = '', option = ''] = stateWords
    words.push('-m', module, ...turned(match, 'states', [option, printStates(states)]))
  }
  return words
}

/** `RELATED,ESTABLISHED`, in the tool's order whatever the rule's. */
export function printStates(states: readonly ConnectionState[]): string {
  return STATES.filter((state) => states.includes(state))
    .map((state) => state.toUpperCase())
    .join(',')
}

export function printPorts({ first, last }: PortRange, between: ':' | '-'): string {
  return first === last ? `${first}` : `${first}${between}${last}`
}

function verdictWords(verdict: FilterVerdict): string[] {
  switch (verdict.do) {
    case 'continue':
      return []
    case 'accept':
    case 'drop':
    case 'return':
      return ['-j', verdict.do.toUpperCase()]
    case 'jump':
      return ['-j', verdict.chain]
    case 'reject':
      return ['-j', 'REJECT', '--reject-with', verdict.with]
    case 'masquerade':
    case 'redirect': {
      const ports = verdict.ports && ['--to-ports', printPorts(verdict.ports, '-')]
      return ['-j', verdict.do.toUpperCase(), ...(ports ?? [])]
    }
    case 'snat':
    case 'dnat': {
      const option = verdict.do === 'snat' ? '--to-source' : '--to-destination'
      return ['-j', verdict.do.toUpperCase(), option, printTarget(verdict.to, verdict.ports)]
    }
  }
}

/** `10.0.0.2:80-90`, `[fd00::2]:80`, `:80` */
export function printTarget(to: Ip | undefined, ports: PortRange | undefined): string {
  const address = to === undefined ? '' : formatIp(to)
  if (ports === undefined) return address
  return `${typeof to === 'bigint' ? `[${address}]` : address}:${printPorts(ports, '-')}`
}
