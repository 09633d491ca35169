/** Keeping an address for a name: only an endpoint of that name gets it, and gets it always. */
import { formatIp, type Ip } from '../addr/ip.ts'
import { LanyardError } from '../errors.ts'
import { type Ipam, isoNow, transactSurely } from './ipam.ts'
import { addressKey, hexOfIp, namePrefix } from './keys.ts'
import { examine } from './pick.ts'
import { unchanged } from './pools.ts'
import { readSegment } from './segment.ts'

export interface Reservation {
  readonly segment: string
  readonly network: string
  readonly address: Ip
  /** Of the endpoint to come. */
  readonly name: string
}

/**
 * Keeps an address for endpoints of a name. Repeatable. It may be held by an endpoint of that name
 * already.
 *
 * @throws LanyardError `address-in-use`, `address-not-usable`, `pool-missing`
 */
export async function reserve(ipam: Ipam, request: Reservation): Promise<void> {
  const { network, address, name } = request
  for (;;) {
    const segment = await readSegment(ipam, request.segment)
    if (!segment.networks.has(network))
      throw new LanyardError('pool-missing', { network, segment: segment.name })
    const ipKey = addressKey('ip', segment.name, address)
    const held = await ipam.store.get(ipKey)
    const by =
      held === undefined
        ? undefined
        : (JSON.parse(held.value) as { network: string; endpoint: string })
    const rsvKey = addressKey('rsv', segment.name, address)
    const reserved = await ipam.store.get(rsvKey)
    if (by?.network !== network || by.endpoint !== name || reserved !== undefined) {
      const asker = { segment, network, endpoint: name, avoid: () => false }
      const wish = { exact: true, askLan: true }
      const found = await examine(ipam, asker, address, wish)
      const mine = by?.network === network && by.endpoint === name
      if (found instanceof LanyardError && !mine) throw found
    }
    if (reserved !== undefined) {
      const kept = JSON.parse(reserved.value) as { network: string; name: string }
      if (kept.network === network && kept.name === name) return
      throw new LanyardError('address-in-use', {
        address: formatIp(address),
        holder: `reservation "${kept.name}"`,
        network: kept.network,
      })
    }
    const { done } = await transactSurely(ipam, {
      when: [
        unchanged(segment),
        held === undefined
          ? { key: ipKey, is: 'absent' }
          : { key: ipKey, modRevision: held.modRevision },
        { key: rsvKey, is: 'absent' },
      ],
      then: [
        { put: rsvKey, value: JSON.stringify({ network, name, at: isoNow(ipam) }) },
        { put: namePrefix(segment.name, network, name) + hexOfIp(address), value: '' },
      ],
    })
    if (done) return
  }
}

/**
 * Keeps an address no longer; who holds it goes on holding it. Repeatable.
 *
 * @returns whether it was kept
 */
export async function unreserve(
  ipam: Ipam,
  request: { readonly segment: string; readonly address: Ip },
): Promise<boolean> {
  const key = addressKey('rsv', request.segment, request.address)
  for (let asked = false; ; asked = true) {
    const reserved = await ipam.store.get(key)
    if (reserved === undefined) return asked
    const { network, name } = JSON.parse(reserved.value) as { network: string; name: string }
    const { done } = await transactSurely(ipam, {
      when: [{ key, modRevision: reserved.modRevision }],
      then: [
        { delete: key },
        { delete: namePrefix(request.segment, network, name) + hexOfIp(request.address) },
      ],
    })
    if (done) return true
  }
}
