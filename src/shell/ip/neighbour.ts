/** `ip neighbour`: ip/ipneigh.c of iproute2 6.1. */
import { helpOf } from './help.ts'
import { jsonText } from '../print/json.ts'
import { formatIp, type Ip } from '../../addr/ip.ts'
import { formatMac, type Mac } from '../../addr/mac.ts'
import type { NeighbourChange, NeighbourState } from '../../fabric/plan.ts'
import type { NeighbourSnapshot } from '../../fabric/snapshot.ts'
import {
  addressArgument,
  type Arguments,
  macArgument,
  matches,
  notYet,
  readAddress,
  ToolExit,
  wrongArgument,
} from '../arguments.ts'
import { plan, type Request } from '../request.ts'
import type { IpOptions } from './options.ts'

const STATES: readonly NeighbourState[] = [
  'permanent',
  'reachable',
  'noarp',
  'stale',
  'incomplete',
  'delay',
  'probe',
  'failed',
]

/** do_ipneigh(). */
export function readNeighbour(args: Arguments, options: IpOptions): Request {
  const verb = args.peek()
  if (verb === undefined) return readShow(args, options)
  args.next()
  if (matches(verb, 'add')) return readChange('neighbour.add', args, options)
  if (matches(verb, 'change') || verb === 'chg') return notYet('ip neighbour', verb)
  if (matches(verb, 'replace')) return readChange('neighbour.replace', args, options)
  if (matches(verb, 'delete')) return readChange('neighbour.del', args, options)
  if (matches(verb, 'get')) return notYet('ip neighbour', verb)
  if (matches(verb, 'show') || matches(verb, 'lst') || matches(verb, 'list')) {
    return readShow(args, options)
  }
  if (matches(verb, 'flush')) return readFlush(args, options)
  if (matches(verb, 'help')) return helpOf('neighbour')
  throw new ToolExit(255, `Command "${verb}" is unknown, try "ip neigh help".\n`)
}

/** ipneigh_modify(): without `nud` an entry is permanent. */
function readChange(verb: NeighbourChange['do'], args: Arguments, options: IpOptions): Request {
  let ip: Ip | undefined
  let mac: Mac | undefined
  let link: string | undefined
  let proxy = false
  let state: NeighbourState = 'permanent'
  while (args.left > 0) {
    const word = args.next()
    if (matches(word, 'lladdr')) mac = macArgument(args)
    else if (word === 'nud') {
      const name = args.next()
      state = STATES.find((s) => s === name) ?? wrongArgument(name, 'nud state is bad')
    } else if (matches(word, 'proxy')) {
      proxy = true
      ip = addressArgument(args, options.family)
    } else if (word === 'dev') link = args.next()
    else if (matches(word, 'router') || matches(word, 'extern_learn') || word === 'protocol') {
      notYet('ip neighbour', word)
    } else {
      if (word !== 'to') args.back()
      if (ip !== undefined) {
        const text = args.next()
        throw new ToolExit(255, `Error: either "to" is duplicate, or "${text}" is a garbage.\n`)
      }
      ip = addressArgument(args, options.family)
    }
  }
  if (link === undefined || ip === undefined) {
    throw new ToolExit(255, 'Device and destination are required arguments.\n')
  }
  const del = verb === 'neighbour.del'
  return plan({
    do: verb,
    netns: options.netns,
    link,
    ip,
    ...(mac === undefined ? {} : { mac }),
    ...(del || proxy ? {} : { state }),
    ...(proxy ? { proxy } : {}),
  })
}

/** do_flush of do_show_or_flush(): permanent and noarp entries stay. */
function readFlush(args: Arguments, options: IpOptions): Request {
  if (args.left === 0) throw new ToolExit(1, 'Flush requires arguments.\n')
  let link: string | undefined
  while (args.left > 0) {
    const word = args.next()
    if (word === 'dev') link = args.next()
    else if (word !== 'all') notYet('ip neighbour flush', word)
  }
  return plan({
    do: 'neighbour.flush',
    netns: options.netns,
    ...(link === undefined ? {} : { link }),
    ...(options.family === undefined ? {} : { family: options.family }),
  })
}

function readShow(args: Arguments, options: IpOptions): Request {
  let link: string | undefined
  let proxy = false
  let states: readonly string[] | undefined
  let to: Ip | undefined
  while (args.left > 0) {
    const word = args.next()
    if (word === 'dev') link = args.next()
    else if (word === 'proxy') proxy = true
    else if (word === 'nud') {
      const name = args.next()
      states = name === 'all' ? STATES : [...(states ?? []), name]
    } else {
      const text = word === 'to' ? args.next() : word
      to = readAddress(text, options.family)
      if (to === undefined) {
        throw new ToolExit(1, `Error: any valid prefix is expected rather than "${text}".\n`)
      }
    }
  }
  const keep = (n: NeighbourSnapshot) =>
    n.proxy === proxy &&
    (link === undefined || n.link === link) &&
    (to === undefined || n.ip === to) &&
    (options.family === undefined || (typeof n.ip === 'number' ? 4 : 6) === options.family) &&
    // Without `nud` the tool hides what is not in use: NOARP entries.
    (states === undefined ? n.state !== 'noarp' : states.includes(n.state))
  return {
    kind: 'show',
    netns: options.netns,
    show: (view) => {
      const kept = [
        ...view.netns.neighbours.filter((n) => typeof n.ip === 'number'),
        ...view.netns.neighbours.filter((n) => typeof n.ip !== 'number'),
      ].filter(keep)
      const withoutLink = link !== undefined
      return options.json
        ? jsonText(
            kept.map((n) => jsonNeighbour(n, withoutLink)),
            options.pretty,
          )
        : kept.map((n) => printNeighbour(n, withoutLink)).join('')
    },
  }
}

function jsonNeighbour(n: NeighbourSnapshot, withoutLink: boolean): object {
  return {
    dst: formatIp(n.ip),
    ...(withoutLink ? {} : { dev: n.link }),
    ...(n.mac === undefined ? {} : { lladdr: formatMac(n.mac) }),
    ...(n.router ? { router: null } : {}),
    ...(n.proxy ? { proxy: null } : { state: [n.state.toUpperCase()] }),
  }
}

/** print_neigh(). */
export function printNeighbour(n: NeighbourSnapshot, withoutLink: boolean): string {
  const out = [formatIp(n.ip)]
  if (!withoutLink) out.push('dev', n.link)
  if (n.mac !== undefined) out.push('lladdr', formatMac(n.mac))
  if (n.router) out.push('router')
  if (n.proxy) out.push('proxy')
  else out.push(n.state.toUpperCase())
  return `${out.join(' ')} \n`
}
