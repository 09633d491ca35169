/** Device events to everybody concerned: `call_netdevice_notifiers` (net/core/dev.c). */
import type { Device, DeviceEvent, World } from './model.ts'

/**
 * Tells the stack, the devices on top, the other end of a veth and the bridge, in this order (the
 * kernel's: IP registers its notifier before the link drivers do).
 */
export function notify(world: World, dev: Device, event: DeviceEvent): void {
  world.layout++
  if (event !== 'promisc') world.stack.deviceEvent(world, dev, event)
  for (const upper of [...dev.uppers]) upper.ops.lowerEvent?.(world, upper, dev, event)
  const master = dev.master
  if (master !== undefined) master.ops.lowerEvent?.(world, master, dev, event)
}
