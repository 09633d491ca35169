/** The engine's way of speaking to address management. */
import type { Ip } from '../addr/ip.ts'
import type { Mac } from '../addr/mac.ts'
import { hash32 } from '../driver/names.ts'
import {
  createIpam,
  entriesUnder,
  type Ipam,
  type IpamHost,
  type IpamOptions,
} from '../ipam/ipam.ts'
import {
  endpointKey as leaseKey,
  ipOfHex,
  lastWord,
  namePrefix,
  SEGMENTS,
  segmentOfKey,
  spareName,
} from '../ipam/keys.ts'
import { lease, type LeaseResult } from '../ipam/lease.ts'
import { listHoldings, nextFree } from '../ipam/list.ts'
import {
  addressesOfName,
  gone,
  holderOf,
  keptName,
  lastHolder,
  quarantine,
} from '../ipam/memory.ts'
import { definePools, removePools, unchanged } from '../ipam/pools.ts'
import { release, type ReleaseWith, type StoredLease } from '../ipam/release.ts'
import { reserve, unreserve } from '../ipam/reserve.ts'
import { readSegment } from '../ipam/segment.ts'
import { nextSpare, type OnSpares, releaseSpare, renameSpares, sparesOf } from '../ipam/spare.ts'
import type { Mirror } from '../store/mirror.ts'
import type { Condition, Store, Write } from '../store/store.ts'
import type { Self } from './self.ts'
import type { Lease, Network } from './types.ts'

/** Why a free address cannot be had after all; undefined when it can. */
export type Taken = (ip: Ip) => Promise<Error | undefined>

export interface LeaseWish {
  readonly endpoint: string
  /** `none`: it bears its parent's. */
  readonly mac: Mac | 'none'
  /** Exactly these; families not named get one by themselves. */
  readonly addresses: readonly Ip[] | undefined
  /** Those of them that are kept for whoever comes: they are taken over. */
  readonly claimed?: readonly Ip[]
  readonly pinned?: boolean
  /** Asks the host and the LAN about a candidate; its error is thrown for an exact wish. */
  readonly taken: Taken
  /** Written with the lease, when it is made now. */
  readonly also?: (addresses: readonly Ip[]) => readonly Write[]
}

/** Which network of which segment. */
export type PoolsOf = Pick<Network, 'name' | 'segment'>

const of = ({ name, segment }: PoolsOf) => ({ network: name, segment })

export class Addresses {
  readonly #ipam: Ipam

  constructor(
    store: Store,
    nowMs: () => number,
    host?: IpamHost,
    rests: Pick<IpamOptions, 'cooldownSeconds' | 'memorySeconds'> = {},
  ) {
    this.#ipam = createIpam(store, { ...rests, nowMs, ...(host === undefined ? {} : { host }) })
  }

