/**
 * Which network and endpoint of the engine is which of Docker's. Nothing is kept here that the
 * engine does not keep: networks bear Docker's ids as labels of this host, endpoints as their id.
 */
import { formatIp, type Ip } from '../../addr/ip.ts'
import type { DoorEngine, Endpoint, Network } from '../../engine/types.ts'

/** Docker's id of a network, whole. */
export const ID_LABEL = 'docker.network'
/** Ids of its pools, with spaces; none with Docker's own IPAM. */
export const POOLS_LABEL = 'docker.pools'
/** Whether links may be made in place: `-o fast=false` has them all handed over. */
export const FAST_LABEL = 'docker.fast'

/** A network is called by the first half of its id, as `docker network ls` shows it. */
export const networkName = (id: string): string => id.slice(0, 12)

export class Networks {
  readonly #byPool = new Map<string, string>()
  readonly #expected = new Map<string, string>()
  readonly #endpoints = new Map<string, string>()
  readonly #pinned = new Map<string, ReadonlySet<Ip>>()

  static async load(engine: DoorEngine): Promise<Networks> {
    const networks = new Networks()
    for (const network of await engine.networks()) networks.add(network)
    for (const endpoint of await engine.endpoints()) networks.addEndpoint(endpoint)
    return networks
  }

  add({ name, labels }: Network): void {
    for (const pool of (labels[POOLS_LABEL] ?? '').split(' '))
      if (pool !== '') this.#byPool.set(pool, name)
  }

  remove(name: string): void {
    for (const [pool, network] of this.#byPool) if (network === name) this.#byPool.delete(pool)
    this.#pinned.delete(name)
  }

  ofPool(id: string): string | undefined {
    return this.#byPool.get(id)
  }

  /** An address was claimed for a container of this name. */
  expect(network: string, ip: Ip, name: string): void {
    this.#expected.set(`${network}/${formatIp(ip)}`, name)
  }

  /** The name an address was claimed for; told once. */
  expected(network: string, ip: Ip): string | undefined {
    const key = `${network}/${formatIp(ip)}`
    const name = this.#expected.get(key)
    this.#expected.delete(key)
    return name
  }

  /** Addresses that Docker's containers on a network are to have, whether or not they run. */
  pin(network: string, ips: Iterable<Ip>): void {
    this.#pinned.set(network, new Set(ips))
  }

  isPinned(network: string, ip: Ip): boolean {
    return this.#pinned.get(network)?.has(ip) === true
  }

  addEndpoint({ id, name }: Pick<Endpoint, 'id' | 'name'>): void {
    this.#endpoints.set(id, name)
  }

  removeEndpoint(id: string): void {
    this.#endpoints.delete(id)
  }

  /** The engine's name of an endpoint of Docker's. */
  endpoint(id: string): string | undefined {
    return this.#endpoints.get(id)
  }
}
