/** Whether a free address can be had after all. */
import { formatIp } from '../addr/ip.ts'
import { formatMac, type Mac } from '../addr/mac.ts'
import { isRouted } from '../driver/network.ts'
import { LanyardError } from '../errors.ts'
import type { Taken } from './addresses.ts'
import { type Context, lanLink } from './context.ts'
import type { Network } from './types.ts'

/**
 * A namespace that ended keeps its links for a moment, and they answer. How long one request waits
 * for that, over all addresses it asks about, and how often it asks again.
 */
const LINGER_MS = 5000
const LINGER_EVERY_MS = 50

/**
 * Asks the host's own tables and, where the network wants it, the LAN. An address that answers by
 * the MAC of whoever had it last, on whatever host, is waited for: `address-lingers` when in vain.
 *
 * @param own the MAC of whoever asks: what answers with it is his link in a namespace of this host
 * that ended; the kernel itself has him wait for that
 */
export function takenOnLan(context: Context, network: Network, own?: Mac): Taken {
  const { clock } = context
  let patienceMs = LINGER_MS
  return async (ip) => {
    const link = await context.view.holderOf(ip)
    const address = formatIp(ip)
    if (link !== undefined)
      return new LanyardError('address-of-host', { address, network: network.name, link })
    if (!(await isChecked(context, network))) return undefined
    const lan = await lanLink(context, network)
    if (lan === undefined) return undefined
    for (;;) {
      const sinceNs = clock.nowNs()
      const holder = await context.lan.whoHas(lan, ip)
      if (holder === undefined) return undefined
      const last = await context.addresses.lastHolder(network.segment, ip)
      if (holder === own && (last?.host === undefined || last.host === context.self?.id))
        return undefined
      const mac = formatMac(holder)
      if (last?.mac !== holder) {
        const detail = `${address} is in use on the LAN by ${mac}`
        context.emit({ what: 'conflict', network: network.name, endpoint: undefined, detail })
        return new LanyardError('address-on-lan', { address, network: network.name, mac })
      }
      const detail = { address, network: network.name, mac, holder: last.what }
      if (patienceMs <= 0) return new LanyardError('address-lingers', detail)
      await clock.sleep(LINGER_EVERY_MS)
      patienceMs -= (clock.nowNs() - sinceNs) / 1e6
    }
  }
}

async function isChecked(context: Context, network: Network): Promise<boolean> {
  if (network.check === 'never' || isRouted(network)) return false
  const parent = await context.view.link(network.parentLink)
  if (network.check === 'always') return parent?.up === true
  // A dummy of our own has nobody on it but our endpoints.
  return parent?.carrier === true && parent.kind !== 'dummy'
}
