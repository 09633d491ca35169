/**
 * The five hooks a packet passes (net/netfilter/core.c nf_hook_slow), in the order the kernel's
 * priorities give: connection tracking, destination translation, filter, source translation,
 * confirmation.
 */
import type { Ip } from '../../../addr/ip.ts'
import type { FilterTable, FilterVerdict, RejectWith } from '../../../fabric/filter.ts'
import type { Ip4Packet, Ip6Packet } from '../../../wire/frame.ts'
import type { Tracked } from './connections.ts'
import { confirm, track } from './conntrack.ts'
import { matches } from './match.ts'
import { bind, type Manip, type NatVerdict, translate } from './nat.ts'
import type { Chain, HookName, Netfilter, Station } from './state.ts'

type Packet = Ip4Packet | Ip6Packet

/** A packet at a hook. What becomes of it there stands in it afterwards. */
export interface Passage<P extends Packet> {
  readonly hook: HookName
  packet: P
  /** From the hook before; undefined when there was none. */
  tracked: Tracked | undefined
  readonly iif: string | undefined
  readonly oif: string | undefined
  readonly now: number
  /** The rule that spoke last: `filter FORWARD rule 2`. */
  rule: string
  /** What masquerade (out) or redirect (in) takes. */
  address(): Ip | undefined
}

/** Why a packet goes no further; the passage names the rule. */
export interface Refused {
  readonly table: FilterTable
  /** Its sender hears of it. */
  readonly with: RejectWith | undefined
}

const DROPPED: Refused = Object.freeze<Refused>({ table: 'filter', with: undefined })
const NOT_BOUND: Refused = Object.freeze<Refused>({ table: 'nat', with: undefined })

/** Deeper jumps are refused when rules are made (XT_MAX_JUMP); what is left is cut here. */
const JUMP_LIMIT = 64

/**
 * Takes a packet through one hook.
 *
 * @returns undefined when it goes on, as the passage has it then
 * @example
 * ```ts
 * const refused = runHook(nf, nf.stations[4].FORWARD, passage)
 * if (refused !== undefined) // passage.rule === 'filter FORWARD policy'
 * ```
 */
export function runHook<P extends Packet>(
  nf: Netfilter,
  station: Station,
  passage: Passage<P>,
): Refused | undefined {
  const { filter, translates } = station
  const { hook, now, packet } = passage
  const isFirst = hook === 'PREROUTING' || hook === 'OUTPUT'
  if (isFirst && passage.tracked === undefined && nf.trackers[packet.kind === 'ip4' ? 4 : 6] > 0)
    passage.tracked = track(nf, packet, now)
  const { tracked } = passage
  const isTranslated = translates && tracked !== undefined
  if (isFirst && isTranslated && !natHook(nf, station.nat, 'destination', passage, tracked))
    return NOT_BOUND
  if (filter !== undefined) {
    const verdict = judge(nf, 'filter', filter, passage)
    if (verdict.do === 'drop') return DROPPED
    if (verdict.do === 'reject') return { table: 'filter', with: verdict.with }
  }
  if (hook !== 'INPUT' && hook !== 'POSTROUTING') return undefined
  if (isTranslated && !natHook(nf, station.nat, 'source', passage, tracked)) return NOT_BOUND
  const connection = tracked?.direction === 'original' ? tracked.connection : undefined
  if (connection === undefined || confirm(nf, connection, now)) return undefined
  passage.rule = 'nat another connection has the same answer'
  return NOT_BOUND
}

/**
 * Asks the nat table about a new connection, then rewrites the packet (nf_nat_inet_fn).
 *
 * @returns false when there is nothing it could be rewritten to
 */
function natHook<P extends Packet>(
  nf: Netfilter,
  chain: Chain | undefined,
  manip: Manip,
  passage: Passage<P>,
  tracked: Tracked,
): boolean {
  const { connection } = tracked
  if (connection === undefined) return true
  const isAsked = manip === 'source' ? connection.sourceDone : connection.destinationDone
  if (tracked.state === 'new' && !isAsked && !connection.confirmed) {
    if (manip === 'source') connection.sourceDone = true
    else connection.destinationDone = true
    passage.rule = 'nat '
    const verdict = chain && judge(nf, 'nat', chain, passage)
    const wanted = verdict !== undefined && isNat(verdict) ? verdict : undefined
    if (!bind(nf, connection, manip, wanted, passage)) return false
  }
  passage.packet = translate(passage.packet, tracked, manip)
  return true
}

const RETURN: FilterVerdict = Object.freeze<FilterVerdict>({ do: 'return' })
const POLICIES = {
  accept: Object.freeze<FilterVerdict>({ do: 'accept' }),
  drop: Object.freeze<FilterVerdict>({ do: 'drop' }),
} as const

/** The verdict of a chain: its first rule that decides, else its policy (nft_do_chain). */
function judge(
  nf: Netfilter,
  table: FilterTable,
  chain: Chain,
  passage: Passage<Packet>,
  depth = 0,
): FilterVerdict {
  const { rules } = chain
  const { packet, tracked, iif, oif } = passage
  for (let i = 0; i < rules.length; i++) {
    const counted = rules[i] as Chain['rules'][number]
    const { rule } = counted
    if (rule.beyond !== undefined) continue
    if (!matches(counted.match, packet, tracked, iif, oif)) continue
    counted.packets++
    counted.bytes += packet.length
    const { verdict } = rule
    if (verdict.do === 'continue') continue
    if (verdict.do === 'return') break
    if (verdict.do === 'reject' && verdict.with === 'tcp-reset' && !isTcp(packet)) continue
    if (verdict.do !== 'jump') {
      passage.rule = counted.name
      return verdict
    }
    const next = nf.tables[packet.kind === 'ip4' ? 4 : 6].get(table)?.get(verdict.chain)
    if (next === undefined || depth >= JUMP_LIMIT) continue
    const found = judge(nf, table, next, passage, depth + 1)
    if (found.do !== 'return') return found
  }
  if (chain.policy === undefined) return RETURN
  if (chain.policy === 'drop') passage.rule = `${table} ${chain.name} policy`
  return POLICIES[chain.policy]
}

function isTcp(packet: Packet): boolean {
  return (packet.kind === 'ip4' ? packet.protocol : packet.nextHeader) === 6
}

function isNat(verdict: FilterVerdict): verdict is NatVerdict {
  const { do: what } = verdict
  return what === 'masquerade' || what === 'redirect' || what === 'snat' || what === 'dnat'
}
