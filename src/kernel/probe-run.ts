/**
 * One call of `probe`: results, deadlines and the sockets its probes share. The protocols are in
 * `probe-icmp.ts`, `probe-arp.ts` and `probe-port.ts`.
 */
import type { Closer, Probe, ProbeResult } from '../fabric/fabric.ts'
import { MessageReader } from '../sys/message.ts'
import { callAfter } from './timer.ts'

/** Replies of 64 KiB, and an IPv4 header before them. */
const READER_SIZE = 66_000
let readerOfAll: MessageReader | undefined

/** One for all runs: what is read is used up before anybody else can read. */
function sharedReader(): MessageReader {
  readerOfAll ??= new MessageReader(READER_SIZE)
  return readerOfAll
}

export class ProbeRun {
  readonly reader = sharedReader()
  readonly done: Promise<readonly ProbeResult[]>
  readonly #results: (ProbeResult | undefined)[]
  readonly #shared = new Map<string, Closer>()
  /** Sockets of single probes. */
  readonly #own = new Map<number, Closer>()
  /** Probes by the millisecond they are given up at. */
  readonly #deadlines = new Map<number, number[]>()
  readonly #timers = new Set<Closer>()
  #open: number
  readonly #resolve: (results: readonly ProbeResult[]) => void
  readonly #reject: (error: unknown) => void

  constructor(count: number) {
    this.#open = count
    this.#results = Array.from({ length: count })
    let settle: Pick<Settle, 'resolve' | 'reject'> | undefined
    this.done = new Promise((resolve, reject) => {
      settle = { resolve, reject }
    })
    if (settle === undefined) throw new Error('a promise runs its executor at once')
    this.#resolve = settle.resolve
    this.#reject = settle.reject
  }

  isDone(index: number): boolean {
    return this.#results[index] !== undefined
  }

  /** The outcome of a probe; the first one counts. */
  finish(index: number, result: ProbeResult): void {
    if (this.#results[index] !== undefined) return
    this.#results[index] = result
    const own = this.#own.get(index)
    if (own !== undefined) {
      this.#own.delete(index)
      own.close()
    }
    this.#open--
    if (this.#open === 0) this.#end()
  }

  /** Something went wrong that is no probe's outcome: the whole call fails. */
  fail(error: unknown): void {
    this.#close()
    this.#reject(error)
  }

  /** What probes of one kind share, made by the first of them. */
  share<T extends Closer>(key: string, kind: new (...args: never[]) => T, make: () => T): T {
    const known = this.#shared.get(key)
    if (known instanceof kind) return known
    const made = make()
    this.#shared.set(key, made)
    return made
  }

  /** Closed when the probe has its outcome. */
  own(index: number, socket: Closer): void {
    this.#own.set(index, socket)
  }

  /** Calls at a time from now, unless the run ends before. */
  after(ms: number, fn: () => void): void {
    const timer = callAfter(ms, () => {
      this.#timers.delete(timer)
      try {
        fn()
      } catch (error) {
        this.fail(error)
      }
    })
    this.#timers.add(timer)
  }

  /** Gives a probe that was just sent up after its timeout. */
  expire(index: number, probe: Probe): void {
    const timeoutMs = probe.timeoutMs ?? 1000
    // One timer for all probes of a millisecond.
    const at = Math.ceil(performance.now() + timeoutMs)
    const due = this.#deadlines.get(at)
    if (due !== undefined) {
      due.push(index)
      return
    }
    const indexes = [index]
    this.#deadlines.set(at, indexes)
    this.after(at - performance.now(), () => {
      this.#deadlines.delete(at)
      if (indexes.every((i) => this.isDone(i))) return
      // The loop may have been busy: what came in time is still in the sockets. Once round.
      setImmediate(() => {
        setImmediate(() => {
          for (const i of indexes) this.finish(i, { outcome: 'timeout' })
        })
      })
    })
  }

  #end(): void {
    this.#close()
    this.#resolve(this.#results.flatMap((result) => (result === undefined ? [] : [result])))
  }

  #close(): void {
    for (const timer of this.#timers) timer.close()
    this.#timers.clear()
    for (const socket of [...this.#shared.values(), ...this.#own.values()]) socket.close()
    this.#shared.clear()
    this.#own.clear()
  }
}

interface Settle {
  resolve: (results: readonly ProbeResult[]) => void
  reject: (error: unknown) => void
}
