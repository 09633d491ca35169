/**
 * Calls to an etcd of one or several members: deadlines, another member when one fails, and the
 * token of a user. Nothing that may have been done is sent a second time from here.
 */
import {
  type ChannelCredentials,
  Client,
  type ClientDuplexStream,
  credentials,
  Metadata,
  type MethodDefinition,
} from '@grpc/grpc-js'
import { LanyardError } from '../errors.ts'
import { DEFAULT_PREFIX, type EtcdOptions, nameOfEtcd } from './etcd-address.ts'
import { judge, type Verdict } from './etcd-failure.ts'
import {
  AUTHENTICATE,
  type Header,
  type WatchRequest,
  WATCH,
  type WatchResponse,
} from './etcd-proto.ts'

/** How long a call that was surely not done is tried again. */
const PATIENCE_MS = 6000
const PAUSE_MS = 100

/** Told when the cluster answers with an older state than it once did. */
export interface WentBack {
  readonly seen: number
  readonly now: number
}

export class EtcdClient {
  readonly name: string
  readonly prefix: string
  readonly #options: EtcdOptions
  readonly #clients: readonly Client[]
  readonly #timeoutMs: number
  #preferred = 0
  #token: Promise<string> | undefined
  #closed = false
  #seen = 0
  #cluster: string | undefined
  onWentBack: ((detail: WentBack) => void) | undefined

  constructor(options: EtcdOptions) {
    this.name = nameOfEtcd(options)
    this.prefix = options.prefix ?? DEFAULT_PREFIX
    this.#options = options
    this.#timeoutMs = options.timeoutMs ?? 2000
    const secure = credentialsOf(options, this.name)
    const name = options.tls?.serverName
    this.#clients = options.endpoints.map(
      (endpoint) =>
        new Client(endpoint, secure, {
          'grpc.keepalive_time_ms': 10_000,
          'grpc.keepalive_timeout_ms': 3000,
          'grpc.initial_reconnect_backoff_ms': 50,
          'grpc.max_reconnect_backoff_ms': 1000,
          'grpc.max_receive_message_length': -1,
          'grpc.enable_retries': 0,
          // Each endpoint has a connection of its own, not shared with another store's token.
          'grpc.use_local_subchannel_pool': 1,
          ...(name === undefined ? {} : { 'grpc.ssl_target_name_override': name }),
        }),
    )
  }

  /**
   * One request and its answer. What was surely not done is tried again, on another member, for a
   * while; a read is, whatever happened to it.
   *
   * @throws LanyardError `store-unavailable`, `store-denied`, `store-full`, `store-request-invalid`
   */
  async call<Q, A extends { readonly header: Header }>(
    method: MethodDefinition<Q, A>,
    request: Q,
    how: { readonly reads: boolean },
  ): Promise<A> {
    const end = performance.now() + PATIENCE_MS
    const distrusted = new Set<number>()
    let renewed = 0
    for (let attempt = 1; ; attempt++) {
      this.#assertOpen()
      const at = this.#preferred
      const seen = this.#seen
      let verdict: Verdict
      try {
        const answer = await this.#once(at, method, request)
        this.#notice(answer.header, seen)
        return answer
      } catch (error) {
        this.#assertOpen()
        verdict = judge(error, this.name, this.prefix)
      }
      const { means, error } = verdict
      if (means === 'token' && renewed++ < 2) {
        this.#token = undefined
        continue
      }
      if (means === 'no' || means === 'lease' || means === 'token') throw error
      this.#leave(at)
      if (means === 'elsewhere') distrusted.add(at)
      if (distrusted.size === this.#clients.length) throw error
      if (means === 'unknown' && !how.reads) throw error
      if (performance.now() > end) throw error
      if (attempt % this.#clients.length === 0)
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
    }
  }

  /** A watch's stream, on the member that serves now. */
  async watch(): Promise<{
    readonly stream: ClientDuplexStream<WatchRequest, WatchResponse>
    failed(): void
  }> {
    this.#assertOpen()
    const at = this.#preferred
    const metadata = await this.#metadata(at)
    // A member cut off from its leader ends the watch instead of falling silent.
    metadata.set('hasleader', 'true')
    const { path, requestSerialize, responseDeserialize } = WATCH
    const stream = this.#client(at).makeBidiStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      metadata,
    )
    return { stream, failed: () => this.#leave(at) }
  }

  /** Our token is no longer good. */
  forgetToken(): void {
    this.#token = undefined
  }

  close(): void {
    this.#closed = true
    for (const client of this.#clients) client.close()
  }

  #assertOpen(): void {
    if (this.#closed)
      throw new LanyardError('store-unavailable', { store: this.name, why: 'it was closed' })
  }

  #client(at: number): Client {
    return this.#clients[at] as Client
  }

  /** Whoever failed is asked last from now on. */
  #leave(at: number): void {
    if (this.#preferred === at) this.#preferred = (at + 1) % this.#clients.length
  }

  async #once<Q, A>(at: number, method: MethodDefinition<Q, A>, request: Q): Promise<A> {
    return await this.#unary(at, method, request, await this.#metadata(at))
  }

  #unary<Q, A>(
    at: number,
    { path, requestSerialize, responseDeserialize }: MethodDefinition<Q, A>,
    request: Q,
    metadata: Metadata,
  ): Promise<A> {
    return new Promise((resolve, reject) => {
      this.#client(at).makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        metadata,
        { deadline: Date.now() + this.#timeoutMs },
        (error, answer) => (error === null ? resolve(answer as A) : reject(error)),
      )
    })
  }

  async #metadata(at: number): Promise<Metadata> {
    const metadata = new Metadata()
    const { user, password } = this.#options
    if (user === undefined) return metadata
    this.#token ??= this.#unary(
      at,
      AUTHENTICATE,
      { name: user, password: password ?? '' },
      new Metadata(),
    ).then(
      ({ token }) => token,
      (error: unknown) => {
        this.#token = undefined
        throw error
      },
    )
    metadata.set('token', await this.#token)
    return metadata
  }

  /** Answers are linearizable: one from before what was seen is from another history. */
  #notice({ revision, cluster_id: id }: Header, seen: number): void {
    const now = revision.toNumber()
    const cluster = id.toString()
    const back = now < seen || (this.#cluster !== undefined && this.#cluster !== cluster)
    this.#cluster = cluster
    if (!back) {
      this.#seen = Math.max(this.#seen, now)
      return
    }
    this.#seen = now
    this.onWentBack?.({ seen, now })
  }
}

function credentialsOf({ tls }: EtcdOptions, store: string): ChannelCredentials {
  if (tls === undefined) return credentials.createInsecure()
  const pem = (text: string | undefined): Buffer | null =>
    text === undefined ? null : Buffer.from(text)
  try {
    return credentials.createSsl(pem(tls.ca), pem(tls.key), pem(tls.cert))
  } catch (error) {
    const why = `certificate or key cannot be used: ${error instanceof Error ? error.message : ''}`
    const mend =
      'look at "ca", "cert" and "key" in the store file: PEM text, key and certificate of one pair'
    throw new LanyardError('store-denied', { store, why, mend }, { cause: error })
  }
}
