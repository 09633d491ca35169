/** `ip route`: ip/iproute.c of iproute2 6.1. */
import { helpOf } from './help.ts'
import { formatIp, type Ip, type Prefix } from '../../addr/ip.ts'
import type { RouteChange, RouteType } from '../../fabric/plan.ts'
import type { RouteSnapshot } from '../../fabric/snapshot.ts'
import {
  addressArgument,
  type Arguments,
  type Family,
  matches,
  notYet,
  numberArgument,
  prefixWord,
  ToolExit,
  wrongArgument,
} from '../arguments.ts'
import { plan, type Request } from '../request.ts'
import { readScope } from './address.ts'
import type { IpOptions } from './options.ts'
import { jsonText } from '../print/json.ts'
import { jsonRoute, printRoute } from './route-show.ts'
import { allRoutes } from './implied.ts'
import { readRouteGet } from './route-get.ts'

/** do_iproute(). */
export function readRoute(args: Arguments, options: IpOptions): Request {
  const verb = args.peek()
  if (verb === undefined) return readShow(args, options)
  args.next()
  const is = (...keywords: string[]) => keywords.some((k) => matches(verb, k))
  if (is('list', 'show', 'lst')) return readShow(args, options)
  if (is('add')) return readChange('route.add', args, options)
  if (is('change') || verb === 'chg') return notYet('ip route', verb)
  if (is('replace')) return readChange('route.replace', args, options)
  if (is('prepend', 'append', 'test')) return notYet('ip route', verb)
  if (is('delete')) return readChange('route.del', args, options)
  if (is('get')) return options.json ? notYet('ip route get', '-json') : readRouteGet(args, options)
  if (is('flush')) return readFlush(args, options)
  if (is('help')) return helpOf('route')
  if (is('save', 'restore', 'showdump')) return notYet('ip route', verb)
  throw new ToolExit(255, `Command "${verb}" is unknown, try "ip route help".\n`)
}

const TYPES: readonly RouteType[] = [
  'unicast',
  'local',
  'broadcast',
  'unreachable',
  'blackhole',
  'prohibit',
  'throw',
]

type Draft = { -readonly [K in keyof RouteChange]?: RouteChange[K] }

/** iproute_modify(). */
function readChange(verb: RouteChange['do'], args: Arguments, options: IpOptions): Request {
  if (args.left === 0) return helpOf('route')
  const d: Draft = {}
  let family: Family = options.family
  while (args.left > 0) family = readWord(args, d, family)
  if (d.to === undefined) throw new ToolExit(1, 'Error: argument "to" is required\n')
  // `default` takes the family of -6 or of its gateway.
  const to: Prefix =
    d.to.length === 0 && typeof d.to.address === 'number' && family === 6
      ? { address: 0n, length: 0 }
      : d.to
  return plan({ ...d, do: verb, netns: options.netns, to })
}

/** @returns the family as far as it is known after this word */
function readWord(args: Arguments, d: Draft, family: Family): Family {
  const word = args.next()
  if (word === 'src') d.source = addressArgument(args, family)
  else if (word === 'via') {
    const next = args.peek()
    if (next === 'inet' || next === 'inet6') notYet('ip route', `via ${next}`)
    d.via = addressArgument(args, family)
    return typeof d.via === 'bigint' ? 6 : 4
  } else if (matches(word, 'metric') || word === 'priority' || word === 'preference') {
    d.metric = numberArgument(args, '"metric" value is invalid\n')
  } else if (word === 'scope') d.scope = readScope(args.next())
  else if (word === 'mtu') {
    if (args.peek() === 'lock') notYet('ip route', 'mtu lock')
    d.mtu = numberArgument(args, '"mtu" value is invalid\n')
  } else if (word === 'onlink') d.onlink = true
  else if (matches(word, 'table')) d.table = readTable(args.next())
  else if (word === 'dev' || word === 'oif') d.link = args.next()
  else if (matches(word, 'protocol')) {
    const proto = args.next()
    if (proto !== 'boot') notYet('ip route', `proto ${proto}`)
  } else if (
    /^(as|from|tos|dsfield|expires|nexthop|nhid|encap|realms|pref|ttl-propagate)$/.test(word)
  ) {
    notYet('ip route', word)
  } else return readDestination(word, args, d, family)
  return family
}

