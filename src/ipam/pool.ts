/** What a pool and a segment are. */
import type { Ip, Prefix } from '../addr/ip.ts'
import type { Range } from '../addr/range.ts'
import type { Entry } from '../store/store.ts'

/** One subnet of a network, as the engine speaks of it. */
export interface Pool {
  readonly subnet: Prefix
  /** Addresses handed out by themselves; default: all of the subnet that may be. */
  readonly range?: Range
  readonly gateway?: Ip
  /** Never handed out. */
  readonly exclude: readonly { readonly name: string; readonly address: Ip }[]
}

/** The pools of all networks of a segment, as read at one revision. */
export interface Segment {
  readonly name: string
  /** undefined: there is no record yet. */
  readonly entry: Entry | undefined
  readonly networks: ReadonlyMap<string, readonly Pool[]>
  /** Why an address is kept out. */
  readonly kept: ReadonlyMap<Ip, string>
}
