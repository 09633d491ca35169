/**
 * What the engine keeps in the store, as JSON that a person can read: addresses and MACs are text.
 *
 * `engine/id`                    who this installation is; MACs are derived from it
 * `network/NAME`                 a network
 * `endpoint/NETWORK/NAME`        an endpoint; there before its link is, until after it was removed
 *
 * Where several hosts share a store (HOST is a host's id):
 *
 * `parent/HOST/NETWORK`          which link of that host a network hangs on, and labels of its own
 * `here/HOST/NETWORK/NAME`       the same as `endpoint/NETWORK/NAME`, to find a host's own by
 */
import { formatIp, type Ip, parseIp } from '../addr/ip.ts'
import { formatMac, type Mac, parseMac } from '../addr/mac.ts'
import { formatPrefix, parsePrefix } from '../addr/prefix.ts'
import { LanyardError } from '../errors.ts'
import type { Condition, Entry, Store, Write } from '../store/store.ts'
import type { Endpoint, Network, NetworkSpec, PoolSpec } from './types.ts'

export const ID_KEY = 'engine/id'
export const NETWORKS = 'network/'
export const ENDPOINTS = 'endpoint/'

/** Of several hosts, the one records are looked at from; undefined where there is but one. */
export type HostId = string | undefined

/** A network with what only the engine wants to know. */
export interface NetworkRecord extends Network {
  /** By which a renamed parent is found again. */
  readonly parentMac: Mac | undefined
  /** `removing` from the decision on until all of it is gone. */
  readonly phase: 'ready' | 'removing'
  /** Not stored: `false` when this host has no parent for it yet. */
  readonly joined: boolean
}

/** An endpoint with what only the engine wants to know. */
export interface EndpointRecord extends Endpoint {
  /**
   * `leaving` from the decision on until its link and lease are gone; `apart` while it has
   * addresses and no sandbox.
   */
  readonly phase: 'here' | 'leaving' | 'apart'
  /** Its link's name in the host's namespace, when a runtime moves it from there and back. */
  readonly handed?: string
  /** Not stored: that it is still what was read, or last written; none before it is stored. */
  readonly unchanged?: Condition
}

export const networkKey = (name: string): string => `${NETWORKS}${name}`
export const endpointKey = (network: string, name: string): string =>
  `${ENDPOINTS}${network}/${name}`

const PARENTS = 'parent/'
export const parentKey = (host: string, network: string): string => `${PARENTS}${host}/${network}`
export const hereKey = (host: string, network: string, name: string): string =>
  `here/${host}/${network}/${name}`

type Json = Readonly<Record<string, unknown>>

function poolJson(pool: PoolSpec): Json {
  const { range } = pool
  return {
    subnet: formatPrefix(pool.subnet),
    range: range && { first: formatIp(range.first), last: formatIp(range.last) },
    gateway: pool.gateway === undefined ? undefined : formatIp(pool.gateway),
    exclude: pool.exclude.map(({ name, address }) => ({ name, address: formatIp(address) })),
  }
}

interface PoolText {
  readonly subnet: string
  readonly range?: { readonly first: string; readonly last: string }
  readonly gateway?: string
  readonly exclude: readonly { readonly name: string; readonly address: string }[]
}

function poolOf(text: PoolText): PoolSpec {
  const { range, gateway } = text
  return {
    subnet: parsePrefix(text.subnet),
    ...(range === undefined
      ? {}
      : { range: { first: parseIp(range.first), last: parseIp(range.last) } }),
    ...(gateway === undefined ? {} : { gateway: parseIp(gateway) }),
    exclude: text.exclude.map(({ name, address }) => ({ name, address: parseIp(address) })),
  }
}

/** Which link of a host a network hangs on, as stored. */
interface ParentText {
  readonly parent?: string
  readonly vlan?: number
  readonly parentLink: string
  readonly parentOwned: boolean
  readonly parentMac?: string
  readonly ownLabels?: Readonly<Record<string, string>>
}

/** The network on this host: parent and own labels, where the rest belongs to all hosts. */
export function putParent(network: NetworkRecord, host: HostId): Write {
  if (host === undefined) return putNetwork(network)
  const { parent, vlan, parentLink, parentOwned, parentMac, ownLabels } = network
  const text: ParentText = {
    ...(parent === undefined ? {} : { parent }),
    ...(vlan === undefined ? {} : { vlan }),
    parentLink,
    parentOwned,
    ...(parentMac === undefined ? {} : { parentMac: formatMac(parentMac) }),
    ...(ownLabels === undefined ? {} : { ownLabels }),
  }
  return { put: parentKey(host, network.name), value: JSON.stringify(text) }
}

