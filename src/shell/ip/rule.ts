/** `ip rule`: ip/iprule.c of iproute2 6.1. */
import { helpOf } from './help.ts'
import { jsonText } from '../print/json.ts'
import { formatIp, type Prefix } from '../../addr/ip.ts'
import type { RuleChange } from '../../fabric/plan.ts'
import type { RuleSnapshot } from '../../fabric/snapshot.ts'
import {
  type Arguments,
  matches,
  notYet,
  numberArgument,
  prefixArgument,
  ToolExit,
} from '../arguments.ts'
import { plan, type Request } from '../request.ts'
import type { IpOptions } from './options.ts'
import { allRules } from './implied.ts'
import { readTable } from './route.ts'
import { tableName } from './route-show.ts'

/** do_iprule(). */
export function readRule(args: Arguments, options: IpOptions): Request {
  const verb = args.peek()
  if (verb === undefined) return readShow(options)
  args.next()
  if (matches(verb, 'list') || matches(verb, 'lst') || matches(verb, 'show')) {
    if (args.left > 0) notYet('ip rule show', args.next())
    return readShow(options)
  }
  if (matches(verb, 'add')) return readChange('rule.add', args, options)
  if (matches(verb, 'delete')) return readChange('rule.del', args, options)
  if (matches(verb, 'help')) return helpOf('rule')
  if (['save', 'restore', 'flush'].some((k) => matches(verb, k))) {
    return notYet('ip rule', verb)
  }
  throw new ToolExit(255, `Command "${verb}" is unknown, try "ip rule help".\n`)
}

type Draft = { -readonly [K in keyof RuleChange]?: RuleChange[K] }
/** Words of iproute2 that are not here. */
const ELSEWHERE = `not tos dsfield fwmark nat map-to realms goto l3mdev uidrange ipproto sport dport
  protocol tun_id suppress_prefixlength suppress_ifgroup type local unicast`.split(/\s+/)
const ACTIONS = ['unreachable', 'blackhole', 'prohibit'] as const

/** iprule_modify(). */
function readChange(verb: RuleChange['do'], args: Arguments, options: IpOptions): Request {
  const d: Draft = {}
  while (args.left > 0) {
    const word = args.next()
    if (word === 'from') d.from = some(prefixArgument(args, options.family))
    else if (word === 'to') d.to = some(prefixArgument(args, options.family))
    else if (matches(word, 'preference') || matches(word, 'order') || matches(word, 'priority')) {
      d.priority = numberArgument(args, 'preference value is invalid\n')
    } else if (matches(word, 'table') || word === 'lookup') d.table = readTable(args.next())
    else if (word === 'dev' || word === 'iif') d.iif = args.next()
    else if (word === 'oif') d.oif = args.next()
    else {
      const action = ACTIONS.find((a) => a === word)
      if (action === undefined && ELSEWHERE.includes(word)) notYet('ip rule', word)
      if (action === undefined) {
        throw new ToolExit(255, `Error: argument "${word}" is wrong: Failed to parse rule type\n`)
      }
      d.action = action
    }
  }
  const six = [d.from, d.to].some((p) => typeof p?.address === 'bigint') || options.family === 6
  if (verb === 'rule.add' && d.table === undefined && d.action === undefined) d.table = 254
  return plan({ ...d, do: verb, netns: options.netns, family: six ? 6 : 4 })
}

const some = (prefix: Prefix): Prefix | undefined => (prefix.length === 0 ? undefined : prefix)

function readShow(options: IpOptions): Request {
  const family = options.family ?? 4
  return {
    kind: 'show',
    netns: options.netns,
    show: (view) => {
      const rules = allRules(view.netns).filter((r) => r.family === family)
      return options.json
        ? jsonText(rules.map(jsonRule), options.pretty)
        : rules.map(printRule).join('')
    },
  }
}

function jsonRule(r: RuleSnapshot): object {
  const prefix = (name: string, p: Prefix) => {
    const full = typeof p.address === 'number' ? 32 : 128
    const address = { [name]: formatIp(p.address) }
    return p.length === full ? address : { ...address, [`${name}len`]: p.length }
  }
  return {
    priority: r.priority,
    ...(r.from === undefined ? { src: 'all' } : prefix('src', r.from)),
    ...(r.to === undefined ? {} : prefix('dst', r.to)),
    ...(r.iif === undefined ? {} : { iif: r.iif }),
    ...(r.oif === undefined ? {} : { oif: r.oif }),
    ...(r.action === 'lookup' ? { table: tableName(r.table) } : { action: r.action }),
  }
}

/** print_rule(). */
function printRule(r: RuleSnapshot): string {
  const prefix = (p: Prefix) => {
    const full = typeof p.address === 'number' ? 32 : 128
    return p.length === full ? formatIp(p.address) : `${formatIp(p.address)}/${p.length}`
  }
  const out = [`${r.priority}:\tfrom ${r.from === undefined ? 'all' : prefix(r.from)}`]
  if (r.to !== undefined) out.push('to', prefix(r.to))
  if (r.iif !== undefined) out.push('iif', r.iif)
  if (r.oif !== undefined) out.push('oif', r.oif)
  if (r.action === 'lookup') out.push('lookup', tableName(r.table))
  else out.push(r.action)
  return `${out.join(' ')}\n`
}
