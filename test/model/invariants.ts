/**
 * What must never happen, looked for after every step: in the kernels and in the store as they are,
 * not as anybody believes them to be.
 */
import { formatIp, type Ip } from '../../src/addr/ip.ts'
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

/** No two bear one address or MAC (1), and who bears one holds it, whatever lapsed (2, 3). */
export function checkLive(live: readonly Live[], truth: Truth, segment: string): void {
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
    if (holder.host !== `${host}-id` || `${host}-${holder.endpoint}` !== sandbox)
      fail(3, `${text} is live, and the store says ${row?.value ?? ''}`)
  }
}

interface StoredLease {
  readonly addresses: readonly string[]
  readonly mac?: string
  readonly host: string
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
