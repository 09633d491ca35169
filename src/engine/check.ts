/**
 * The invariants of a store, looked over: every address and MAC has one holder, every record the
 * others that belong to it, and somebody who can be asked about it.
 */
import { formatIp, parseIp } from '../addr/ip.ts'
import { contains } from '../addr/prefix.ts'
import { createIpam, entriesUnder } from '../ipam/ipam.ts'
import {
  addressKey,
  endpointKey as leaseKey,
  isSpare,
  lastWord,
  macKey,
  SEGMENTS,
  segmentOfKey,
  spareName,
} from '../ipam/keys.ts'
import type { StoredLease } from '../ipam/release.ts'
import { readSegment, ruledOut } from '../ipam/segment.ts'
import { parseMac } from '../addr/mac.ts'
import type { Entry, Store } from '../store/store.ts'
import { endpointKey, ENDPOINTS, listEndpoints, listNetworks } from './records.ts'
import { HOSTS } from './self.ts'

export interface StoreReport {
  /** One sentence each; none when all is well. */
  readonly problems: readonly string[]
  readonly counted: {
    readonly networks: number
    readonly endpoints: number
    /** Held by endpoints, and for those to come. */
    readonly addresses: number
    readonly spares: number
    readonly hosts: number
  }
}

interface Held {
  readonly network: string
  readonly endpoint: string
  readonly host?: string
}

/**
 * Looks a store over; nothing is changed. While hosts work on it what is half done may show: look
 * again.
 */
export async function checkStore(store: Store): Promise<StoreReport> {
  const problems: string[] = []
  const hosts = (await entriesUnder(store, HOSTS)).map((one) => one.key.slice(HOSTS.length))
  const networks = await listNetworks(store, undefined)
  const endpoints = await listEndpoints(store, undefined)
  const [ips, macs, ends] = (await Promise.all(
    ['ipam/ip/', 'ipam/mac/', 'ipam/end/'].map((prefix) => entriesUnder(store, prefix)),
  )) as [Entry[], Entry[], Entry[]]
  const held = new Map([...ips, ...macs].map((one) => [one.key, JSON.parse(one.value) as Held]))
  const claimed = new Set<string>()
  let spares = 0
  for (const { key, value } of ends) {
    const [, , segment = '', network = '', endpoint = ''] = key.split('/').map(decodeURIComponent)
    const lease = JSON.parse(value) as StoredLease
    const spare = isSpare(endpoint)
    const name = spare
      ? `a spare of host ${lease.host ?? ''} in network ${network}`
      : `endpoint ${endpoint} of network ${network}`
    const keys = lease.addresses.map((text) => addressKey('ip', segment, parseIp(text)))
    if (lease.mac !== undefined) keys.push(macKey(segment, parseMac(lease.mac)))
    for (const of of keys) {
      claimed.add(of)
      const by = held.get(of)
      const what = of.startsWith('ipam/mac/') ? `MAC ${lastWord(of)}` : `an address (${of})`
      if (by === undefined) problems.push(`${name} says it holds ${what}, and nothing says it does`)
      else if (by.network !== network || by.endpoint !== endpoint || by.host !== lease.host)
        problems.push(
          `${what} is held by ${by.endpoint} of ${by.network}, and ${name} says it does`,
        )
    }
    if (lease.host !== undefined && !hosts.includes(lease.host))
      problems.push(`${name} holds its lease for host ${lease.host}, which the store does not know`)
    if (spare) {
      spares += lease.addresses.length
      if (!lease.addresses.every((ip) => spareName(lease.host ?? '', parseIp(ip)) === endpoint))
        problems.push(`${key} is a spare of host ${lease.host ?? ''}, and says otherwise`)
      continue
    }
    const record = endpoints.find((one) => one.network === network && one.name === endpoint)
    if (record === undefined) problems.push(`${name} has a lease and no record`)
  }
  for (const key of held.keys())
    if (!claimed.has(key)) problems.push(`${key} is held, and no lease says so`)
  for (const endpoint of endpoints) {
    const network = networks.find((one) => one.name === endpoint.network)
    const name = `endpoint ${endpoint.name} of network ${endpoint.network}`
    if (network === undefined) problems.push(`${name} is of a network that is not there`)
    else {
      const key = leaseKey('end', network.segment, endpoint.network, endpoint.name)
      if (!ends.some((one) => one.key === key)) problems.push(`${name} has no lease`)
    }
    if (endpoint.hostId === undefined && hosts.length > 0)
      problems.push(`${name} belongs to no host`)
  }
  problems.push(...(await checkPools(store, ips)), ...(await checkHere(store)))
  const addresses = ips.length - spares
  const counted = { networks: networks.length, endpoints: endpoints.length, addresses, spares }
  return { problems, counted: { ...counted, hosts: hosts.length } }
}

/** Nobody holds what is kept out; everybody holds what is of a subnet of the network. */
async function checkPools(store: Store, ips: readonly Entry[]): Promise<string[]> {
  const problems: string[] = []
  const ipam = createIpam(store, { nowMs: Date.now })
  for (const { key } of await entriesUnder(store, SEGMENTS)) {
    const segment = await readSegment(ipam, segmentOfKey(key))
    const mine = ips.filter((one) => segmentOfKey(one.key) === segment.name)
    for (const one of mine) {
      const ip = parseIp(textOf(one.key))
      const { network, endpoint } = JSON.parse(one.value) as Held
      const pool = segment.networks.get(network)?.find((of) => contains(of.subnet, ip))
      const why =
        pool === undefined
          ? 'it is of no subnet of it'
          : (ruledOut(pool.subnet, ip) ?? segment.kept.get(ip))
      if (why !== undefined)
        problems.push(`${formatIp(ip)} is held by ${endpoint} of network ${network}: ${why}`)
    }
  }
  return problems
}

function textOf(key: string): string {
  const hex = lastWord(key)
  if (hex.startsWith('4')) {
    const n = Number.parseInt(hex.slice(1), 16)
    return [24, 16, 8, 0].map((shift) => (n >>> shift) & 255).join('.')
  }
  return hex.slice(1).replace(/(.{4})(?!$)/g, '$1:')
}

/** What a host finds its own endpoints by says the same as what all find them by. */
async function checkHere(store: Store): Promise<string[]> {
  const problems: string[] = []
  const all = new Map((await entriesUnder(store, ENDPOINTS)).map((one) => [one.key, one.value]))
  for (const { key, value } of await entriesUnder(store, 'here/')) {
    const [, host = '', network = '', name = ''] = key.split('/')
    const same = all.get(endpointKey(network, name)) === value
    if (!same)
      problems.push(
        `endpoint ${name} of network ${network} is on host ${host}, and its record says otherwise`,
      )
  }
  return problems
}
