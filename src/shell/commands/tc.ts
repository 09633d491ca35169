/**
 * `tc qdisc`, as iproute2 6.1 reads it (tc/tc.c, tc_qdisc.c, q_netem.c): a netem at the root of a
 * link. Texts and exit codes read off the tool inside User Mode Linux.
 */
import { type Netem, parseNetem } from '../../fabric/netem.ts'
import type { Plan } from '../../fabric/plan.ts'
import { Arguments, matches, notYet, ToolExit } from '../arguments.ts'
import { printQdiscs, type QdiscManner } from '../print/qdisc.ts'
import { guarded, type Manner, perform, plan, type Request } from '../request.ts'
import { type Command, done } from '../session.ts'

const MANNER: Manner = {
  refused: 2,
  missing: 1,
  cannotFind: (name) => cannotFind(name),
}

const cannotFind = (name: string) => `Cannot find device "${name}"\n`

const USAGE = `Usage:	tc [ OPTIONS ] OBJECT { COMMAND | help }
	tc [-force] -batch filename
where  OBJECT := { qdisc | class | filter | chain |
		    action | monitor | exec }
       OPTIONS := { -V[ersion] | -s[tatistics] | -d[etails] | -r[aw] |
		    -o[neline] | -j[son] | -p[retty] | -c[olor]
		    -b[atch] [filename] | -n[etns] name | -N[umeric] |
		     -nm | -nam[es] | { -cf | -conf } path
		     -br[ief] }
`
const NETEM_USAGE = `Usage: ... netem [ limit PACKETS ]
                 [ delay TIME [ JITTER [CORRELATION]]]
                 [ distribution {uniform|normal|pareto|paretonormal} ]
                 [ corrupt PERCENT [CORRELATION]]
                 [ duplicate PERCENT [CORRELATION]]
                 [ loss random PERCENT [CORRELATION]]
                 [ loss state P13 [P31 [P32 [P23 P14]]]
                 [ loss gemodel PERCENT [R [1-H [1-K]]]
                 [ ecn ]
                 [ reorder PERCENT [CORRELATION] [ gap DISTANCE ]]
                 [ rate RATE [PACKETOVERHEAD] [CELLSIZE] [CELLOVERHEAD]]
                 [ slot MIN_DELAY [MAX_DELAY] [packets MAX_PACKETS] [bytes MAX_BYTES]]
                 [ slot distribution {uniform|normal|pareto|paretonormal|custom}
                   DELAY JITTER [packets MAX_PACKETS] [bytes MAX_BYTES]]
`

export const tcCommand: Command = (session, words) =>
  guarded(() => {
    const args = new Arguments(words)
    const options = readOptions(args, session.netns)
    if (options === undefined) return done('tc utility, iproute2-6.1.0, libbpf 1.1.2\n')
    if (args.left === 0) return done(USAGE)
    return perform(session, readObject(args, options), MANNER)
  })

/**
 * Reads one `tc` command line into the plan it asks for, without doing anything.
 *
 * @returns undefined when the line only shows something
 * @throws ToolExit with what the tool itself would say of a wrong line
 */
export function planOfTc(words: readonly string[], netns: string): Plan | undefined {
  const args = new Arguments(words)
  const where = readOptions(args, netns)
  if (where === undefined || args.left === 0) return undefined
  const request = readObject(args, where)
  return request.kind === 'plan' ? request.plan : undefined
}

interface TcOptions extends QdiscManner {
  readonly netns: string
}

/** main() of tc.c. @returns undefined for `-V` */
function readOptions(args: Arguments, own: string): TcOptions | undefined {
  let netns = own
  const said = { stats: false, json: false, pretty: false }
  for (let word = args.peek(); word?.startsWith('-') === true; word = args.peek()) {
    args.next()
    if (word === '-V' || matches(word, '-Version')) return undefined
    if (matches(word, '-statistics')) said.stats = true
    else if (matches(word, '-details') || matches(word, '-color')) continue
    else if (matches(word, '-pretty')) said.pretty = true
    else if (matches(word, '-json')) said.json = true
    else if (matches(word, '-netns')) netns = args.next()
    else notYet('tc', word)
  }
  return { netns, ...said }
}

function readObject(args: Arguments, options: TcOptions): Request {
  const word = args.next()
  if (matches(word, 'qdisc')) return readQdisc(args, options)
  const others = ['class', 'filter', 'chain', 'actions', 'monitor', 'exec']
  if (others.some((k) => matches(word, k))) notYet('tc', word)
  if (matches(word, 'help')) throw new ToolExit(0, '', USAGE)
  throw new ToolExit(255, `Object "${word}" is unknown, try "tc help".\n`)
}

/** Disciplines of Linux beside netem. */
const KINDS = `bfifo cake cbq cbs choke clsact codel drr etf ets fifo fq fq_codel fq_pie gred hfsc
  hhf htb ingress mq mqprio multiq noqueue pfifo pfifo_fast pie plug prio qfq red sfb sfq skbprio
  taprio tbf`.split(/\s+/)

