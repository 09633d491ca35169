/**
 * The matches and targets of iptables(8), read word by word: libxtables and the extensions this
 * model knows. What the tool says of a wrong word is said here, so that every reader says it alike.
 */
import { tryParseIp } from '../addr/ip.ts'
import type {
  ConnectionState,
  FilterAspect,
  FilterMatch,
  FilterRule,
  FilterVerdict,
  PortRange,
  RejectWith,
} from './filter.ts'
import { parseHosts, parsePortRange, hasPorts, parseTarget } from './iptables-values.ts'
import { parseIcmpType, protocolNumber } from './iptables-words.ts'

/** What the tool refuses a line with. */
export class IptablesProblem extends Error {
  override readonly name = 'IptablesProblem'
  /** As `Bad argument`, said without the tool's name in front. */
  readonly bare: boolean

  constructor(text: string, bare = false) {
    super(text)
    this.bare = bare
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** A rule as far as it is read. */
export interface RuleDraft {
  readonly family: 4 | 6
  readonly match: Mutable<FilterMatch>
  readonly not: FilterAspect[]
  /** Words after `-s` and `-d`: several addresses make several rules. */
  from: string | undefined
  to: string | undefined
  readonly modules: Set<string>
  target: string | undefined
  reject: RejectWith | undefined
  address: string | undefined
  ports: PortRange | undefined
  comment: string | undefined
}

export function openDraft(family: 4 | 6): RuleDraft {
  return {
    family,
    match: {},
    not: [],
    from: undefined,
    to: undefined,
    modules: new Set(),
    target: undefined,
    reject: undefined,
    address: undefined,
    ports: undefined,
    comment: undefined,
  }
}

/** Reads one option with its value. */
type Read = (draft: RuleDraft, value: string, inverted: boolean) => void

const MODULES = ['tcp', 'udp', 'icmp', 'icmp6', 'state', 'conntrack', 'comment']
const STATES: readonly ConnectionState[] = ['invalid', 'new', 'related', 'established', 'untracked']
const REJECTS4: readonly RejectWith[] = [
  'icmp-net-unreachable',
  'icmp-host-unreachable',
  'icmp-proto-unreachable',
  'icmp-port-unreachable',
  'icmp-net-prohibited',
  'icmp-host-prohibited',
  'tcp-reset',
  'icmp-admin-prohibited',
]
const REJECTS6: readonly RejectWith[] = [
  'icmp6-no-route',
  'icmp6-adm-prohibited',
  'icmp6-addr-unreachable',
  'icmp6-port-unreachable',
  'tcp-reset',
]
/** Short names of the answers, as the tool takes them. */
const REJECT_ALIASES: Readonly<Record<string, RejectWith>> = {
  'net-unreach': 'icmp-net-unreachable',
  'host-unreach': 'icmp-host-unreachable',
  'proto-unreach': 'icmp-proto-unreachable',
  'port-unreach': 'icmp-port-unreachable',
  'net-prohib': 'icmp-net-prohibited',
  'host-prohib': 'icmp-host-prohibited',
  'admin-prohib': 'icmp-admin-prohibited',
  'tcp-rst': 'tcp-reset',
  'no-route': 'icmp6-no-route',
  'adm-prohibited': 'icmp6-adm-prohibited',
  'addr-unreach': 'icmp6-addr-unreachable',
}

function turn(draft: RuleDraft, aspect: FilterAspect, inverted: boolean): void {
  if (inverted) draft.not.push(aspect)
}

function link(name: string): string {
  if (name.length > 15)
    throw new IptablesProblem(`interface name \`${name}' must be shorter than IFNAMSIZ (15)`)
  return name
}

const readProtocol: Read = (draft, value, inverted) => {
  const number = protocolNumber(value)
  if (number === undefined)
    throw new IptablesProblem(`unknown protocol "${value.toLowerCase()}" specified`)
  if (number !== 0) draft.match.protocol = number
  turn(draft, 'protocol', inverted)
}

const readPorts =
  (aspect: 'sourcePorts' | 'destinationPorts'): Read =>
  (draft, value, inverted) => {
    draft.match[aspect] = ports(value, ':')
    turn(draft, aspect, inverted)
  }

function ports(value: string, between: ':' | '-'): PortRange {
  const range = parsePortRange(value, between)
  if (typeof range === 'string') throw new IptablesProblem(range)
  return range
}

const readIcmp: Read = (draft, value, inverted) => {
  if (value === 'any') return
  const type = parseIcmpType(value, draft.family)
  if (type === undefined)
    throw new IptablesProblem(`Unknown ICMP${draft.family === 6 ? 'v6' : ''} type \`${value}'`)
  draft.match.icmpType = type.type
  if (type.code !== undefined) draft.match.icmpCode = type.code
  turn(draft, 'icmpType', inverted)
}

const readStates: Read = (draft, value, inverted) => {
  draft.match.states = value.split(',').map((word) => {
    const state = STATES.find((known) => known === word.toLowerCase())
    if (state === undefined) throw new IptablesProblem(`Bad state "${word}"`)
    return state
  })
  turn(draft, 'states', inverted)
}

const readReject: Read = (draft, value) => {
  const known = draft.family === 4 ? REJECTS4 : REJECTS6
  const named = known.find((name) => name === value)
  const found = named ?? REJECT_ALIASES[value]
  if (found === undefined || !known.includes(found))
    throw new IptablesProblem(`unknown reject type "${value}"`)
  draft.reject = found
}

const readTarget: Read = (draft, value) => {
  const { address, ports: range } = parseTarget(value)
  if (address !== '') {
    const ip = tryParseIp(address)
    if (ip === undefined || (typeof ip === 'number') !== (draft.family === 4))
      throw new IptablesProblem(`Bad IP address "${address}"`)
  }
  if (range !== undefined) draft.ports = ports(range, '-')
  draft.address = address
}

/** Options by name, with the module or target that must have been named before. */
const OPTIONS: Readonly<Record<string, readonly [Read, ...needs: string[]]>> = {
  '-p': [readProtocol],
  '--proto': [readProtocol],
  '--protocol': [readProtocol],
  '-m': [
    (draft, value) => {
      if (!MODULES.includes(value))
        throw new IptablesProblem(`Couldn't load match \`${value}':No such file or directory\n`)
      draft.modules.add(value)
    },
  ],
  '-j': [
    (draft, value) => {
      draft.target = value
    },
  ],
  '-i': [
    (draft, value, inverted) => {
      draft.match.iif = link(value)
      turn(draft, 'iif', inverted)
    },
  ],
  '-o': [
    (draft, value, inverted) => {
      draft.match.oif = link(value)
      turn(draft, 'oif', inverted)
    },
  ],
  '-s': [
    (draft, value, inverted) => {
      draft.from = value
      turn(draft, 'from', inverted)
    },
  ],
  '-d': [
    (draft, value, inverted) => {
      draft.to = value
      turn(draft, 'to', inverted)
    },
  ],
  '--sport': [readPorts('sourcePorts'), 'tcp', 'udp'],
  '--dport': [readPorts('destinationPorts'), 'tcp', 'udp'],
  '--icmp-type': [readIcmp, 'icmp'],
  '--icmpv6-type': [readIcmp, 'icmp6'],
  '--state': [
    (draft, value, inverted) => {
      readStates(draft, value, inverted)
      draft.match.statesBy = 'state'
    },
    'state',
  ],
  '--ctstate': [readStates, 'conntrack'],
  '--comment': [
    (draft, value) => {
      draft.comment = value
    },
    'comment',
  ],
  '--reject-with': [readReject, 'REJECT'],
  '--to-source': [readTarget, 'SNAT'],
  '--to-destination': [readTarget, 'DNAT'],
  '--to-ports': [
    (draft, value) => {
      draft.ports = ports(value, '-')
    },
    'REDIRECT',
    'MASQUERADE',
  ],
}

const LONG: Readonly<Record<string, string>> = {
  '--match': '-m',
  '--jump': '-j',
  '--in-interface': '-i',
  '--out-interface': '-o',
  '--src': '-s',
  '--source': '-s',
  '--dst': '-d',
  '--destination': '-d',
  '--source-port': '--sport',
  '--destination-port': '--dport',
  '--to-port': '--to-ports',
}

/** The option a word names; `--to` is whatever begins so with the target named. */
function optionOf(draft: RuleDraft, word: string): readonly [Read, ...string[]] | undefined {
  const name = LONG[word] ?? word
  const modules = new Set(draft.modules)
  const { protocol } = draft.match
  if (protocol === 6) modules.add('tcp')
  if (protocol === 17) modules.add('udp')
  if (protocol === 1) modules.add('icmp')
  if (protocol === 58) modules.add('icmp6')
  if (draft.target !== undefined) modules.add(draft.target)
  const fits = (option: readonly [Read, ...string[]] | undefined): boolean =>
    option !== undefined &&
    (option.length === 1 || option.slice(1).some((n) => modules.has(n as string)))
  const exact = OPTIONS[name]
  if (exact !== undefined) return fits(exact) ? exact : undefined
  if (!name.startsWith('--') || name.length < 4) return undefined
  const begun = Object.entries(OPTIONS).filter(([known, o]) => known.startsWith(name) && fits(o))
  return begun.length === 1 ? begun[0]?.[1] : undefined
}

/**
 * Reads one option from the words.
 * @returns how many words it took; 0 when the word is no option of a rule
 * @throws IptablesProblem
 */
export function readOption(
  draft: RuleDraft,
  word: string,
  value: string | undefined,
  inverted: boolean,
): number {
  const option = optionOf(draft, word)
  if (option === undefined) return 0
  if (value === undefined) throw new IptablesProblem(`option "${word}" requires an argument`)
  option[0](draft, value, inverted)
  return 2
}

/** The rules a draft stands for: one for every pair of addresses. @throws IptablesProblem */
export function closeDraft(draft: RuleDraft): FilterRule[] {
  if (draft.modules.has('state') && draft.match.statesBy === undefined)
    throw new IptablesProblem('state: option "--state" must be specified\n')
  if (draft.modules.has('comment') && draft.comment === undefined)
    throw new IptablesProblem('comment: option "--comment" must be specified\n')
  const verdict = verdictOf(draft)
  const { comment, family } = draft
  const base: Mutable<FilterMatch> = { ...draft.match }
  if (draft.not.length > 0) base.not = draft.not
  const sources = parseHosts(draft.from, family)
  const destinations = parseHosts(draft.to, family)
  if (typeof sources === 'string') throw new IptablesProblem(sources)
  if (typeof destinations === 'string') throw new IptablesProblem(destinations)
  return sources.flatMap((from) =>
    destinations.map((to) => {
      const match: Mutable<FilterMatch> = { ...base }
      if (from !== undefined) match.from = from
      if (to !== undefined) match.to = to
      return comment === undefined ? { match, verdict } : { match, verdict, comment }
    }),
  )
}

function verdictOf(draft: RuleDraft): FilterVerdict {
  const { target, family } = draft
  switch (target) {
    case undefined:
      return { do: 'continue' }
    case 'ACCEPT':
      return { do: 'accept' }
    case 'DROP':
      return { do: 'drop' }
    case 'RETURN':
      return { do: 'return' }
    case 'REJECT':
      return {
        do: 'reject',
        with: draft.reject ?? (family === 4 ? 'icmp-port-unreachable' : 'icmp6-port-unreachable'),
      }
    case 'MASQUERADE':
    case 'REDIRECT':
      return withPorts(draft, { do: target === 'REDIRECT' ? 'redirect' : 'masquerade' })
    case 'SNAT':
    case 'DNAT': {
      const { address } = draft
      const option = target === 'SNAT' ? '--to-source' : '--to-destination'
      if (address === undefined)
        throw new IptablesProblem(`${target}: option "${option}" must be specified\n`)
      const to = address === '' ? undefined : tryParseIp(address)
      return withPorts(draft, { do: target === 'SNAT' ? 'snat' : 'dnat', to })
    }
    default:
      return { do: 'jump', chain: target }
  }
}

function withPorts<V extends FilterVerdict>(draft: RuleDraft, verdict: V): V {
  if (draft.ports === undefined) return verdict
  const { protocol } = draft.match
  if (protocol === undefined || !hasPorts(protocol))
    throw new IptablesProblem('Need TCP, UDP, SCTP or DCCP with port specification')
  return { ...verdict, ports: draft.ports }
}
