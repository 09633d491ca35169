/**
 * The engine's shapes and those that go over the socket: numbers inside, text at the edges. The
 * daemon and its client use the two directions crosswise.
 */
import { formatIp, parseIp } from '../addr/ip.ts'
import { formatMac, parseMac } from '../addr/mac.ts'
import { formatPrefix, parsePrefix } from '../addr/prefix.ts'
import type {
  ConnectRequest,
  Drift,
  Endpoint,
  Engine,
  EngineEvent,
  Lease,
  Network,
  NetworkSpec,
  PoolSpec,
} from '../engine/types.ts'
import type {
  ConnectJson,
  DriftJson,
  EndpointJson,
  EventJson,
  HolderJson,
  LeaseJson,
  NetworkJson,
  NetworkSpecJson,
} from './schema.ts'

export type Plan = Awaited<ReturnType<Engine['planCreate']>>
type Modes = Pick<NetworkSpec, 'macvlanMode' | 'ipvlanMode' | 'ipvlanFlag'>
export type Holder = Awaited<ReturnType<Engine['whoHas']>>

const maybe = <A, B>(value: A | undefined, turn: (value: A) => B): B | undefined =>
  value === undefined ? undefined : turn(value)

function encodePool(pool: PoolSpec): NetworkSpecJson['pools'][number] {
  return {
    subnet: formatPrefix(pool.subnet),
    range: maybe(pool.range, ({ first, last }) => ({
      first: formatIp(first),
      last: formatIp(last),
    })),
    gateway: maybe(pool.gateway, formatIp),
    exclude: pool.exclude.map(({ name, address }) => ({ name, address: formatIp(address) })),
  }
}

function decodePool(pool: NetworkSpecJson['pools'][number]): PoolSpec {
  return {
    subnet: parsePrefix(pool.subnet),
    ...(pool.range && {
      range: { first: parseIp(pool.range.first), last: parseIp(pool.range.last) },
    }),
    ...(pool.gateway !== undefined && { gateway: parseIp(pool.gateway) }),
    exclude: pool.exclude.map(({ name, address }) => ({ name, address: parseIp(address) })),
  }
}

export function encodeSpec(spec: NetworkSpec): NetworkSpecJson {
  return {
    ...spec,
    sources: maybe(spec.sources, (macs) => macs.map(formatMac)),
    pools: spec.pools.map(encodePool),
    labels: { ...spec.labels },
  }
}

/** @throws LanyardError `address-invalid` */
export function decodeSpec(json: NetworkSpecJson): NetworkSpec {
  const { sources, macvlanMode, ipvlanMode, ipvlanFlag, ...rest } = json
  // Words are only words here: the engine refuses those it does not know.
  const modes = { macvlanMode, ipvlanMode, ipvlanFlag } as Modes
  return {
    ...rest,
    ...modes,
    parent: json.parent,
    ...(sources && { sources: sources.map(parseMac) }),
    pools: json.pools.map(decodePool),
  }
}

export function encodeNetwork(network: Network): NetworkJson {
  const { id, segment, parentLink, parentOwned, createdAt } = network
  return { ...encodeSpec(network), id, segment, parentLink, parentOwned, createdAt }
}

export function decodeNetwork(json: NetworkJson): Network {
  const { id, segment, parentLink, parentOwned, createdAt } = json
  return { ...decodeSpec(json), id, segment, parentLink, parentOwned, createdAt }
}

export function encodeConnect(request: ConnectRequest): ConnectJson {
  const { network: _, ...rest } = request
  return {
    ...rest,
    addresses: maybe(request.addresses, (ips) => ips.map(formatIp)),
    mac: maybe(request.mac, formatMac),
  }
}

/** @throws LanyardError `address-invalid` */
export function decodeConnect(network: string, json: ConnectJson): ConnectRequest {
  const { addresses, mac, ...rest } = json
  return {
    network,
    ...rest,
    ...(addresses && { addresses: addresses.map(parseIp) }),
    ...(mac !== undefined && { mac: parseMac(mac) }),
  }
}

export function encodeEndpoint(endpoint: Endpoint): EndpointJson {
  return {
    ...endpoint,
    mac: formatMac(endpoint.mac),
    addresses: endpoint.addresses.map(formatPrefix),
    gateways: endpoint.gateways.map(formatIp),
  }
}

export function decodeEndpoint(json: EndpointJson): Endpoint {
  return {
    ...json,
    mac: parseMac(json.mac),
    addresses: json.addresses.map(parsePrefix),
    gateways: json.gateways.map(parseIp),
  }
}

export function encodeLease(lease: Lease): LeaseJson {
  return { ...lease, address: formatIp(lease.address), mac: maybe(lease.mac, formatMac) }
}

export function decodeLease(json: LeaseJson): Lease {
  return { ...json, address: parseIp(json.address), mac: maybe(json.mac, parseMac) }
}

export function encodeHolder(holder: Holder): HolderJson {
  return {
    lease: maybe(holder.lease, encodeLease),
    ownLink: holder.ownLink,
    answeredBy: maybe(holder.answeredBy, formatMac),
  }
}

export function decodeHolder(json: HolderJson): Holder {
  const { lease, ownLink, answeredBy } = json
  return { lease: maybe(lease, decodeLease), ownLink, answeredBy: maybe(answeredBy, parseMac) }
}

export const encodeDrift = (drift: Drift): DriftJson => ({ ...drift })

export function decodeDrift({ network, endpoint, what, mend }: DriftJson): Drift {
  return { network, endpoint, what, mend }
}

export const encodeEvent = (event: EngineEvent): EventJson => ({ ...event })

export function decodeEvent({ at, what, network, endpoint, detail }: EventJson): EngineEvent {
  return { at, what, network, endpoint, detail }
}

/** A plan as JSON: as it is, but JSON has no integers of 128 bits. */
export function encodeOps(plan: Plan): Record<string, unknown>[] {
  return JSON.parse(toJson(plan, (ip6) => ({ ip6: formatIp(ip6) }))) as Record<string, unknown>[]
}

/** The way back from {@link encodeOps}. */
export function decodeOps(ops: readonly Record<string, unknown>[]): Plan {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what encodeOps() was given
  return revive(ops) as Plan
}

function revive(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(revive)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value)
  const [first] = entries
  if (entries.length === 1 && first?.[0] === 'ip6') return parseIp(String(first[1]))
  return Object.fromEntries(entries.map(([key, item]) => [key, revive(item)]))
}

/** JSON text of a value that may hold IPv6 addresses; they become text unless said otherwise. */
export function toJson(value: unknown, ip6: (ip: bigint) => unknown = formatIp): string {
  return JSON.stringify(value, (_, item: unknown) => (typeof item === 'bigint' ? ip6(item) : item))
}
