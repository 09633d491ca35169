/**
 * What must never happen, looked for after every step: in the kernels and in the store as they are,
 * not as anybody believes them to be.
 */
import { formatIp, type Ip, parseIp } from '../../src/addr/ip.ts'
import { formatMac } from '../../src/addr/mac.ts'
import { hexOfIp, ipOfHex, lastWord } from '../../src/ipam/keys.ts'
import type { SimFabric } from '../../src/sim/fabric.ts'
import type { Truth } from './truth.ts'

/** An address that answers on the LAN. */
export interface Live {
  readonly host: string
  readonly sandbox: string
  readonly ip: Ip
  readonly mac: string
}

export class Violation extends Error {}

const fail = (number: number, what: string): never => {
  throw new Violation(`invariant ${number}: ${what}`)
}

/** Which addresses answer, by the kernels. */
export async function liveOnes(
  sim: SimFabric,
  hosts: readonly string[],
  sandboxesOf: (host: string) => readonly string[],
): Promise<Live[]> {
  const live: Live[] = []
  for (const host of hosts) {
    const [, ...sandboxes] = sandboxesOf(host)
    for (const { name, links, addresses } of (await sim.snapshot({ netns: sandboxes })).netns)
      for (const { link, address, scope } of addresses) {
        const on = links.find((one) => one.name === link)
        if (on?.up !== true || scope !== 'global') continue
        live.push({ host, sandbox: name, ip: address.address, mac: formatMac(on.address) })
      }
  }
  return live
}

interface Holder {
  readonly network: string
  readonly endpoint: string
  readonly host: string
  readonly mac: string
}

/** What a host wrote down: the spares it may hand out, and the endpoints that took some. */
export interface Written {
  readonly spares: readonly { readonly address: string; readonly state: string }[]
  readonly endpoints: Readonly<Record<string, string>>
}

export const writtenOf = (text: string | undefined): Written =>
  text === undefined ? { spares: [], endpoints: {} } : (JSON.parse(text) as Written)

/** The endpoint that took an address while the store was away, as its host wrote it down. */
function takenBy({ endpoints }: Written, address: string): string | undefined {
  for (const [key, record] of Object.entries(endpoints)) {
    const { addresses } = JSON.parse(record) as { addresses: readonly string[] }
    if (addresses.some((one) => one.split('/')[0] === address)) return key.split('/')[1]
  }
  return undefined
}

/**
 * No two bear one address or MAC (1), and who bears one holds it, whatever lapsed (2, 3): by name,
 * or its host holds it as a spare and has written down that this endpoint took it.
 */
export function checkLive(
  live: readonly Live[],
  truth: Truth,
  segment: string,
  written: ReadonlyMap<string, Written>,
): void {
  const [ips, macs] = [new Map<Ip, Live>(), new Map<string, Live>()]
  for (const one of live) {
    const { ip, mac, host, sandbox } = one
    const text = `${formatIp(ip)} (${mac}) in ${sandbox}`
    const other = ips.get(ip) ?? macs.get(mac)
    if (other !== undefined) fail(1, `${text} and ${formatIp(other.ip)} in ${other.sandbox}`)
    ips.set(ip, one)
    macs.set(mac, one)
    const row = truth.rows.get(`ipam/ip/${segment}/${hexOfIp(ip)}`)
    if (row === undefined) fail(2, `${text} is live, and free in the store`)
    const holder = JSON.parse(row?.value ?? '{}') as Holder
    const own = written.get(host) ?? writtenOf(undefined)
    const endpoint = holder.endpoint.startsWith('~')
      ? (takenBy(own, formatIp(ip)) ?? '')
      : holder.endpoint
    if (holder.host !== `${host}-id` || `${host}-${endpoint}` !== sandbox)
      fail(3, `${text} is live, and the store says ${row?.value ?? ''}`)
  }
}

interface StoredLease {
  readonly addresses: readonly string[]
  readonly mac?: string
  readonly host: string
}

/** What a host may hand out while the store is away is its own in the store: nobody else's ever. */
export function checkSpares(
  truth: Truth,
  segment: string,
  host: string,
  { spares }: Written,
): void {
  for (const { address, state } of spares) {
    if (state !== 'held') continue
    const row = truth.rows.get(`ipam/ip/${segment}/${hexOfIp(parseIp(address))}`)
    const { host: by } = JSON.parse(row?.value ?? '{}') as Partial<Holder>
    if (by !== `${host}-id`)
      fail(2, `${host} may hand out ${address}, which is ${row?.value ?? 'free'}`)
  }
}

