/** Who waits for whom: keys held alone or together, granted in the order asked. */

interface Waiter {
  readonly shared: boolean
  readonly grant: () => void
}

interface Held {
  shared: number
  alone: boolean
  readonly queue: Waiter[]
}

export interface Keys {
  readonly shared?: readonly string[]
  readonly alone?: readonly string[]
}

/**
 * Serialises work by key, within this process. Keys are taken in one order by everybody (by name),
 * so that no two wait for each other.
 *
 * @example
 * ```ts
 * await locks.run({ shared: ['network/lan'], alone: ['endpoint/lan/web'] }, () => connect())
 * ```
 */
export class Locks {
  readonly #held = new Map<string, Held>()

  async run<T>(keys: Keys, work: () => Promise<T>): Promise<T> {
    const wanted = new Map<string, boolean>()
    for (const key of keys.shared ?? []) wanted.set(key, true)
    for (const key of keys.alone ?? []) wanted.set(key, false)
    const ordered = [...wanted].toSorted(([a], [b]) => (a < b ? -1 : 1))
    const taken: (readonly [string, boolean])[] = []
    try {
      for (const [key, shared] of ordered) {
        await this.#take(key, shared)
        taken.push([key, shared])
      }
      return await work()
    } finally {
      for (const [key, shared] of taken.toReversed()) this.#leave(key, shared)
    }
  }

  #take(key: string, shared: boolean): Promise<void> {
    const held = this.#held.get(key) ?? { shared: 0, alone: false, queue: [] }
    this.#held.set(key, held)
    return new Promise((grant) => {
      held.queue.push({ shared, grant })
      this.#serve(key, held)
    })
  }

  #leave(key: string, shared: boolean): void {
    const held = this.#held.get(key)
    if (held === undefined) return
    if (shared) held.shared--
    else held.alone = false
    this.#serve(key, held)
  }

  #serve(key: string, held: Held): void {
    for (;;) {
      const [next] = held.queue
      if (next === undefined || held.alone || (!next.shared && held.shared > 0)) break
      held.queue.shift()
      if (next.shared) held.shared++
      else held.alone = true
      next.grant()
    }
    if (held.queue.length === 0 && !held.alone && held.shared === 0) this.#held.delete(key)
  }
}
