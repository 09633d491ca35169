/**
 * What is asked for in one moment goes to etcd as one request, which costs client and server
 * several times what a transaction or a key does. Whoever is alone does not wait.
 *
 * Transactions become one that is done when the conditions of all hold, and every watcher is told
 * of one change instead of many. Mostly they hold; where they do not, each goes again by itself and
 * has the answer it would have had.
 *
 * etcd can nest transactions, each with conditions of its own; but 3.4 looks at nobody's rights in
 * them (docs/lab-notes/2026-11-27-nested-transactions.md).
 */
import { LanyardError } from '../errors.ts'
import type { Compare, KeyValue, RequestOp, TxnRequest, TxnResponse } from './etcd-proto.ts'
import { TRANSACTION_OPS, VALUES_LENGTH } from './request.ts'

type Answer = Pick<TxnResponse, 'header' | 'succeeded' | 'responses'>

/** How a request is sent. */
export type Send = (request: TxnRequest, how: { readonly reads: boolean }) => Promise<Answer>

interface Asked {
  readonly request: TxnRequest
  /** It writes nothing. */
  readonly reads: boolean
  readonly named: ReadonlySet<string>
  readonly written: ReadonlySet<string>
  resolve(answer: Answer): void
  reject(error: unknown): void
}

/** Gathers what is asked for until a turn of the event loop ends. */
class Moment<T> {
  readonly #over: (asked: readonly T[]) => void
  #asked: T[] = []

  constructor(over: (asked: readonly T[]) => void) {
    this.#over = over
  }

  add(one: T): void {
    this.#asked.push(one)
    if (this.#asked.length > 1) return
    setImmediate(() => {
      const asked = this.#asked
      this.#asked = []
      this.#over(asked)
    })
  }
}

/** Transactions; made by an `EtcdStore`, one for each. */
export class Together {
  readonly #send: Send
  readonly #moment = new Moment<Asked>((asked) => this.#over(asked))

  constructor(send: Send) {
    this.#send = send
  }

  /** One transaction's answer, as {@link Send} would give it. */
  ask(request: TxnRequest): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const { compare, success, failure } = request
      const written = new Set(success.flatMap(keysOf))
      const named = new Set([
        ...written,
        ...compare.map(({ key }) => key),
        ...failure.flatMap(keysOf),
      ])
      const reads = success.length === 0
      this.#moment.add({ request, reads, named, written, resolve, reject })
    })
  }

  #over(asked: readonly Asked[]): void {
    for (let waiting = asked; waiting.length > 0; ) {
      const batch = new Batch()
      waiting = waiting.filter((one) => !batch.take(one))
      void this.#go(batch)
    }
  }

  async #go({ members, request }: Batch): Promise<void> {
    try {
      const [only, ...others] = members
      if (only !== undefined && others.length === 0) {
        await this.#alone(only)
        return
      }
      const answer = await this.#send(request, { reads: members.every((one) => one.reads) })
      if (answer.succeeded) for (const one of members) one.resolve(answer)
      else await Promise.all(members.map((one) => this.#alone(one)))
    } catch (error) {
      // One of them is to blame: the others shall not have its answer.
      if (wasDropped(error)) await Promise.all(members.map((one) => this.#alone(one)))
      else for (const one of members) one.reject(error)
    }
  }

  async #alone({ request, reads, resolve, reject }: Asked): Promise<void> {
    try {
      resolve(await this.#send(request, { reads }))
    } catch (error) {
      reject(error)
    }
  }
}

interface Key {
  readonly key: string
  resolve(found: KeyValue | undefined): void
  reject(error: unknown): void
}

/** Keys that are read; made by an `EtcdStore`, one for each. */
export class ReadTogether {
  readonly #send: Send
  readonly #moment = new Moment<Key>((asked) => {
    for (let at = 0; at < asked.length; at += TRANSACTION_OPS)
      void this.#read(asked.slice(at, at + TRANSACTION_OPS))
  })

  constructor(send: Send) {
    this.#send = send
  }

  get(key: string): Promise<KeyValue | undefined> {
    return new Promise((resolve, reject) => this.#moment.add({ key, resolve, reject }))
  }

  async #read(asked: readonly Key[]): Promise<void> {
    const success = asked.map(({ key }) => ({ request_range: { key } }))
    try {
      const { responses } = await this.#send({ compare: [], success, failure: [] }, { reads: true })
      for (const [i, one] of asked.entries()) one.resolve(responses[i]?.response_range?.kvs[0])
    } catch (error) {
      for (const one of asked) one.reject(error)
    }
  }
}

/** Transactions that make one: together no larger than one may be, and of different keys. */
class Batch {
  readonly members: Asked[] = []
  readonly #compare = new Map<string, Compare>()
  readonly #success: RequestOp[] = []
  readonly #named = new Set<string>()
  readonly #written = new Set<string>()
  #length = 0

  get request(): TxnRequest {
    return { compare: [...this.#compare.values()], success: this.#success, failure: [] }
  }

  /** Whether it came in: the first always does, others when they fit. */
  take(one: Asked): boolean {
    const { compare, success } = one.request
    // The same is often asked by all: that their segment is what it was, and their host who it is.
    const asks = compare.map((condition) => [JSON.stringify(condition), condition] as const)
    const length = success.reduce((sum, { request_put: put }) => sum + (put?.value.length ?? 0), 0)
    const fits =
      this.#compare.size + asks.filter(([text]) => !this.#compare.has(text)).length <=
        TRANSACTION_OPS &&
      this.#success.length + success.length <= TRANSACTION_OPS &&
      this.#length + length <= VALUES_LENGTH
    // All conditions are looked at before anything is written: nobody may name what another writes.
    const apart = !meet(one.written, this.#named) && !meet(one.named, this.#written)
    if (this.members.length > 0 && !(fits && apart)) return false
    this.members.push(one)
    for (const [text, condition] of asks) this.#compare.set(text, condition)
    this.#success.push(...success)
    for (const key of one.named) this.#named.add(key)
    for (const key of one.written) this.#written.add(key)
    this.#length += length
    return true
  }
}

const keysOf = (op: RequestOp): string[] => {
  const { key } = op.request_put ?? op.request_delete_range ?? op.request_range ?? {}
  return key === undefined ? [] : [key]
}

function meet(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  for (const key of a) if (b.has(key)) return true
  return false
}

/** Whether a request was surely not done, for what stands in it. */
const wasDropped = (error: unknown): boolean =>
  !(error instanceof LanyardError && error.code === 'store-unavailable') || isLeaseGone(error)

/** The lease of a ttl has gone before what should hang on it came: nothing was done. */
export function isLeaseGone(error: unknown): boolean {
  return (
    error instanceof LanyardError &&
    String((error.cause as { details?: string } | undefined)?.details).includes('lease not found')
  )
}
