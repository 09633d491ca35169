/** One address, one ipvlan child of a parent (drivers/net/ipvlan ipvlan_addr_busy). */
import type { Ip } from '../../addr/ip.ts'
import type { Device, Refusal } from '../model.ts'
import { deviceIp } from './state.ts'

const BUSY: Refusal = Object.freeze({
  errno: 'EADDRINUSE',
  extack: 'Address already assigned to an ipvlan device',
})

/** Whether a link holds an address. */
export function holdsAddress(dev: Device, address: Ip): boolean {
  const ip = deviceIp(dev)
  if (ip === undefined) return false
  return typeof address === 'number'
    ? ip.addresses4.some((a) => a.ip === address)
    : ip.addresses6.some((a) => a.ip === address)
}

/** The validator ipvlan hangs into the adding of addresses (`ipvlan_addr4_validator_event`). */
export function ipvlanConflict(dev: Device, address: Ip): Refusal | undefined {
  if (dev.ops.kind !== 'ipvlan' || dev.lower === undefined) return undefined
  for (const child of dev.lower.uppers) {
    if (child.ops.kind === 'ipvlan' && holdsAddress(child, address)) return BUSY
  }
  return undefined
}
