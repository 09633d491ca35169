/** Who gets a group frame: a list that many frames share while it stays the same. */

/** What of a device a trace tells. */
export interface Traced {
  readonly id: number
  readonly netnsId: number
}

export class Audience<D extends Traced = Traced> {
  readonly devices: D[] = []
  /** Where each was when it joined the audience: ids of namespaces. */
  readonly netns: number[] = []
  /** What the stack knows of them (ip/overhear.ts); a copy finds it out anew. */
  known: unknown = undefined

  push(dev: D): void {
    this.devices.push(dev)
    this.netns.push(dev.netnsId)
  }

  fork(copy: (value: unknown) => unknown): Audience<D> {
    const other = new Audience<D>()
    for (let i = 0; i < this.devices.length; i++) {
      other.devices.push(copy(this.devices[i]) as D)
      other.netns.push(this.netns[i] as number)
    }
    return other
  }

  /** A list of its own with the first `count`. */
  first(count: number): Audience<D> {
    const copy = new Audience<D>()
    for (let i = 0; i < count; i++) {
      copy.devices.push(this.devices[i] as D)
      copy.netns.push(this.netns[i] as number)
    }
    return copy
  }
}

/** Gathers an audience; as long as it is the same as the last one, it is that very object. */
export class Gathering<D extends Traced> {
  readonly #last: Audience<D>
  #audience: Audience<D>
  #count = 0

  constructor(last: Audience<D>) {
    this.#last = last
    this.#audience = last
  }

  add(dev: D): void {
    const n = this.#count++
    const last = this.#last
    if (this.#audience === last) {
      if (last.devices[n] === dev && last.netns[n] === dev.netnsId) return
      this.#audience = last.first(n)
    }
    this.#audience.push(dev)
  }

  finish(): Audience<D> {
    const audience = this.#audience
    return audience.devices.length === this.#count ? audience : audience.first(this.#count)
  }
}
