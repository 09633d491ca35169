/** `link.add`: `rtnl_newlink` of net/core/rtnetlink.c, in its order of checks. */
import type { LinkAdd } from '../fabric/plan.ts'
import { checkMtu, isValidMac, isValidName, unregisterDevice } from './device.ts'
import { isRefusal } from './link/kind.ts'
import { kindOf } from './link/kinds.ts'
import type { Device, Refusal, World } from './model.ts'
import { changeFlags, setMaster } from './ops-link-attributes.ts'
import { EADDRNOTAVAIL, EEXIST, ENODEV, ENOENT, refuse } from './refusal.ts'

export function addLink(world: World, op: LinkAdd): Refusal | undefined {
  const netns = world.netns.get(op.netns)
  const requestNetns = world.netns.get(op.parentNetns ?? op.netns)
  if (netns === undefined || requestNetns === undefined) return ENOENT
  const { spec } = op
  // Names become indexes before the request is made.
  const parentName = 'parent' in spec ? spec.parent : undefined
  const parent = parentName === undefined ? undefined : requestNetns.byName.get(parentName)
  if (parentName !== undefined && parent === undefined) return ENODEV
  if (op.name.length > 15) return refuse('ERANGE', 'Attribute failed policy validation')
  const kind = world.traits.missingKinds.includes(spec.kind) ? undefined : kindOf(spec.kind)
  const request = { world, op, spec, netns }
  if (kind !== undefined) {
    if (op.address !== undefined && spec.kind !== 'ipvlan' && !isValidMac(op.address)) {
      return spec.kind === 'vlan'
        ? refuse('EADDRNOTAVAIL', '8021q: Invalid link address')
        : EADDRNOTAVAIL
    }
    const refusal = kind.validate?.(request)
    if (refusal !== undefined) return refusal
  }
  // Older kernels look where the request is made, too; whoever asks them then takes another name
  // and changes it.
  if (netns.byName.has(op.name)) return EEXIST
  if (kind === undefined) return refuse('EOPNOTSUPP', 'Unknown device type')
  if (op.mtu !== undefined) {
    const refusal = checkMtu(kind, op.mtu)
    if (refusal !== undefined) return refusal
  }
  if (!isValidName(op.name)) return refuse('EINVAL')
  const made = kind.create({ ...request, parent })
  if (isRefusal(made)) return made
  return configure(world, made, op)
}

/** `rtnl_configure_link` and the master; a link that cannot be as asked is not made at all. */
function configure(world: World, dev: Device, op: LinkAdd): Refusal | undefined {
  if (op.txQueueLength !== undefined) dev.txQueueLength = op.txQueueLength
  if (op.group !== undefined) dev.group = op.group
  dev.alias = op.alias
  let refusal = changeFlags(world, dev, op)
  if (refusal === undefined && op.master != null) refusal = setMaster(world, dev, op.master)
  if (refusal !== undefined) unregisterDevice(world, dev)
  return refusal
}
