/**
 * A watch that outlives its stream: when a member goes, it is continued on another one from the
 * revision after the last one told, so that nothing is told twice and nothing left out.
 */
import type { ClientDuplexStream } from '@grpc/grpc-js'
import type { EtcdClient } from './etcd-client.ts'
import { endOf, type KeyValue, type WatchRequest, type WatchResponse } from './etcd-proto.ts'
import type { Entry, StoreEvent } from './store.ts'

const PAUSES_MS = [20, 100, 300, 1000]

export class EtcdWatch {
  readonly #client: EtcdClient
  readonly #prefix: string
  readonly #onEvents: (events: readonly StoreEvent[]) => void
  readonly #onLost: () => void
  readonly #entryOf: (kv: KeyValue) => Entry
  #seen: number
  #failures = 0
  #open = true
  #stream: ClientDuplexStream<WatchRequest, WatchResponse> | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(
    client: EtcdClient,
    entryOf: (kv: KeyValue) => Entry,
    wish: {
      /** As it is on the server. */
      readonly prefix: string
      readonly revision: number
      readonly onEvents: (events: readonly StoreEvent[]) => void
      readonly onLost: () => void
    },
  ) {
    this.#client = client
    this.#entryOf = entryOf
    this.#prefix = wish.prefix
    this.#seen = wish.revision
    this.#onEvents = wish.onEvents
    this.#onLost = wish.onLost
  }

  async start(): Promise<void> {
    if (!this.#open) return
    try {
      const { stream, failed } = await this.#client.watch()
      if (!this.#open) {
        stream.cancel()
        return
      }
      this.#stream = stream
      let over = false
      const again = (): void => {
        if (over) return
        over = true
        stream.cancel()
        failed()
        this.#later()
      }
      stream.on('error', again)
      stream.on('end', again)
      stream.on('data', (answer: WatchResponse) => {
        if (!over && this.#open) this.#take(answer, again)
      })
      const [key, range_end] = [this.#prefix, endOf(this.#prefix)]
      const start_revision = this.#seen + 1
      stream.write({ create_request: { key, range_end, start_revision, progress_notify: true } })
    } catch {
      this.#later()
    }
  }

  close(): void {
    this.#open = false
    clearTimeout(this.#timer)
    this.#stream?.cancel()
  }

  #later(): void {
    if (!this.#open) return
    // A token may have gone with what failed; asking for another costs one request.
    if (this.#failures > 0) this.#client.forgetToken()
    const pause = PAUSES_MS[Math.min(this.#failures++, PAUSES_MS.length - 1)]
    this.#timer = setTimeout(() => void this.start(), pause)
    this.#timer.unref()
  }

  #lost(): void {
    this.close()
    this.#onLost()
  }

  #take(answer: WatchResponse, again: () => void): void {
    const now = answer.header.revision.toNumber()
    // Forgotten, or an older copy of the store than the one watched.
    if (answer.compact_revision.toNumber() > 0 || (answer.created && now < this.#seen)) {
      this.#lost()
      return
    }
    if (answer.canceled) {
      again()
      return
    }
    if (answer.created) return
    this.#failures = 0
    if (answer.events.length === 0) {
      this.#seen = Math.max(this.#seen, now)
      return
    }
    const events: StoreEvent[] = []
    for (const { type, kv } of answer.events) {
      const revision = kv.mod_revision.toNumber()
      if (revision <= this.#seen) continue
      const entry = this.#entryOf(kv)
      events.push(
        type === 0 ? { change: 'put', entry } : { change: 'delete', key: entry.key, revision },
      )
    }
    this.#seen = answer.events.at(-1)?.kv.mod_revision.toNumber() ?? this.#seen
    if (events.length > 0) this.#onEvents(events)
  }
}
