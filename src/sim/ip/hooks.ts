/**
 * Where a packet passes netfilter: each hook is called in one place of the way, in the kernel's
 * order (include/uapi/linux/netfilter.h). No rules are kept yet, so every packet passes.
 */
import type { Ip4Packet, Ip6Packet } from '../../wire/frame.ts'
import type { Device, World } from '../model.ts'
import type { NetnsIp } from './state.ts'

/** @returns false when the packet was taken and goes no further */
type Hook = (world: World, ns: NetnsIp, dev: Device, packet: Ip4Packet | Ip6Packet) => boolean

/** After the header was checked, before the route is looked up. */
export const hookPrerouting: Hook = () => true
/** For the namespace itself, before the upper layer. */
export const hookInput: Hook = () => true
/** Between two links; `dev` is the one it leaves by. */
export const hookForward: Hook = () => true
/** Made here, its route known. */
export const hookOutput: Hook = () => true
/** Last before the link. */
export const hookPostrouting: Hook = () => true
