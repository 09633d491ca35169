/**
 * `ip route get`: which route a packet would take, worked out from a snapshot: rules in order, in
 * each table the longest prefix with the lowest metric (fib_table_lookup, fib_rules_lookup).
 * What only the running kernel knows (a redirect it learned) is not in a snapshot.
 */
import { formatIp, type Ip } from '../../addr/ip.ts'
import { contains } from '../../addr/prefix.ts'
import type { NetnsSnapshot, RouteSnapshot, RuleSnapshot } from '../../fabric/snapshot.ts'
import { addressArgument, type Arguments, notYet, readAddress, ToolExit } from '../arguments.ts'
import type { Request } from '../request.ts'
import { strerror } from '../../errno.ts'
import { allRoutes, allRules } from './implied.ts'
import type { IpOptions } from './options.ts'

interface Query {
  to: Ip
  from: Ip | undefined
  iif: string | undefined
  oif: string | undefined
}

/** iproute_get(). */
export function readRouteGet(args: Arguments, options: IpOptions): Request {
  const q: Partial<Query> = {}
  while (args.left > 0) {
    const word = args.next()
    if (word === 'from') q.from = addressArgument(args, options.family)
    else if (word === 'iif') q.iif = args.next()
    else if (word === 'oif' || word === 'dev') q.oif = args.next()
    else if (
      /^(mark|tos|dsfield|vrf|uid|connected|notify|ipproto|sport|dport|fibmatch|as)$/.test(word)
    ) {
      notYet('ip route get', word)
    } else {
      const text = word === 'to' ? args.next() : word
      const to = readAddress(text.split('/')[0] ?? '', options.family)
      if (to === undefined) {
        throw new ToolExit(1, `Error: any valid prefix is expected rather than "${text}".\n`)
      }
      q.to = to
    }
  }
  if (q.to === undefined) throw new ToolExit(1, 'need at least a destination address\n')
  const query: Query = { to: q.to, from: q.from, iif: q.iif, oif: q.oif }
  return { kind: 'show', netns: options.netns, show: (view) => answer(view.netns, query) }
}

function answer(netns: NetnsSnapshot, q: Query): string {
  const route = lookup(netns, q)
  const failing = { unreachable: 'EHOSTUNREACH', blackhole: 'EINVAL', prohibit: 'EACCES' } as const
  const errno = route === undefined ? 'ENETUNREACH' : failing[route.type as keyof typeof failing]
  if (route === undefined || errno !== undefined) {
    throw new ToolExit(2, `RTNETLINK answers: ${strerror(errno ?? 'ENETUNREACH')}\n`)
  }
  const out: string[] = []
  const local = route.type === 'local'
  if (route.type !== 'unicast') out.push(route.type)
  out.push(formatIp(q.to))
  if (q.from !== undefined) out.push('from', formatIp(q.from))
  if (route.via !== undefined) out.push('via', formatIp(route.via))
  const link = local ? 'lo' : route.link
  if (link !== undefined) out.push('dev', link)
  // Without rules of its own a namespace keeps local and main in one table (fib_unmerge).
  const merged = typeof q.to === 'number' && !hasOwnRules(netns)
  if (local && !merged) out.push('table', 'local')
  if (typeof q.to === 'bigint') return sixLine(out, route, netns, q)
  const source = route.source ?? sourceOf(netns, route, q.to)
  if (q.from === undefined && source !== undefined) out.push('src', formatIp(source))
  if (q.iif === undefined) out.push('uid', '0')
  const flags = local ? ' <local>' : route.type === 'broadcast' ? ' <brd>' : ''
  const iif = q.iif === undefined ? '' : `iif ${q.iif} `
  return `${out.join(' ')} \n    cache${flags} ${iif}\n`
}

function sixLine(out: string[], route: RouteSnapshot, netns: NetnsSnapshot, q: Query): string {
  out.push('proto', route.protocol)
  const source = route.source ?? sourceOf(netns, route, q.to)
  if (q.from === undefined && source !== undefined) out.push('src', formatIp(source))
  if (route.metric !== 0) out.push('metric', String(route.metric))
  return `${out.join(' ')} pref medium\n`
}

const hasOwnRules = (netns: NetnsSnapshot) =>
  netns.rules.some((r) => r.family === 4 && r.priority !== 0 && r.priority < 32766)

/** fib_rules_lookup() over the tables. */
function lookup(netns: NetnsSnapshot, q: Query): RouteSnapshot | undefined {
  const family = typeof q.to === 'number' ? 4 : 6
  const rules = allRules(netns).filter((r) => r.family === family && ruleFits(r, q))
  for (const rule of rules) {
    if (rule.action !== 'lookup') return undefined
    const found = best(netns, rule.table, q)
    if (found !== undefined && found.type !== 'throw') return found
  }
  return undefined
}

function ruleFits(rule: RuleSnapshot, q: Query): boolean {
  if (rule.from !== undefined && (q.from === undefined || !contains(rule.from, q.from)))
    return false
  if (rule.to !== undefined && !contains(rule.to, q.to)) return false
  if (rule.iif !== undefined && rule.iif !== (q.iif ?? 'lo')) return false
  return rule.oif === undefined || rule.oif === q.oif
}

function best(netns: NetnsSnapshot, table: number, q: Query): RouteSnapshot | undefined {
  let found: RouteSnapshot | undefined
  for (const r of allRoutes(netns)) {
    if (r.table !== table || typeof r.to.address !== typeof q.to || !contains(r.to, q.to)) continue
    if (q.oif !== undefined && r.link !== q.oif) continue
    const better =
      found === undefined ||
      r.to.length > found.to.length ||
      (r.to.length === found.to.length && r.metric < found.metric)
    if (better) found = r
  }
  return found
}

/** inet_select_addr(): the first address in the gateway's subnet, else the link's first. */
function sourceOf(netns: NetnsSnapshot, route: RouteSnapshot, to: Ip): Ip | undefined {
  const next = route.via ?? to
  const mine = netns.addresses.filter(
    (a) =>
      a.link === route.link &&
      typeof a.address.address === typeof to &&
      !a.secondary &&
      !a.tentative,
  )
  const near = mine.find((a) => contains(a.address, next))
  return (near ?? mine.find((a) => a.scope === 'global') ?? mine[0])?.address.address
}
