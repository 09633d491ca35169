/** `lanyard ip ls`, `who`, `next`, `reserve` and `release`. */
import { compareIp, formatIp, parseIp } from '../addr/ip.ts'
import { formatMac } from '../addr/mac.ts'
import { encodeHolder, encodeLease } from '../daemon/codec.ts'
import type { AddressHolder, Lease } from '../engine/types.ts'
import { type DockerNames, dockerNames } from './docker-names.ts'
import { EXIT } from './failure.ts'
import { printLines } from './network-create.ts'
import { type PlaceOptions, withEngine } from './place.ts'
import { formatTable } from './table.ts'

export interface WhoOptions extends PlaceOptions {
  readonly json?: boolean
}

export interface ListOptions extends WhoOptions {
  readonly segment?: string
  readonly quiet?: boolean
}

export interface ReserveOptions extends WhoOptions {
  readonly name: string
}

const printJson = (value: unknown): boolean =>
  process.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`)

export async function ipList(network: string | undefined, options: ListOptions): Promise<void> {
  await withEngine(options, async (engine) => {
    // A name that is none is told, not answered with an empty list.
    const only = network === undefined ? undefined : (await engine.network(network)).name
    const leases = (await engine.leases(options.segment))
      .filter((lease) => (only ?? lease.network) === lease.network)
      .sort(
        (a, b) =>
          (a.segment < b.segment ? -1 : a.segment > b.segment ? 1 : 0) ||
          compareIp(a.address, b.address),
      )
    if (options.json === true) printJson(leases.map(encodeLease))
    else if (options.quiet === true) printLines(leases.map(({ address }) => formatIp(address)))
    else {
      const head = ['ADDRESS', 'NETWORK', 'HOLDER', 'KIND', 'MAC ADDRESS', 'SINCE', 'SEGMENT']
      const names = await dockerNames(engine)
      const rows = leases.map((lease) => rowOf(called(lease, names)))
      // Where hosts share a store, whose each is.
      const shared = leases.some((lease) => lease.host !== undefined)
      if (shared) for (const [i, row] of rows.entries()) row.push(leases[i]?.host ?? '-')
      process.stdout.write(formatTable(shared ? [...head, 'HOST'] : head, rows))
    }
  })
}

/** As Docker's users know it, where it is theirs. */
function called(lease: Lease, names: DockerNames): Lease {
  const { network, holder, kind } = lease
  const who = kind === 'endpoint' ? names.endpoint(network, holder) : holder
  return { ...lease, network: names.network(network), holder: who }
}

function rowOf({ address, network, holder, kind, mac, since, segment }: Lease): string[] {
  const known = mac === undefined ? '-' : formatMac(mac)
  return [formatIp(address), network, holder, kind, known, since, segment]
}

/** @returns 1 when nobody has it */
export async function ipWho(text: string, options: WhoOptions): Promise<number> {
  const address = parseIp(text)
  return await withEngine(options, async (engine) => {
    const holder = await engine.whoHas(address)
    const { lease, ownLink, answeredBy } = holder
    if (options.json === true) printJson(encodeHolder(holder))
    else {
      const endpoints = lease?.kind === 'endpoint' ? await engine.endpoints(lease.network) : []
      const own = lease?.mac ?? endpoints.find((one) => one.name === lease?.holder)?.mac
      const named = lease && called({ ...lease, mac: own }, await dockerNames(engine))
      printLines([whoText(text, { lease: named, ownLink, answeredBy })])
    }
    const isHeld = lease !== undefined || ownLink !== undefined || answeredBy !== undefined
    return isHeld ? EXIT.ok : EXIT.missed
  })
}

/** What a lease says and what the LAN says, held against each other. */
export function whoText(address: string, { lease, ownLink, answeredBy }: AddressHolder): string {
  const stranger =
    answeredBy === undefined
      ? ''
      : `${formatMac(answeredBy)} answers for it on the LAN, nobody of ours`
  const mine = ownLink === undefined ? '' : `this host has it itself, on ${ownLink}`
  if (lease === undefined) return `${address}: ${mine || stranger || 'nobody has it'}`
  const { holder, network, segment, mac, kind, host } = lease
  const where = host === undefined ? '' : ` on host ${host}`
  const held = {
    endpoint: `endpoint ${holder} of network ${network}${where}`,
    spare: `a spare of host ${holder} for network ${network}`,
    reservation: `kept for ${holder} on network ${network}`,
    cooldown: `not handed out for a while on network ${network}, because of ${holder}`,
  }[kind]
  // It rests because of who answers: there is no "but".
  if (kind === 'cooldown' && answeredBy !== undefined && holder.startsWith(formatMac(answeredBy)))
    return `${address}: ${stranger}; not handed out for a while on network ${network} (segment ${segment})`
  const own = mac === undefined ? '' : `, ${formatMac(mac)}`
  const other = mine || (answeredBy === mac ? '' : stranger)
  const foreign = other === '' ? '' : `; but ${other}`
  return `${address}: ${held} (segment ${segment}${own})${foreign}`
}

export async function ipNext(network: string, options: WhoOptions): Promise<void> {
  await withEngine(options, async (engine) => {
    const next = (await engine.nextFree(network)).map(formatIp)
    if (options.json === true) printJson(next)
    else printLines(next)
  })
}

export async function ipReserve(
  network: string,
  address: string,
  options: ReserveOptions,
): Promise<void> {
  const ip = parseIp(address)
  await withEngine(options, async (engine) => {
    const lease = await engine.reserve(network, ip, options.name)
    if (options.json === true) printJson(encodeLease(lease))
    else printLines([`${formatIp(lease.address)}: kept for ${lease.holder} on ${lease.network}`])
  })
}

export async function ipRelease(
  network: string,
  address: string,
  options: PlaceOptions,
): Promise<void> {
  const ip = parseIp(address)
  await withEngine(options, (engine) => engine.release(network, ip))
}
