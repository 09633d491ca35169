/**
 * Which addresses nothing tells apart: every prefix of any route, rule or filter is a pair of
 * borders, and addresses between the same two borders are alike. Their host parts do not count.
 */
import type { Ip, Prefix } from '../addr/ip.ts'
import type { Print, Words } from './reach-hash.ts'

export class Atoms {
  readonly #borders4: Float64Array
  readonly #borders6: readonly bigint[]

  constructor(prefixes: Iterable<readonly Prefix[]>) {
    const four = new Set<number>()
    const six = new Set<bigint>()
    /** Most are the subnet, or the gateway, of many. */
    const seen = new Set<number>()
    for (const list of prefixes) {
      for (const { address, length } of list) {
        if (typeof address === 'bigint') addBorders6(six, address, length)
        else {
          const size = 2 ** (32 - length)
          const first = address - (address % size)
          const key = first * 64 + length
          if (seen.has(key)) continue
          seen.add(key)
          four.add(first).add(first + size)
          // The network's own address and its broadcast address are like no other.
          if (length < 31) four.add(first + 1).add(first + size - 1)
        }
      }
    }
    this.#borders4 = Float64Array.from(four).sort()
    this.#borders6 = [...six].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
  }

  /** Adds the borders an address lies between: they stay the same when others are drawn. */
  print(print: Print, ip: Ip, words: Words): void {
    if (typeof ip === 'bigint') {
      const at = place(this.#borders6, ip)
      print.value(this.#borders6[at - 1], words).value(this.#borders6[at], words)
      return
    }
    const at = place(this.#borders4, ip)
    print.add(this.#borders4[at - 1] ?? -1).add(this.#borders4[at] ?? -1)
  }
}

function addBorders6(borders: Set<bigint>, address: bigint, length: number): void {
  const size = 1n << BigInt(128 - length)
  const first = address - (address % size)
  borders.add(first).add(first + size)
  if (length < 127) borders.add(first + 1n)
}

/** How many borders are not above it. */
function place<T extends number | bigint>(borders: ArrayLike<T>, ip: T): number {
  let [low, high] = [0, borders.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((borders[middle] as T) <= ip) low = middle + 1
    else high = middle
  }
  return low
}
