/** veth: what goes in at one end comes out at the other (drivers/net/veth.c). */
import type { Frame } from '../../wire/frame.ts'
import { drop } from '../core.ts'
import { type Device, EV_RECEIVE, type LinkOps, type World } from '../model.ts'

export const VETH: LinkOps = Object.freeze<LinkOps>({
  kind: 'veth',
  transmit(world: World, dev: Device, frame: Frame): number {
    const peer = dev.peer
    if (peer === undefined || !peer.up) {
      drop(world, dev, frame, 'PEER_DOWN')
      return 0
    }
    // is_skb_forwardable: 4 bytes for a tag on top of the MTU
    if (frame.length + frame.tags.length * 4 > peer.mtu + 4) {
      drop(world, peer, frame, 'MTU_EXCEEDED')
      return 0
    }
    world.queue.pushInOrder(world.now + world.cableDelayNs, EV_RECEIVE, peer.id, frame)
    return 0
  },
  carrier: (_world, dev) => dev.up && dev.peer !== undefined && dev.peer.up,
})
