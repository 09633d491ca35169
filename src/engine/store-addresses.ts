/** Address management on the store alone: one key an address, lowest free first. */
import { formatIp, familyOf, type Ip } from '../addr/ip.ts'
import { broadcastOf, contains, networkOf } from '../addr/prefix.ts'
import { addressesOf, rangeOf } from '../addr/range.ts'
import { LanyardError } from '../errors.ts'
import type { Store } from '../store/store.ts'
import type { Addresses, LeaseWish } from './addresses.ts'
import type { Lease, Network, PoolSpec } from './types.ts'

const PREFIX = 'interim-lease/'
const keyOf = (segment: string, ip: Ip) => `${PREFIX}${segment}/${formatIp(ip)}`

export class StoreAddresses implements Addresses {
  readonly #store: Store
  constructor(store: Store) {
    this.#store = store
  }
  open(): Promise<void> {
    return Promise.resolve()
  }
  async close(network: Network): Promise<void> {
    for (const lease of await this.leases(network.segment))
      if (lease.network === network.name) await this.#drop(lease)
  }
  async lease(network: Network, wish: LeaseWish): Promise<readonly Ip[]> {
    const held = (await this.leases(network.segment)).filter(
      (l) => l.network === network.name && l.holder === wish.endpoint,
    )
    if (held.length > 0 && wish.addresses === undefined) return held.map((l) => l.address)
    const got: Ip[] = []
    if (wish.addresses !== undefined) {
      for (const ip of wish.addresses) {
        const taken = await wish.taken(ip)
        if (taken !== undefined) throw taken
        if (!(await this.#take(network, wish, ip)) && !held.some((l) => l.address === ip))
          throw new LanyardError('endpoint-invalid', {
            endpoint: wish.endpoint,
            why: `${formatIp(ip)} is held already`,
          })
        got.push(ip)
      }
      return got
    }
    for (const family of [4, 6] as const) {
      const pools = network.pools.filter((p) => familyOf(p.subnet.address) === family)
      if (pools.length === 0) continue
      const ip = await this.#first(network, wish, pools)
      if (ip === undefined)
        throw new LanyardError('network-invalid', { network: network.name, why: 'pool is full' })
      got.push(ip)
    }
    return got
  }
  async #first(network: Network, wish: LeaseWish, pools: readonly PoolSpec[]) {
    for (const pool of pools)
      for (const ip of candidates(pool)) {
        if ((await this.#store.get(keyOf(network.segment, ip))) !== undefined) continue
        if ((await wish.taken(ip)) !== undefined) continue
        if (await this.#take(network, wish, ip)) return ip
      }
    return undefined
  }
  async #take(network: Network, wish: LeaseWish, ip: Ip): Promise<boolean> {
    const key = keyOf(network.segment, ip)
    const value = JSON.stringify({ network: network.name, holder: wish.endpoint, ip: formatIp(ip) })
    const { done } = await this.#store.transact({
      when: [{ key, is: 'absent' }],
      then: [{ put: key, value }],
    })
    return done
  }
  async release(network: Network, endpoint: string): Promise<void> {
    for (const lease of await this.leases(network.segment))
      if (lease.network === network.name && lease.holder === endpoint) await this.#drop(lease)
  }
  async #drop(lease: Lease): Promise<void> {
    await this.#store.transact({
      when: [],
      then: [{ delete: keyOf(lease.segment, lease.address) }],
    })
  }
  async leases(segment?: string): Promise<readonly Lease[]> {
    const { parseIp } = await import('../addr/ip.ts')
    const prefix = segment === undefined ? PREFIX : `${PREFIX}${segment}/`
    const { entries } = await this.#store.range(prefix)
    return entries.map((entry): Lease => {
      const { network, holder, ip } = JSON.parse(entry.value) as Record<string, string>
      return {
        segment: entry.key.slice(PREFIX.length, entry.key.lastIndexOf('/')),
        network: network ?? '',
        address: parseIp(ip ?? ''),
        mac: undefined,
        holder: holder ?? '',
        kind: 'endpoint',
        since: '',
      }
    })
  }
  async next(network: Network): Promise<readonly Ip[]> {
    const free: Ip[] = []
    for (const pool of network.pools)
      for (const ip of candidates(pool))
        if ((await this.#store.get(keyOf(network.segment, ip))) === undefined) {
          free.push(ip)
          break
        }
    return free
  }
  reserve(): Promise<Lease> {
    throw new Error('comes with ipam')
  }
  free(): Promise<void> {
    throw new Error('comes with ipam')
  }
}

function* candidates(pool: PoolSpec): Generator<Ip> {
  const { subnet, range, gateway, exclude } = pool
  for (const ip of addressesOf(range ?? rangeOf(subnet))) {
    if (ip === gateway || exclude.some((e) => e.address === ip) || !contains(subnet, ip)) continue
    if (ip === networkOf(subnet) || ip === broadcastOf(subnet)) continue
    yield ip
  }
}
