/** `bridge-vlan.*`: VLAN membership of bridge ports (net/bridge/br_netlink.c `br_setlink`). */
import type { BridgeVlanChange } from '../fabric/plan.ts'
import { portOf } from './link/bridge-state.ts'
import { addVlan, deleteVlan } from './link/bridge-vlan.ts'
import type { Refusal, World } from './model.ts'
import { ENODEV, ENOENT, EOPNOTSUPP, refuse } from './refusal.ts'

export function changeBridgeVlan(world: World, op: BridgeVlanChange): Refusal | undefined {
  const netns = world.netns.get(op.netns)
  if (netns === undefined) return ENOENT
  const dev = netns.byName.get(op.link)
  if (dev === undefined) return ENODEV
  const self = op.self === true
  if (self ? dev.ops.kind !== 'bridge' : dev.rxHandler?.name !== 'bridge') return EOPNOTSUPP
  if (!world.traits.bridgeVlanFiltering) return EOPNOTSUPP
  const last = op.to ?? op.from
  for (const vid of [op.from, last]) {
    if (vid <= 0 || vid >= 4095) return refuse('EINVAL', 'bridge: Vlan id is invalid')
  }
  if (op.to !== undefined) {
    if (op.pvid === true) return refuse('EINVAL', "bridge: Pvid isn't allowed in a range")
    if (last <= op.from) {
      const vlan = world.traits.version === '6.1' ? 'vlan' : 'VLAN'
      return refuse('EINVAL', `bridge: End ${vlan} id is less than or equal to start ${vlan} id`)
    }
  }
  const port = self ? undefined : portOf(dev)
  const bridge = port?.bridge ?? dev
  const flags = { pvid: op.pvid === true, untagged: op.untagged === true }
  for (let vid = op.from; vid <= last; vid++) {
    if (op.do === 'bridge-vlan.add') addVlan(world, bridge, port, vid, flags)
    else deleteVlan(bridge, port, vid)
  }
  return undefined
}