function withParent(of: NetworkRecord, entry: Entry | undefined): NetworkRecord {
  const { ownLabels: _ofItsMaker, ...network } = of
  if (entry === undefined) return { ...network, joined: false }
  return read(entry, (json) => {
    const { parent, vlan, parentMac, parentLink, parentOwned, ownLabels } = json as ParentText
    return {
      ...network,
      ...(ownLabels === undefined ? {} : { ownLabels }),
      parent,
      ...(vlan === undefined ? {} : { vlan }),
      parentLink,
      parentOwned,
      parentMac: parentMac === undefined ? undefined : parseMac(parentMac),
      joined: true,
    }
  })
}

export function putNetwork(network: NetworkRecord): Write {
  const { pools, sources, parentMac, joined: _joined, ...rest } = network
  const json: Json = {
    ...rest,
    sources: sources?.map(formatMac),
    parentMac: parentMac === undefined ? undefined : formatMac(parentMac),
    pools: pools.map(poolJson),
  }
  return { put: networkKey(network.name), value: JSON.stringify(json) }
}

function readNetwork(entry: Entry): NetworkRecord {
  return read(entry, (json) => {
    const text = json as Omit<NetworkRecord, 'pools' | 'sources' | 'parentMac' | 'joined'> & {
      readonly pools: readonly PoolText[]
      readonly sources?: readonly string[]
      readonly parentMac?: string
    }
    const { pools, sources, parentMac, ...rest } = text
    return {
      ...rest,
      parent: rest.parent,
      ...(sources === undefined ? {} : { sources: sources.map(parseMac) }),
      parentMac: parentMac === undefined ? undefined : parseMac(parentMac),
      pools: pools.map(poolOf),
      joined: true,
    }
  })
}

export function putEndpoint(endpoint: EndpointRecord): { put: string; value: string }[] {
  const { unchanged: _unchanged, ...rest } = endpoint
  const json: Json = {
    ...rest,
    mac: formatMac(endpoint.mac),
    addresses: endpoint.addresses.map(formatPrefix),
    gateways: endpoint.gateways.map(formatIp),
  }
  const { network, name, hostId } = endpoint
  const value = JSON.stringify(json)
  const own = hostId === undefined ? [] : [{ put: hereKey(hostId, network, name), value }]
  return [{ put: endpointKey(network, name), value }, ...own]
}

/**
 * Writes a record over the one it was made from, over none where it was made from none. A request
 * that somebody asked for who gave up or died may be done late: it must not be written over what
 * has come since, which may be another host's.
 *
 * A crash leaves the old record or the new one.
 *
 * @returns the record as it is stored now
 * @throws LanyardError `endpoint-changed` when what is stored is another by now
 */
export async function saveEndpoint(
  store: Store,
  endpoint: EndpointRecord,
): Promise<EndpointRecord> {
  const { network, name, unchanged } = endpoint
  const key = endpointKey(network, name)
  const then = putEndpoint(endpoint)
  const when = [unchanged ?? ({ key, is: 'absent' } as const)]
  const { done, revision, found } = await store.transact({ when, then, otherwise: [key] })
  const [known] = found
  // Asked twice because an answer was lost, it is our own hand.
  const mine = known !== undefined && known.value === then[0]?.value
  const modRevision = done ? revision : mine ? known.modRevision : undefined
  if (modRevision !== undefined) return { ...endpoint, unchanged: { key, modRevision } }
  throw new LanyardError('endpoint-changed', { network, endpoint: name })
}

export const isChanged = (error: unknown): boolean =>
  error instanceof LanyardError && error.code === 'endpoint-changed'

/** The record goes together with the lease that makes it ours. */
export function endpointGone({ network, name, hostId }: EndpointRecord): Write[] {
  const own = hostId === undefined ? [] : [{ delete: hereKey(hostId, network, name) }]
  return [{ delete: endpointKey(network, name) }, ...own]
}

/** The record goes, unless it is another host's by now. */
export async function eraseEndpoint(store: Store, endpoint: EndpointRecord): Promise<void> {
  const { network, name, hostId } = endpoint
  const key = endpointKey(network, name)
  if (hostId === undefined) {
    await write(store, { delete: key })
    return
  }
  const own: Write = { delete: hereKey(hostId, network, name) }
  for (;;) {
    const entry = await store.get(key)
    const mine = entry !== undefined && readEndpoint(entry).hostId === hostId
    const when: Condition[] =
      entry === undefined ? [{ key, is: 'absent' }] : [{ key, modRevision: entry.modRevision }]
    const { done } = await store.transact({ when, then: mine ? [{ delete: key }, own] : [own] })
    if (done) return
  }
}

