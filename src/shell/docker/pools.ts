/**
 * Docker's own IPAM (libnetwork ipam/allocator.go): the lowest free address of the range or the
 * subnet, freed addresses at once anew, nobody on the LAN asked. Texts and order are Docker's.
 */
import { addToIp, compareIp, formatIp, type Ip, type Prefix, tryParseIp } from '../../addr/ip.ts'
import {
  broadcastOf,
  canonical,
  contains,
  networkOf,
  overlaps,
  samePrefix,
  tryParsePrefix,
} from '../../addr/prefix.ts'
import { ToolExit } from '../arguments.ts'
import { type Daemon, type DockerNetwork, type DockerPool, refuse } from './state.ts'

export const prefixOf = (pool: DockerPool): Prefix => tryParsePrefix(pool.subnet) as Prefix
export const familyOfPool = (pool: DockerPool): 4 | 6 =>
  typeof prefixOf(pool).address === 'number' ? 4 : 6

const client = (text: string): never => {
  throw new ToolExit(1, `${text}\n`)
}

/** What `docker network create` says of pools, matched up (consolidateIpam() of the client). */
export function readPools(
  subnets: readonly string[],
  ranges: readonly string[],
  gateways: readonly string[],
  aux: Readonly<Record<string, string>>,
): DockerPool[] {
  if (subnets.length < ranges.length || subnets.length < gateways.length) {
    client('every ip-range or gateway must have a corresponding subnet')
  }
  const pools = subnets.map((subnet): { -readonly [K in keyof DockerPool]: DockerPool[K] } => ({
    subnet,
    shown: false,
    aux: {},
  }))
  for (const [n, pool] of pools.entries()) {
    const others = pools.slice(0, n)
    const mine = tryParsePrefix(pool.subnet)
    const same = others.some((o) => {
      const other = tryParsePrefix(o.subnet)
      return mine !== undefined && other !== undefined && overlaps(mine, other)
    })
    if (same) client('multiple overlapping subnet configuration is not supported')
  }
  const holder = (ip: Ip | undefined) =>
    pools.find((pool) => {
      const prefix = tryParsePrefix(pool.subnet)
      if (prefix === undefined) {
        client(`Invalid subnet ${pool.subnet} : invalid CIDR address: ${pool.subnet}`)
      }
      return prefix !== undefined && ip !== undefined && contains(prefix, ip)
    })
  for (const range of ranges) {
    const prefix = tryParsePrefix(range)
    const pool = holder(prefix?.address)
    if (pool === undefined) return client(`no matching subnet for range ${range}`)
    if (pool.range !== undefined) {
      const text = `(${range}, ${pool.range}) on the same subnet (${pool.subnet})`
      client(`cannot configure multiple ranges ${text}`)
    }
    pool.range = range
  }
  for (const gateway of gateways) {
    const pool = holder(tryParseIp(gateway))
    if (pool === undefined) return client(`no matching subnet for gateway ${gateway}`)
    if (pool.gateway !== undefined) {
      const text = `(${gateway}, ${pool.gateway}) for the same subnet (${pool.subnet})`
      client(`cannot configure multiple gateways ${text}`)
    }
    pool.gateway = gateway
    pool.shown = true
  }
  for (const [name, address] of Object.entries(aux)) {
    const pool = holder(tryParseIp(address))
    if (pool === undefined) return client(`no matching subnet for aux-address ${address}`)
    pool.aux = { ...pool.aux, [name]: address }
  }
  return pools
}

/** What the daemon says of them: well formed, nobody else's. */
export function checkPools(daemon: Daemon, pools: readonly DockerPool[]): void {
  for (const pool of pools) {
    const prefix = tryParsePrefix(pool.subnet)
    if (prefix === undefined || !pool.subnet.includes('/')) {
      refuse(`Invalid subnet ${pool.subnet} : invalid CIDR address: ${pool.subnet}`)
    } else checkPool(daemon, pool, prefix)
  }
}

