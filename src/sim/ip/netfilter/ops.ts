/** The ops on rules and chains, with the refusals iptables gives (libiptc's texts belong to the shell). */
import { FILTER_CHAINS, type FilterOp, type FilterRule } from '../../../fabric/filter.ts'
import type { Refusal } from '../../model.ts'
import { type Chain, Netfilter } from './state.ts'

/** Does one op; the namespace's netfilter is made at the first. */
export function changeFilter(nf: Netfilter, op: FilterOp): Refusal | undefined {
  const chains = chainsOf(nf, op)
  if (op.do === 'filter.flush') {
    for (const chain of chains.values())
      if (op.chain === undefined || chain.name === op.chain) chain.rules = []
    return op.chain === undefined || chains.has(op.chain) ? undefined : { errno: 'ENOENT' }
  }
  if (op.do === 'filter.chain-add') {
    if (chains.has(op.chain)) return { errno: 'EEXIST' }
    chains.set(op.chain, emptyChain(op.chain, undefined))
    return undefined
  }
  const chain = chains.get(op.chain)
  if (chain === undefined) return { errno: 'ENOENT' }
  switch (op.do) {
    case 'filter.add': {
      const refusal = refuseRule(chains, op.table, op.rule)
      if (refusal !== undefined) return refusal
      const at = op.at ?? chain.rules.length + 1
      if (at < 1 || at > chain.rules.length + 1) return { errno: 'E2BIG' }
      chain.rules.splice(at - 1, 0, { rule: op.rule, packets: 0, bytes: 0 })
      if (op.table === 'nat' || op.rule.match.states !== undefined) nf.tracking = true
      return undefined
    }
    case 'filter.del': {
      const at = typeof op.rule === 'number' ? op.rule - 1 : findRule(chain, op.rule)
      if (chain.rules[at] === undefined)
        return { errno: typeof op.rule === 'number' ? 'E2BIG' : 'ENOENT' }
      chain.rules.splice(at, 1)
      return undefined
    }
    case 'filter.policy':
      if (chain.policy === undefined) return { errno: 'EINVAL' }
      chain.policy = op.policy
      return undefined
    case 'filter.chain-del':
      if (chain.policy !== undefined) return { errno: 'EINVAL' }
      if (chain.rules.length > 0) return { errno: 'ENOTEMPTY' }
      if (isJumpedTo(chains, op.chain)) return { errno: 'EMLINK' }
      chains.delete(op.chain)
      return undefined
  }
}

function chainsOf(nf: Netfilter, op: FilterOp): Map<string, Chain> {
  const tables = nf.tables[op.family]
  let chains = tables.get(op.table)
  if (chains === undefined) {
    chains = new Map(FILTER_CHAINS[op.table].map((name) => [name, emptyChain(name, 'accept')]))
    tables.set(op.table, chains)
  }
  return chains
}

function emptyChain(name: string, policy: 'accept' | undefined): Chain {
  return { name, policy, packets: 0, bytes: 0, rules: [] }
}

/** Targets that belong to another table, and jumps into nowhere. */
function refuseRule(
  chains: ReadonlyMap<string, Chain>,
  table: FilterOp['table'],
  { verdict }: FilterRule,
): Refusal | undefined {
  const isNat = ['masquerade', 'snat', 'dnat', 'redirect'].includes(verdict.do)
  if (isNat !== (table === 'nat') && (isNat || verdict.do === 'reject')) return { errno: 'EINVAL' }
  if (verdict.do === 'jump' && !chains.has(verdict.chain)) return { errno: 'ENOENT' }
  return undefined
}

function findRule(chain: Chain, rule: FilterRule): number {
  const wanted = ruleKey(rule)
  return chain.rules.findIndex((counted) => ruleKey(counted.rule) === wanted)
}

function isJumpedTo(chains: ReadonlyMap<string, Chain>, name: string): boolean {
  for (const chain of chains.values())
    for (const { rule } of chain.rules)
      if (rule.verdict.do === 'jump' && rule.verdict.chain === name) return true
  return false
}

/** Equal rules have equal keys; addresses may be bigint, which JSON does not know. */
function ruleKey(rule: FilterRule): string {
  return JSON.stringify([rule.match, rule.verdict], (_, value: unknown) => {
    if (typeof value === 'bigint') return `${value}n`
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
    return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
  })
}