function readEndpoint(entry: Entry): EndpointRecord {
  return read(entry, (json) => {
    const text = json as Omit<EndpointRecord, 'mac' | 'addresses' | 'gateways'> & {
      readonly mac: string
      readonly addresses: readonly string[]
      readonly gateways: readonly string[]
    }
    return {
      ...text,
      mac: parseMac(text.mac),
      addresses: text.addresses.map(parsePrefix),
      gateways: text.gateways.map((ip): Ip => parseIp(ip)),
      unchanged: { key: entry.key, modRevision: entry.modRevision },
    }
  })
}

/** A record that cannot be read is an error that names it; nothing is written over it. */
function read<T>(entry: Entry, fn: (json: unknown) => T): T {
  try {
    return fn(JSON.parse(entry.value))
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new LanyardError('record-broken', { key: entry.key, why }, { cause: error })
  }
}

/** Nothing is called what no store can keep. */
const canBeKey = (name: string): boolean => /^[!-~]{1,256}$/.test(name)

export async function findNetwork(
  store: Store,
  name: string,
  host: HostId,
): Promise<NetworkRecord | undefined> {
  if (!canBeKey(name)) return undefined
  const [entry, parent] = await Promise.all([
    store.get(networkKey(name)),
    host === undefined ? undefined : store.get(parentKey(host, name)),
  ])
  if (entry === undefined) return undefined
  const network = readNetwork(entry)
  return host === undefined ? network : withParent(network, parent)
}

/** All networks; those this host has a parent for are `joined`. */
export async function listNetworks(store: Store, host: HostId): Promise<readonly NetworkRecord[]> {
  const [entries, parents] = await Promise.all([
    listEntries(store, NETWORKS),
    host === undefined ? [] : listEntries(store, parentKey(host, '')),
  ])
  const networks = entries.map(readNetwork)
  if (host === undefined) return networks
  const byKey = new Map(parents.map((entry) => [entry.key, entry]))
  return networks.map((one) => withParent(one, byKey.get(parentKey(host, one.name))))
}

/** What to say to whoever names a network that is not there. */
export async function missingNetwork(store: Store, network: string): Promise<LanyardError> {
  const known = (await listNetworks(store, undefined)).map((one) => one.name)
  return new LanyardError('network-missing', { network, known })
}

/** Networks this host has a parent for. */
export async function joinedNetworks(
  store: Store,
  host: HostId,
): Promise<readonly NetworkRecord[]> {
  return (await listNetworks(store, host)).filter((one) => one.joined)
}

/** Other hosts that have a parent for a network, with the labels it has there. */
export async function othersOn(
  store: Store,
  host: string,
  network: string,
): Promise<readonly { readonly id: string; readonly ownLabels: NetworkSpec['ownLabels'] }[]> {
  return (await listEntries(store, PARENTS)).flatMap((entry) => {
    const [id = '', name = ''] = entry.key.slice(PARENTS.length).split('/')
    if (name !== network || id === host) return []
    return read(entry, (json) => [{ id, ownLabels: (json as ParentText).ownLabels }])
  })
}

/** Names of networks this host has a parent for, whether or not they still are. */
export async function parentsOf(store: Store, host: string): Promise<readonly string[]> {
  const prefix = parentKey(host, '')
  return (await listEntries(store, prefix)).map((entry) => entry.key.slice(prefix.length))
}

export async function findEndpoint(
  store: Store,
  network: string,
  name: string,
): Promise<EndpointRecord | undefined> {
  if (!canBeKey(network) || !canBeKey(name)) return undefined
  const entry = await store.get(endpointKey(network, name))
  return entry === undefined ? undefined : readEndpoint(entry)
}

/** All endpoints; with a host, its own only. */
export async function listEndpoints(
  store: Store,
  host: HostId,
  network?: string,
): Promise<readonly EndpointRecord[]> {
  const all = host === undefined ? ENDPOINTS : `here/${host}/`
  const prefix = network === undefined ? all : `${all}${network}/`
  return (await listEntries(store, prefix)).map(readEndpoint)
}

async function listEntries(store: Store, prefix: string): Promise<Entry[]> {
  const entries: Entry[] = []
  let from: string | undefined
  do {
    const page = await store.range(prefix, from === undefined ? {} : { from })
    entries.push(...page.entries)
    from = page.next
  } while (from !== undefined)
  return entries
}

/** Writes whatever was there before; this process holds the lock of what it writes. */
export async function write(store: Store, ...writes: readonly Write[]): Promise<void> {
  await store.transact({ when: [], then: writes })
}
