/**
 * Draws packet filters and address translation into a world that stands: policies, chains, rules
 * that match links, addresses, protocols, ports and connection states, and some that a kernel
 * refuses.
 */
import type { Prefix } from '../../src/addr/ip.ts'
import type {
  ConnectionState,
  FilterMatch,
  FilterRule,
  FilterVerdict,
  RejectWith,
} from '../../src/fabric/filter.ts'
import { chance, type Draft, ip4, ip6, pick } from './draft.ts'
import { PORTS } from './services.ts'

type Family = 4 | 6

const FILTER = ['INPUT', 'FORWARD', 'OUTPUT'] as const
/** A chain made by hand. */
const OWN = 'MINE'
const STATES: readonly (readonly ConnectionState[])[] = [
  ['new'],
  ['established'],
  ['related', 'established'],
  ['invalid'],
]
const ANSWERS: Readonly<Record<Family, readonly RejectWith[]>> = {
  4: [
    'icmp-port-unreachable',
    'icmp-net-unreachable',
    'icmp-host-unreachable',
    'icmp-host-prohibited',
    'icmp-admin-prohibited',
  ],
  6: ['icmp6-port-unreachable', 'icmp6-no-route', 'icmp6-adm-prohibited'],
}

/** @param links of any of the namespaces, which rules speak of */
export function drawFilters(
  draft: Draft,
  where: readonly string[],
  links: readonly string[],
): void {
  const family: Family = draft.ip6 && chance(draft, 0.35) ? 6 : 4
  const rules = 1 + draft.random.below(6)
  for (let i = 0; i < rules; i++) drawOne(draft, pick(draft, where), family, links)
}

function drawOne(draft: Draft, netns: string, family: Family, links: readonly string[]): void {
  const roll = draft.random.next()
  if (roll < 0.15) {
    const policy = chance(draft, 0.8) ? 'drop' : 'accept'
    const chain = pick(draft, FILTER)
    draft.plan.push({ do: 'filter.policy', netns, family, table: 'filter', chain, policy })
  } else if (roll < 0.3) drawChain(draft, netns, family, links)
  else if (roll < 0.65) drawFilter(draft, netns, family, links)
  else if (roll < 0.93) drawNat(draft, netns, family, links)
  else drawOdd(draft, netns, family, links)
}

function add(
  draft: Draft,
  of: { readonly netns: string; readonly family: Family; readonly table: 'filter' | 'nat' },
  chain: string,
  rule: FilterRule,
): void {
  const at = chance(draft, 0.3) ? { at: 1 } : {}
  draft.plan.push({ do: 'filter.add', ...of, chain, rule, ...at })
}

function drawFilter(draft: Draft, netns: string, family: Family, links: readonly string[]): void {
  const chain = pick(draft, FILTER)
  const of = { netns, family, table: 'filter' } as const
  // What is let through first, and who may begin.
  if (chance(draft, 0.3)) {
    const match: FilterMatch = { states: ['related', 'established'] }
    add(draft, of, chain, { match, verdict: { do: 'accept' } })
  }
  const match = drawMatch(draft, family, chain, links)
  add(draft, of, chain, { match, verdict: drawVerdict(draft, family) })
}

function drawVerdict(draft: Draft, family: Family): FilterVerdict {
  const roll = draft.random.next()
  if (roll < 0.35) return { do: 'accept' }
  if (roll < 0.65) return { do: 'drop' }
  if (roll < 0.9) return { do: 'reject', with: pick(draft, ANSWERS[family]) }
  return { do: chance(draft, 0.5) ? 'return' : 'continue' }
}

/** A chain of its own, one rule in it, and a jump to it. */
function drawChain(draft: Draft, netns: string, family: Family, links: readonly string[]): void {
  const of = { netns, family, table: 'filter' } as const
  const from = pick(draft, FILTER)
  draft.plan.push({ do: 'filter.chain-add', ...of, chain: OWN })
  const match = drawMatch(draft, family, OWN, links)
  add(draft, of, OWN, { match, verdict: drawVerdict(draft, family) })
  add(draft, of, from, {
    match: drawMatch(draft, family, from, links),
    verdict: { do: 'jump', chain: OWN },
  })
}

function drawNat(draft: Draft, netns: string, family: Family, links: readonly string[]): void {
  const of = { netns, family, table: 'nat' } as const
  const source = chance(draft, 0.5)
  const chain = source ? 'POSTROUTING' : pick(draft, ['PREROUTING', 'PREROUTING', 'OUTPUT'])
  const match = drawMatch(draft, family, chain, links)
  const hasPorts = match.protocol === 6 || match.protocol === 17
  const port = pick(draft, PORTS)
  const ports = hasPorts && chance(draft, 0.5) ? { ports: { first: port, last: port } } : {}
  const to = someHost(draft, family)
  if (source) {
    const masquerade = chance(draft, 0.6)
    const verdict: FilterVerdict = masquerade ? { do: 'masquerade' } : { do: 'snat', to }
    add(draft, of, chain, { match, verdict })
  } else if (chance(draft, 0.7))
    add(draft, of, chain, { match, verdict: { do: 'dnat', to, ...ports } })
  else add(draft, of, chain, { match, verdict: { do: 'redirect', ...ports } })
}

