/** lo: what is sent comes back (drivers/net/loopback.c). */
import type { Frame } from '../../wire/frame.ts'
import { countSent } from '../counters.ts'
import { type Device, EV_RECEIVE, type LinkOps, type World } from '../model.ts'

export const LOOPBACK: LinkOps = Object.freeze<LinkOps>({
  kind: 'loopback',
  unicastFilter: false,
  /** `loopback_xmit`: through the backlog, so never within the call that sends. */
  transmit(world: World, dev: Device, frame: Frame): number {
    // Counted once, after eth_type_trans: without the header.
    countSent(dev, frame.length)
    world.queue.pushInOrder(world.now + world.cableDelayNs, EV_RECEIVE, dev.id, frame)
    return 0
  },
})
