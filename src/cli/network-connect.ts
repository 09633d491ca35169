/** `lanyard network connect` and `disconnect`. */
import { basename } from 'node:path'
import { formatIp, parseIp } from '../addr/ip.ts'
import { parseMac } from '../addr/mac.ts'
import { formatPrefix } from '../addr/prefix.ts'
import { encodeEndpoint } from '../daemon/codec.ts'
import type { ConnectRequest, Endpoint } from '../engine/types.ts'
import { printPlan } from '../fabric/print-ip.ts'
import { printLines } from './network-create.ts'
import { type PlaceOptions, withEngine } from './place.ts'

/** What `connect` and `run` both can say of an endpoint. */
export interface AddressOptions {
  readonly ip: readonly string[]
  readonly ip6: readonly string[]
  readonly macAddress?: string
  readonly gwPriority?: number
}

export interface ConnectOptions extends AddressOptions, PlaceOptions {
  readonly name?: string
  readonly link?: string
  readonly dryRun?: boolean
  readonly json?: boolean
  readonly quiet?: boolean
}

export interface DisconnectOptions extends PlaceOptions {
  readonly force?: boolean
}

export async function networkConnect(
  network: string,
  sandbox: string,
  options: ConnectOptions,
): Promise<void> {
  const ips = [...options.ip, ...options.ip6].map(parseIp)
  const request: ConnectRequest = {
    network,
    endpoint: options.name ?? endpointName(sandbox),
    sandbox,
    ...(ips.length === 0 ? {} : { addresses: ips }),
    ...(options.macAddress === undefined ? {} : { mac: parseMac(options.macAddress) }),
    ...(options.link === undefined ? {} : { link: options.link }),
    ...(options.gwPriority === undefined ? {} : { gatewayPriority: options.gwPriority }),
  }
  await withEngine(options, async (engine) => {
    if (options.dryRun === true) {
      printLines(printPlan(await engine.planConnect(request)))
      return
    }
    const endpoint = await engine.connect(request)
    if (options.json === true) {
      process.stdout.write(`${JSON.stringify(encodeEndpoint(endpoint), undefined, 2)}\n`)
    } else if (options.quiet !== true) process.stdout.write(`${describeEndpoint(endpoint)}\n`)
  })
}

/** `web: 192.168.8.2/24 on eth0, default route via 192.168.8.1` */
export function describeEndpoint({ name, addresses, link, gateways }: Endpoint): string {
  const via = gateways.length === 0 ? '' : `, gateway ${gateways.map(formatIp).join(' and ')}`
  return `${name}: ${addresses.map(formatPrefix).join(' and ')} on ${link}${via}`
}

/** What an endpoint is called when nobody says: the namespace's name, or `pid-4711`. */
export function endpointName(sandbox: string): string {
  const [, pid] = /^(?:pid:|\/proc\/)(\d+)(?:\/ns\/net)?$/.exec(sandbox) ?? []
  return pid === undefined ? basename(sandbox) : `pid-${pid}`
}

export async function networkDisconnect(
  network: string,
  endpoint: string,
  options: DisconnectOptions,
): Promise<void> {
  await withEngine(options, async (engine) => {
    const { name } = await engine.network(network)
    const there = await engine.endpoints(name)
    const found =
      there.find((one) => one.name === endpoint) ??
      there.find((one) => one.sandbox === endpoint || one.id === endpoint)
    // Without one the engine says what it thinks of it.
    if (found === undefined && options.force === true) return
    await engine.disconnect(name, found?.name ?? endpoint)
  })
}
