/**
 * The ops on rules and chains, refused as nf_tables refuses them (net/netfilter/nf_tables_api.c;
 * iptables' own sentences belong to the shell).
 */
import {
  FILTER_CHAINS,
  type FilterChainSnapshot,
  type FilterOp,
  type FilterRule,
  type FilterTable,
} from '../../../fabric/filter.ts'
import { sameRule } from '../../../fabric/filter-rule.ts'
import type { KernelTraits } from '../../../fabric/traits.ts'
import type { Refusal, World } from '../../model.ts'
import { type NetnsIp, netnsIp } from '../state.ts'
import { type Chain, countedRule, type HookName, Netfilter } from './state.ts'

const refuse = (errno: string): Refusal => ({ errno })

/** Does one op; the namespace's netfilter is made at the first. */
export function changeFilter(world: World, op: FilterOp): Refusal | undefined {
  const netns = world.netns.get(op.netns)
  if (netns === undefined) return refuse('ENOENT')
  const ns = netnsIp(netns)
  ns.netfilter ??= new Netfilter()
  const tables = ns.netfilter.tables[op.family]
  const isNew = !tables.has(op.table)
  const chains = chainsOf(world.traits, ns.netfilter, op.family, op.table)
  const refusal = change(world.traits, chains, op)
  if (refusal === undefined) takeStock(ns.netfilter, op.family)
  else if (isNew) tables.delete(op.table)
  return refusal
}

function change(
  traits: KernelTraits,
  chains: Map<string, Chain>,
  op: FilterOp,
): Refusal | undefined {
  if (op.do === 'filter.flush') {
    if (op.chain !== undefined && !chains.has(op.chain)) return refuse('ENOENT')
    for (const chain of chains.values()) {
      if (op.chain !== undefined && chain.name !== op.chain) continue
      chain.rules = []
      if (op.chain !== undefined) chain.made = true
    }
    return undefined
  }
  if (op.do === 'filter.chain-add') {
    if (chains.has(op.chain)) return refuse('EEXIST')
    chains.set(op.chain, { name: op.chain, policy: undefined, made: true, rules: [] })
    return undefined
  }
  const chain = chains.get(op.chain)
  if (chain === undefined) return refuse('ENOENT')
  switch (op.do) {
    case 'filter.add': {
      const refusal = refuseRule(chains, op.table, op.chain, op.rule)
      if (refusal !== undefined) return refusal
      const at = op.at ?? chain.rules.length + 1
      if (at < 1 || at > chain.rules.length + 1) return refuse('E2BIG')
      chain.rules.splice(at - 1, 0, countedRule(op.rule))
      if (op.rule.verdict.do !== 'jump' || !hasLoop(chains)) {
        chain.made = true
        return undefined
      }
      chain.rules.splice(at - 1, 1)
      return refuse('EMLINK')
    }
    case 'filter.del': {
      const wanted = op.rule
      const at =
        typeof wanted === 'number'
          ? wanted - 1
          : chain.rules.findIndex(({ rule }) => sameRule(rule, wanted))
      if (chain.rules[at] === undefined)
        return refuse(typeof wanted === 'number' && chain.made ? 'E2BIG' : 'ENOENT')
      chain.rules.splice(at, 1)
      return undefined
    }
    case 'filter.policy':
      if (chain.policy === undefined) return refuse('EINVAL')
      chain.policy = op.policy
      chain.made = true
      return undefined
    case 'filter.chain-del':
      return removeChain(traits, chains, chain)
  }
}

/** Also a built-in one goes, to come back when it is next spoken of; ip_tables has it for good. */
function removeChain(
  { legacyFilters }: KernelTraits,
  chains: Map<string, Chain>,
  chain: Chain,
): Refusal | undefined {
  const isBuiltIn = chain.policy !== undefined
  if (isBuiltIn && legacyFilters) return refuse('EINVAL')
  if (!chain.made) return refuse('ENOENT')
  if (chain.rules.length > 0 || isJumpedTo(chains, chain.name)) return refuse('EBUSY')
  if (chain.policy === 'drop') return refuse('EBUSY')
  if (isBuiltIn) chain.made = false
  else chains.delete(chain.name)
  return undefined
}

function chainsOf(
  { legacyFilters }: KernelTraits,
  nf: Netfilter,
  family: 4 | 6,
  table: FilterTable,
): Map<string, Chain> {
  const tables = nf.tables[family]
  let chains = tables.get(table)
  if (chains === undefined) {
    const builtIn = FILTER_CHAINS[table].map((name): [string, Chain] => [
      name,
      { name, policy: 'accept', made: legacyFilters, rules: [] },
    ])
    chains = new Map(builtIn)
    tables.set(table, chains)
  }
  return chains
}