/** do_qdisc(). */
function readQdisc(args: Arguments, options: TcOptions): Request {
  const { netns } = options
  if (args.left === 0) return readShow(args, options)
  const verb = args.next()
  if (matches(verb, 'add')) return readChange('qdisc.add', args, netns)
  if (matches(verb, 'change')) return readChange('qdisc.change', args, netns)
  if (matches(verb, 'replace')) return readChange('qdisc.replace', args, netns)
  if (matches(verb, 'link')) notYet('tc qdisc', verb)
  if (matches(verb, 'delete')) return readDelete(args, netns)
  if (['list', 'show', 'lst'].some((k) => matches(verb, k))) return readShow(args, options)
  if (matches(verb, 'help')) notYet('tc qdisc', verb)
  throw new ToolExit(255, `Command "${verb}" is unknown, try "tc qdisc help".\n`)
}

interface Place {
  readonly link: string | undefined
  readonly root: boolean
  /** The kind of the discipline, if one is named; its options follow. */
  readonly kind: string | undefined
}

/** tc_qdisc_modify(): where it is, up to its kind. */
function readPlace(args: Arguments): Place {
  let link: string | undefined
  let root = false
  while (args.left > 0) {
    const word = args.next()
    if (word === 'dev') {
      if (link !== undefined) throw new ToolExit(255, duplicate('dev', args.next()))
      link = args.next()
    } else if (word === 'root') {
      if (root) throw new ToolExit(255, duplicate('parent', word))
      root = true
    } else if (['handle', 'parent', 'clsact', 'ingress', 'estimator', 'stab'].includes(word)) {
      notYet('tc qdisc', word)
    } else return { link, root, kind: word }
  }
  return { link, root, kind: undefined }
}

const duplicate = (key: string, word: string) =>
  `Error: duplicate "${key}": "${word}" is the second value.\n`

function readChange(
  verb: 'qdisc.add' | 'qdisc.change' | 'qdisc.replace',
  args: Arguments,
  netns: string,
): Request {
  const { link, root, kind } = readPlace(args)
  if (kind !== undefined && kind !== 'netem') {
    if (KINDS.includes(kind)) notYet('tc qdisc', kind)
    throw new ToolExit(2, 'Error: Specified qdisc kind is unknown.\n')
  }
  const netem = kind === undefined ? undefined : readNetem(args)
  if (link === undefined) throw new ToolExit(2, 'RTNETLINK answers: No such device\n')
  if (!root) throw new ToolExit(2, 'Error: Handle cannot be zero.\n')
  if (netem === undefined) {
    throw new ToolExit(127, `lanyard: tc qdisc ${verb.slice(6)} without a kind: write netem\n`)
  }
  return plan({ do: verb, netns, link, netem })
}

function readDelete(args: Arguments, netns: string): Request {
  const { link, root, kind } = readPlace(args)
  if (kind !== undefined) {
    if (kind !== 'netem') notYet('tc qdisc del', kind)
    readNetem(args)
  }
  if (link === undefined) throw new ToolExit(2, 'RTNETLINK answers: No such device\n')
  if (!root) throw new ToolExit(2, 'Error: Failed to find qdisc with specified handle.\n')
  return plan({ do: 'qdisc.del', netns, link })
}

/** What the tool calls the values it cannot read. */
const CALLED: Readonly<Record<string, string>> = {
  delay: 'latency',
  latency: 'latency',
  loss: 'loss percent',
  drop: 'loss percent',
}
const KNOWN_TO_TC = ['distribution', 'corrupt', 'gap', 'ecn', 'slot']

/** netem_parse_opt(). */
function readNetem(args: Arguments): Netem {
  const words = args.rest()
  const parsed = parseNetem(words)
  if (parsed.ok) return parsed.netem
  const { what, word } = parsed
  if (what === 'end') throw new ToolExit(255, 'Command line is not complete. Try option "help"\n')
  if (what === 'order') {
    const text = 'reordering not possible without specifying some delay\n'
    throw new ToolExit(1, `${text}${NETEM_USAGE}`)
  }
  if (what === 'value') {
    const value = words[words.indexOf(word) + 1] ?? ''
    if (/^(?:state|gemodel)$/.test(value)) notYet('tc netem loss', value)
    throw new ToolExit(1, `Illegal "${CALLED[word] ?? word}"\n`)
  }
  if (word === 'help') throw new ToolExit(1, NETEM_USAGE)
  // A number behind a value: how much it depends on the one before.
  if (/^\d/.test(word)) notYet('tc netem', `correlation ${word}`)
  if (KNOWN_TO_TC.includes(word)) notYet('tc netem', word)
  throw new ToolExit(1, `What is "${word}"?\n${NETEM_USAGE}`)
}

function readShow(args: Arguments, options: TcOptions): Request {
  let dev: string | undefined
  while (args.left > 0) {
    const word = args.next()
    if (word === 'dev') dev = args.next()
    else notYet('tc qdisc show', word)
  }
  return {
    kind: 'show',
    netns: options.netns,
    counters: options.stats,
    show: (view) => {
      const links = view.netns.links.filter((l) => dev === undefined || l.name === dev)
      if (dev !== undefined && links.length === 0) throw new ToolExit(1, cannotFind(dev))
      return printQdiscs(links, dev === undefined, options)
    },
  }
}
