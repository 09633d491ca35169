/**
 * A Map by MAC address for the way every frame goes. A MAC is wider than what an engine keeps as a
 * small integer, so that a plain Map hashes it as a floating-point number, at the price of all else
 * a bridge does with a frame; what was asked for last, found or not, is therefore kept at hand.
 */
import type { Mac } from '../../addr/mac.ts'

/** A power of two: addresses in a row do not push each other out. */
const ROOM = 128

export class MacMap<V> {
  readonly #all = new Map<Mac, V>()
  /** Addresses asked for last, by their low bits; -1 = none. Empty until the first question. */
  readonly #asked: Mac[] = []
  readonly #answers: (V | undefined)[] = []

  get size(): number {
    return this.#all.size
  }

  get(mac: Mac): V | undefined {
    const at = mac & (ROOM - 1)
    return this.#asked[at] === mac ? this.#answers[at] : this.#ask(mac, at)
  }

  has(mac: Mac): boolean {
    return this.#all.has(mac)
  }

  set(mac: Mac, value: V): void {
    this.#all.set(mac, value)
    this.#forget(mac)
  }

  delete(mac: Mac): boolean {
    this.#forget(mac)
    return this.#all.delete(mac)
  }

  /** In the order they came. */
  values(): IterableIterator<V> {
    return this.#all.values()
  }

  /** A map of the same addresses. */
  fork(copyValue: (value: unknown) => unknown): MacMap<V> {
    const copy = new MacMap<V>()
    for (const [mac, value] of this.#all) copy.#all.set(mac, copyValue(value) as V)
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

  #forget(mac: Mac): void {
    const at = mac & (ROOM - 1)
    if (this.#asked[at] === mac) this.#asked[at] = -1
  }
}