/** What does not fit: refused, and nothing of it stands. */
function drawOdd(draft: Draft, netns: string, family: Family, links: readonly string[]): void {
  const of = { netns, family } as const
  const match = drawMatch(draft, family, OWN, links)
  const odd = draft.random.below(7)
  if (odd === 0) add(draft, { ...of, table: 'filter' }, 'NOPE', { match, verdict: { do: 'drop' } })
  else if (odd === 1)
    add(draft, { ...of, table: 'filter' }, 'INPUT', { match, verdict: { do: 'masquerade' } })
  else if (odd === 2)
    add(draft, { ...of, table: 'nat' }, 'PREROUTING', {
      match,
      verdict: { do: 'snat', to: someHost(draft, family) },
    })
  else if (odd === 3)
    draft.plan.push({
      do: 'filter.add',
      ...of,
      table: 'filter',
      chain: 'INPUT',
      rule: { match, verdict: { do: 'drop' } },
      at: 9,
    })
  else if (odd === 4)
    draft.plan.push({ do: 'filter.del', ...of, table: 'filter', chain: 'INPUT', rule: 1 })
  else if (odd === 5)
    draft.plan.push({ do: 'filter.chain-del', ...of, table: 'filter', chain: OWN })
  else draft.plan.push({ do: 'filter.flush', ...of, table: 'filter', chain: pick(draft, FILTER) })
}

function drawMatch(
  draft: Draft,
  family: Family,
  chain: string,
  links: readonly string[],
): FilterMatch {
  const match: { -readonly [K in keyof FilterMatch]: FilterMatch[K] } = {}
  const not: ('iif' | 'oif' | 'from' | 'to' | 'protocol')[] = []
  const maybe = (what: (typeof not)[number]): void => {
    if (chance(draft, 0.15)) not.push(what)
  }
  const comesIn = ['INPUT', 'FORWARD', 'PREROUTING'].includes(chain)
  const goesOut = ['OUTPUT', 'FORWARD', 'POSTROUTING'].includes(chain)
  const link = (): string => pick(draft, [...links, 'eth+'])
  if (comesIn && chance(draft, 0.3)) {
    match.iif = link()
    maybe('iif')
  }
  if (goesOut && chance(draft, 0.3)) {
    match.oif = link()
    maybe('oif')
  }
  if (chance(draft, 0.3)) {
    match.from = someone(draft, family)
    maybe('from')
  }
  if (chance(draft, 0.3)) {
    match.to = someone(draft, family)
    maybe('to')
  }
  drawProtocol(draft, family, match, maybe)
  if (chance(draft, 0.2)) match.states = pick(draft, STATES)
  return not.length === 0 ? match : { ...match, not }
}

function drawProtocol(
  draft: Draft,
  family: Family,
  match: { -readonly [K in keyof FilterMatch]: FilterMatch[K] },
  maybe: (what: 'protocol') => void,
): void {
  const roll = draft.random.next()
  if (roll < 0.4) return
  if (roll < 0.6) {
    match.protocol = family === 4 ? 1 : 58
    if (chance(draft, 0.5)) match.icmpType = family === 4 ? 8 : 128
    else maybe('protocol')
    return
  }
  match.protocol = roll < 0.8 ? 6 : 17
  if (chance(draft, 0.6)) {
    const port = pick(draft, PORTS)
    match.destinationPorts = { first: port, last: chance(draft, 0.3) ? 90 : port }
  } else if (chance(draft, 0.3)) match.sourcePorts = { first: 1024, last: 65535 }
}

/** An address of the world, or a subnet of it. */
function someone(draft: Draft, family: Family): Prefix {
  const host = someHost(draft, family)
  if (chance(draft, 0.5)) return { address: host, length: family === 4 ? 32 : 128 }
  const subnet = pick(draft, [9, 8])
  return family === 4
    ? { address: ip4(subnet, 0), length: 24 }
    : { address: ip6(subnet, 0), length: 64 }
}

function someHost(draft: Draft, family: Family): number | bigint {
  const last = pick(draft, [254, 2, 3, 4, 5, 6])
  const subnet = pick(draft, [9, 8])
  return family === 4 ? ip4(subnet, last) : ip6(subnet, last)
}
