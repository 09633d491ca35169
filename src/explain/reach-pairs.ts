/**
 * Pair classes: two attachment classes and the depth at which their ways meet. Every pair of
 * endpoints is in one of them; a witness is a pair of real namespaces that stands for all.
 */
import type { Classes } from './reach-classes.ts'

export interface PairClass {
  /** Numbers of the two attachment classes. */
  readonly from: number
  readonly to: number
  /** Depth of the namespace at which they meet; -1 where they do not. */
  readonly depth: number
  /** Ordered pairs in it. */
  count: number
  /** Namespaces that stand for it. */
  readonly a: number
  readonly b: number
}

/** Members of one class below one namespace. */
interface Tally {
  readonly cls: number
  count: number
  /** One of them, and one below another child. */
  readonly first: number
  readonly firstBelow: number
  second: number
}

export interface Pairs {
  /** Class of each namespace; -1 for those without an address. */
  readonly classOf: Int32Array
  /** Members of each class. */
  readonly members: readonly number[][]
  readonly all: readonly PairClass[]
}

/** @param isEndpoint whether a namespace has an address of the family asked about */
export function pairUp(classes: Classes, isEndpoint: (i: number) => boolean): Pairs {
  return new Pairing(classes, isEndpoint).run()
}

class Pairing {
  readonly #classes: Classes
  readonly #isEndpoint: (i: number) => boolean
  readonly #classOf: Int32Array
  readonly #members: number[][] = []
  readonly #numbers = new Map<number, number>()
  readonly #found = new Map<number, PairClass>()
  readonly #tallies = new Map<number, Map<number, Tally>>()
  /** Pairs below one child of a namespace: they have met before. */
  readonly #met = new Map<number, Map<number, number>>()

  constructor(classes: Classes, isEndpoint: (i: number) => boolean) {
    this.#classes = classes
    this.#isEndpoint = isEndpoint
    this.#classOf = new Int32Array(classes.print.length).fill(-1)
  }

  run(): Pairs {
    const { upwards, parent, depth } = this.#classes.forest
    for (const i of upwards) {
      const p = parent[i] as number
      const cls = this.#number(i)
      const below = this.#tallies.get(i)
      if (below === undefined) {
        // A leaf: most are.
        if (cls >= 0) this.#add(p, { cls, count: 1, first: i, firstBelow: i, second: -1 }, i)
        if (cls >= 0) this.#meet(p, cls, cls, 1)
        continue
      }
      if (cls >= 0) {
        this.#add(i, { cls, count: 1, first: i, firstBelow: i, second: -1 }, i)
        this.#meet(i, cls, cls, 1)
      }
      this.#pairsAt(i, depth[i] as number)
      this.#hand(i, p, below)
    }
    this.#pairsAt(-1, -1)
    return { classOf: this.#classOf, members: this.#members, all: [...this.#found.values()] }
  }

  #number(i: number): number {
    if (!this.#isEndpoint(i)) return -1
    const print = this.#classes.print[i] as number
    let number = this.#numbers.get(print)
    if (number === undefined) {
      number = this.#members.length
      this.#numbers.set(print, number)
      this.#members.push([])
    }
    this.#classOf[i] = number
    this.#members[number]?.push(i)
    return number
  }

  #add(p: number, one: Tally, child: number): void {
    let tallies = this.#tallies.get(p)
    if (tallies === undefined) {
      tallies = new Map()
      this.#tallies.set(p, tallies)
    }
    const known = tallies.get(one.cls)
    if (known === undefined) tallies.set(one.cls, { ...one, firstBelow: child, second: -1 })
    else {
      known.count += one.count
      if (known.second < 0 && known.firstBelow !== child) known.second = one.first
    }
  }

  #meet(p: number, from: number, to: number, count: number): void {
    let met = this.#met.get(p)
    if (met === undefined) {
      met = new Map()
      this.#met.set(p, met)
    }
    const key = from * KEY + to
    met.set(key, (met.get(key) ?? 0) + count)
  }

  /** What is below a namespace is below its parent, all in one child. */
  #hand(i: number, p: number, tallies: ReadonlyMap<number, Tally>): void {
    for (const one of tallies.values()) {
      this.#add(p, one, i)
      for (const two of tallies.values()) this.#meet(p, one.cls, two.cls, one.count * two.count)
    }
    this.#tallies.delete(i)
    this.#met.delete(i)
  }

  #pairsAt(i: number, depth: number): void {
    const tallies = this.#tallies.get(i)
    const met = this.#met.get(i)
    if (tallies === undefined) return
    for (const one of tallies.values()) {
      for (const two of tallies.values()) {
        const count = one.count * two.count - (met?.get(one.cls * KEY + two.cls) ?? 0)
        if (count > 0) this.#pair(one, two, depth, count)
      }
    }
  }

  #pair(one: Tally, two: Tally, depth: number, count: number): void {
    const key = (one.cls * KEY + two.cls) * 64 + depth + 1
    const known = this.#found.get(key)
    if (known !== undefined) {
      known.count += count
      return
    }
    let [a, b] = [one.first, two.first]
    if (one.firstBelow === two.firstBelow) {
      if (two.second >= 0) b = two.second
      else a = one.second
    }
    this.#found.set(key, { from: one.cls, to: two.cls, depth, count, a, b })
  }
}

/** More than there are classes. */
const KEY = 1 << 22
