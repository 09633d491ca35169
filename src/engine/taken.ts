/** Whether a free address can be had after all. */
import { formatIp } from '../addr/ip.ts'
import { formatMac, type Mac } from '../addr/mac.ts'
import { isRouted } from '../driver/network.ts'
import { LanyardError } from '../errors.ts'
import type { Taken } from './addresses.ts'
import { type Context, lanLink } from './context.ts'
import type { Network } from './types.ts'

/**
 * Asks the host's own tables and, where the network wants it, the LAN.
 *
 * @param own the MAC of whoever asks: what answers with it is his link in a namespace that ended,
 * which the kernel keeps for a moment
 */
export function takenOnLan(context: Context, network: Network, own?: Mac): Taken {
  return async (ip) => {
    const link = await context.view.holderOf(ip)
    const address = formatIp(ip)
    if (link !== undefined)
      return new LanyardError('address-of-host', { address, network: network.name, link })
    if (!(await isChecked(context, network))) return undefined
    const lan = await lanLink(context, network)
    if (lan === undefined) return undefined
    const holder = await context.lan.whoHas(lan, ip)
    if (holder === undefined || holder === own) return undefined
    const mac = formatMac(holder)
    const detail = `${address} is in use on the LAN by ${mac}`
    context.emit({ what: 'conflict', network: network.name, endpoint: undefined, detail })
    return new LanyardError('address-on-lan', { address, network: network.name, mac })
  }
}

async function isChecked(context: Context, network: Network): Promise<boolean> {
  if (network.check === 'never' || isRouted(network)) return false
  const parent = await context.view.link(network.parentLink)
  if (network.check === 'always') return parent?.up === true
  // A dummy of our own has nobody on it but our endpoints.
  return parent?.carrier === true && parent.kind !== 'dummy'
}
