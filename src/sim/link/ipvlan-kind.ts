/** Making and changing ipvlan children (drivers/net/ipvlan/ipvlan_main.c). */
import type { IpvlanFlag, IpvlanMode } from '../../fabric/plan.ts'
import type { Device, Refusal, World } from '../model.ts'
import { EOPNOTSUPP } from '../refusal.ts'

/** `ipvlan_nl_changelink` */
export function changeIpvlan(
  _world: World,
  dev: Device,
  _options: { readonly mode?: IpvlanMode; readonly flag?: IpvlanFlag },
  _undo: (() => void)[],
): Refusal | undefined {
  return dev.ops.kind === 'ipvlan' ? undefined : EOPNOTSUPP
}