  /** Gives a network its pools. Repeatable. */
  async open(network: Network): Promise<void> {
    await definePools(this.#ipam, { ...of(network), pools: network.pools })
  }

  /** As {@link open}; what holds while the network has its pools. */
  async holdOpen(network: Network): Promise<Condition> {
    for (;;) {
      await this.open(network)
      const segment = await readSegment(this.#ipam, network.segment)
      if (segment.networks.has(network.name)) return unchanged(segment)
    }
  }

  /** Takes the pools and every lease of a network away. Repeatable. */
  async close(network: PoolsOf, force = true): Promise<void> {
    await removePools(this.#ipam, { ...of(network), force })
  }

  /** Takes pools away that were opened for a network; not those of one that there is. */
  async closeUnless(key: string, network: PoolsOf): Promise<void> {
    await removePools(this.#ipam, { ...of(network), unless: key })
  }

  /** Networks that have pools, whether or not there is a record of them. */
  async opened(): Promise<readonly PoolsOf[]> {
    const entries = await entriesUnder(this.#ipam.store, SEGMENTS)
    const segments = entries.map((entry) => segmentOfKey(entry.key))
    const found = segments.map(async (segment) => {
      const { networks } = await readSegment(this.#ipam, segment)
      return [...networks.keys()].map((name) => ({ name, segment }))
    })
    return (await Promise.all(found)).flat()
  }

  /** Durable when it returns. The same endpoint gets the same again. */
  async lease(network: Network, wish: LeaseWish): Promise<LeaseResult> {
    const { endpoint, mac, addresses: want, claimed = [], pinned = false, taken, also } = wish
    return await lease(this.#ipam, {
      ...of(network),
      endpoint,
      mac,
      check: taken,
      claimed,
      pinned,
      ...(want === undefined ? {} : { want }),
      ...(also === undefined ? {} : { also: ({ addresses }) => also(addresses) }),
    })
  }

  /**
   * Gives an endpoint's addresses back. Repeatable.
   *
   * @param with_ what else must hold, and what is written with it, in the same transaction, where
   * there is something to give back
   * @returns whether there was
   * @throws LanyardError `endpoint-changed` when it does not hold
   */
  async release(network: Network, endpoint: string, with_: ReleaseWith): Promise<boolean> {
    return await release(this.#ipam, { ...of(network), endpoint, ...with_ })
  }

  /** All addresses that are not free. What the LAN holds counts as resting. */
  async leases(segment?: string): Promise<readonly Lease[]> {
    const holdings = await listHoldings(this.#ipam, segment)
    const names = new Map<string, string>()
    for (const { host: id } of holdings)
      if (id !== undefined && !names.has(id))
        names.set(id, (await this.#ipam.host?.nameOf(id)) ?? id)
    return holdings.map(({ kind, host: id, holder, ...rest }) => {
      const host = id === undefined ? undefined : (names.get(id) ?? id)
      return {
        ...rest,
        kind: kind === 'conflict' ? ('cooldown' as const) : kind,
        holder: kind === 'spare' ? (host ?? holder) : holder,
        ...(host === undefined ? {} : { host }),
      }
    })
  }

  /** @param avoid addresses that are not wanted, whether or not they are free */
  async next(network: Network, avoid?: (ip: Ip) => boolean): Promise<readonly Ip[]> {
    return await nextFree(this.#ipam, { ...of(network), ...(avoid === undefined ? {} : { avoid }) })
  }

  /** The addresses kept for a name, then those an endpoint of that name had last. */
  async ofName(network: Network, name: string): Promise<readonly Ip[]> {
    return await addressesOfName(this.#ipam, { ...of(network), name })
  }

  /** Addresses kept for a name, as this host knows them without asking the store. */
  async keptFor({ name: network, segment }: PoolsOf, name: string): Promise<readonly Ip[]> {
    const { entries } = await this.#ipam.view.range(namePrefix(segment, network, name))
    return entries.map((entry) => ipOfHex(lastWord(entry.key)))
  }

  /** An address that may become a spare of this host's. */
  async nextSpare(
    network: PoolsOf,
    family: 4 | 6,
    avoid: (ip: Ip) => boolean,
  ): Promise<Ip | undefined> {
    return await nextSpare(this.#ipam, { ...of(network), family, avoid })
  }

  /** Holds an address as a spare of this host's, durable when it returns. Repeatable. */
  async leaseSpare(
    network: PoolsOf,
    address: Ip,
    wish: Pick<LeaseWish, 'mac' | 'taken'>,
  ): Promise<void> {
    const endpoint = spareName(this.#ipam.host?.id ?? '', address)
    const { mac, taken: check } = wish
    await lease(this.#ipam, { ...of(network), endpoint, want: [address], only: true, mac, check })
  }

  /** @param used that an endpoint has had it */
  async releaseSpare(network: PoolsOf, address: Ip, used: boolean): Promise<void> {
    await releaseSpare(this.#ipam, { ...of(network), address, used })
  }

  /** This host's, as the store says. */
  async sparesOf(network: PoolsOf): Promise<readonly Ip[]> {
    return await sparesOf(this.#ipam, of(network))
  }

  /** The host that holds a lease under an endpoint's name. */
  async hostOf({ name: network, segment }: PoolsOf, name: string): Promise<string | undefined> {
    const entry = await this.#ipam.store.get(leaseKey('end', segment, network, name))
    return entry === undefined ? undefined : (JSON.parse(entry.value) as StoredLease).host
  }

  /** The endpoint that took spares holds them under its own name from now on. */
  async renameSpares(
    network: PoolsOf,
    asked: Omit<OnSpares, 'network' | 'segment'>,
  ): ReturnType<typeof renameSpares> {
    return await renameSpares(this.#ipam, { ...of(network), ...asked })
  }

  /** Who stands in the way of whoever wants an address. */
  async holderOf(segment: string, address: Ip): ReturnType<typeof holderOf> {
    return await holderOf(this.#ipam, segment, address)
  }

  /** Who had an address that rests since. */
  async lastHolder(segment: string, address: Ip): ReturnType<typeof lastHolder> {
    return await lastHolder(this.#ipam, segment, address)
  }

  /** The name of this network's that an address is kept for. */
  async keptName(network: Network, address: Ip): Promise<string | undefined> {
    return await keptName(this.#ipam, { ...of(network), address })
  }

  /** Addresses of endpoints that went and have not come back, the last one first. */
  async gone(network: Network): Promise<readonly Ip[]> {
    return (await gone(this.#ipam, of(network))).flatMap((one) => one.addresses)
  }

  /** Leaves an address alone for a while that somebody else answers for. */
  async quarantine(
    network: Network,
    address: Ip,
    endpoint: string,
    conflict: Error,
  ): Promise<void> {
    await quarantine(this.#ipam, { ...of(network), address, endpoint, conflict })
  }

  async reserve(network: Network, address: Ip, name: string): Promise<Lease | undefined> {
    await reserve(this.#ipam, { ...of(network), address, name })
    return (await this.leases(network.segment)).find((one) => one.address === address)
  }

  async free(network: Network, address: Ip): Promise<void> {
    await unreserve(this.#ipam, { segment: network.segment, address })
  }
}

/** What address management is to know of this host. */
export function ipamHost(
  self: Self | undefined,
  mirror: Mirror | undefined,
  random: (() => number) | undefined,
): IpamHost | undefined {
  if (self === undefined) return undefined
  return {
    id: self.id,
    slot: hash32(self.id) / 2 ** 32,
    random: random ?? (() => 0.5),
    guards: () => self.guards(),
    refused: () => self.refresh(),
    nameOf: (id) => self.nameOf(id),
    ...(mirror === undefined ? {} : { mirror }),
  }
}
