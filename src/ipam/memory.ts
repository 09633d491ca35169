/** What is remembered of addresses that nobody holds now. */
import { type Ip, parseIp } from '../addr/ip.ts'
import { type Mac, parseMac } from '../addr/mac.ts'
import { LanyardError } from '../errors.ts'
import { entriesUnder, type Holder, holderText, type Ipam, isoNow, transactSurely } from './ipam.ts'
import {
  addressKey,
  endpointKey,
  ipOfHex,
  lastWord,
  nameOfKey,
  namePrefix,
  ofNetwork,
} from './keys.ts'
import type { Entry } from '../store/store.ts'
import type { StoredLease, StoredRest } from './release.ts'

export interface Remembered {
  readonly endpoint: string
  readonly addresses: readonly Ip[]
}

const addressesOf = (value: string): Ip[] =>
  (JSON.parse(value) as StoredLease).addresses.map(parseIp)

/** The addresses kept for a name, then those an endpoint of that name had last. */
export async function addressesOfName(
  ipam: Ipam,
  request: { readonly segment: string; readonly network: string; readonly name: string },
): Promise<readonly Ip[]> {
  const { segment, network, name } = request
  const kept = await ipam.store.range(namePrefix(segment, network, name))
  const was = await ipam.store.get(endpointKey('was', segment, network, name))
  const before = was === undefined ? [] : addressesOf(was.value)
  return [...kept.entries.map((entry) => ipOfHex(lastWord(entry.key))), ...before]
}

/** Who holds an address, or for which name it is kept. */
export async function holderOf(
  ipam: Ipam,
  segment: string,
  address: Ip,
): Promise<
  | { readonly what: string; readonly network: string; readonly by: 'endpoint' | 'reservation' }
  | undefined
> {
  const held = await ipam.store.get(addressKey('ip', segment, address))
  if (held !== undefined) {
    const by = JSON.parse(held.value) as Holder
    return { what: await holderText(ipam, by), network: by.network, by: 'endpoint' }
  }
  const kept = await ipam.store.get(addressKey('rsv', segment, address))
  if (kept === undefined) return undefined
  const { name, network } = JSON.parse(kept.value) as { name: string; network: string }
  return { what: `reservation "${name}"`, network, by: 'reservation' }
}

/** The name an address is kept for. */
export async function keptName(
  ipam: Ipam,
  request: { readonly segment: string; readonly network: string; readonly address: Ip },
): Promise<string | undefined> {
  const entry = await ipam.store.get(addressKey('rsv', request.segment, request.address))
  if (entry === undefined) return undefined
  const kept = JSON.parse(entry.value) as { readonly network: string; readonly name: string }
  return kept.network === request.network ? kept.name : undefined
}

/**
 * Endpoints of a network that went and have not come back, the last one first; those whose address
 * was asked for by number will ask for it again.
 */
export async function gone(
  ipam: Ipam,
  request: { readonly segment: string; readonly network: string },
): Promise<readonly Remembered[]> {
  const { segment, network } = request
  const entries = await entriesUnder(ipam.store, ofNetwork('was', segment, network))
  return entries
    .toSorted((a, b) => b.modRevision - a.modRevision)
    .filter(({ value }) => (JSON.parse(value) as StoredLease).pinned !== true)
    .map(({ key, value }) => ({ endpoint: nameOfKey(key), addresses: addressesOf(value) }))
}

/** Who had an address that rests since; nobody of an address that somebody else answered for. */
export async function lastHolder(
  ipam: Ipam,
  segment: string,
  address: Ip,
): Promise<LastHolder | undefined> {
  const rest = restOf(await ipam.store.get(addressKey('cool', segment, address)))
  if (rest?.kind !== 'cooldown') return undefined
  const { network, endpoint, by: { mac, host } = {} } = rest
  return {
    what: await holderText(ipam, { network, endpoint, ...(host === undefined ? {} : { host }) }),
    mac: mac === undefined ? undefined : parseMac(mac),
    host,
  }
}

const restOf = (entry: Entry | undefined): StoredRest | undefined =>
  entry === undefined ? undefined : (JSON.parse(entry.value) as StoredRest)

export interface LastHolder {
  readonly what: string
  readonly mac: Mac | undefined
  readonly host: string | undefined
}

/**
 * Leaves an address alone for a while that somebody else answers for. Whoever had it last, and is
 * not quite gone yet, is nobody else: the address rests already.
 */
export async function quarantine(
  ipam: Ipam,
  request: {
    readonly segment: string
    readonly network: string
    readonly endpoint: string
    readonly address: Ip
    readonly conflict: Error
  },
): Promise<void> {
  const { segment, network, endpoint, address, conflict } = request
  const key = addressKey('cool', segment, address)
  const resting = await ipam.store.get(key)
  const mac = restOf(resting)?.by?.mac
  if (mac !== undefined && mac === answeredBy(conflict).mac) return
  const rest: StoredRest = {
    kind: 'conflict',
    network,
    endpoint,
    at: isoNow(ipam),
    untilMs: ipam.nowMs() + ipam.quarantineSeconds * 1000,
    why: holderIn(conflict),
  }
  await transactSurely(ipam, {
    // Who gives it back meanwhile is nobody else, either.
    when: [
      { key: addressKey('ip', segment, address), is: 'absent' },
      resting === undefined ? { key, is: 'absent' } : { key, modRevision: resting.modRevision },
    ],
    then: [{ put: key, value: JSON.stringify(rest), ttlSeconds: ipam.quarantineSeconds }],
  })
}

interface Answered {
  readonly mac?: string
  readonly link?: string
}

const answeredBy = (conflict: Error): Answered =>
  conflict instanceof LanyardError ? (conflict.detail as Answered) : {}

/** Who has an address, as lists name a holder. */
function holderIn(conflict: Error): string {
  const { mac, link } = answeredBy(conflict)
  if (mac !== undefined) return `${mac} on the LAN`
  return link === undefined ? conflict.message : `link ${link} of the host`
}
