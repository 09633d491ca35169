/** All kinds of links the simulator can make. */
import type { LinkKind } from '../../fabric/plan.ts'
import type { Kind } from './kind.ts'
import { VETH_KIND } from './veth-kind.ts'

const KINDS: { readonly [K in LinkKind]?: Kind<K> } = {
  veth: VETH_KIND,
}

export function kindOf(kind: LinkKind): Kind | undefined {
  return KINDS[kind] as Kind | undefined
}
