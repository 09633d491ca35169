/** All kinds of links the simulator can make. */
import type { LinkKind } from '../../fabric/plan.ts'
import { BRIDGE_KIND } from './bridge-device.ts'
import { IPVLAN_KIND } from './ipvlan-kind.ts'
import type { Kind } from './kind.ts'
import { MACVLAN_KIND, MACVTAP_KIND } from './macvlan-kind.ts'
import { DUMMY_KIND, TAP_KIND, TUN_KIND, VXLAN_KIND } from './sink.ts'
import { VETH_KIND } from './veth-kind.ts'
import { VLAN_KIND } from './vlan.ts'

const KINDS: { readonly [K in LinkKind]: Kind<K> } = {
  bridge: BRIDGE_KIND,
  dummy: DUMMY_KIND,
  ipvlan: IPVLAN_KIND,
  macvlan: MACVLAN_KIND,
  macvtap: MACVTAP_KIND,
  tap: TAP_KIND,
  tun: TUN_KIND,
  veth: VETH_KIND,
  vlan: VLAN_KIND,
  vxlan: VXLAN_KIND,
}

export function kindOf(kind: LinkKind): Kind {
  return KINDS[kind]
}
