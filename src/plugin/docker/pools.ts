/**
 * Pools between Docker's asking for them and its saying which network they are for. Docker asks for
 * a pool, its gateway and its excluded addresses first; the network comes last, and names its
 * subnets but neither pool ids nor ranges. So a pool's id says everything the pool is: nothing has
 * to be remembered of it, and a daemon that was restarted in between knows it when it hears it.
 */
import { addToIp, familyOf, formatIp, type Ip, parseIp, type Prefix } from '../../addr/ip.ts'
import {
  broadcastOf,
  canonical,
  contains,
  formatPrefix,
  isCanonical,
  networkOf,
  parsePrefix,
  samePrefix,
} from '../../addr/prefix.ts'
import type { PoolSpec } from '../../engine/types.ts'
import { LanyardError } from '../../errors.ts'
import type { PoolData } from './protocol.ts'

/** Tells our pools from Docker's own. */
export const ADDRESS_SPACE = 'lanyard'

export interface Pool {
  readonly id: string
  readonly subnet: Prefix
  readonly range: Prefix | undefined
}

const refuse = (problem: string): LanyardError =>
  new LanyardError('docker-refused', { why: problem })

/** @throws LanyardError `docker-refused` */
export function makePool(subnet: string, range: string, v6: boolean, nonce: string): Pool {
  if (subnet === '') {
    const example = v6 ? '2001:db8:1::/64' : '192.168.8.0/24'
    throw refuse(`a network needs the subnet of its LAN: --subnet ${example}`)
  }
  const prefix = checked('subnet', subnet)
  const part = range === '' ? undefined : checked('ip-range', range)
  if (part !== undefined && !(contains(prefix, part.address) && part.length >= prefix.length))
    throw refuse(`invalid ip-range ${range}: parent subnet ${subnet} doesn't contain ip-range`)
  const words = [formatPrefix(prefix), part === undefined ? '' : formatPrefix(part), nonce]
  return { id: words.join(','), subnet: prefix, range: part }
}

function checked(what: string, text: string): Prefix {
  const prefix = parsePrefix(text)
  if (isCanonical(prefix)) return prefix
  throw refuse(`invalid ${what} ${text}: it should be ${formatPrefix(canonical(prefix))}`)
}

/** @throws LanyardError `docker-refused` for an id that is none of ours */
export function readPool(id: string): Pool {
  const [subnet = '', range = '', nonce] = id.split(',')
  if (nonce === undefined) throw refuse(`"${id}" is no pool of Lanyard`)
  return {
    id,
    subnet: parsePrefix(subnet),
    range: range === '' ? undefined : parsePrefix(range),
  }
}

/** A gateway for a pool whose user gave none, and Docker insists: the first of the subnet. */
export function firstOf({ subnet }: Pool): Ip {
  const first = networkOf(subnet)
  const alone = subnet.length >= (familyOf(first) === 4 ? 31 : 127)
  return alone ? first : (addToIp(first, 1) ?? first)
}

/** `192.168.8.1/24`, as Docker wants addresses. */
export const withLength = (ip: Ip, { subnet }: Pool): string => `${formatIp(ip)}/${subnet.length}`

/** The address of `192.168.8.1/24` or `192.168.8.1`. */
export function addressOf(text: string): Ip {
  const slash = text.indexOf('/')
  return parseIp(slash < 0 ? text : text.slice(0, slash))
}

interface Waited {
  readonly pool: Pool
  readonly taken: Set<Ip>
  /** A gateway nobody gave: Docker before 28 asks for one all the same. */
  invented?: Ip
}

/** Pools whose network has not come yet, with the addresses Docker asked for on the way. */
export class Waiting {
  readonly #pools = new Map<string, Waited>()

  add(pool: Pool): void {
    if (!this.#pools.has(pool.id)) this.#pools.set(pool.id, { pool, taken: new Set() })
  }

  has(id: string): boolean {
    return this.#pools.has(id)
  }

  forget(id: string): void {
    this.#pools.delete(id)
  }

  /** @throws LanyardError `docker-refused` */
  take(pool: Pool, ip: Ip): void {
    this.add(pool)
    if (!contains(pool.subnet, ip)) {
      const subnet = formatPrefix(pool.subnet)
      throw refuse(`Invalid address ${formatIp(ip)}: It does not belong to subnet ${subnet}`)
    }
    const taken = this.#pools.get(pool.id)?.taken
    if (taken?.has(ip) === true)
      throw refuse(`Address already in use: ${formatIp(ip)} is gateway or excluded already`)
    taken?.add(ip)
  }

  /** A gateway for a user who gave none: Docker is told of it, no container is. */
  invent(pool: Pool): Ip {
    const ip = firstOf(pool)
    this.add(pool)
    const waited = this.#pools.get(pool.id)
    if (waited !== undefined) waited.invented = ip
    return ip
  }

  /** Whether the gateway Docker says a pool has is one that nobody gave. */
  isInvented({ id }: Pool, gateway: Ip): boolean {
    return this.#pools.get(id)?.invented === gateway
  }

  free(id: string, ip: Ip): void {
    this.#pools.get(id)?.taken.delete(ip)
  }

  /** The pool a network means; of several alike the newest, since the network follows at once. */
  find(data: PoolData): Pool | undefined {
    const subnet = parsePrefix(data.Pool ?? '')
    const gateway = data.Gateway ? addressOf(data.Gateway) : undefined
    const aux = Object.values(data.AuxAddresses ?? {}).map(addressOf)
    const wanted = [...(gateway === undefined ? [] : [gateway]), ...aux]
    const all = [...this.#pools.values()].filter(({ pool }) => samePrefix(pool.subnet, subnet))
    const fitting = all.filter(({ taken, invented }) =>
      wanted.every((ip) => taken.has(ip) || ip === invented),
    )
    return (fitting.at(-1) ?? all.at(-1))?.pool
  }
}

/** What the engine is told of a pool. */
export function poolSpecOf(data: PoolData, range: Prefix | undefined): PoolSpec {
  const subnet = canonical(parsePrefix(data.Pool ?? ''))
  return {
    subnet,
    ...(range === undefined
      ? {}
      : { range: { first: networkOf(range), last: broadcastOf(range) } }),
    ...(data.Gateway ? { gateway: addressOf(data.Gateway) } : {}),
    exclude: Object.entries(data.AuxAddresses ?? {}).map(([name, address]) => ({
      name,
      address: addressOf(address),
    })),
  }
}
