/**
 * `conntrack` 1.4.7: `-L` and `-C` of the connections a machine tracks. Connections are tracked
 * where a rule asks for them, as on a kernel. Texts and exit codes read off the tool.
 */
import { formatIp } from '../../addr/ip.ts'
import { contains } from '../../addr/prefix.ts'
import type { ListedConnection } from '../../sim/ip/netfilter/list.ts'
import { TCP_STATES } from '../../sim/ip/netfilter/tcp-state.ts'
import { readPrefix, ToolExit } from '../arguments.ts'
import { guarded, noSuchNetns, takeView } from '../request.ts'
import { type Command, done, failed } from '../session.ts'

const TOOL = 'conntrack v1.4.7 (conntrack-tools)'
const HELP = "Try `conntrack -h' or 'conntrack --help' for more information.\n"
const NAMES: Readonly<Record<number, string>> = { 1: 'icmp', 6: 'tcp', 17: 'udp', 58: 'icmpv6' }
const NUMBERS = new Map(Object.entries(NAMES).map(([number, name]) => [name, Number(number)]))

type Wanted = (connection: ListedConnection) => boolean

interface Asked {
  readonly verb: 'list' | 'count'
  readonly extended: boolean
  readonly wanted: readonly Wanted[]
}

export const conntrackCommand: Command = (session, words) =>
  guarded(async () => {
    if (words[0] === '-V' || words[0] === '--version') return done(`${TOOL}\n`)
    const { verb, extended, wanted } = readWords(words)
    const known = session.machine?.connections
    if (known === undefined) return failed(127, notHere('conntrack without a lab'))
    if ((await takeView(session, session.netns)) === undefined) return noSuchNetns(session.netns)
    const all = known(session.netns)
    if (verb === 'count') return done(`${all.length}\n`)
    const shown = all.filter((one) => wanted.every((fits) => fits(one)))
    const stderr = `${TOOL}: ${shown.length} flow entries have been shown.\n`
    return { code: 0, stdout: shown.map((one) => lineOf(one, extended)).join(''), stderr }
  })

const notHere = (what: string) => `lanyard: ${what} is not part of this shell yet\n`

function wrong(why: string): never {
  throw new ToolExit(2, `${TOOL}: ${why}\n${HELP}`)
}

const VERBS: Readonly<Record<string, Asked['verb']>> = {
  '-L': 'list',
  '--dump': 'list',
  '-C': 'count',
  '--count': 'count',
}
const OTHER_VERBS = /^(?:-[GDIUEFSAR]|--(?:get|delete|create|update|event|flush|stats|add|load))$/
const TABLES = ['expect', 'dying', 'unconfirmed']

function readWords(words: readonly string[]): Asked {
  let verb: Asked['verb'] | undefined
  let extended = false
  const reader = new Filters()
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string
    const own = VERBS[word]
    if (own !== undefined) {
      if (verb !== undefined) wrong('Invalid commands combination')
      verb = own
      const table = words[at + 1]
      if (table !== undefined && !table.startsWith('-')) {
        if (TABLES.includes(table)) throw new ToolExit(127, notHere(`conntrack -L ${table}`))
        if (table !== 'conntrack') wrong(`unknown type \`${table}'`)
        at++
      }
    } else if (OTHER_VERBS.test(word)) throw new ToolExit(127, notHere(`conntrack ${word}`))
    else if (word === '-o' || word === '--output') {
      const value = words[++at] ?? wrong(`option \`${word}' requires an argument`)
      if (value !== 'extended') throw new ToolExit(127, notHere(`conntrack -o ${value}`))
      extended = true
    } else at = reader.take(words, at)
  }
  if (verb === undefined) throw new ToolExit(127, notHere('conntrack without -L or -C'))
  return { verb, extended, wanted: reader.wanted }
}

/** The options that say which connections are wanted. */
class Filters {
  readonly wanted: Wanted[] = []
  #protocol: number | undefined

  /** @returns where the option ends */
  take(words: readonly string[], at: number): number {
    const option = words[at] as string
    const next = words[at + 1]
    const nat = NAT_OPTIONS[option]
    if (nat !== undefined) {
      this.wanted.push(nat)
      if (next === undefined || next.startsWith('-')) return at
      throw new ToolExit(127, notHere(`conntrack ${option} with an address`))
    }
    const read = this.#reader(option)
    if (read === undefined) wrong(`unknown option \`${option}'`)
    this.wanted.push(read(next ?? wrong(`option \`${option}' requires an argument`)))
    return at + 1
  }

