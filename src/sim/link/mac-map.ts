/**
 * A Map by MAC address for the way every frame goes. A MAC is wider than what an engine keeps as a
 * small integer, so that a plain Map hashes it as a floating-point number, at the price of all else
 * a bridge does with a frame. A few addresses are therefore compared one by one, and of many, what
 * was asked for last, found or not, is kept at hand.
 */
import type { Mac } from '../../addr/mac.ts'

/** A power of two: addresses in a row do not push each other out. */
const ROOM = 128
/** So many addresses are a few. */
const FEW = 8

export class MacMap<V> {
  readonly #all = new Map<Mac, V>()
  /** Addresses asked for last, by their low bits; -1 = none. Empty until the first question. */
  readonly #asked: Mac[] = []
  readonly #answers: (V | undefined)[] = []
  /** The addresses and what they stand for, as long as they are a few. */
  #keys: Mac[] = []
  #values: V[] = []

  get size(): number {
    return this.#all.size
  }

  get(mac: Mac): V | undefined {
    if (this.#all.size <= FEW) {
      const keys = this.#keys
      for (let i = 0; i < keys.length; i++) if (keys[i] === mac) return this.#values[i]
      return undefined
    }
    const at = mac & (ROOM - 1)
    return this.#asked[at] === mac ? this.#answers[at] : this.#ask(mac, at)
  }

  has(mac: Mac): boolean {
    return this.#all.has(mac)
  }

  set(mac: Mac, value: V): void {
    this.#all.set(mac, value)
    this.#changed(mac)
  }

  delete(mac: Mac): boolean {
    const there = this.#all.delete(mac)
    this.#changed(mac)
    return there
  }

  /** In the order they came. */
  values(): IterableIterator<V> {
    return this.#all.values()
  }

  /** A map of the same addresses. */
  fork(copyValue: (value: unknown) => unknown): MacMap<V> {
    const copy = new MacMap<V>()
    for (const [mac, value] of this.#all) copy.#all.set(mac, copyValue(value) as V)
    copy.#listFew()
    return copy
  }

  #ask(mac: Mac, at: number): V | undefined {
    while (this.#asked.length < ROOM) {
      this.#asked.push(-1)
      this.#answers.push(undefined)
    }
    const answer = this.#all.get(mac)
    this.#asked[at] = mac
    this.#answers[at] = answer
    return answer
  }

  #changed(mac: Mac): void {
    const at = mac & (ROOM - 1)
    if (this.#asked[at] === mac) this.#asked[at] = -1
    this.#listFew()
  }

  #listFew(): void {
    const few = this.#all.size <= FEW
    if (!few && this.#keys.length === 0) return
    this.#keys = few ? [...this.#all.keys()] : []
    this.#values = few ? [...this.#all.values()] : []
  }
}
