/**
 * A copy of a world that goes its own way: the same links, tables, timers and frames in flight,
 * and the same chance ahead.
 *
 * One generic copier walks everything reachable. What cannot change is shared: functions, frozen
 * objects (the behaviour of links and of the stack), frames, packets and bytes. Everything else is
 * copied with its prototype. A class with private fields must bring its own `fork()`.
 */
import { EventQueue } from './queue.ts'
import { Random } from './random.ts'
import { TraceRing } from './trace-ring.ts'
import { World } from './model.ts'

type Bag = Record<string, unknown>

/** Frames and packets are never changed after they were made (wire/frame.ts). */
function isImmutable(value: object): boolean {
  return (
    value instanceof Uint8Array ||
    'payload' in value ||
    ('packet' in value && 'etherType' in value) ||
    Object.isFrozen(value)
  )
}

class Copier {
  readonly #copies = new Map<object, object>()
  /** Shells whose content is still to be copied, with what they are copies of. */
  readonly #pending: object[] = []

  /** The copy of a value: a shell at first, {@link finish} fills it. */
  readonly copy = (value: unknown): unknown => {
    if (typeof value !== 'object' || value === null) return value
    const known = this.#copies.get(value)
    if (known !== undefined) return known
    if (isImmutable(value)) {
      this.#copies.set(value, value)
      return value
    }
    return this.#shell(value)
  }

  #shell(value: object): object {
    let shell: object
    if (value instanceof EventQueue) shell = value.fork(this.copy)
    else if (value instanceof Random || value instanceof TraceRing) shell = value.fork()
    else {
      if (Array.isArray(value)) shell = []
      else if (value instanceof Map) shell = new Map()
      else if (value instanceof Set) shell = new Set()
      else shell = Object.create(Object.getPrototypeOf(value) as object | null) as object
      this.#pending.push(value, shell)
    }
    this.#copies.set(value, shell)
    return shell
  }

  finish(): void {
    const pending = this.#pending
    while (pending.length > 0) {
      const shell = pending.pop() as object
      this.#fill(pending.pop() as object, shell)
    }
  }

  #fill(from: object, to: object): void {
    const { copy } = this
    if (Array.isArray(from)) {
      for (const item of from) (to as unknown[]).push(copy(item))
    } else if (from instanceof Map) {
      const map = to as Map<unknown, unknown>
      for (const [key, item] of from) map.set(copy(key), copy(item))
    } else if (from instanceof Set) {
      for (const item of from) (to as Set<unknown>).add(copy(item))
    } else {
      const bag = from as Bag
      for (const key in bag) (to as Bag)[key] = copy(bag[key])
    }
  }

  /** Takes a value as it is. */
  share(value: object): void {
    this.#copies.set(value, value)
  }

  /** Has one value stand for another. */
  replace(value: object, by: object): void {
    this.#copies.set(value, by)
  }
}

/**
 * Copies a world. Its trace starts empty (numbering goes on), raw ports stay behind.
 *
 * @example
 * ```ts
 * const trial = forkWorld(world)
 * applyOp(trial, { do: 'link.set', netns: 'sw', name: 'p1', port: { hairpin: true } })
 * ```
 */
export function forkWorld(world: World): World {
  const copier = new Copier()
  copier.share(world.handlers)
  copier.replace(world.taps, new Map())
  const copy = copier.copy(world) as World
  copier.finish()
  return copy
}