/** What is answered is in the store, or written down where the store is away (4). */
export function checkAnswer(
  truth: Truth,
  segment: string,
  host: { readonly name: string; readonly spares: string | undefined },
  name: string,
  addresses: readonly Ip[],
): void {
  const written = writtenOf(host.spares)
  if (addresses.every((ip) => takenBy(written, formatIp(ip)) === name)) return
  const lease = truth.rows.get(`ipam/end/${segment}/lan/${name}`)
  const record = truth.rows.get(`here/${host.name}-id/lan/${name}`)
  const text = addresses.map(formatIp).join()
  const held = (JSON.parse(lease?.value ?? '{}') as Partial<StoredLease>).addresses?.join() ?? ''
  if (record === undefined || text !== held)
    fail(4, `${name} on ${host.name} was answered ${text} before it was durable (${held})`)
}

/** Nothing forbidden or kept for another is held (6); every record has an owner to be asked (9). */
export function checkTable(truth: Truth, segment: string, forbidden: ReadonlySet<Ip>): void {
  const held = new Map<string, Holder>()
  for (const { key, value, createRevision } of truth.under(`ipam/ip/${segment}/`)) {
    const ip = ipOfHex(lastWord(key))
    if (forbidden.has(ip)) fail(6, `${formatIp(ip)} was handed out`)
    const holder = JSON.parse(value) as Holder
    held.set(formatIp(ip), holder)
    const kept = truth.rows.get(`ipam/rsv/${segment}/${lastWord(key)}`)
    if (kept === undefined || kept.createRevision > createRevision) continue
    const { name } = JSON.parse(kept.value) as { name: string }
    if (name !== holder.endpoint)
      fail(6, `${formatIp(ip)} is kept for ${name}, and was given to ${holder.endpoint}`)
  }
  const macs = new Map(
    truth.under(`ipam/mac/${segment}/`).map((row) => [lastWord(row.key), row.value]),
  )
  for (const { key, value } of truth.under(`ipam/end/${segment}/`)) {
    const lease = JSON.parse(value) as StoredLease
    const endpoint = decodeURIComponent(lastWord(key))
    const network = decodeURIComponent(key.split('/')[3] ?? '')
    for (const text of lease.addresses) {
      const by = held.get(text)
      if (by?.endpoint !== endpoint || by.network !== network || by.host !== lease.host)
        fail(9, `${key} says ${text}, whose holder is ${JSON.stringify(by)}`)
      held.delete(text)
    }
    const mac = lease.mac?.replaceAll(':', '') ?? ''
    if (!macs.delete(mac)) fail(9, `${key} says ${mac}, which nobody bears`)
    if (truth.rows.get(`host/${lease.host}`) === undefined) fail(9, `${key} has no host`)
  }
  for (const text of held.keys()) fail(9, `${text} is held by an endpoint without a lease`)
  for (const mac of macs.keys()) fail(9, `${mac} is borne by an endpoint without a lease`)
  const here = new Map(
    truth.under('here/').map(({ key, value }) => [key.split('/').slice(2).join('/'), value]),
  )
  for (const { key, value } of truth.under('endpoint/')) {
    const name = key.split('/').slice(1).join('/')
    if (here.get(name) !== value) fail(9, `${key} is not what its host's record says`)
    here.delete(name)
  }
  for (const name of here.keys()) fail(9, `${name} is a host's and nobody's`)
  for (const row of truth.rows.values())
    if (/^ipam\/(cool|was)\//.test(row.key) && row.expiresMs === undefined)
      fail(9, `${row.key} never goes`)
}

/**
 * When all has come to rest each host has written down exactly the spares that the store says it
 * has.
 *
 * @returns the endpoints that hold an address, as `HOST-NAME`
 */
export function heldAtEnd(
  truth: Truth,
  segment: string,
  hosts: readonly (readonly [string, Written])[],
): string[] {
  const all = truth.under(`ipam/ip/${segment}/`).map(({ key, value }) => {
    const { endpoint, host } = JSON.parse(value) as Holder
    return { ip: formatIp(ipOfHex(lastWord(key))), endpoint, host: host.replace('-id', '') }
  })
  for (const [host, { spares, endpoints }] of hosts) {
    const mine = all.filter((one) => one.host === host && one.endpoint.startsWith('~'))
    const said = spares.map((one) => `${one.address} ${one.state}`).toSorted()
    const are = mine.map((one) => `${one.ip} held`).toSorted()
    const left = Object.keys(endpoints).join()
    if (said.join() !== are.join() || left !== '')
      throw new Violation(
        `at the end ${host} has spares ${are.join()}, and wrote down ${said.join()} and ${left}`,
      )
  }
  return all
    .filter((one) => !one.endpoint.startsWith('~'))
    .map(({ host, endpoint }) => `${host}-${endpoint}`)
}
