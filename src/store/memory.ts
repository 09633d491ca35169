/**
 * A store in plain memory: for laboratories, tests and the browser. It keeps nothing; otherwise it
 * is the embedded store. Uses nothing of Node.
 */
import { EmbeddedStore, type EmbeddedOptions } from './embedded.ts'
import type { Ordered, Writer } from './ordered.ts'
import { SortedMap } from './sorted-map.ts'
import type { Store } from './store.ts'

/** What a memory store holds. Opened twice, two stores share it, as two processes share a file. */
export class Memory {
  readonly #values = new SortedMap<unknown>()
  readonly listeners = new Set<() => void>()

  get(key: string): unknown {
    return this.#values.get(key)
  }

  *range(from: string, to: string, limit: number): Generator<readonly [string, unknown]> {
    let left = limit
    for (const [key, value] of this.#values.entries(from)) {
      if (left-- <= 0 || key >= to) return
      yield [key, value]
    }
  }

  put(key: string, value: unknown): void {
    this.#values.set(key, value)
  }

  remove(key: string): void {
    this.#values.delete(key)
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
