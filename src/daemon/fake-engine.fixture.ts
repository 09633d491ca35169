/**
 * An engine in memory: networks, endpoints and leases kept by the contract, on no kernel at all.
 * For tests of what stands above the engine.
 */
import { addToIp, compareIp, formatIp, type Ip, parseIp } from '../addr/ip.ts'
import { parseMac } from '../addr/mac.ts'
import { broadcastOf, contains, networkOf } from '../addr/prefix.ts'
import type {
  ConnectRequest,
  Drift,
  Endpoint,
  Engine,
  EngineEvent,
  Lease,
  Network,
  NetworkSpec,
  PoolSpec,
  RemoveOptions,
} from '../engine/types.ts'
import { LanyardError } from '../errors.ts'
import type { Plan } from './codec.ts'

const NOW = '2026-11-20T10:00:00.000Z'

const missing = (what: string): LanyardError => new LanyardError('netns-missing', { netns: what })

export class FakeEngine implements Engine {
  closed = false
  /** What the next calls find wrong. */
  drifts: Drift[] = []
  /** Thrown by whatever is asked next. */
  next: Error | undefined
  readonly #networks = new Map<string, Network>()
  readonly #endpoints = new Map<string, Endpoint>()
  readonly #reserved = new Map<Ip, Lease>()
  readonly #listeners = new Set<(event: EngineEvent) => void>()

