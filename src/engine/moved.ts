/**
 * Records that move between a store of one host alone and one that hosts share. There each
 * endpoint, lease and parent says whose it is; alone there is nobody to tell apart.
 */
import { LanyardError } from '../errors.ts'
import { isSpare, nameOfKey } from '../ipam/keys.ts'
import { ENDPOINTS, hereKey, NETWORKS, parentKey } from './records.ts'
import { HOSTS } from './self.ts'

/** Key and value. */
export type Pair = readonly [key: string, value: string]

type Json = Record<string, unknown>

/** Who holds an address, and what an endpoint holds. */
const HOLDERS = ['ipam/ip/', 'ipam/end/', 'ipam/mac/']
/** Of a network, what each host has its own of. */
const PARENT_FIELDS = [...['parent', 'vlan', 'parentLink', 'parentOwned', 'parentMac'], 'ownLabels']
const OF_HOSTS = /^(host|host-epoch|host-forgotten|host-mark|here|parent)\//

const isHolder = (key: string): boolean => HOLDERS.some((prefix) => key.startsWith(prefix))

/** What was one host's own becomes that host's in a shared store. */
export function ownedBy(host: string, pairs: readonly Pair[]): readonly Pair[] {
  return pairs.flatMap(([key, value]): Pair[] => {
    if (isHolder(key)) return [[key, JSON.stringify({ ...read(value), host })]]
    if (key.startsWith(ENDPOINTS)) {
      const text = JSON.stringify({ ...read(value), hostId: host })
      const [network = '', name = ''] = key.slice(ENDPOINTS.length).split('/')
      return [
        [key, text],
        [hereKey(host, network, name), text],
      ]
    }
    if (!key.startsWith(NETWORKS)) return [[key, value]]
    const all = Object.entries(read(value)).filter(([field]) => PARENT_FIELDS.includes(field))
    const parent = JSON.stringify(Object.fromEntries(all))
    return [
      [key, value],
      [parentKey(host, key.slice(NETWORKS.length)), parent],
    ]
  })
}

/**
 * What hosts shared becomes one host's own, when there is no other.
 *
 * @throws LanyardError `store-shared`
 */
export function ownedByNobody(pairs: readonly Pair[]): readonly Pair[] {
  const hosts = pairs.filter(([key]) => key.startsWith(HOSTS)).map(([key]) => key)
  if (hosts.length > 1) throw new LanyardError('store-shared', { hosts: hosts.length })
  const host = hosts[0]?.slice(HOSTS.length) ?? ''
  const byKey = new Map(pairs)
  return pairs.flatMap(([key, value]): Pair[] => {
    // A host alone has no spares.
    if (OF_HOSTS.test(key) || isOfSpare(key, value)) return []
    if (key.startsWith(NETWORKS)) {
      const parent = byKey.get(parentKey(host, key.slice(NETWORKS.length)))
      return [[key, JSON.stringify({ ...read(value), ...(parent && read(parent)) })]]
    }
    if (!isHolder(key) && !key.startsWith(ENDPOINTS)) return [[key, value]]
    const { hostId: _hostId, host: _host, ...rest } = read(value)
    return [[key, JSON.stringify(rest)]]
  })
}

function isOfSpare(key: string, value: string): boolean {
  if (key.startsWith('ipam/end/')) return isSpare(nameOfKey(key))
  return isHolder(key) && isSpare(String(read(value)['endpoint']))
}

const read = (text: string): Json => JSON.parse(text) as Json
