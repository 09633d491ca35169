/** Candidates about the packet filter: the rule that dropped, the policy, an exception. */
import { formatPrefix, hostPrefix } from '../addr/prefix.ts'
import type { FilterChainSnapshot, FilterRule } from '../fabric/filter.ts'
import type { Op } from '../fabric/plan.ts'
import type { Edit, Failure, Maker } from './edit.ts'

/** `filter FORWARD rule 2`, `filter FORWARD policy` */
const RULE = /^(filter|nat) (\S+)(?: rule (\d+))?/

export interface NamedRule {
  readonly chain: FilterChainSnapshot
  /** Position from 1 on; undefined for the policy. */
  readonly at: number | undefined
}

/** The chain and rule a trace named. */
export function ruleOf({ scene, at, rule, family }: Failure): NamedRule | undefined {
  const [, table, name, number] = RULE.exec(rule ?? '') ?? []
  const chain = scene
    .netns(at?.netns)
    ?.filters?.find((c) => c.table === table && c.chain === name && c.family === family)
  return chain === undefined
    ? undefined
    : { chain, at: number === undefined ? undefined : Number(number) }
}

export const filterEdits: Maker = (failure) => {
  const { at, family, name } = failure
  const named = ruleOf(failure)
  if (named === undefined || at === undefined) return []
  const { netns } = at
  const { chain } = named
  const where = { netns, family, table: chain.table, chain: chain.chain } as const
  const rule = named.at === undefined ? undefined : chain.rules[named.at - 1]
  const remove: Edit =
    rule === undefined
      ? {
          title: `policy ACCEPT for ${chain.chain} at ${name(netns)}`,
          cost: 1,
          plan: [{ do: 'filter.policy', ...where, policy: 'accept' }],
        }
      : {
          title: `without rule ${named.at} of ${chain.chain} at ${name(netns)}`,
          cost: 1,
          plan: [{ do: 'filter.del', ...where, rule: bare(rule) }],
        }
  return chain.table === 'nat' ? [remove] : [exception(failure, where), remove]
}

type Where = Readonly<{
  netns: string
  family: 4 | 6
  table: 'filter' | 'nat'
  chain: string
}>

/** Lets this pair through, both ways, before anything else is asked. */
function exception(failure: Failure, where: Where): Edit {
  const { question, scene, name } = failure
  const own = scene.addressTowards(question.from, question.target)?.address.address
  const there = hostPrefix(question.target)
  const here = own === undefined ? undefined : hostPrefix(own)
  const accept = (match: FilterRule['match']): Op => ({
    do: 'filter.add',
    ...where,
    at: 1,
    rule: { match, verdict: { do: 'accept' } },
  })
  return {
    title: `an exception for ${name(question.from)} and ${formatPrefix(there)} in ${where.chain} at ${name(where.netns)}`,
    cost: 2,
    plan: [
      accept({ ...(here === undefined ? {} : { from: here }), to: there }),
      accept({ from: there, ...(here === undefined ? {} : { to: here }) }),
    ],
  }
}

/** A rule without what it has counted. */
function bare(rule: FilterChainSnapshot['rules'][number]): FilterRule {
  const { packets: _packets, bytes: _bytes, ...rest } = rule
  return rest
}
