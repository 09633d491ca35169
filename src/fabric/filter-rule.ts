/** Rules compared: what `iptables -D` with a rule needs, and what reading one back must give. */
import type { FilterRule } from './filter.ts'

/** Whether two rules say the same; counters and what is undefined do not count. */
export function sameRule(a: FilterRule, b: FilterRule): boolean {
  return ruleKey(a) === ruleKey(b)
}

/** Equal rules have equal keys; addresses may be bigint, which JSON does not know. */
function ruleKey(rule: FilterRule): string {
  const { match, verdict, comment, beyond } = rule
  const not = match.not === undefined || match.not.length === 0 ? undefined : match.not.toSorted()
  const states = match.states?.toSorted()
  const said = [{ ...match, not, states }, verdict, comment, beyond]
  return JSON.stringify(said, (_, value: unknown) => {
    if (typeof value === 'bigint') return `${value}n`
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
    return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
  })
}
