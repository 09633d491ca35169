/** What every door of the engine works with. */
import { hostLinkName } from '../driver/names.ts'
import { canHaveHostAccess } from '../driver/host-access.ts'
import type { Mac } from '../addr/mac.ts'
import { LanyardError } from '../errors.ts'
import type { Clock } from '../fabric/clock.ts'
import type { Fabric } from '../fabric/fabric.ts'
import type { Plan } from '../fabric/plan.ts'
import type { Store } from '../store/store.ts'
import type { Addresses } from './addresses.ts'
import type { HostView } from './host-view.ts'
import type { Random } from './identity.ts'
import type { Lan, LanLink } from './lan.ts'
import type { Locks } from './locks.ts'
import type { SandboxIndex } from './sandbox-index.ts'
import type { Self } from './self.ts'
import type { HostCopy } from './host-copy.ts'
import type { Spares } from './spares.ts'
import type { Endpoint, EngineEvent, Network } from './types.ts'

/**
 * Points at which a test may stop the engine or make it fail. What `at` throws is a failure like
 * any other and is undone; a promise that never settles is a process killed on the spot.
 */
export interface Faults {
  at(step: string): Promise<void> | void
}

export interface Context {
  readonly fabric: Fabric
  readonly store: Store
  readonly addresses: Addresses
  readonly clock: Clock
  readonly random: Random
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** The namespace parents are in. */
  readonly host: string
  /** Who this installation is. */
  readonly id: string
  /** Which of several hosts this is; undefined where the store is this host's alone. */
  readonly self: Self | undefined
  /** What this host would say again to a store that lost it. */
  readonly copy: HostCopy | undefined
  /** Addresses for endpoints that come while the store is away; none on a host alone. */
  readonly spares: Spares | undefined
  /** What the doors work with meanwhile. */
  readonly island: { open(): Promise<Context>; close(): void } | undefined
  readonly faults: Faults
  readonly locks: Locks
  readonly view: HostView
  readonly lan: Lan
  readonly background: Background
  /** What becomes of endpoints that have come. */
  readonly introductions: { add(network: Network, endpoint: Endpoint): void }
  readonly sandboxes: SandboxIndex
  /** Sandboxes that are known to be those of their records: connected or seen since the start. */
  readonly trusted: Set<string>
  /** Endpoints of ours whose address or MAC another host holds: their links stay down. */
  readonly doubled: Set<string>
  /** Endpoints that host access was tried with in vain, and what was seen. */
  readonly unreached: Map<string, string>
  /** What seemed to belong to nobody when last looked at, and since when (ms of the clock). */
  readonly suspects: Map<string, number>
  /**
   * Claims of this process, as `SEGMENT/ADDRESS`, and whether it was asked for by number: one of an
   * earlier process is asked for again.
   */
  readonly claims: Map<string, { readonly pinned: boolean }>
  readonly emit: (event: Omit<EngineEvent, 'at'>) => void
}

/** Work nobody waits for; it ends before the engine is closed, and its failures are told. */
export class Background {
  /** The engine is about to be closed: what waits for somebody else gives up. */
  ending = false
  readonly #running = new Set<Promise<void>>()
  readonly #onError: (error: unknown) => void

  constructor(onError: (error: unknown) => void) {
    this.#onError = onError
  }

  start(work: () => Promise<unknown>): void {
    const running = Promise.resolve()
      .then(work)
      .then(() => undefined, this.#onError)
      .finally(() => this.#running.delete(running))
    this.#running.add(running)
  }

  /** Resolves when nothing is under way any more. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running)
  }
}

/** The MAC of the host's own child on a parent. */
export function hostMac(parent: Mac): Mac {
  // Locally administered, and another for each parent: its own with the last bits turned over.
  const low = parent % 0x1000000
  const high = Math.floor(parent / 0x1000000)
  return ((high & ~0x010000) | 0x020000) * 0x1000000 + (low ^ 0x5a5a5a)
}

export function wantsHostAccess(network: Network): boolean {
  return network.hostAccess && canHaveHostAccess(network)
}

/** The link frames to the LAN of a network leave by; undefined when there is none. */
export async function lanLink(context: Context, network: Network): Promise<LanLink | undefined> {
  const { view } = context
  const own = wantsHostAccess(network)
    ? await view.link(hostLinkName(network.parentLink))
    : undefined
  const link = own?.up === true ? own : await view.link(network.parentLink)
  if (link === undefined || !link.up) return undefined
  return { name: link.name, mac: link.address }
}

/** Does ops each of which may find nothing to do (gone already); the rest must succeed. */
export async function applyGently(
  context: Context,
  plan: Plan,
  harmless: readonly string[],
): Promise<void> {
  const outcomes = await context.fabric.apply(plan, { keepGoing: true })
  for (const outcome of outcomes) {
    if (outcome.ok || harmless.includes(outcome.errno)) continue
    const { op, errno, extack, index } = outcome
    const detail = { op: op.do, errno, message: extack ?? errno, index }
    throw new LanyardError('op-refused', detail, { cause: outcome })
  }
}