function readDestination(first: string, args: Arguments, d: Draft, family: Family): Family {
  let word = first === 'to' ? args.next() : first
  const type = TYPES.find((t) => t === word)
  if (type !== undefined) {
    d.type = type
    word = args.next()
  }
  if (matches(word, 'help')) helpOf('route')
  if (d.to !== undefined) {
    throw new ToolExit(255, `Error: either "to" is duplicate, or "${word}" is a garbage.\n`)
  }
  d.to = prefixWord(word, family)
  if (word === 'default' || word === 'any' || word === 'all') return family
  return typeof d.to.address === 'bigint' ? 6 : 4
}

/** rtnl_rttable_a2n(). */
export function readTable(word: string): number {
  const named: Record<string, number> = { local: 255, main: 254, default: 253, unspec: 0 }
  const table = named[word] ?? (/^\d+$/.test(word) ? Number(word) : undefined)
  return table ?? wrongArgument(word, '"table" value is invalid\n')
}

function readFlush(args: Arguments, options: IpOptions): Request {
  const word = args.peek()
  if (word === 'cache') return plan({ do: 'route.flush-cache', netns: options.netns })
  return notYet('ip route flush', word ?? '')
}

interface Filter {
  table: number | 'all'
  link: string | undefined
  to: Prefix | undefined
  via: Ip | undefined
  type: string | undefined
  protocol: string | undefined
}

/** iproute_list_flush_or_save() for `show`. */
function readShow(args: Arguments, options: IpOptions): Request {
  const f: Filter = {
    table: 254,
    link: undefined,
    to: undefined,
    via: undefined,
    type: undefined,
    protocol: undefined,
  }
  while (args.left > 0) readFilter(args, f, options)
  const families: readonly (4 | 6)[] =
    options.family !== undefined ? [options.family] : f.table === 'all' ? [4, 6] : [4]
  return {
    kind: 'show',
    netns: options.netns,
    show: (view) => {
      const routes = families.flatMap((family) =>
        allRoutes(view.netns)
          .filter((r) => (typeof r.to.address === 'bigint' ? 6 : 4) === family)
          .filter((r) => keeps(f, r)),
      )
      const isAll = f.table === 'all'
      return options.json
        ? jsonText(
            routes.map((r) => jsonRoute(r, options, isAll, f.link)),
            options.pretty,
          )
        : routes.map((r) => printRoute(r, options, isAll, f.link)).join('')
    },
  }
}

function readFilter(args: Arguments, f: Filter, options: IpOptions): void {
  const word = args.next()
  if (matches(word, 'table')) {
    const name = args.next()
    f.table = name === 'all' ? 'all' : readTable(name)
  } else if (word === 'dev' || word === 'oif' || word === 'iif') f.link = args.next()
  else if (word === 'via') f.via = addressArgument(args, options.family)
  else if (matches(word, 'protocol')) f.protocol = args.next()
  else if (word === 'type') f.type = args.next()
  else if (/^(cached|cloned|from|src|tos|dsfield|realms|vrf|nhid|scope)$/.test(word)) {
    notYet('ip route show', word)
  } else {
    let text = word === 'to' ? args.next() : word
    if (text === 'exact') text = args.next()
    else if (text === 'root' || text === 'match') notYet('ip route show', text)
    f.to = prefixWord(text, options.family)
  }
}

function keeps(f: Filter, r: RouteSnapshot): boolean {
  if (f.table !== 'all' && r.table !== f.table) return false
  if (f.link !== undefined && r.link !== f.link) return false
  if (f.via !== undefined && (r.via === undefined || formatIp(r.via) !== formatIp(f.via))) {
    return false
  }
  if (f.type !== undefined && r.type !== f.type) return false
  if (f.protocol !== undefined && r.protocol !== f.protocol) return false
  return f.to === undefined || (r.to.address === f.to.address && r.to.length === f.to.length)
}
