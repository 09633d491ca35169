/**
 * The event queue: order is (time, seq). Frames crossing a cable with the constant default delay go
 * through a ring (they are already in order), timers and impaired cables through a heap.
 *
 * Events are plain data, never closures, so a world can be forked while frames are in flight.
 */
export interface SimEvent {
  /** ns */
  readonly time: number
  readonly seq: number
  /** One of the `EV_` kinds of model.ts. */
  readonly kind: number
  /** Id of the device or namespace concerned. */
  readonly target: number
  readonly data: unknown
}

export class EventQueue {
  #seq = 0
  #ring: (SimEvent | undefined)[] = Array.from({ length: 256 }, () => undefined)
  #head = 0
  #count = 0
  #heap: SimEvent[] = []

  get size(): number {
    return this.#count + this.#heap.length
  }

  /** Adds an event whose time is not before that of any event pushed in order. */
  pushInOrder(time: number, kind: number, target: number, data: unknown): void {
    if (this.#count > 0) {
      const last = this.#ring[(this.#head + this.#count - 1) & (this.#ring.length - 1)]
      if (last !== undefined && last.time > time) return this.push(time, kind, target, data)
    }
    if (this.#count === this.#ring.length) this.#growRing()
    this.#ring[(this.#head + this.#count) & (this.#ring.length - 1)] = {
      time,
      seq: this.#seq++,
      kind,
      target,
      data,
    }
    this.#count++
  }

  push(time: number, kind: number, target: number, data: unknown): void {
    const heap = this.#heap
    const event = { time, seq: this.#seq++, kind, target, data }
    let at = heap.length
    heap.push(event)
    while (at > 0) {
      const up = (at - 1) >> 1
      const parent = heap[up] as SimEvent
      if (!before(event, parent)) break
      heap[at] = parent
      at = up
    }
    heap[at] = event
  }

  peek(): SimEvent | undefined {
    const a = this.#count > 0 ? this.#ring[this.#head] : undefined
    const b = this.#heap[0]
    if (a === undefined) return b
    if (b === undefined) return a
    return before(a, b) ? a : b
  }

  pop(): SimEvent | undefined {
    const next = this.peek()
    if (next === undefined) return undefined
    if (this.#count > 0 && this.#ring[this.#head] === next) {
      this.#ring[this.#head] = undefined
      this.#head = (this.#head + 1) & (this.#ring.length - 1)
      this.#count--
    } else this.#popHeap()
    return next
  }

  /** Forgets all events but those of one kind. */
  keepOnly(kind: number): void {
    const kept: SimEvent[] = []
    for (let event = this.pop(); event !== undefined; event = this.pop()) {
      if (event.kind === kind) kept.push(event)
    }
    for (const { time, target, data } of kept) this.push(time, kind, target, data)
  }

  /**
   * A queue with the same events. They are immutable and shared, but what their data refers to may
   * be state.
   *
   * @param copyData data as the other world sees it
   */
  fork(copyData: (data: unknown) => unknown): EventQueue {
    const copy = new EventQueue()
    const move = (event: SimEvent | undefined): SimEvent | undefined => {
      if (event === undefined) return undefined
      const data = copyData(event.data)
      return data === event.data ? event : { ...event, data }
    }
    copy.#seq = this.#seq
    copy.#ring = this.#ring.map(move)
    copy.#head = this.#head
    copy.#count = this.#count
    copy.#heap = this.#heap.map((event) => move(event) as SimEvent)
    return copy
  }

  #growRing(): void {
    const old = this.#ring
    const grown: (SimEvent | undefined)[] = Array.from({ length: old.length * 2 }, () => undefined)
    for (let i = 0; i < this.#count; i++) grown[i] = old[(this.#head + i) & (old.length - 1)]
    this.#ring = grown
    this.#head = 0
  }

  #popHeap(): void {
    const heap = this.#heap
    const last = heap.pop() as SimEvent
    if (heap.length === 0) return
    let at = 0
    for (;;) {
      let down = at * 2 + 1
      if (down >= heap.length) break
      if (down + 1 < heap.length && before(heap[down + 1] as SimEvent, heap[down] as SimEvent))
        down++
      const child = heap[down] as SimEvent
      if (!before(child, last)) break
      heap[at] = child
      at = down
    }
    heap[at] = last
  }
}

function before(a: SimEvent, b: SimEvent): boolean {
  return a.time < b.time || (a.time === b.time && a.seq < b.seq)
}
