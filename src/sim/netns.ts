/** Network namespaces: born with a lo, and what becomes of their devices when they go. */
import { allocateDevice, registerDevice, unregisterDevice } from './device.ts'
import { LOOPBACK } from './link/loopback.ts'
import { Netns, type World } from './model.ts'

/** A new namespace with `lo`, index 1, down (`setup_net`, `loopback_net_init`). */
export function createNetns(world: World, name: string): Netns {
  const netns = new Netns(world.netnsById.length, name)
  world.netnsById.push(netns)
  world.netns.set(name, netns)
  world.stack.netnsCreated(world, netns)
  const lo = allocateDevice(world, LOOPBACK, netns, 'lo', 0)
  lo.mtu = 65536
  lo.minMtu = 0
  lo.maxMtu = 0
  registerDevice(world, lo)
  return netns
}

/**
 * Destroys a namespace with every virtual device in it, and so what hangs on those elsewhere:
 * other ends of veths, children in other namespaces (`cleanup_net`, `default_device_exit_batch`).
 */
export function deleteNetns(world: World, netns: Netns): void {
  const lo = netns.byName.get('lo')
  for (const dev of [...netns.byIndex.values()].reverse()) {
    if (dev !== lo) unregisterDevice(world, dev)
  }
  if (lo !== undefined) unregisterDevice(world, lo)
  world.stack.netnsDeleted(world, netns)
  world.netns.delete(netns.name)
  world.netnsById[netns.id] = undefined
}