/** Hooks a NAT target can stand in (xt_nat.c, xt_MASQUERADE.c, xt_REDIRECT.c). */
const NAT_CHAINS: Readonly<Record<string, readonly string[]>> = {
  masquerade: ['POSTROUTING'],
  snat: ['POSTROUTING', 'INPUT'],
  dnat: ['PREROUTING', 'OUTPUT'],
  redirect: ['PREROUTING', 'OUTPUT'],
}

/** Targets that belong elsewhere, and jumps into nowhere. */
function refuseRule(
  chains: ReadonlyMap<string, Chain>,
  table: FilterTable,
  chain: string,
  { match, verdict }: FilterRule,
): Refusal | undefined {
  const allowed = NAT_CHAINS[verdict.do]
  if (allowed !== undefined) {
    const isBuiltIn = FILTER_CHAINS[table].includes(chain)
    if (table !== 'nat' || (isBuiltIn && !allowed.includes(chain))) return refuse('EINVAL')
  } else if (table === 'nat' && (verdict.do === 'reject' || verdict.do === 'drop'))
    return refuse('EINVAL')
  if (verdict.do === 'reject' && verdict.with === 'tcp-reset' && match.protocol !== 6)
    return refuse('EINVAL')
  if (verdict.do !== 'jump') return undefined
  const target = chains.get(verdict.chain)
  if (target === undefined) return refuse('ENOENT')
  return target.policy === undefined ? undefined : refuse('EOPNOTSUPP')
}

/** nft_chain_validate: whether a packet could come back to a chain it is in. */
function hasLoop(chains: ReadonlyMap<string, Chain>): boolean {
  const enters = (chain: Chain, path: readonly Chain[]): boolean => {
    if (path.includes(chain)) return true
    return chain.rules.some(({ rule: { verdict } }) => {
      const next = verdict.do === 'jump' ? chains.get(verdict.chain) : undefined
      return next !== undefined && enters(next, [...path, chain])
    })
  }
  return [...chains.values()].some((chain) => chain.policy !== undefined && enters(chain, []))
}

function isJumpedTo(chains: ReadonlyMap<string, Chain>, name: string): boolean {
  for (const chain of chains.values())
    for (const { rule } of chain.rules)
      if (rule.verdict.do === 'jump' && rule.verdict.chain === name) return true
  return false
}

/**
 * Rules about states and NAT targets each hold connection tracking, and so every hook, on. A rule
 * is called by its place.
 */
function takeStock(nf: Netfilter, family: 4 | 6): void {
  let count = 0
  for (const chains of nf.tables[family].values())
    for (const chain of chains.values())
      for (const { rule } of chain.rules)
        if (rule.match.states !== undefined || rule.verdict.do in NAT_CHAINS) count++
  nf.trackers[family] = count
  for (const [table, chains] of nf.tables[family])
    for (const { name, rules } of chains.values())
      for (const [i, counted] of rules.entries()) counted.name = `${table} ${name} rule ${i + 1}`
  const { stations, tables } = nf
  const nat = tables[family].get('nat')
  for (const hook of Object.keys(stations[family]) as HookName[]) {
    const filter = tables[family].get('filter')?.get(hook)
    const hasSay = filter !== undefined && (filter.policy === 'drop' || filter.rules.length > 0)
    stations[family][hook] =
      count > 0 || hasSay
        ? { filter, nat: nat?.get(hook), translates: nat !== undefined }
        : undefined
  }
}

/** The chains of a namespace as a snapshot says them; nothing where nobody spoke of netfilter. */
export function listFilters(ns: NetnsIp): FilterChainSnapshot[] {
  const { netfilter } = ns
  if (netfilter === undefined) return []
  return ([4, 6] as const).flatMap((family) =>
    (['filter', 'nat'] as const).flatMap((table) =>
      [...(netfilter.tables[family].get(table)?.values() ?? [])].map((chain) => ({
        family,
        table,
        chain: chain.name,
        policy: chain.policy,
        ...(chain.made ? {} : { unmade: true as const }),
        rules: chain.rules.map(({ rule, packets, bytes }) => ({ ...rule, packets, bytes })),
      })),
    ),
  )
}

/** Puts chains as a snapshot has them into a namespace that has none. */
export function restoreFilters(
  { traits }: World,
  ns: NetnsIp,
  filters: readonly FilterChainSnapshot[],
): void {
  if (filters.length === 0) return
  const nf = new Netfilter()
  ns.netfilter = nf
  for (const { family, table, chain: name, policy, unmade, rules } of filters) {
    const counted = rules.map(({ packets, bytes, ...rule }) => countedRule(rule, packets, bytes))
    const chain = { name, policy, made: unmade !== true, rules: counted }
    chainsOf(traits, nf, family, table).set(name, chain)
  }
  takeStock(nf, 4)
  takeStock(nf, 6)
}
