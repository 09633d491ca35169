/**
 * `--subnet`, `--gateway`, `--ip-range`, `--aux-address` and `--exclude` put together: each address
 * belongs to the subnet that holds it. Refusals are in Docker's words.
 */
import { addToIp, compareIp, formatIp, type Ip, parseIp } from '../addr/ip.ts'
import {
  broadcastOf,
  canonical,
  contains,
  formatPrefix,
  isCanonical,
  networkOf,
  overlaps,
  type Prefix,
  parsePrefix,
} from '../addr/prefix.ts'
import type { PoolSpec } from '../engine/types.ts'
import { LanyardError } from '../errors.ts'

export interface PoolOptions {
  readonly subnet: readonly string[]
  readonly gateway: readonly string[]
  readonly ipRange: readonly string[]
  readonly auxAddress: readonly string[]
  readonly exclude: readonly string[]
  readonly ipv6?: boolean
}

interface Range {
  readonly first: Ip
  readonly last: Ip
}

const HELP = 'lanyard network create --help'
const refuse = (sentence: string): LanyardError =>
  new LanyardError('usage', { sentence, help: HELP })

/** An `--exclude` is a list of addresses; a larger one is better said by `--ip-range`. */
const MOST_EXCLUDED = 1024

/** @throws LanyardError `usage`, `address-invalid` */
export function poolsOf(options: PoolOptions): readonly PoolSpec[] {
  const subnets = options.subnet.map(subnetOf)
  const { gateway: gateways, ipRange: ranges } = options
  if (subnets.length === 0) {
    if (gateways.length + ranges.length > 0) {
      throw refuse('every ip-range or gateway must have a corresponding subnet')
    }
    throw refuse('a network needs a subnet, the one of the LAN: --subnet 192.168.8.0/24')
  }
  if (subnets.some((a, i) => subnets.slice(i + 1).some((b) => overlaps(a, b)))) {
    throw refuse('multiple overlapping subnet configuration is not supported')
  }
  if (options.ipv6 === true && !subnets.some((s) => typeof s.address === 'bigint')) {
    throw refuse('--ipv6 needs an IPv6 subnet: --subnet 2001:db8:1::/64')
  }
  const pools = subnets.map((subnet) => ({
    subnet,
    gateway: undefined as Ip | undefined,
    range: undefined as Range | undefined,
    exclude: [] as { name: string; address: Ip }[],
  }))
  const holding = (ip: Ip) => pools.find(({ subnet }) => contains(subnet, ip))
  for (const text of gateways) {
    const gateway = parseIp(text)
    const pool = holding(gateway)
    if (pool === undefined) throw refuse(`no matching subnet for gateway ${text}`)
    if (pool.gateway !== undefined) {
      const both = `${text}, ${formatIp(pool.gateway)}`
      const subnet = formatPrefix(pool.subnet)
      throw refuse(`cannot configure multiple gateways (${both}) for the same subnet (${subnet})`)
    }
    pool.gateway = gateway
  }
  for (const text of ranges) {
    const range = rangeOf(text)
    const pool = holding(range.first)
    if (pool === undefined) throw refuse(`no matching subnet for range ${text}`)
    if (!contains(pool.subnet, range.last)) throw outside(text, pool.subnet)
    if (pool.range !== undefined) {
      throw refuse(`a subnet has one ip-range: ${formatPrefix(pool.subnet)} got ${text}, too`)
    }
    pool.range = range
  }
  for (const { name, address, text } of excluded(options)) {
    const pool = holding(address)
    if (pool === undefined) throw refuse(`no matching subnet for aux-address ${text}`)
    pool.exclude.push({ name, address })
  }
  return pools.map(({ subnet, gateway, range, exclude }) => ({
    subnet,
    ...(gateway === undefined ? {} : { gateway }),
    ...(range === undefined ? {} : { range }),
    exclude,
  }))
}

/**
 * Pools with more addresses that are never handed out.
 *
 * @throws LanyardError `usage`, `address-invalid`
 */
export function withExcluded(
  pools: readonly PoolSpec[],
  exclude: readonly string[],
): readonly PoolSpec[] {
  const more = excluded({ auxAddress: [], exclude })
  for (const { address, text } of more) {
    if (pools.some(({ subnet }) => contains(subnet, address))) continue
    throw refuse(`no matching subnet for aux-address ${text}`)
  }
  return pools.map((pool) => ({
    ...pool,
    exclude: [
      ...pool.exclude,
      ...more
        .filter(({ address }) => contains(pool.subnet, address))
        .map(({ name, address }) => ({ name, address })),
    ],
  }))
}

function outside(text: string, subnet: Prefix): LanyardError {
  return refuse(`invalid ip-range ${text}: parent subnet ${formatPrefix(subnet)} does not hold it`)
}

function subnetOf(text: string): Prefix {
  const subnet = parsePrefix(text)
  if (isCanonical(subnet)) return subnet
  throw refuse(`invalid subnet ${text}: it should be ${formatPrefix(canonical(subnet))}`)
}

/** `192.168.8.64/26`, or `192.168.8.50-192.168.8.99`. */
function rangeOf(text: string): Range {
  const dash = text.indexOf('-')
  if (dash < 0) {
    const prefix = parsePrefix(text)
    if (!isCanonical(prefix)) {
      throw refuse(`invalid ip-range ${text}: it should be ${formatPrefix(canonical(prefix))}`)
    }
    return { first: networkOf(prefix), last: broadcastOf(prefix) }
  }
  const first = parseIp(text.slice(0, dash).trim())
  const last = parseIp(text.slice(dash + 1).trim())
  if (typeof first !== typeof last || compareIp(first, last) > 0) {
    throw refuse(`invalid ip-range ${text}: it goes from the lower address to the higher`)
  }
  return { first, last }
}

function excluded({ auxAddress, exclude }: Pick<PoolOptions, 'auxAddress' | 'exclude'>) {
  const named = auxAddress.map((text) => {
    const [, name = '', ip] = /^([^=]*)=(.*)$/s.exec(text) ?? []
    if (ip === undefined) throw refuse(`invalid aux-address ${text}: write it NAME=IP`)
    return { name, address: parseIp(ip), text: ip }
  })
  const plain = exclude
    .flatMap((text) => text.split(','))
    .filter((text) => text !== '')
    .flatMap((text) => {
      if (!/[-/]/.test(text)) return [{ name: '', address: parseIp(text), text }]
      const { first, last } = rangeOf(text)
      const count = BigInt(last) - BigInt(first) + 1n
      if (count > MOST_EXCLUDED) {
        throw refuse(
          `--exclude ${text} is ${count} addresses, more than ${MOST_EXCLUDED}: say with --ip-range` +
            ' which may be handed out',
        )
      }
      return Array.from({ length: Number(count) }, (_, i) => {
        const address = addToIp(first, i) ?? first
        return { name: '', address, text: formatIp(address) }
      })
    })
  return [...named, ...plain]
}

/** Which of some addresses lie in the subnets of a network. */
export function addressesIn(pools: readonly PoolSpec[], ips: readonly Ip[]): readonly Ip[] {
  return ips.filter((ip) => pools.some(({ subnet }) => contains(subnet, ip)))
}

/** A range as it is shown: as a prefix where it is one. */
export function formatRange({ first, last }: Range): string {
  for (let length = 0; length <= (typeof first === 'number' ? 32 : 128); length++) {
    const prefix = { address: first, length }
    if (networkOf(prefix) === first && broadcastOf(prefix) === last) return formatPrefix(prefix)
  }
  return `${formatIp(first)}-${formatIp(last)}`
}
