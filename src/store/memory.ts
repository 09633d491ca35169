/**
 * A store in plain memory: for laboratories, tests and the browser. It keeps nothing; otherwise it
 * is the embedded store. Uses nothing of Node.
 */
import { EmbeddedStore, type EmbeddedOptions } from './embedded.ts'
import type { Ordered, Writer } from './ordered.ts'
import type { Store } from './store.ts'

/** What a memory store holds. Opened twice, two stores share it, as two processes share a file. */
export class Memory {
  readonly #values = new Map<string, unknown>()
  /** The keys of #values in order. */
  readonly #keys: string[] = []
  readonly listeners = new Set<() => void>()

  get(key: string): unknown {
    return this.#values.get(key)
  }

  *range(from: string, to: string, limit: number): Generator<readonly [string, unknown]> {
    const start = this.#position(from)
    for (let i = start; i < this.#keys.length && i < start + limit; i++) {
      const key = this.#keys[i]
      if (key === undefined || key >= to) return
      yield [key, this.#values.get(key)]
    }
  }

  put(key: string, value: unknown): void {
    if (!this.#values.has(key)) this.#keys.splice(this.#position(key), 0, key)
    this.#values.set(key, value)
  }

  remove(key: string): void {
    if (this.#values.delete(key)) this.#keys.splice(this.#position(key), 1)
  }

  /** Index of the first key that is not before this one. */
  #position(key: string): number {
    let low = 0
    let high = this.#keys.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#keys[middle] ?? '') < key) low = middle + 1
      else high = middle
    }
    return low
  }
}

/**
 * Opens a store in memory; its contents go with it, unless `memory` is held by the caller.
 *
 * @example
 * ```ts
 * const store = openMemoryStore()
 * await store.transact({ when: [{ key: 'a', is: 'absent' }], then: [{ put: 'a', value: '1' }] })
 * ```
 */
export function openMemoryStore(
  options: EmbeddedOptions & { readonly memory?: Memory } = {},
): Store {
  const memory = options.memory ?? new Memory()
  const map: Ordered = {
    name: 'in memory',
    refresh: () => undefined,
    get: (key) => memory.get(key),
    range: (from, to, limit) => memory.range(from, to, limit),
    write: async (work) => {
      const result = work(memory satisfies Writer)
      for (const listener of memory.listeners) listener()
      return result
    },
    listen: (listener) => {
      memory.listeners.add(listener)
      return { close: () => memory.listeners.delete(listener) }
    },
    close: async () => undefined,
  }
  return new EmbeddedStore(map, options)
}
