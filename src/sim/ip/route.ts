/** A route as the tables of fib.ts keep it. */
import type { Ip, Ip4 } from '../../addr/ip.ts'
import type { RouteSnapshot } from '../../fabric/snapshot.ts'
import type { Device } from '../model.ts'

export type RouteKind = RouteSnapshot['type']

/** A route (struct fib_info with its alias, struct fib6_info). */
export interface Route {
  readonly to: Ip
  readonly length: number
  readonly kind: RouteKind
  readonly via: Ip | undefined
  readonly dev: Device | undefined
  readonly source: Ip | undefined
  readonly metric: number
  readonly table: number
  readonly scope: number
  readonly protocol: string
  readonly onlink: boolean
  /** 0: that of the link. */
  readonly mtu: number
  /** Virtual time, 0 = never. */
  expires: number
  /** What redirects and path MTU discovery taught, by destination (struct fib_nh_exception). */
  exceptions: Map<Ip, RouteException> | undefined
}

export interface RouteException {
  gateway: Ip | undefined
  /** 0: not limited. */
  mtu: number
  expires: number
}

/** Where a packet made here goes. */
export interface Output4 {
  readonly route: Route | undefined
  /** The link it leaves by; lo for what stays here. */
  readonly dev: Device
  readonly source: Ip4
  readonly kind: 'unicast' | 'local' | 'broadcast' | 'multicast'
}
