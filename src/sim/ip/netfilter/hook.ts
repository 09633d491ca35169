/**
 * The five hooks a packet passes (net/netfilter/core.c nf_hook_slow), in the order the kernel's
 * priorities give: connection tracking, destination translation, filter, source translation,
 * confirmation.
 */
import type { Ip } from '../../../addr/ip.ts'
import type { FilterTable, FilterVerdict, RejectWith } from '../../../fabric/filter.ts'
import type { Ip4Packet, Ip6Packet } from '../../../wire/frame.ts'
import { confirm, track } from './conntrack.ts'
import { matches } from './match.ts'
import { bind, type Manip, type NatVerdict, translate } from './nat.ts'
import type { Chain, HookName, Netfilter, Tracked } from './state.ts'

type Packet = Ip4Packet | Ip6Packet

/** Where a packet is and what came of the hooks before. */
export interface HookContext<P extends Packet> {
  readonly packet: P
  /** From the hook before; undefined when there was none. */
  readonly tracked: Tracked | undefined
  readonly iif: string | undefined
  readonly oif: string | undefined
  /** What masquerade (out) or redirect (in) takes. */
  readonly address: () => Ip | undefined
  readonly now: number
}

export type HookResult<P extends Packet> =
  | { readonly verdict: 'accept'; readonly packet: P; readonly tracked: Tracked | undefined }
  /** `table` says which one took it; `rule` names the rule: `FORWARD rule 2`. */
  | {
      readonly verdict: 'drop'
      readonly table: FilterTable
      readonly rule: string
    }
  | {
      readonly verdict: 'reject'
      readonly with: RejectWith
      readonly rule: string
      readonly tracked: Tracked | undefined
    }

/** Deeper jumps are refused when rules are made (XT_MAX_JUMP); what is left is cut here. */
const JUMP_LIMIT = 64

/**
 * Takes a packet through one hook.
 *
 * @example
 * ```ts
 * const result = runHook(nf, 'FORWARD', { packet, tracked, iif: 'eth0', oif: 'eth1', ... })
 * if (result.verdict === 'drop') // result.rule === 'FORWARD policy'
 * ```
 */
export function runHook<P extends Packet>(
  nf: Netfilter,
  hook: HookName,
  context: HookContext<P>,
): HookResult<P> {
  const family = context.packet.kind === 'ip4' ? 4 : 6
  const tables = nf.tables[family]
  const isFirst = hook === 'PREROUTING' || hook === 'OUTPUT'
  const { now } = context
  let { packet, tracked } = context
  if (isFirst && tracked === undefined && nf.trackers[family] > 0) tracked = track(nf, packet, now)
  const nat = tables.get('nat')
  const isTranslated = nat !== undefined && tracked !== undefined
  if (isFirst && isTranslated) {
    const result = natHook(nf, nat, hook, 'destination', { ...context, tracked })
    if (result.verdict === 'drop') return result
    packet = result.packet
  }
  const filter = tables.get('filter')
  const chain = filter?.get(hook)
  if (filter !== undefined && chain !== undefined) {
    const { verdict, rule } = judge(filter, chain, packet, tracked, context)
    if (verdict.do === 'drop') return { verdict: 'drop', table: 'filter', rule }
    if (verdict.do === 'reject') return { verdict: 'reject', with: verdict.with, rule, tracked }
  }
  if (hook !== 'INPUT' && hook !== 'POSTROUTING') return { verdict: 'accept', packet, tracked }
  if (isTranslated) {
    const result = natHook(nf, nat, hook, 'source', { ...context, packet, tracked })
    if (result.verdict === 'drop') return result
    packet = result.packet
  }
  const connection = tracked?.direction === 'original' ? tracked.connection : undefined
  if (connection !== undefined && !confirm(nf, connection, now))
    return { verdict: 'drop', table: 'nat', rule: 'another connection has the same answer' }
  return { verdict: 'accept', packet, tracked }
}

/** Asks the nat table about a new connection, then rewrites the packet (nf_nat_inet_fn). */
function natHook<P extends Packet>(
  nf: Netfilter,
  nat: ReadonlyMap<string, Chain>,
  hook: HookName,
  manip: Manip,
  context: HookContext<P>,
): Extract<HookResult<P>, { verdict: 'accept' | 'drop' }> {
  const { tracked, packet } = context
  const connection = tracked?.connection
  if (tracked === undefined || connection === undefined)
    return { verdict: 'accept', packet, tracked }
  const isAsked = manip === 'source' ? connection.sourceDone : connection.destinationDone
  if (tracked.state === 'new' && !isAsked && !connection.confirmed) {
    if (manip === 'source') connection.sourceDone = true
    else connection.destinationDone = true
    const chain = nat.get(hook)
    const judged = chain && judge(nat, chain, packet, tracked, context)
    const verdict = judged !== undefined && isNat(judged.verdict) ? judged.verdict : undefined
    if (!bind(nf, connection, manip, verdict, context.address, context.now))
      return { verdict: 'drop', table: 'nat', rule: judged?.rule ?? '' }
  }
  return { verdict: 'accept', packet: translate(packet, tracked, manip), tracked }
}

interface Judgement {
  readonly verdict: FilterVerdict
  readonly rule: string
}

const RETURN: Judgement = Object.freeze<Judgement>({ verdict: { do: 'return' }, rule: '' })

/** The verdict of a chain: its first rule that decides, else its policy (nft_do_chain). */
function judge(
  chains: ReadonlyMap<string, Chain>,
  chain: Chain,
  packet: Packet,
  tracked: Tracked | undefined,
  context: HookContext<Packet>,
  depth = 0,
): Judgement {
  const { rules } = chain
  for (let i = 0; i < rules.length; i++) {
    const counted = rules[i] as Chain['rules'][number]
    const { rule } = counted
    if (rule.beyond !== undefined) continue
    if (!matches(rule.match, packet, tracked, context.iif, context.oif)) continue
    counted.packets++
    counted.bytes += packet.length
    const { verdict } = rule
    if (verdict.do === 'continue') continue
    if (verdict.do === 'return') break
    if (verdict.do === 'reject' && verdict.with === 'tcp-reset' && !isTcp(packet)) continue
    if (verdict.do !== 'jump') return { verdict, rule: `${chain.name} rule ${i + 1}` }
    const next = chains.get(verdict.chain)
    if (next === undefined || depth >= JUMP_LIMIT) continue
    const found = judge(chains, next, packet, tracked, context, depth + 1)
    if (found.verdict.do !== 'return') return found
  }
  if (chain.policy === undefined) return RETURN
  return { verdict: { do: chain.policy }, rule: `${chain.name} policy` }
}

function isTcp(packet: Packet): boolean {
  return (packet.kind === 'ip4' ? packet.protocol : packet.nextHeader) === 6
}

function isNat(verdict: FilterVerdict): verdict is NatVerdict {
  const { do: what } = verdict
  return what === 'masquerade' || what === 'redirect' || what === 'snat' || what === 'dnat'
}
