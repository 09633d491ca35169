/** The way back of ops on chains and rules of the packet filter. */
import { sameRule } from './filter-rule.ts'
import { FILTER_CHAINS, type FilterChainSnapshot, type FilterOp } from './filter.ts'
import type { NetnsSnapshot } from './snapshot.ts'

/**
 * The ops that take one back; undefined when nobody knows what was there.
 *
 * A rule comes back at the place it had before the plan; where a plan removed several of one
 * chain, rules that lay between them may end up on their other side. Counters begin anew.
 */
export function undoFilter(
  op: FilterOp,
  netns: NetnsSnapshot | undefined,
): readonly FilterOp[] | undefined {
  switch (op.do) {
    case 'filter.add': {
      // By what it says: places have shifted by the time it is undone.
      const { at: _at, ...rest } = op
      return [{ ...rest, do: 'filter.del' }]
    }
    case 'filter.chain-add':
      return [{ ...op, do: 'filter.chain-del' }]
    case 'filter.chain-del': {
      // Only one that said nothing can go: it comes back when its policy is spoken of.
      const { chain, table } = op
      if (!FILTER_CHAINS[table].includes(chain)) return [{ ...op, do: 'filter.chain-add' }]
      return [{ ...op, do: 'filter.policy', policy: 'accept' }]
    }
    case 'filter.policy': {
      if (netns === undefined) return undefined
      return [{ ...op, policy: find(netns, op, op.chain)?.policy ?? 'accept' }]
    }
    case 'filter.del':
      return ruleBack(op, netns)
    case 'filter.flush': {
      if (netns === undefined) return undefined
      const chains = (netns.filters ?? []).filter(
        (c) => c.family === op.family && c.table === op.table,
      )
      const wanted = chains.filter((c) => op.chain === undefined || c.chain === op.chain)
      return wanted.flatMap((c) => c.rules.map((_, at) => addition(op, c, at)))
    }
  }
}

function ruleBack(
  op: Extract<FilterOp, { do: 'filter.del' }>,
  netns: NetnsSnapshot | undefined,
): readonly FilterOp[] | undefined {
  const chain = netns && find(netns, op, op.chain)
  if (chain === undefined) return undefined
  const wanted = op.rule
  const at =
    typeof wanted === 'number'
      ? wanted - 1
      : chain.rules.findIndex(({ packets: _p, bytes: _b, ...rule }) => sameRule(rule, wanted))
  return chain.rules[at] === undefined ? undefined : [addition(op, chain, at)]
}

/** The op that makes a rule of a snapshot again, where it was. */
function addition(
  { netns, family, table }: FilterOp,
  chain: FilterChainSnapshot,
  at: number,
): FilterOp {
  const {
    packets: _p,
    bytes: _b,
    ...rule
  } = chain.rules[at] as FilterChainSnapshot['rules'][number]
  return { do: 'filter.add', netns, family, table, chain: chain.chain, rule, at: at + 1 }
}

function find(
  netns: NetnsSnapshot,
  { family, table }: FilterOp,
  name: string,
): FilterChainSnapshot | undefined {
  const chains = netns.filters ?? []
  const found = chains.find((c) => c.family === family && c.table === table && c.chain === name)
  if (found !== undefined || !FILTER_CHAINS[table].includes(name)) return found
  return { family, table, chain: name, policy: 'accept', rules: [] }
}
