/**
 * Address management over a store: what all of its functions share.
 *
 * Everything that must not be lost is in the store. What is here are hints and courtesies between
 * the calls of one process; without them it would only be slower.
 */
import { LanyardError } from '../errors.ts'
import type { Ip } from '../addr/ip.ts'
import type { Mirror, View } from '../store/mirror.ts'
import type { Condition, Entry, Store, Transaction, TransactionResult } from '../store/store.ts'
import { isSpare } from './keys.ts'
import type { Segment } from './pool.ts'

export interface IpamOptions {
  /** Milliseconds since 1970. */
  readonly nowMs: () => number
  /** How long a released address rests before another endpoint may get it. Default 60. */
  readonly cooldownSeconds?: number
  /** How long an address somebody else answers for is left alone. Default 600. */
  readonly quarantineSeconds?: number
  /** How long an endpoint's address is remembered after it went. Default 30 days. */
  readonly memorySeconds?: number
  /** Of several hosts on one store: which this is. */
  readonly host?: IpamHost
}

/** What ipam must know when other hosts work on the same store. */
export interface IpamHost {
  readonly id: string
  /** From 0 to 1: where in a pool this host starts, so that hosts seldom want the same address. */
  readonly slot: number
  /** Chance, from 0 to 1. */
  readonly random: () => number
  /** What must hold for this host to hand anything out: that it still is who it was. */
  readonly guards: () => readonly Condition[]
  /** Called when a transaction was refused: throws when the guards no longer hold. */
  readonly refused: () => Promise<void>
  /** What people call a host. */
  readonly nameOf: (id: string) => Promise<string>
  /** A copy of {@link MIRRORED} to choose by; without one every choice asks the store. */
  readonly mirror?: Mirror
}

/** Made by {@link createIpam}; every function of this folder takes one first. */
export interface Ipam extends Required<Omit<IpamOptions, 'host'>> {
  readonly store: Store
  readonly host: IpamHost | undefined
  /** What choices are made by: the store, or a copy of it that may be a moment old. */
  readonly view: View
  /** How often a chosen address was taken by somebody faster. */
  readonly count: { retries: number }
  /** Addresses being tried by this process: key of the address. */
  readonly trying: Set<string>
  /** Where to look next, by the key of the hint. */
  readonly next: Map<string, Ip>
  /** Segments as last read. */
  readonly segments: Map<string, Segment>
}

/**
 * @example
 * ```ts
 * const ipam = createIpam(store, { nowMs: Date.now }) await definePools(ipam, { segment: 'eth0',
 * network: 'lan', pools }) const { addresses, mac } = await lease(ipam, { segment: 'eth0', network:
 * 'lan', endpoint: 'web' })
 * ```
 */
export function createIpam(store: Store, options: IpamOptions): Ipam {
  return {
    store,
    host: options.host,
    view: options.host?.mirror ?? store,
    count: { retries: 0 },
    nowMs: options.nowMs,
    cooldownSeconds: options.cooldownSeconds ?? 60,
    quarantineSeconds: options.quarantineSeconds ?? 600,
    memorySeconds: options.memorySeconds ?? 30 * 86_400,
    trying: new Set(),
    next: new Map(),
    segments: new Map(),
  }
}

/** How often what may or may not have been done is asked for again. */
const ASK_AGAIN = 4

/**
 * A transaction whose answer may get lost is asked again, the same: when it was done the first
 * time its conditions do not hold any more, and `otherwise` shows our own hand.
 */
export async function transactSurely(ipam: Ipam, asked: Transaction): Promise<TransactionResult> {
  const mirror = ipam.host?.mirror
  const transaction = mirror === undefined ? asked : { ...asked, otherwise: mirror.wishes(asked) }
  for (let attempt = 0; ; attempt++)
    try {
      const result = await ipam.store.transact(transaction)
      mirror?.learn(transaction, result)
      return result
    } catch (error) {
      const lost = error instanceof LanyardError && error.code === 'store-unavailable'
      if (!lost || attempt === ASK_AGAIN) throw error
    }
}

/** Every entry under a prefix. */
export async function entriesUnder(store: Store, prefix: string): Promise<Entry[]> {
  const entries: Entry[] = []
  let from: string | undefined
  do {
    const page = await store.range(prefix, from === undefined ? {} : { from })
    entries.push(...page.entries)
    from = page.next
  } while (from !== undefined)
  return entries
}

/** What is said of a holder on another host; nothing where there is but one. */
async function onHost(ipam: Ipam, id: string | undefined): Promise<string> {
  if (ipam.host === undefined || id === undefined || id === ipam.host.id) return ''
  return ` on host ${await ipam.host.nameOf(id)}`
}

/** Who holds an address or bears a MAC, as stored. */
export interface Holder {
  readonly network: string
  readonly endpoint: string
  readonly host?: string
}

/** What errors call a holder. */
export async function holderText(ipam: Ipam, { endpoint, host }: Holder): Promise<string> {
  if (!isSpare(endpoint)) return `endpoint "${endpoint}"${await onHost(ipam, host)}`
  return `a spare of host ${(await ipam.host?.nameOf(host ?? '')) ?? host ?? ''}`
}

export const isoNow = (ipam: Ipam): string => new Date(ipam.nowMs()).toISOString()