  tell(what: EngineEvent['what'], network: string, endpoint?: string): void {
    const event = { at: NOW, what, network, endpoint, detail: `${what} ${network}` }
    for (const listener of this.#listeners) listener(event)
  }

  get listeners(): number {
    return this.#listeners.size
  }

  createNetwork(spec: NetworkSpec): Promise<Network> {
    return this.#do(() => {
      const known = this.#networks.get(spec.name)
      if (known !== undefined) return known
      const parentLink = spec.vlan ? `${spec.parent}.${spec.vlan}` : (spec.parent ?? 'dm-fake')
      const network: Network = {
        ...spec,
        id: `${this.#networks.size + 1}`.padStart(64, '0'),
        segment: spec.segment ?? parentLink,
        parentLink,
        parentOwned: spec.vlan !== undefined || spec.parent === undefined,
        createdAt: NOW,
      }
      this.#networks.set(spec.name, network)
      this.tell('network-created', spec.name)
      return network
    })
  }

  removeNetwork(name: string, { disconnect = false }: RemoveOptions = {}): Promise<void> {
    return this.#do(() => {
      for (const [key, one] of this.#endpoints)
        if (disconnect && one.network === name) this.#endpoints.delete(key)
      this.#networks.delete(name)
      this.tell('network-removed', name)
    })
  }

  networks(): Promise<readonly Network[]> {
    return this.#do(() => [...this.#networks.values()])
  }

  network(name: string): Promise<Network> {
    return this.#do(() => this.#network(name))
  }

  connect(request: ConnectRequest): Promise<Endpoint> {
    return this.#do(() => {
      const { network, endpoint, sandbox } = request
      const key = `${network}/${endpoint}`
      const known = this.#endpoints.get(key)
      if (known !== undefined) return known
      const { pools } = this.#network(network)
      const addresses = pools.map((pool) => ({
        address:
          request.addresses?.find((ip) => contains(pool.subnet, ip)) ?? this.#free(pool) ?? 0,
        length: pool.subnet.length,
      }))
      const made: Endpoint = {
        id: `e${this.#endpoints.size + 1}`,
        network,
        name: endpoint,
        sandbox,
        link: request.link ?? 'eth0',
        mac: request.mac ?? parseMac('02:00:00:00:00:01') + this.#endpoints.size,
        addresses,
        gateways: pools.flatMap(({ gateway }) => gateway ?? []),
        gatewayPriority: request.gatewayPriority ?? 0,
      }
      this.#endpoints.set(key, made)
      this.tell('connected', network, endpoint)
      return made
    })
  }

  disconnect(network: string, endpoint: string): Promise<void> {
    return this.#do(() => {
      this.#endpoints.delete(`${network}/${endpoint}`)
      this.tell('disconnected', network, endpoint)
    })
  }

  endpoints(network?: string): Promise<readonly Endpoint[]> {
    return this.#do(() =>
      [...this.#endpoints.values()].filter(
        (one) => network === undefined || one.network === network,
      ),
    )
  }

  planCreate(spec: NetworkSpec): Promise<Plan> {
    return this.#do(() => [
      { do: 'link.set' as const, netns: '', name: spec.parent ?? '', up: true },
    ])
  }

  planConnect(request: ConnectRequest): Promise<Plan> {
    return this.#do(() => {
      const { pools } = this.#network(request.network)
      return pools.map((pool) => ({
        do: 'address.add' as const,
        netns: request.sandbox,
        link: request.link ?? 'eth0',
        address: { address: this.#free(pool) ?? 0, length: pool.subnet.length },
      }))
    })
  }

  leases(segment?: string): Promise<readonly Lease[]> {
    return this.#do(() => this.#leases().filter((one) => (segment ?? one.segment) === one.segment))
  }

  whoHas(address: Ip): ReturnType<Engine['whoHas']> {
    return this.#do(() => ({
      lease: this.#leases().find((one) => one.address === address),
      ownLink: address === parseIp('10.0.0.98') ? 'eth0' : undefined,
      answeredBy: address === parseIp('10.0.0.99') ? parseMac('52:54:00:00:00:99') : undefined,
    }))
  }

  nextFree(network: string): Promise<readonly Ip[]> {
    return this.#do(() => this.#network(network).pools.flatMap((pool) => this.#free(pool) ?? []))
  }

  reserve(network: string, address: Ip, name: string): Promise<Lease> {
    return this.#do(() => {
      const { segment } = this.#network(network)
      const lease: Lease = {
        segment,
        network,
        address,
        mac: undefined,
        holder: name,
        kind: 'reservation',
        since: NOW,
      }
      this.#reserved.set(address, lease)
      return lease
    })
  }

  release(_network: string, address: Ip): Promise<void> {
    return this.#do(() => void this.#reserved.delete(address))
  }

  status(): Promise<readonly Drift[]> {
    return this.#do(() => this.drifts)
  }

  reconcile(): Promise<readonly Drift[]> {
    return this.#do(() => this.drifts.splice(0))
  }

  onEvent(listener: (event: EngineEvent) => void): { close(): void } {
    this.#listeners.add(listener)
    return { close: () => void this.#listeners.delete(listener) }
  }

  close(): Promise<void> {
    this.closed = true
    return Promise.resolve()
  }

  #network(name: string): Network {
    const known = this.#networks.get(name)
    if (known === undefined) throw missing(name)
    return known
  }

  #leases(): Lease[] {
    const held = [...this.#endpoints.values()].flatMap((one) =>
      one.addresses.map(
        ({ address }): Lease => ({
          segment: this.#network(one.network).segment,
          network: one.network,
          address,
          mac: one.mac,
          holder: one.name,
          kind: 'endpoint',
          since: NOW,
        }),
      ),
    )
    return [...held, ...this.#reserved.values()].sort((a, b) => compareIp(a.address, b.address))
  }

  #free(pool: PoolSpec): Ip | undefined {
    const taken = new Set([
      ...this.#leases().map((one) => formatIp(one.address)),
      ...pool.exclude.map((one) => formatIp(one.address)),
      ...(pool.gateway === undefined ? [] : [formatIp(pool.gateway)]),
    ])
    const last = pool.range?.last ?? broadcastOf(pool.subnet)
    let ip = pool.range?.first ?? addToIp(networkOf(pool.subnet), 1)
    while (ip !== undefined && compareIp(ip, last) < 0 && taken.has(formatIp(ip))) {
      ip = addToIp(ip, 1)
    }
    return ip
  }

  /** Answers later, as an engine does, and fails when a test wants it. */
  async #do<T>(work: () => T): Promise<T> {
    await Promise.resolve()
    const { next } = this
    this.next = undefined
    if (next !== undefined) throw next
    return work()
  }
}
