/** `link.set`: kind options, then `do_setlink` of net/core/rtnetlink.c in its order. */
import type { LinkSet } from '../fabric/plan.ts'
import { moveDevice, renameDevice, setMac, setMtu } from './device.ts'
import { forkWorld } from './fork.ts'
import { changeBridge, changePort } from './link/bridge-device.ts'
import { bridgeOf, portOf } from './link/bridge-state.ts'
import { describeBridge, describeMacvlan, describePort } from './link/describe.ts'
import { ipvlanOf } from './link/ipvlan-state.ts'
import { changeIpvlan } from './link/ipvlan-kind.ts'
import { changeMacvlan, validateMacvlan } from './link/macvlan-kind.ts'
import { childOf, isMacvlan } from './link/macvlan-state.ts'
import type { Device, Refusal, World } from './model.ts'
import { changeFlags, setMaster } from './ops-link-attributes.ts'
import { ENODEV, ENOENT, EOPNOTSUPP, refuse } from './refusal.ts'

type Undo = () => void

/** The kernel leaves what it did before it refused; here the op is done whole or not at all. */
export function setLink(world: World, op: LinkSet): Refusal | undefined {
  const netns = world.netns.get(op.netns)
  if (netns === undefined) return ENOENT
  const dev = netns.byName.get(op.name)
  if (dev === undefined) return ENODEV
  if (needsTrial(dev, op)) {
    const refusal = doSteps(forkWorld(world), op)
    if (refusal !== undefined) return refusal
  }
  return doSteps(world, op)
}

/**
 * Moving to another namespace or bridge forgets what no way back could restore, so where something
 * after it might still be refused the whole is tried on a copy first.
 */
function needsTrial(dev: Device, op: LinkSet): boolean {
  const { address, mtu, newName, master, up, newNetns } = op
  const mayFailToOpen = isMacvlan(dev) || dev.ops.kind === 'vlan'
  if (newNetns !== undefined) {
    return [address, mtu, newName, master ?? undefined, up].some((one) => one !== undefined)
  }
  return master !== undefined && up === true && !dev.up && mayFailToOpen
}

/** The steps in the kernel's order; a refusal takes back what came before it. */
function doSteps(world: World, op: LinkSet): Refusal | undefined {
  const dev = world.netns.get(op.netns)?.byName.get(op.name)
  if (dev === undefined) return ENODEV
  const undo: Undo[] = []
  for (const step of STEPS) {
    const refusal = step(world, dev, op, undo)
    if (refusal === undefined) continue
    for (const back of undo.reverse()) back()
    return refusal
  }
  return undefined
}

type Step = (world: World, dev: Device, op: LinkSet, undo: Undo[]) => Refusal | undefined

const STEPS: readonly Step[] = [
  (world, dev, op, undo) => changeKind(world, dev, op, undo),
  (world, dev, op, undo) => {
    if (op.newNetns === undefined) return undefined
    const target = world.netns.get(op.newNetns)
    if (target === undefined) return ENOENT
    const { netns: from, up } = dev
    const refusal = moveDevice(world, dev, target)
    if (refusal === undefined) {
      undo.push(() => {
        moveDevice(world, dev, from)
        if (up) changeFlags(world, dev, { up })
      })
    }
    return refusal
  },
  (world, dev, op, undo) => {
    if (op.address === undefined) return undefined
    const { mac, macSet } = dev
    const refusal = setMac(world, dev, op.address)
    if (refusal === undefined) {
      undo.push(() => {
        setMac(world, dev, mac)
        dev.macSet = macSet
      })
    }
    return refusal
  },
  (world, dev, op, undo) => {
    if (op.mtu === undefined) return undefined
    // Who sits on it may follow it down.
    const before = [dev, ...allUppers(dev)].map((one) => [one, one.mtu] as const)
    const refusal = setMtu(world, dev, op.mtu)
    if (refusal === undefined) {
      undo.push(() => {
        for (const [one, mtu] of before) setMtu(world, one, mtu)
      })
    }
    return refusal
  },
  (_world, dev, op, undo) => {
    const { group, alias, txQueueLength } = dev
    undo.push(() => Object.assign(dev, { group, alias, txQueueLength }))
    if (op.group !== undefined) dev.group = op.group
    if (op.txQueueLength !== undefined) dev.txQueueLength = op.txQueueLength
    if (op.alias !== undefined) {
      if (op.alias.length > 255) return refuse('EINVAL')
      dev.alias = op.alias === '' ? undefined : op.alias
    }
    return undefined
  },
  (world, dev, op, undo) => {
    if (op.newName === undefined) return undefined
    const { name } = dev
    const refusal = renameDevice(world, dev, op.newName)
    if (refusal === undefined) undo.push(() => renameDevice(world, dev, name))
    return refusal
  },
  (world, dev, op, undo) => {
    if (op.master === undefined) return undefined
    const before = dev.master?.name ?? null
    const refusal = setMaster(world, dev, op.master)
    if (refusal === undefined) undo.push(() => setMaster(world, dev, before))
    return refusal
  },
  (world, dev, op) => changeFlags(world, dev, op),
]

/** Every device on top of one, those below first; a bridge goes by its ports all by itself. */
function allUppers(dev: Device): Device[] {
  const direct = dev.uppers.flatMap((upper) => [upper, ...allUppers(upper)])
  return dev.master === undefined ? direct : [...direct, ...allUppers(dev.master)]
}

/** `rtnl_changelink`: options of the kind (`changelink`), then of the bridge port. */
function changeKind(world: World, dev: Device, op: LinkSet, undo: Undo[]): Refusal | undefined {
  if (op.macvlan !== undefined) {
    // What is asked is looked at before whom it is asked of.
    const invalid = validateMacvlan(op.macvlan)
    if (invalid !== undefined) return invalid
    if (!isMacvlan(dev)) return EOPNOTSUPP
    const back = describeMacvlan(childOf(dev))
    const refusal = changeMacvlan(world, dev, op.macvlan)
    if (refusal !== undefined) return refusal
    undo.push(() => changeMacvlan(world, dev, back))
  }
  if (op.ipvlan !== undefined) {
    if (dev.ops.kind !== 'ipvlan') return EOPNOTSUPP
    const { mode, flag } = ipvlanOf(dev).port
    changeIpvlan(dev, op.ipvlan)
    undo.push(() => changeIpvlan(dev, { mode, flag }))
  }
  if (op.bridge !== undefined) {
    if (dev.ops.kind !== 'bridge') return EOPNOTSUPP
    const back = describeBridge(bridgeOf(dev))
    const refusal = changeBridge(world, dev, op.bridge)
    if (refusal !== undefined) return refusal
    undo.push(() => changeBridge(world, dev, back))
  }
  if (op.port === undefined) return undefined
  const { state: _state, ...back } =
    dev.rxHandler?.name === 'bridge' ? describePort(portOf(dev)) : { state: 0 }
  const refusal = changePort(world, dev, op.port)
  if (refusal === undefined) undo.push(() => changePort(world, dev, back))
  return refusal
}
