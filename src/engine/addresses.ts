/** What the engine wants of address management: one door, behind which ipam works. */
import type { Ip } from '../addr/ip.ts'
import type { Mac } from '../addr/mac.ts'
import type { Lease, Network } from './types.ts'

/** Why a free address cannot be had after all; undefined when it can. */
export type Taken = (ip: Ip) => Promise<Error | undefined>

export interface LeaseWish {
  readonly endpoint: string
  readonly mac: Mac | undefined
  /** Exactly these; default one of each family the network has. */
  readonly addresses: readonly Ip[] | undefined
  /** Asks the LAN about a candidate; its error is thrown for an exact wish. */
  readonly taken: Taken
}

export interface Addresses {
  /** Checks the pools and keeps gateway and excluded addresses out. Repeatable. */
  open(network: Network): Promise<void>
  /** Forgets the pools and every lease of a network. Repeatable. */
  close(network: Network): Promise<void>
  /** Durable when it returns. The same endpoint gets the same again. */
  lease(network: Network, wish: LeaseWish): Promise<readonly Ip[]>
  /** Gives an endpoint's addresses back. Repeatable. */
  release(network: Network, endpoint: string): Promise<void>
  leases(segment?: string): Promise<readonly Lease[]>
  next(network: Network): Promise<readonly Ip[]>
  reserve(network: Network, address: Ip, name: string): Promise<Lease>
  free(network: Network, address: Ip): Promise<void>
}
