/** Giving addresses back. */
import { parseIp } from '../addr/ip.ts'
import { formatMac, type Mac, parseMac } from '../addr/mac.ts'
import { LanyardError } from '../errors.ts'
import type { Condition, Entry, Write } from '../store/store.ts'
import { type Ipam, isoNow, transactSurely } from './ipam.ts'
import { addressKey, endpointKey, isSpare, macKey } from './keys.ts'

/** What an endpoint holds, as stored. */
export interface StoredLease {
  readonly addresses: readonly string[]
  readonly mac?: string
  readonly at: string
  /** Of several: the one whose lease it is. */
  readonly host?: string
  /** Asked for by number: whoever has no name does not get it after. */
  readonly pinned?: true
}

/** What keeps an address from being handed out for a while, as stored. */
export interface StoredRest {
  readonly kind: 'cooldown' | 'conflict'
  readonly network: string
  readonly endpoint: string
  readonly at: string
  readonly untilMs: number
  readonly why?: string
  /** Who bore it until then: for a moment the LAN may still hear of it. */
  readonly by?: { readonly mac?: string; readonly host?: string }
}

export interface ReleaseWith {
  /** What must hold besides, of whatever the asker goes by. */
  readonly when?: readonly Condition[]
  /** Written in the same transaction; not when nothing was given back. */
  readonly also?: readonly Write[]
  /** What the LAN knew it by, where that is not the lease's own (ipvlan). */
  readonly mac?: Mac
}

/**
 * Gives back all that an endpoint holds: the addresses rest for the cooldown, the name keeps its
 * claim on them and on its MAC. Repeatable: nothing held is a success.
 *
 * With `revision`, that of the lease, only this lease is meant: when the endpoint has gone and
 * come back since, nothing happens. One transaction: a crash leaves all held or none.
 *
 * Of several hosts each gives back only what is its own; `host` says whose is meant, when it is
 * another's.
 *
 * @returns whether anything was given back
 * @throws LanyardError `endpoint-changed` when what must hold besides does not
 */
export async function release(
  ipam: Ipam,
  request: {
    readonly segment: string
    readonly network: string
    readonly endpoint: string
    readonly revision?: number
    readonly host?: string
  } & ReleaseWith,
): Promise<boolean> {
  const { segment, network, endpoint, revision, also = [], when = [] } = request
  const key = endpointKey('end', segment, network, endpoint)
  let asked: Entry | undefined
  for (;;) {
    const held = await ipam.store.get(key)
    if (held === undefined) return asked !== undefined
    // It is not the lease that stood in the way.
    if (held.modRevision === asked?.modRevision)
      throw new LanyardError('endpoint-changed', { network, endpoint })
    if (revision !== undefined && held.createRevision !== revision) return false
    const lease = JSON.parse(held.value) as StoredLease
    if (lease.host !== (request.host ?? ipam.host?.id)) return false
    const then: Write[] = [{ delete: key }, ...also]
    if (lease.mac !== undefined) then.push({ delete: macKey(segment, parseMac(lease.mac)) })
    if (ipam.memorySeconds > 0 && !isSpare(endpoint))
      then.push({
        put: endpointKey('was', segment, network, endpoint),
        value: held.value,
        ttlSeconds: ipam.memorySeconds,
      })
    const mac = lease.mac ?? (request.mac === undefined ? undefined : formatMac(request.mac))
    const by = {
      ...(mac === undefined ? {} : { mac }),
      ...(lease.host === undefined ? {} : { host: lease.host }),
    }
    for (const text of lease.addresses) {
      const ip = parseIp(text)
      then.push({ delete: addressKey('ip', segment, ip) })
      if (ipam.cooldownSeconds > 0)
        then.push({
          put: addressKey('cool', segment, ip),
          value: JSON.stringify({
            kind: 'cooldown',
            network,
            endpoint,
            at: isoNow(ipam),
            untilMs: ipam.nowMs() + ipam.cooldownSeconds * 1000,
            by,
          } satisfies StoredRest),
          ttlSeconds: ipam.cooldownSeconds,
        })
    }
    asked = held
    // The endpoint's record changes with all that it holds: nothing of a newer owner can be meant.
    const { done } = await transactSurely(ipam, {
      when: [{ key, modRevision: held.modRevision }, ...when],
      then,
    })
    if (done) return true
  }
}
