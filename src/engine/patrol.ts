/**
 * What happens inside sandboxes tells nobody: to watch a namespace would keep it alive. So a few
 * are looked into every time, round about, and where a link is missing two times in a row
 * everything is looked at again.
 */
import { endpointAlias } from '../driver/names.ts'
import type { Context } from './context.ts'
import { findNetwork } from './records.ts'
import { snapshotOf } from './sandbox.ts'

/** Sandboxes of one time: some milliseconds. */
const AT_ONCE = 16
/** What looking at everything could not mend is left alone for so long. */
const AGAIN_MS = 60_000

export class Patrol {
  readonly #context: Context
  readonly #reconcile: () => Promise<unknown>
  #next = 0
  #suspects: readonly string[] = []
  /** Sandbox -> when everything was looked at for its sake (ms of the clock). */
  readonly #tried = new Map<string, number>()

  constructor(context: Context, reconcile: () => Promise<unknown>) {
    this.#context = context
    this.#reconcile = reconcile
  }

  /** To be called every few seconds by whoever runs for long. */
  async look(): Promise<void> {
    const before = new Set(this.#suspects)
    const suspects: string[] = []
    for (const sandbox of new Set([...before, ...this.#round()]))
      if (await this.#misses(sandbox)) suspects.push(sandbox)
      else this.#tried.delete(sandbox)
    this.#suspects = suspects
    const nowMs = this.#context.clock.nowNs() / 1e6
    const due = suspects.filter(
      (one) => before.has(one) && nowMs - (this.#tried.get(one) ?? -AGAIN_MS) >= AGAIN_MS,
    )
    if (due.length === 0) return
    for (const sandbox of due) this.#tried.set(sandbox, nowMs)
    await this.#reconcile()
  }

  #round(): readonly string[] {
    const all = this.#context.sandboxes.names()
    const from = this.#next < all.length ? this.#next : 0
    this.#next = from + AT_ONCE
    return all.slice(from, this.#next)
  }

  /** Whether a sandbox that is there lacks a link whose parent is there. */
  async #misses(sandbox: string): Promise<boolean> {
    const { sandboxes, store, self, view } = this.#context
    const there = await snapshotOf(this.#context, sandbox, [])
    if (there === undefined) return false
    const aliases = new Set(there.links.map((link) => link.alias))
    for (const { network: of, name } of sandboxes.of(sandbox)) {
      if (aliases.has(endpointAlias(of, name))) continue
      const network = await findNetwork(store, of, self?.id)
      if (network !== undefined && (await view.link(network.parentLink)) !== undefined) return true
    }
    return false
  }
}
