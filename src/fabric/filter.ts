/**
 * Packet filter and address translation: one rule model for every fabric. It says what `iptables`
 * says (tables, chains, matches, targets); the kernel does it with nftables, the simulator itself.
 */
import type { Ip, Prefix } from '../addr/ip.ts'

export type FilterTable = 'filter' | 'nat'

/** The chains a table is born with; others are made by `filter.chain-add` and jumped to. */
export const FILTER_CHAINS: Readonly<Record<FilterTable, readonly string[]>> = {
  filter: ['INPUT', 'FORWARD', 'OUTPUT'],
  nat: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
}

/** Connection states, as `-m conntrack --ctstate`. */
export type ConnectionState = 'new' | 'established' | 'related' | 'invalid' | 'untracked'

/** First and last port, both included. */
export interface PortRange {
  readonly first: number
  readonly last: number
}

/** What a rule asks of a packet; everything present must hold. */
export interface FilterMatch {
  /** Link it came in by; a trailing `+` stands for any rest. */
  readonly iif?: string
  /** Link it will leave by. */
  readonly oif?: string
  readonly from?: Prefix
  readonly to?: Prefix
  /** IP protocol number. */
  readonly protocol?: number
  readonly sourcePorts?: PortRange
  readonly destinationPorts?: PortRange
  readonly icmpType?: number
  /** Only with {@link icmpType}, and turned round with it. */
  readonly icmpCode?: number
  readonly states?: readonly ConnectionState[]
  /** Asked for with `-m state` in place of `-m conntrack`: to iptables another rule. */
  readonly statesBy?: 'state'
  /** Those of the above that are turned round (`!`). */
  readonly not?: readonly FilterAspect[]
}

/** What a match can ask about. */
export type FilterAspect =
  | 'iif'
  | 'oif'
  | 'from'
  | 'to'
  | 'protocol'
  | 'sourcePorts'
  | 'destinationPorts'
  | 'icmpType'
  | 'states'

/** How `reject` answers; names as iptables' `--reject-with`. */
export type RejectWith =
  | 'icmp-net-unreachable'
  | 'icmp-host-unreachable'
  | 'icmp-port-unreachable'
  | 'icmp-proto-unreachable'
  | 'icmp-net-prohibited'
  | 'icmp-host-prohibited'
  | 'icmp-admin-prohibited'
  | 'tcp-reset'
  | 'icmp6-no-route'
  | 'icmp6-adm-prohibited'
  | 'icmp6-addr-unreachable'
  | 'icmp6-port-unreachable'

export type FilterVerdict =
  /** `continue` only counts: a rule without a target. */
  | { readonly do: 'accept' | 'drop' | 'return' | 'continue' }
  | { readonly do: 'reject'; readonly with: RejectWith }
  | { readonly do: 'jump'; readonly chain: string }
  | { readonly do: 'masquerade' | 'redirect'; readonly ports?: PortRange }
  | {
      readonly do: 'snat' | 'dnat'
      /** Undefined leaves the address and changes the port alone. */
      readonly to: Ip | undefined
      readonly ports?: PortRange
    }

export interface FilterRule {
  readonly match: FilterMatch
  readonly verdict: FilterVerdict
  readonly comment?: string
  /**
   * What else a rule found on a kernel asks for, in iptables' words, where this model cannot say
   * it. Plans never carry it; the simulator lets such a rule match nothing.
   */
  readonly beyond?: string
}

interface OfTable {
  readonly netns: string
  readonly family: 4 | 6
  readonly table: FilterTable
}

/** Ops on rules and chains; part of `Op`. */
export type FilterOp =
  | (OfTable & {
      readonly do: 'filter.add'
      readonly chain: string
      readonly rule: FilterRule
      /** Position from 1 on; absent appends. */
      readonly at?: number
    })
  | (OfTable & {
      readonly do: 'filter.del'
      readonly chain: string
      /** The rule itself, or its position from 1 on. */
      readonly rule: FilterRule | number
    })
  | (OfTable & { readonly do: 'filter.flush'; readonly chain?: string })
  | (OfTable & {
      readonly do: 'filter.policy'
      readonly chain: string
      readonly policy: 'accept' | 'drop'
    })
  | (OfTable & { readonly do: 'filter.chain-add' | 'filter.chain-del'; readonly chain: string })

/** A chain as it stands, with what it has counted. */
export interface FilterChainSnapshot {
  readonly family: 4 | 6
  readonly table: FilterTable
  readonly chain: string
  /** Undefined for chains made by hand. */
  readonly policy: 'accept' | 'drop' | undefined
  /**
   * A built-in chain the kernel does not have yet: nf_tables makes it with the first change that
   * names it, and until then there is nothing to delete by its number.
   */
  readonly unmade?: true
  readonly rules: readonly (FilterRule & { readonly packets: number; readonly bytes: number })[]
}
