/**
 * Address management over a store: what all of its functions share.
 *
 * Everything that must not be lost is in the store. What is here are hints and courtesies between
 * the calls of one process; without them it would only be slower.
 */
import { LanyardError } from '../errors.ts'
import type { Ip } from '../addr/ip.ts'
import type { Entry, Store, Transaction, TransactionResult } from '../store/store.ts'
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
}

/** Made by {@link createIpam}; every function of this folder takes one first. */
export interface Ipam extends Required<IpamOptions> {
  readonly store: Store
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
export async function transactSurely(
  ipam: Ipam,
  transaction: Transaction,
): Promise<TransactionResult> {
  for (let attempt = 0; ; attempt++)
    try {
      return await ipam.store.transact(transaction)
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

export const isoNow = (ipam: Ipam): string => new Date(ipam.nowMs()).toISOString()
