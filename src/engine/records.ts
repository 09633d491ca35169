/**
 * What the engine keeps in the store, as JSON that a person can read: addresses and MACs are text.
 *
 * `engine/id`                    who this installation is; MACs are derived from it
 * `network/NAME`                 a network
 * `endpoint/NETWORK/NAME`        an endpoint; there before its link is, until after it was removed
 */
import { formatIp, type Ip, parseIp } from '../addr/ip.ts'
import { formatMac, type Mac, parseMac } from '../addr/mac.ts'
import { formatPrefix, parsePrefix } from '../addr/prefix.ts'
import { LanyardError } from '../errors.ts'
import type { Entry, Store, Write } from '../store/store.ts'
import type { Endpoint, Network, PoolSpec } from './types.ts'

export const ID_KEY = 'engine/id'
export const NETWORKS = 'network/'
export const ENDPOINTS = 'endpoint/'

/** A network with what only the engine wants to know. */
export interface NetworkRecord extends Network {
  /** By which a renamed parent is found again. */
  readonly parentMac: Mac | undefined
  /** `removing` from the decision on until all of it is gone. */
  readonly phase: 'ready' | 'removing'
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
}

export const networkKey = (name: string): string => `${NETWORKS}${name}`
export const endpointKey = (network: string, name: string): string =>
  `${ENDPOINTS}${network}/${name}`

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

export function putNetwork(network: NetworkRecord): Write {
  const { pools, sources, parentMac, ...rest } = network
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
    const text = json as Omit<NetworkRecord, 'pools' | 'sources' | 'parentMac'> & {
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
    }
  })
}

export function putEndpoint(endpoint: EndpointRecord): Write {
  const json: Json = {
    ...endpoint,
    mac: formatMac(endpoint.mac),
    addresses: endpoint.addresses.map(formatPrefix),
    gateways: endpoint.gateways.map(formatIp),
  }
  return { put: endpointKey(endpoint.network, endpoint.name), value: JSON.stringify(json) }
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

export async function findNetwork(store: Store, name: string): Promise<NetworkRecord | undefined> {
  const entry = await store.get(networkKey(name))
  return entry === undefined ? undefined : readNetwork(entry)
}

export async function listNetworks(store: Store): Promise<readonly NetworkRecord[]> {
  return (await listEntries(store, NETWORKS)).map(readNetwork)
}

export async function findEndpoint(
  store: Store,
  network: string,
  name: string,
): Promise<EndpointRecord | undefined> {
  const entry = await store.get(endpointKey(network, name))
  return entry === undefined ? undefined : readEndpoint(entry)
}

export async function listEndpoints(
  store: Store,
  network?: string,
): Promise<readonly EndpointRecord[]> {
  const prefix = network === undefined ? ENDPOINTS : `${ENDPOINTS}${network}/`
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
