/**
 * The engine of a daemon, over its socket: the same contract as the engine itself, so that a
 * command does not care where the work is done.
 */
import { Agent, type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http'
import { userInfo } from 'node:os'
import { formatIp, type Ip, parseIp } from '../addr/ip.ts'
import {
  decodeDrift,
  decodeEndpoint,
  decodeEvent,
  decodeHolder,
  decodeLease,
  decodeNetwork,
  decodeOps,
  encodeConnect,
  encodeSpec,
  type Plan,
  toJson,
} from '../daemon/codec.ts'
import { errorOf } from '../daemon/failure.ts'
import type {
  DriftJson,
  EndpointJson,
  EventJson,
  FailureJson,
  HolderJson,
  LeaseJson,
  NetworkJson,
  PlanJson,
  VersionJson,
} from '../daemon/schema.ts'
import type {
  ConnectRequest,
  Drift,
  Endpoint,
  Engine,
  EngineEvent,
  Lease,
  Network,
  NetworkSpec,
  RemoveOptions,
} from '../engine/types.ts'
import { LanyardError } from '../errors.ts'

/** Parts of a path, each as it goes into a URL. */
const path = (...parts: readonly string[]): string =>
  `/v1/${parts.map(encodeURIComponent).join('/')}`

function query(words: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(words).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`],
  )
  return given.length === 0 ? '' : `?${given.join('&')}`
}

const flag = (is: boolean | undefined): string | undefined => (is === true ? 'true' : undefined)

/** Requests can be repeated, so nothing is retried here: the caller asks again if it wants to. */
export class DaemonClient implements Engine {
  readonly #socket: string
  readonly #agent = new Agent({ keepAlive: true })
  readonly #streams = new Set<ClientRequest>()

  constructor(socket: string) {
    this.#socket = socket
  }

  /** @throws LanyardError `daemon-unreachable`, `daemon-forbidden` */
  version(): Promise<VersionJson> {
    return this.#ask('GET', path('version'))
  }

  async createNetwork(spec: NetworkSpec): Promise<Network> {
    return decodeNetwork(await this.#ask<NetworkJson>('POST', path('networks'), encodeSpec(spec)))
  }

  removeNetwork(name: string, options: RemoveOptions = {}): Promise<void> {
    const how = query({ disconnect: flag(options.disconnect), force: flag(options.force) })
    return this.#ask('DELETE', `${path('networks', name)}${how}`)
  }

  async networks(): Promise<readonly Network[]> {
    return (await this.#ask<NetworkJson[]>('GET', path('networks'))).map(decodeNetwork)
  }

  async network(name: string): Promise<Network> {
    return decodeNetwork(await this.#ask<NetworkJson>('GET', path('networks', name)))
  }

  async connect(request: ConnectRequest): Promise<Endpoint> {
    const to = path('networks', request.network, 'endpoints')
    return decodeEndpoint(await this.#ask<EndpointJson>('POST', to, encodeConnect(request)))
  }

  disconnect(network: string, endpoint: string): Promise<void> {
    return this.#ask('DELETE', path('networks', network, 'endpoints', endpoint))
  }

  async endpoints(network?: string): Promise<readonly Endpoint[]> {
    const from = `${path('endpoints')}${query({ network })}`
    return (await this.#ask<EndpointJson[]>('GET', from)).map(decodeEndpoint)
  }

  async planCreate(spec: NetworkSpec): Promise<Plan> {
    const { ops } = await this.#ask<PlanJson>('POST', path('plans', 'network'), encodeSpec(spec))
    return decodeOps(ops)
  }

  async planConnect(request: ConnectRequest): Promise<Plan> {
    const to = path('plans', 'networks', request.network, 'endpoint')
    return decodeOps((await this.#ask<PlanJson>('POST', to, encodeConnect(request))).ops)
  }

  async leases(segment?: string): Promise<readonly Lease[]> {
    const from = `${path('leases')}${query({ segment })}`
    return (await this.#ask<LeaseJson[]>('GET', from)).map(decodeLease)
  }

  async whoHas(address: Ip): ReturnType<Engine['whoHas']> {
    return decodeHolder(await this.#ask<HolderJson>('GET', path('addresses', formatIp(address))))
  }

  async nextFree(network: string): Promise<readonly Ip[]> {
    return (await this.#ask<string[]>('GET', path('networks', network, 'next'))).map(parseIp)
  }

  async reserve(network: string, address: Ip, name: string): Promise<Lease> {
    const to = path('networks', network, 'reservations', formatIp(address))
    return decodeLease(await this.#ask<LeaseJson>('PUT', to, { name }))
  }

  release(network: string, address: Ip): Promise<void> {
    return this.#ask('DELETE', path('networks', network, 'reservations', formatIp(address)))
  }

  async status(): Promise<readonly Drift[]> {
    return (await this.#ask<DriftJson[]>('GET', path('status'))).map(decodeDrift)
  }

  async reconcile(): Promise<readonly Drift[]> {
    return (await this.#ask<DriftJson[]>('POST', path('reconcile'))).map(decodeDrift)
  }

  /** Events from now on; the stream ends with the daemon. */
  onEvent(listener: (event: EngineEvent) => void): { close(): void } {
    const options = { socketPath: this.#socket, path: path('events') }
    const stream = httpRequest(options, (response) => {
      let waiting = ''
      response.setEncoding('utf8').on('data', (text: string) => {
        const parts = (waiting + text).split('\n\n')
        waiting = parts.pop() ?? ''
        for (const part of parts) {
          const data = /^data: ?(.*)$/m.exec(part)?.[1]
          if (data !== undefined) listener(decodeEvent(JSON.parse(data) as EventJson))
        }
      })
    })
    // Whoever wants to know that the daemon is gone asks it something.
    stream.on('error', () => undefined)
    stream.end()
    this.#streams.add(stream)
    return {
      close: () => {
        this.#streams.delete(stream)
        stream.destroy()
      },
    }
  }

  close(): Promise<void> {
    for (const stream of this.#streams) stream.destroy()
    this.#agent.destroy()
    return Promise.resolve()
  }

  #ask<T>(method: string, to: string, body?: unknown): Promise<T> {
    const text = body === undefined ? undefined : toJson(body)
    return new Promise((resolve, reject) => {
      const request = httpRequest(
        {
          socketPath: this.#socket,
          agent: this.#agent,
          method,
          path: to,
          headers:
            text === undefined
              ? {}
              : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) },
        },
        (response) => {
          read(response)
            .then((answer) => resolve(this.#judge(response, answer) as T), reject)
            .catch(reject)
        },
      )
      request.on('error', (error) => reject(this.#unreachable(error)))
      request.end(text)
    })
  }

  /** The answer, or the error it stands for thrown. */
  #judge({ statusCode = 0 }: IncomingMessage, answer: string): unknown {
    if (statusCode === 204) return undefined
    let value: unknown
    try {
      value = JSON.parse(answer)
    } catch (error) {
      throw this.#unreachable(error, `its answer (status ${statusCode}) is not JSON`)
    }
    if (statusCode < 300) return value
    const failure = value as FailureJson
    throw errorOf(failure) ?? this.#unreachable(value, failure.message)
  }

  #unreachable(cause: unknown, why?: string): LanyardError {
    const socket = this.#socket
    const code = (cause as NodeJS.ErrnoException).code
    if (code === 'EACCES') {
      const user = userInfo().username
      return new LanyardError('daemon-forbidden', { socket, user, group: 'lanyard' }, { cause })
    }
    const said = cause instanceof Error ? cause.message : String(cause)
    const sentence = REASONS[code ?? ''] ?? said
    return new LanyardError('daemon-unreachable', { socket, why: why ?? sentence }, { cause })
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such socket',
  ECONNREFUSED: 'nobody listens there',
  ECONNRESET: 'it hung up',
}

async function read(response: IncomingMessage): Promise<string> {
  let text = ''
  for await (const part of response.setEncoding('utf8')) text += String(part)
  return text
}
