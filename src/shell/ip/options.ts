/** The options before the object of `ip` and `bridge`, in the order iproute2 6.1 tries them. */
import { helpOf } from './help.ts'
import { type Arguments, type Family, matches, notYet, ToolExit } from '../arguments.ts'

export interface IpOptions {
  readonly netns: string
  readonly family: Family
  readonly details: boolean
  readonly brief: boolean
  readonly statistics: boolean
  /** `-h`: numbers with `k`, `M`, ...; `-iec`: of 1024 each. */
  readonly human: 1000 | 1024 | undefined
  readonly json: boolean
  readonly pretty: boolean
  readonly oneline: boolean
  /** `-batch FILE`. */
  readonly batch: string | undefined
  readonly force: boolean
  readonly version: boolean
}

type Draft = { -readonly [K in keyof IpOptions]: IpOptions[K] }

/** `-oneline`: an entry a line, with a backslash where one ended. */
export function oneLine(text: string, options: IpOptions): string {
  return options.oneline ? `${text.slice(0, -1).replaceAll('\n', '\\')}\n` : text
}

/** ip/ip.c main(): reads options up to the object. */
export function readIpOptions(args: Arguments, netns: string): IpOptions {
  const draft: Draft = {
    netns,
    family: undefined,
    details: false,
    brief: false,
    statistics: false,
    human: undefined,
    json: false,
    pretty: false,
    oneline: false,
    batch: undefined,
    force: false,
    version: false,
  }
  for (let word = args.peek(); word?.startsWith('-'); word = args.peek()) {
    args.next()
    if (word === '--') break
    readOption(word.startsWith('--') ? word.slice(1) : word, args, draft)
  }
  return draft
}

function readOption(opt: string, args: Arguments, draft: Draft): void {
  const is = (...keywords: string[]) => keywords.some((k) => matches(opt, k))
  if (is('-loops')) args.next()
  else if (is('-family')) draft.family = familyOf(args.next())
  else if (opt === '-4') draft.family = 4
  else if (opt === '-6') draft.family = 6
  else if (opt === '-0' || opt === '-M' || opt === '-B') notYet('ip', opt)
  else if (is('-human', '-human-readable')) draft.human ??= 1000
  else if (is('-iec')) draft.human = 1024
  else if (is('-stats', '-statistics')) {
    if (draft.statistics) notYet('ip', '-s -s')
    draft.statistics = true
  } else if (is('-details')) draft.details = true
  else if (is('-resolve')) return
  else if (is('-oneline')) draft.oneline = true
  else if (is('-timestamp', '-tshort')) return
  else if (opt === '-V' || is('-Version')) draft.version = true
  else if (is('-force')) draft.force = true
  else if (is('-batch')) draft.batch = args.next()
  else if (is('-brief')) draft.brief = true
  else if (is('-json')) draft.json = true
  else if (is('-rcvbuf')) args.next()
  else if (is('-color')) return
  else if (is('-help')) helpOf('ip')
  else if (is('-netns')) draft.netns = args.next()
  else if (is('-Numeric')) return
  else if (is('-pretty')) draft.pretty = true
  else if (is('-all')) notYet('ip', opt)
  else throw new ToolExit(255, `Option "${opt}" is unknown, try "ip -help".\n`)
}

function familyOf(word: string): Family {
  if (word === 'inet') return 4
  if (word === 'inet6') return 6
  return notYet('ip -family', word)
}
