/** veth: what goes in at one end comes out at the other (drivers/net/veth.c). */
import type { Frame } from '../../wire/frame.ts'
import { drop } from '../core.ts'
import { bodyLength, countSent, HEADER } from '../counters.ts'
import { unregisterDevice } from '../device.ts'
import { setCarrier } from '../linkwatch.ts'
import { type Device, EV_RECEIVE, type LinkOps, type World } from '../model.ts'

/** What is_skb_forwardable lets pass on top of the MTU: one VLAN tag. */
const TAG_ROOM = 4

export const VETH: LinkOps = Object.freeze<LinkOps>({
  kind: 'veth',
  unicastFilter: false,
  /** `veth_xmit` */
  transmit(world: World, dev: Device, frame: Frame): number {
    const peer = dev.peer
    if (peer === undefined || !peer.up) {
      dev.txDropped++
      drop(world, dev, frame, 'PEER_DOWN')
      return 0
    }
    const length = bodyLength(frame)
    if (length > peer.mtu + TAG_ROOM) {
      dev.txDropped++
      peer.rxDropped++
      drop(world, peer, frame, 'MTU_EXCEEDED')
      return 0
    }
    // What one end has sent is what the other received: veth_get_stats64 reads it there.
    countSent(dev, length + HEADER)
    world.queue.pushInOrder(world.now + world.cableDelayNs, EV_RECEIVE, peer.id, frame)
    return 0
  },
  /** `veth_open`: carrier is there while both ends are up. */
  open(world: World, dev: Device): undefined {
    const peer = dev.peer
    if (peer?.up !== true) return
    setCarrier(world, dev, true)
    setCarrier(world, peer, true)
  },
  /** `veth_close` */
  stop(world: World, dev: Device): void {
    setCarrier(world, dev, false)
    if (dev.peer !== undefined) setCarrier(world, dev.peer, false)
  },
  /** `veth_dellink`: one end does not live without the other. */
  uninit(world: World, dev: Device): void {
    const peer = dev.peer
    dev.peer = undefined
    if (peer !== undefined) unregisterDevice(world, peer)
  },
})
