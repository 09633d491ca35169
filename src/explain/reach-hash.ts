/**
 * Fingerprints of plain data: 53 bits, two lanes of 32, so that they are numbers and a Map finds
 * them. Among 100,000 different ones the chance that any two are alike is one in two million.
 */

/** Numbers for texts, the same text the same number; lives as long as whoever compares. */
export class Words {
  readonly #ids = new Map<string, number>()

  of(text: string): number {
    const known = this.#ids.get(text)
    if (known !== undefined) return known
    const id = this.#ids.size + 1
    this.#ids.set(text, id)
    return id
  }
}

const TWO_32 = 4_294_967_296
/** What tells kinds of values apart. */
const TAG = { none: -1, yes: -2, no: -3, list: -4, record: -5, big: -6, text: -7 } as const

export class Print {
  #a = 0x811c9dc5 | 0
  #b = 0x2545f491 | 0

  /** Adds a whole number of up to 53 bits. */
  add(n: number): this {
    this.#mix(n | 0)
    const high = n >= 0 && n < TWO_32 ? 0 : Math.floor(n / TWO_32) | 0
    if (high !== 0) this.#mix(high)
    return this
  }

  /** Adds a number, a bigint, a text, a list, a record: in the order it was written. */
  value(value: unknown, words: Words): this {
    if (typeof value === 'number') return this.add(value)
    if (typeof value === 'string') return this.add(TAG.text).add(words.of(value))
    if (typeof value === 'boolean') return this.add(value ? TAG.yes : TAG.no)
    if (typeof value === 'bigint') return this.big(value)
    if (typeof value !== 'object' || value === null) return this.add(TAG.none)
    if (Array.isArray(value)) {
      this.add(TAG.list).add(value.length)
      for (const one of value) this.value(one, words)
      return this
    }
    this.add(TAG.record)
    for (const key in value) {
      this.add(words.of(key)).value((value as Readonly<Record<string, unknown>>)[key], words)
    }
    return this
  }

  big(value: bigint): this {
    this.add(TAG.big)
    for (let rest = value; rest !== 0n; rest >>= 32n) this.#mix(Number(rest & 0xffffffffn) | 0)
    return this
  }

  get number(): number {
    return (this.#a >>> 0) * 2_097_152 + ((this.#b ^ (this.#b >>> 11)) & 0x1fffff)
  }

  #mix(n: number): void {
    const a = Math.imul(this.#a ^ n, 0x01000193)
    this.#a = a ^ (a >>> 15)
    const b = Math.imul((this.#b + n) | 0, 0x5bd1e995)
    this.#b = b ^ (b >>> 13)
  }
}