  #reader(option: string): ((value: string) => Wanted) | undefined {
    const address = ADDRESS_OPTIONS[option]
    if (address !== undefined) return (value) => addressFilter(value, address)
    if (option === '-p' || option === '--protonum') return (value) => this.#protocolFilter(value)
    if (option === '-f' || option === '--family') return familyFilter
    if (option === '-u' || option === '--status') return statusFilter
    const withPorts = this.#protocol === 6 || this.#protocol === 17
    const port = PORT_OPTIONS[option]
    if (withPorts && port !== undefined) return (value) => (c) => port(c) === Number(value)
    return option === '--state' && this.#protocol === 6 ? stateFilter : undefined
  }

  #protocolFilter(value: string): Wanted {
    const number = NUMBERS.get(value) ?? (/^\d+$/.test(value) ? Number(value) : undefined)
    if (number === undefined) wrong(`\`${value}' unsupported protocol`)
    this.#protocol = number
    return (c) => c.original.protocol === number
  }
}

/** The tool compares ports by their bytes, where an echo has its id and its type: they differ. */
const isDestinationNat: Wanted = (c) =>
  c.destinationNat || (c.sourceNat && [1, 58].includes(c.original.protocol))

const NAT_OPTIONS: Readonly<Record<string, Wanted>> = {
  '-n': (c) => c.sourceNat,
  '--src-nat': (c) => c.sourceNat,
  '-g': isDestinationNat,
  '--dst-nat': isDestinationNat,
  '-j': (c) => c.sourceNat || c.destinationNat,
  '--any-nat': (c) => c.sourceNat || c.destinationNat,
}

type AddressOf = (connection: ListedConnection) => ListedConnection['original']['src']

const ADDRESS_OPTIONS: Readonly<Record<string, AddressOf>> = {
  '-s': (c) => c.original.src,
  '--src': (c) => c.original.src,
  '--orig-src': (c) => c.original.src,
  '-d': (c) => c.original.dst,
  '--dst': (c) => c.original.dst,
  '--orig-dst': (c) => c.original.dst,
  '-r': (c) => c.reply.src,
  '--reply-src': (c) => c.reply.src,
  '-q': (c) => c.reply.dst,
  '--reply-dst': (c) => c.reply.dst,
}

const PORT_OPTIONS: Readonly<Record<string, (connection: ListedConnection) => number>> = {
  '--sport': (c) => c.original.srcPort,
  '--orig-port-src': (c) => c.original.srcPort,
  '--dport': (c) => c.original.dstPort,
  '--orig-port-dst': (c) => c.original.dstPort,
  '--reply-port-src': (c) => c.reply.srcPort,
  '--reply-port-dst': (c) => c.reply.dstPort,
}

function addressFilter(value: string, of: AddressOf): Wanted {
  const prefix = /^\d+\.\d+\.\d+\.\d+|:/.test(value) ? readPrefix(value, undefined) : undefined
  if (prefix === undefined) wrong(`Invalid IP address \`${value}'`)
  return (c) => {
    const ip = of(c)
    return typeof ip === typeof prefix.address && contains(prefix, ip)
  }
}

function familyFilter(value: string): Wanted {
  if (value !== 'ipv4' && value !== 'ipv6') wrong(`\`${value}' unsupported protocol`)
  return (c) => (typeof c.original.src === 'number') === (value === 'ipv4')
}

function statusFilter(value: string): Wanted {
  if (value === 'ASSURED') return (c) => c.assured
  if (value === 'SEEN_REPLY') return (c) => c.seenReply
  if (value === 'UNSET') return (c) => !c.seenReply
  if (/^(?:FIXED_TIMEOUT|EXPECTED|OFFLOAD|HW_OFFLOAD|SRC_NAT|DST_NAT|CONFIRMED)$/.test(value))
    throw new ToolExit(127, notHere(`conntrack -u ${value}`))
  return wrong(`Bad parameter \`${value}'`)
}

function stateFilter(value: string): Wanted {
  if (!(TCP_STATES as readonly string[]).includes(value)) wrong(`unknown TCP state \`${value}'`)
  return (c) => c.tcp === value
}

/** nfct_snprintf(), as `conntrack` has it print. */
function lineOf(c: ListedConnection, extended: boolean): string {
  const { original, reply, tcp, seconds, seenReply, assured } = c
  const { protocol } = original
  const family = typeof original.src === 'number' ? 'ipv4     2 ' : 'ipv6     10 '
  const name = NAMES[protocol] ?? 'unknown'
  const state = protocol === 6 ? `${tcp} ` : ''
  const head = `${extended ? family : ''}${name.padEnd(8)} ${protocol} ${seconds} ${state}`
  const unreplied = seenReply ? '' : '[UNREPLIED] '
  const end = `${assured ? '[ASSURED] ' : ''}mark=0 use=1`
  return `${head}${tupleOf(original)}${unreplied}${tupleOf(reply)}${end}\n`
}

function tupleOf(t: ListedConnection['original']): string {
  const ends = `src=${formatIp(t.src)} dst=${formatIp(t.dst)} `
  if (t.protocol === 1 || t.protocol === 58) {
    return `${ends}type=${t.icmpType} code=0 id=${t.srcPort} `
  }
  const ports = t.protocol === 6 || t.protocol === 17
  return ports ? `${ends}sport=${t.srcPort} dport=${t.dstPort} ` : ends
}
