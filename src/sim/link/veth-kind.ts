/** Making a pair of veths (drivers/net/veth.c `veth_newlink`). */
import {
  allocateDevice,
  checkMtu,
  findName,
  isValidMac,
  randomMac,
  registerDevice,
  unregisterDevice,
} from '../device.ts'
import { setCarrier } from '../linkwatch.ts'
import type { Device, Refusal } from '../model.ts'
import { EADDRNOTAVAIL, ENOENT } from '../refusal.ts'
import type { Kind, NewLink } from './kind.ts'
import { VETH } from './veth.ts'

export const VETH_KIND: Kind<'veth'> = {
  minMtu: 68,
  maxMtu: 65535,
  validate({ spec }): Refusal | undefined {
    const { address } = spec.peer
    return address !== undefined && !isValidMac(address) ? EADDRNOTAVAIL : undefined
  },
  create(request: NewLink<'veth'>): Device | Refusal {
    const { world, op, netns } = request
    const { peer: wanted } = request.spec
    const peerNetns = wanted.netns === undefined ? netns : world.netns.get(wanted.netns)
    if (peerNetns === undefined) return ENOENT
    const peer = allocateDevice(
      world,
      VETH,
      peerNetns,
      wanted.name,
      wanted.address ?? randomMac(world),
    )
    peer.macSet = wanted.address !== undefined
    if (wanted.mtu !== undefined) {
      const refusal = checkMtu(peer, wanted.mtu)
      if (refusal !== undefined) return refusal
      peer.mtu = wanted.mtu
    }
    // The peer comes first and has the lower index; neither stays when the other cannot be.
    const refusal = registerDevice(world, peer)
    if (refusal !== undefined) return refusal
    setCarrier(world, peer, false)
    const dev = allocateDevice(world, VETH, netns, op.name, op.address ?? randomMac(world))
    dev.macSet = op.address !== undefined
    dev.mtu = op.mtu ?? 1500
    const name = findName(netns, op.name)
    if (typeof name !== 'string') {
      unregisterDevice(world, peer)
      return name
    }
    registerDevice(world, dev)
    setCarrier(world, dev, false)
    dev.peer = peer
    peer.peer = dev
    return dev
  },
}
