/**
 * What `link.add` needs to know of a kind of link: `struct rtnl_link_ops` (net/core/rtnetlink.c).
 */
import type { LinkAdd, LinkKind, LinkSpec } from '../../fabric/plan.ts'
import type { Device, Netns, Refusal, World } from '../model.ts'

type MatchKind<S, K> = S extends { readonly kind: infer SK } ? (K extends SK ? S : never) : never

/** The part of {@link LinkSpec} that can name this kind. */
export type SpecOf<K extends LinkKind> = MatchKind<LinkSpec, K>

/** A request to make a link, resolved as far as the namespaces and the parent. */
export interface NewLink<K extends LinkKind = LinkKind> {
  readonly world: World
  readonly op: LinkAdd
  readonly spec: SpecOf<K>
  /** Where the link will live. */
  readonly netns: Netns
  /** IFLA_LINK, when the request had one. */
  readonly parent: Device | undefined
}

export interface Kind<K extends LinkKind = LinkKind> {
  /** MTU limits before the device knows its parent: `setup`. */
  readonly minMtu: number
  readonly maxMtu: number
  /** `validate`: attributes that cannot be right whatever is there. */
  validate?(request: Omit<NewLink<K>, 'parent'>): Refusal | undefined
  /** `newlink`: makes and registers the device, or refuses with nothing changed. */
  create(request: NewLink<K>): Device | Refusal
}

export function isRefusal(result: Device | Refusal): result is Refusal {
  return 'errno' in result
}
