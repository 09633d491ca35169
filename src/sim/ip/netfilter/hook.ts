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
import { bind, type Manip, translate } from './nat.ts'
import type { Chain, Netfilter, Tracked } from './state.ts'

export type Hook = 'PREROUTING' | 'INPUT' | 'FORWARD' | 'OUTPUT' | 'POSTROUTING'

/** Where a packet is and what came of the hooks before. */
export interface HookContext<P extends Ip4Packet | Ip6Packet> {
  readonly packet: P
  /** From the hook before; undefined at the first. */
  readonly tracked: Tracked | undefined
  readonly iif: string | undefined
  readonly oif: string | undefined
  /** Primary address of the link that masquerade (out) or redirect (in) speaks of. */
  readonly address: (packet: P) => Ip | undefined
  readonly now: number
}

export type HookResult<P extends Ip4Packet | Ip6Packet> =
  | { readonly verdict: 'accept'; readonly packet: P; readonly tracked: Tracked | undefined }
  | { readonly verdict: 'drop'; readonly rule: string }
  | { readonly verdict: 'reject'; readonly with: RejectWith; readonly rule: string }

/** A chain jumped to from itself would never end. */
const JUMP_LIMIT = 16

/** Takes a packet through one hook. `rule` of a drop or reject names it: `filter FORWARD rule 2`. */
export function runHook<P extends Ip4Packet | Ip6Packet>(
  nf: Netfilter,
  hook: Hook,
  context: HookContext<P>,
): HookResult<P> {
  const family = context.packet.kind === 'ip4' ? 4 : 6
  const isFirst = hook === 'PREROUTING' || hook === 'OUTPUT'
  const isLast = hook === 'INPUT' || hook === 'POSTROUTING'
  let { packet } = context
  const tracked = isFirst ? track(nf, packet, context.now) : context.tracked
  if (isFirst) packet = nat(nf, family, hook, 'destination', { ...context, packet, tracked })
  const chain = nf.tables[family].get('filter')?.get(hook)
  if (chain !== undefined) {
    const judged = judge(nf, family, 'filter', chain, { ...context, packet, tracked })
    const rule = judged.rule
    if (judged.verdict.do === 'drop') return { verdict: 'drop', rule }
    if (judged.verdict.do === 'reject')
      return { verdict: 'reject', with: judged.verdict.with, rule }
  }
  if (isLast) {
    packet = nat(nf, family, hook, 'source', { ...context, packet, tracked })
    confirm(nf, tracked)
  }
  return { verdict: 'accept', packet, tracked }
}

/** Asks the nat table about a new connection, then rewrites the packet (nf_nat_inet_fn). */
function nat<P extends Ip4Packet | Ip6Packet>(
  nf: Netfilter,
  family: 4 | 6,
  hook: Hook,
  manip: Manip,
  context: HookContext<P>,
): P {
  const { tracked, packet } = context
  const connection = tracked?.connection
  if (tracked === undefined || connection === undefined) return packet
  const asked = manip === 'source' ? connection.srcDone : connection.dstDone
  if (tracked.state === 'new' && !asked) {
    if (manip === 'source') connection.srcDone = true
    else connection.dstDone = true
    const chain = nf.tables[family].get('nat')?.get(hook)
    if (chain !== undefined) {
      const { verdict } = judge(nf, family, 'nat', chain, context)
      if (isNat(verdict)) bind(nf, connection, verdict, context.address(packet), context.now)
    }
  }
  return translate(packet, tracked, manip)
}

/** The verdict of a chain: its first rule that decides, else its policy (ipt_do_table). */
function judge<P extends Ip4Packet | Ip6Packet>(
  nf: Netfilter,
  family: 4 | 6,
  table: FilterTable,
  chain: Chain,
  context: HookContext<P>,
  depth = 0,
): { readonly verdict: FilterVerdict; readonly rule: string } {
  const { packet, tracked, iif, oif } = context
  for (const [i, counted] of chain.rules.entries()) {
    const { match, verdict } = counted.rule
    if (!matches(match, packet, tracked, iif, oif)) continue
    counted.packets++
    counted.bytes += packet.length
    if (verdict.do === 'return') break
    if (verdict.do !== 'jump') return { verdict, rule: `${table} ${chain.name} rule ${i + 1}` }
    const next = nf.tables[family].get(table)?.get(verdict.chain)
    if (next === undefined || depth >= JUMP_LIMIT) continue
    const found = judge(nf, family, table, next, context, depth + 1)
    if (found.verdict.do !== 'return') return found
  }
  if (chain.policy === undefined) return { verdict: { do: 'return' }, rule: '' }
  chain.packets++
  chain.bytes += packet.length
  return { verdict: { do: chain.policy }, rule: `${table} ${chain.name} policy` }
}

function isNat(
  verdict: FilterVerdict,
): verdict is Extract<FilterVerdict, { do: 'masquerade' | 'redirect' | 'snat' | 'dnat' }> {
  return ['masquerade', 'redirect', 'snat', 'dnat'].includes(verdict.do)
}
