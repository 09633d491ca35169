/**
 * The ops that change routing policy rules (net/core/fib_rules.c fib_nl_newrule, fib_nl_delrule).
 */
import { samePrefix } from '../../addr/prefix.ts'
import type { Prefix } from '../../addr/ip.ts'
import type { RuleChange } from '../../fabric/plan.ts'
import type { Refusal, World } from '../model.ts'
import { flushRouteCache } from './cache.ts'
import {
  type NetnsIp,
  netnsIp,
  type Rule,
  TABLE_DEFAULT,
  TABLE_LOCAL,
  TABLE_MAIN,
} from './state.ts'

/** Rules that nobody changes any more: forks share them. */
export function frozenRules(rules: readonly Rule[]): readonly Rule[] {
  return Object.freeze(rules.map((rule) => Object.freeze(rule)))
}

function builtIn(priority: number, table: number): Rule {
  const none = undefined
  return { priority, from: none, to: none, iif: none, oif: none, table, action: 'lookup' }
}

const BORN6 = frozenRules([builtIn(0, TABLE_LOCAL), builtIn(32_766, TABLE_MAIN)])
const BORN4 = frozenRules([...BORN6, builtIn(32_767, TABLE_DEFAULT)])

/** The rules a namespace is born with (`fib_default_rules_init`, `fib6_rules_net_init`). */
export function initRules(ns: NetnsIp): void {
  ns.rules4 = BORN4
  ns.rules6 = BORN6
}

/** Notes whether only the built-in rules stand: then lookups need not walk them. */
export function markPlain(ns: NetnsIp): void {
  ns.plain4 = isPlain(ns.rules4, [TABLE_LOCAL, TABLE_MAIN, TABLE_DEFAULT])
  if (!ns.plain4) ns.localPrefixes = true
  ns.plain6 = isPlain(ns.rules6, [TABLE_LOCAL, TABLE_MAIN])
}

function isPlain(rules: readonly Rule[], tables: readonly number[]): boolean {
  if (rules.length !== tables.length) return false
  return rules.every((r, i) => equal(r, builtIn(r.priority, tables[i] as number)))
}

/** Equivalent to: `ip rule add`, `ip rule del` */
export function changeRule(world: World, op: RuleChange): Refusal | undefined {
  const netns = world.netns.get(op.netns)
  if (netns === undefined) return { errno: 'ENOENT' }
  const ns = netnsIp(netns)
  const rules = [...(op.family === 4 ? ns.rules4 : ns.rules6)]
  const refusal = op.do === 'rule.add' ? add(rules, op) : remove(rules, op)
  if (refusal !== undefined) return refusal
  if (op.family === 4) ns.rules4 = frozenRules(rules)
  else ns.rules6 = frozenRules(rules)
  markPlain(ns)
  flushRouteCache(ns, false)
  return undefined
}

function add(rules: Rule[], op: RuleChange): Refusal | undefined {
  const rule: Rule = {
    priority: op.priority ?? freePriority(rules),
    from: cut(op.from),
    to: cut(op.to),
    iif: op.iif,
    oif: op.oif,
    table: op.table ?? (op.action === undefined || op.action === 'lookup' ? TABLE_MAIN : 0),
    action: op.action ?? 'lookup',
  }
  if (
    op.priority !== undefined &&
    rules.some((r) => r.priority === rule.priority && equal(r, rule))
  ) {
    return { errno: 'EEXIST' }
  }
  const after = rules.findIndex((r) => r.priority > rule.priority)
  if (after < 0) rules.push(rule)
  else rules.splice(after, 0, rule)
  return undefined
}

/** `fib_default_rule_pref`: one less than the second rule has. */
function freePriority(rules: readonly Rule[]): number {
  const second = rules[1]
  return second === undefined || second.priority === 0 ? 0 : second.priority - 1
}

function cut(prefix: Prefix | undefined): Prefix | undefined {
  return prefix === undefined || prefix.length === 0 ? undefined : prefix
}

function equalPrefix(a: Rule['from'], b: Rule['from']): boolean {
  return a === undefined || b === undefined ? a === b : samePrefix(a, b)
}

function equal(a: Rule, b: Rule): boolean {
  return (
    a.table === b.table &&
    a.action === b.action &&
    a.iif === b.iif &&
    a.oif === b.oif &&
    equalPrefix(a.from, b.from) &&
    equalPrefix(a.to, b.to)
  )
}

/** The first rule that has all that is said. */
function remove(rules: Rule[], op: RuleChange): Refusal | undefined {
  const at = rules.findIndex(
    (r) =>
      (op.priority === undefined || r.priority === op.priority) &&
      (op.table === undefined || r.table === op.table) &&
      (op.action === undefined || r.action === op.action) &&
      (op.iif === undefined || r.iif === op.iif) &&
      (op.oif === undefined || r.oif === op.oif) &&
      (cut(op.from) === undefined || equalPrefix(r.from, op.from)) &&
      (cut(op.to) === undefined || equalPrefix(r.to, op.to)),
  )
  if (at < 0) return { errno: 'ENOENT' }
  rules.splice(at, 1)
  return undefined
}
