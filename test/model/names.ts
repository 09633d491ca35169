/**
 * Who has an endpoint of a name, where several hosts may believe that they have: one that the store
 * does not answer cannot know what the others do.
 */
import type { ModelHost } from './host.ts'
import { writtenOf } from './invariants.ts'
import type { Schedule } from './schedule.ts'
import type { Truth } from './truth.ts'

/** What is known of an endpoint from the answers alone. */
export interface Known {
  /** Where it was answered to be, with what; undefined once a disconnect was asked for. */
  here: { readonly host: string; readonly addresses: string } | undefined
  /** Requests under way, and whether something about it is uncertain. */
  open: number
  sure: boolean
}

export const knownOf = (names: readonly string[]): ReadonlyMap<string, Known> =>
  new Map(names.map((name) => [name, { here: undefined, open: 0, sure: true }]))

/** Whether a host has one of that name on a spare, which the store has not heard of. */
export const onSpare = (host: ModelHost, name: string): boolean =>
  `lan/${name}` in writtenOf(host.spares).endpoints

export class Names {
  readonly #hosts: readonly ModelHost[]
  readonly #truth: Truth
  readonly #schedule: Schedule

  constructor(hosts: readonly ModelHost[], truth: Truth, schedule: Schedule) {
    this.#hosts = hosts
    this.#truth = truth
    this.#schedule = schedule
  }

  /** Whether another host has one of that name on a spare. */
  hasRival(host: ModelHost, name: string): boolean {
    return this.#hosts.some((one) => one !== host && onSpare(one, name))
  }

  /** Whether the store has another host's endpoint of that name, whatever this host can know. */
  isTheirs(host: ModelHost, name: string): boolean {
    const entry = this.#truth.rows.get(`endpoint/lan/${name}`)
    const { hostId } = JSON.parse(entry?.value ?? '{}') as { hostId?: string }
    return hostId !== undefined && hostId !== `${host.name}-id`
  }

  /** Whether one that came on a spare may find that another host has the name. */
  isOrphaned(host: ModelHost, name: string): boolean {
    if (!onSpare(host, name)) return false
    return this.isTheirs(host, name) || this.#schedule.mayArrive(`+endpoint/lan/${name} `)
  }
}
