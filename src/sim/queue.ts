/**
 * The event queue: order is (time, seq). What follows at once and what crosses a cable with the
 * constant default delay goes through a ring each (such events come in order), timers and impaired
 * cables through a heap.
 *
 * Events are plain data, never closures, so a world can be forked while frames are in flight.
 */
interface SimEvent {
  /** ns */
  readonly time: number
  readonly seq: number
  /** One of the `EV_` kinds of model.ts. */
  readonly kind: number
  /** Id of the device or namespace concerned. */
  readonly target: number
  readonly data: unknown
}

const FIRST_ROOM = 64

/** Events that come in the order in which they leave; in columns, so that none is an object. */
class Lane {
  count = 0
  #head = 0
  #mask = FIRST_ROOM - 1
  #times = new Float64Array(FIRST_ROOM)
  #seqs = new Float64Array(FIRST_ROOM)
  #kinds = new Int32Array(FIRST_ROOM)
  #targets = new Int32Array(FIRST_ROOM)
  #data: unknown[] = emptySlots(FIRST_ROOM)

  /** @returns false when the event would have to stand before the last one */
  push(time: number, seq: number, kind: number, target: number, data: unknown): boolean {
    if (this.count > 0 && (this.#times[this.#at(this.count - 1)] as number) > time) return false
    if (this.count > this.#mask) this.#grow()
    const at = this.#at(this.count)
    this.#times[at] = time
    this.#seqs[at] = seq
    this.#kinds[at] = kind
    this.#targets[at] = target
    this.#data[at] = data
    this.count++
    return true
  }

  /** Of the first event; there must be one. */
  time(): number {
    return this.#times[this.#head] as number
  }

  seq(): number {
    return this.#seqs[this.#head] as number
  }

  kind(): number {
    return this.#kinds[this.#head] as number
  }

  target(): number {
    return this.#targets[this.#head] as number
  }

  /** Takes the first event away. @returns its data */
  shift(): unknown {
    const at = this.#head
    const data = this.#data[at]
    this.#data[at] = undefined
    this.#head = (at + 1) & this.#mask
    this.count--
    return data
  }

  fork(copyData: (data: unknown) => unknown): Lane {
    const copy = new Lane()
    for (let i = 0; i < this.count; i++) {
      const at = this.#at(i)
      copy.push(
        this.#times[at] as number,
        this.#seqs[at] as number,
        this.#kinds[at] as number,
        this.#targets[at] as number,
        copyData(this.#data[at]),
      )
    }
    return copy
  }

  #at(i: number): number {
    return (this.#head + i) & this.#mask
  }

  #grow(): void {
    const old = this.#mask + 1
    const room = old * 2
    const order = Array.from({ length: old }, (_, i) => this.#at(i))
    const move = <T extends Float64Array | Int32Array>(from: T, to: T): T => {
      for (let i = 0; i < old; i++) to[i] = from[order[i] as number] as number
      return to
    }
    this.#times = move(this.#times, new Float64Array(room))
    this.#seqs = move(this.#seqs, new Float64Array(room))
    this.#kinds = move(this.#kinds, new Int32Array(room))
    this.#targets = move(this.#targets, new Int32Array(room))
    const data = emptySlots(room)
    for (let i = 0; i < old; i++) data[i] = this.#data[order[i] as number]
    this.#data = data
    this.#mask = room - 1
    this.#head = 0
  }
}

export class EventQueue {
  /** The event {@link next} took last. Plain fields: an accessor would have the time boxed. */
  time = 0
  kind = 0
  target = 0
  data: unknown = undefined
  #seq = 0
  #now = new Lane()
  #ring = new Lane()
  #heap: SimEvent[] = []

  get size(): number {
    return this.#now.count + this.#ring.count + this.#heap.length
  }

  /** Adds an event that follows at once. */
  pushNow(now: number, kind: number, target: number, data: unknown): void {
    if (!this.#now.push(now, this.#seq++, kind, target, data)) this.push(now, kind, target, data)
  }

  /** Adds an event whose time is, as a rule, not before that of any event pushed in order. */
  pushInOrder(time: number, kind: number, target: number, data: unknown): void {
    if (!this.#ring.push(time, this.#seq++, kind, target, data)) {
      this.push(time, kind, target, data)
    }
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

  /**
   * Takes the next event, unless it is due later.
   * @returns false when there was none; else it stands in `time`, `kind`, `target` and `data`
   */
  next(untilNs: number): boolean {
    const first = this.#first()
    const top = this.#heap[0]
    if (first !== undefined) {
      const time = first.time()
      if (top === undefined || time < top.time || (time === top.time && first.seq() < top.seq)) {
        if (time > untilNs) return this.#none()
        this.time = time
        this.kind = first.kind()
        this.target = first.target()
        this.data = first.shift()
        return true
      }
    }
    if (top === undefined || top.time > untilNs) return this.#none()
    this.#popHeap()
    this.time = top.time
    this.kind = top.kind
    this.target = top.target
    this.data = top.data
    return true
  }

  #none(): false {
    this.data = undefined
    return false
  }

  /** Forgets all events but those of one kind. */
  keepOnly(kind: number): void {
    const kept: SimEvent[] = []
    while (this.next(Infinity)) {
      const { time, target, data } = this
      if (this.kind === kind) kept.push({ time, seq: 0, kind, target, data })
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
    copy.#seq = this.#seq
    copy.#now = this.#now.fork(copyData)
    copy.#ring = this.#ring.fork(copyData)
    copy.#heap = this.#heap.map((event) => {
      const data = copyData(event.data)
      return data === event.data ? event : { ...event, data }
    })
    return copy
  }

  /** The lane whose first event comes before that of the other. */
  #first(): Lane | undefined {
    const now = this.#now
    const ring = this.#ring
    if (now.count === 0) return ring.count === 0 ? undefined : ring
    if (ring.count === 0) return now
    const [a, b] = [now.time(), ring.time()]
    return a < b || (a === b && now.seq() < ring.seq()) ? now : ring
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

function emptySlots(length: number): unknown[] {
  return Array.from({ length }, () => undefined)
}
