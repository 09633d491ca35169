/**
 * What netfilter keeps of a namespace: chains, rules with their counters, connections. Plain data,
 * so that a world with it can be copied.
 */
import type { ConnectionState, FilterRule, FilterTable } from '../../../fabric/filter.ts'
import type { Ip4Packet, Ip6Packet } from '../../../wire/frame.ts'
import { type Connection, ConnectionTable } from './connections.ts'

export interface CountedRule {
  readonly rule: FilterRule
  packets: number
  bytes: number
}

export interface Chain {
  readonly name: string
  /** Undefined for a chain made by hand. */
  policy: 'accept' | 'drop' | undefined
  /** Whether the kernel has it: a built-in one is made by the first change that names it. */
  made: boolean
  rules: CountedRule[]
}

/** A packet's place in a connection, handed from hook to hook (skb->_nfct). */
export interface Tracked {
  readonly connection: Connection | undefined
  readonly direction: 'original' | 'reply'
  readonly state: ConnectionState
}

export type HookName = 'PREROUTING' | 'INPUT' | 'FORWARD' | 'OUTPUT' | 'POSTROUTING'

const IDLE: Readonly<Record<HookName, boolean>> = Object.freeze({
  PREROUTING: false,
  INPUT: false,
  FORWARD: false,
  OUTPUT: false,
  POSTROUTING: false,
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
  readonly busy: Record<4 | 6, Record<HookName, boolean>> = { 4: { ...IDLE }, 6: { ...IDLE } }
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
