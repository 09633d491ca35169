/**
 * What netfilter keeps of a namespace: chains, rules with their counters, connections. Plain data,
 * so that a world with it can be copied.
 */
import type { FilterRule, FilterTable } from '../../../fabric/filter.ts'
import type { Ip4Packet, Ip6Packet } from '../../../wire/frame.ts'
import { ConnectionTable, type Tracked } from './connections.ts'
import { type WholeMatch, wholeMatch } from './match.ts'

export interface CountedRule {
  readonly rule: FilterRule
  readonly match: WholeMatch
  /** As the trace calls it: `filter FORWARD rule 2`. */
  name: string
  packets: number
  bytes: number
}

export function countedRule(rule: FilterRule, packets = 0, bytes = 0): CountedRule {
  return { rule, match: wholeMatch(rule.match), name: '', packets, bytes }
}

export interface Chain {
  readonly name: string
  /** Undefined for a chain made by hand. */
  policy: 'accept' | 'drop' | undefined
  /** Whether the kernel has it: a built-in one is made by the first change that names it. */
  made: boolean
  rules: CountedRule[]
}

export type HookName = 'PREROUTING' | 'INPUT' | 'FORWARD' | 'OUTPUT' | 'POSTROUTING'

/** What is asked at a hook. */
export interface Station {
  readonly filter: Chain | undefined
  readonly nat: Chain | undefined
  /** A table nat exists: then every connection is bound here, whether a chain says so or not. */
  readonly translates: boolean
}

export type Stations = Record<HookName, Station | undefined>

const IDLE: Readonly<Stations> = Object.freeze({
  PREROUTING: undefined,
  INPUT: undefined,
  FORWARD: undefined,
  OUTPUT: undefined,
  POSTROUTING: undefined,
})

export class Netfilter {
  readonly tables: Record<4 | 6, Map<FilterTable, Map<string, Chain>>> = {
    4: new Map(),
    6: new Map(),
  }
  /** Rules that need connections: they are tracked while there is one (nf_ct_netns_get). */
  readonly trackers: Record<4 | 6, number> = { 4: 0, 6: 0 }
  readonly connections = new ConnectionTable()
  /** Hooks at which anything can become of a packet: at the others none is asked. */
  readonly stations: Record<4 | 6, Stations> = { 4: { ...IDLE }, 6: { ...IDLE } }
  /** Connections begun since the table was last swept of old ones. */
  fresh = 0
  /** Of the packet that is on its way through the namespace now. */
  current: Tracked | undefined = undefined
  /** Of the next packet made here: an answer that belongs to the one it answers (nf_ct_attach). */
  attached: Tracked | undefined = undefined
  /** Packets made here that OUTPUT rejected. */
  rejections = 0
  /** Of packets on their way through lo, which keep their connection. */
  readonly looped = new Map<Ip4Packet | Ip6Packet, Tracked>()
}

/** Where an answer or error about a packet belongs: to its connection, the other way round. */
export function answerTo(tracked: Tracked | undefined): Tracked | undefined {
  if (tracked?.connection === undefined) return undefined
  const direction = tracked.direction === 'original' ? 'reply' : 'original'
  return { connection: tracked.connection, direction, state: 'related' }
}