function checkPool(daemon: Daemon, pool: DockerPool, prefix: Prefix): void {
  if (daemon.dialect === '29' && !samePrefix(canonical(prefix), prefix)) {
    const should = `${formatIp(networkOf(prefix))}/${prefix.length}`
    refuse(`invalid network config:\ninvalid subnet ${pool.subnet}: it should be ${should}`)
  }
  for (const network of daemon.networks) {
    for (const other of network.pools) {
      if (!overlaps(prefixOf(other), prefix)) continue
      const shares =
        pool.range !== undefined &&
        pool.range !== other.range &&
        samePrefix(canonical(prefixOf(other)), canonical(prefix))
      if (!shares) refuse('Pool overlaps with other one on this address space')
    }
  }
  const { gateway } = pool
  const ip = gateway === undefined ? undefined : tryParseIp(gateway)
  if (gateway !== undefined && ip !== undefined && heldIn(daemon, prefix).has(ip)) {
    refuse(`failed to allocate gateway (${gateway}): Address already in use`)
  }
}

/** A pool nobody named: the first of Docker's own that meets neither networks nor the host's. */
export function defaultPool(daemon: Daemon, taken: readonly Prefix[]): DockerPool {
  const used = [...daemon.networks.flatMap((n) => n.pools.map(prefixOf)), ...taken]
  const own: Prefix[] = []
  for (let n = 17; n <= 31; n++) own.push({ address: (172 * 256 + n) * 65536, length: 16 })
  for (let n = 0; n < 256; n += 16)
    own.push({ address: (192 * 256 + 168) * 65536 + n * 256, length: 20 })
  const free = own.find((p) => !used.some((u) => typeof u.address === 'number' && overlaps(u, p)))
  if (free === undefined) {
    return refuse(
      'could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network',
    )
  }
  return { subnet: `${formatIp(free.address)}/${free.length}`, shown: false, aux: {} }
}

/** Every address of a subnet that somebody of this daemon has: networks may share one. */
function heldIn(daemon: Daemon, subnet: Prefix, self?: DockerPool): Set<Ip> {
  const held = new Set<Ip>()
  const add = (text: string | undefined): void => {
    const ip = text === undefined ? undefined : tryParseIp(text)
    if (ip !== undefined) held.add(ip)
  }
  const pools = daemon.networks.flatMap((n) => n.pools)
  for (const pool of self === undefined ? pools : [...pools, self]) {
    if (!samePrefix(canonical(prefixOf(pool)), canonical(subnet))) continue
    add(pool.gateway)
    for (const address of Object.values(pool.aux)) add(address)
  }
  for (const { now } of daemon.containers.flatMap((c) => c.places)) {
    add(now?.ip)
    add(now?.ip6)
  }
  return held
}

/** The lowest free address of a pool. */
export function lowestFree(daemon: Daemon, pool: DockerPool): Ip | undefined {
  const subnet = canonical(prefixOf(pool))
  const held = heldIn(daemon, subnet, pool)
  const range = canonical(
    (pool.range === undefined ? undefined : tryParsePrefix(pool.range)) ?? subnet,
  )
  const last = broadcastOf(range)
  const small =
    daemon.dialect === '29' && subnet.length >= (typeof subnet.address === 'number' ? 31 : 127)
  const reserved = (ip: Ip): boolean =>
    !small && (ip === subnet.address || (typeof ip === 'number' && ip === broadcastOf(subnet)))
  for (let ip: Ip | undefined = range.address; ip !== undefined; ip = addToIp(ip, 1)) {
    if (compareIp(ip, last) > 0) return undefined
    if (!reserved(ip) && !held.has(ip)) return ip
  }
  return undefined
}

/**
 * An address for a container: the one asked for, or the lowest free of the first pool that has one.
 */
export function takeAddress(
  daemon: Daemon,
  network: DockerNetwork,
  family: 4 | 6,
  wanted: string | undefined,
): { readonly ip: Ip; readonly length: number; readonly pool: DockerPool } | undefined {
  const pools = network.pools.filter((p) => familyOfPool(p) === family)
  if (wanted !== undefined) {
    const ip = tryParseIp(wanted) as Ip
    const pool = pools.find((p) => contains(prefixOf(p), ip))
    if (pool === undefined) {
      const why = "It does not belong to any of this network's subnets"
      return refuse(`Invalid address ${wanted}: ${why}`)
    }
    if (heldIn(daemon, prefixOf(pool)).has(ip)) refuse('Address already in use')
    return { ip, length: prefixOf(pool).length, pool }
  }
  if (pools.length === 0) return undefined
  for (const pool of pools) {
    const ip = lowestFree(daemon, pool)
    if (ip !== undefined) return { ip, length: prefixOf(pool).length, pool }
  }
  return refuse(
    `no available IPv${family} addresses on this network's address pools: ${network.name} (${network.id})`,
  )
}
