/** `lanyard network ls` and `inspect`. */
import { encodeEndpoint, encodeNetwork } from '../daemon/codec.ts'
import type { Endpoint, Engine, Network } from '../engine/types.ts'
import { LanyardError } from '../errors.ts'
import { didYouMean } from '../lab/text.ts'
import { EXIT, fail } from './failure.ts'
import { inspectView, listView } from './network-view.ts'
import { type PlaceOptions, withEngine } from './place.ts'
import { formatTable } from './table.ts'
import { formatItems } from './template.ts'

export interface ListOptions extends PlaceOptions {
  readonly filter: readonly string[]
  readonly quiet?: boolean
  readonly trunc: boolean
  readonly format?: string
  readonly json?: boolean
}

export interface InspectOptions extends PlaceOptions {
  readonly format?: string
  readonly json?: boolean
}

export async function networkList(options: ListOptions): Promise<void> {
  const keep = filterOf(options.filter)
  await withEngine(options, async (engine) => {
    const networks = (await engine.networks())
      .filter(keep)
      .sort((a, b) => (a.name < b.name ? -1 : 1))
    const id = (network: Network): string => (options.trunc ? network.id.slice(0, 12) : network.id)
    const { stdout } = process
    if (options.json === true) {
      stdout.write(`${JSON.stringify(networks.map(encodeNetwork), undefined, 2)}\n`)
    } else if (options.quiet === true) {
      stdout.write(networks.map((one) => `${id(one)}\n`).join(''))
    } else if (options.format !== undefined) {
      const endpoints = await engine.endpoints()
      const views = networks.map((one) => ({
        ...listView(one, endpoints.filter(({ network }) => network === one.name).length),
        ID: id(one),
      }))
      stdout.write(formatItems(options.format, views))
    } else {
      const rows = networks.map((one) => [id(one), one.name, one.kind, 'local'])
      stdout.write(formatTable(['NETWORK ID', 'NAME', 'DRIVER', 'SCOPE'], rows))
    }
  })
}

const FILTERS: Readonly<Record<string, (network: Network, value: string) => boolean>> = {
  driver: ({ kind }, value) => kind === value,
  name: ({ name }, value) => name.includes(value),
  id: ({ id }, value) => id.startsWith(value),
  parent: ({ parent, parentLink }, value) => parent === value || parentLink === value,
  scope: (_, value) => value === 'local',
  label: ({ labels }, value) => {
    const at = value.indexOf('=')
    if (at < 0) return value in labels
    return labels[value.slice(0, at)] === value.slice(at + 1)
  },
}

/**
 * `--filter key=value`: values of one key are alternatives, keys must all hold.
 * @throws LanyardError `usage`
 */
export function filterOf(filters: readonly string[]): (network: Network) => boolean {
  const byKey = new Map<string, string[]>()
  for (const text of filters) {
    const at = text.indexOf('=')
    const key = at < 0 ? text : text.slice(0, at)
    if (!(key in FILTERS) || at < 0) {
      const keys = Object.keys(FILTERS)
      const sentence = `invalid filter '${text}'${didYouMean(key, keys)}: write ${keys.join('=, ')}=`
      throw new LanyardError('usage', { sentence, help: 'lanyard network ls --help' })
    }
    byKey.set(key, [...(byKey.get(key) ?? []), text.slice(at + 1)])
  }
  return (network) =>
    [...byKey].every(([key, values]) =>
      // Labels are each a wish of their own, as in Docker.
      key === 'label'
        ? values.every((value) => FILTERS[key]?.(network, value))
        : values.some((value) => FILTERS[key]?.(network, value)),
    )
}

/** Prints what is there, tells what is not. @returns the exit status */
export async function networkInspect(
  names: readonly string[],
  options: InspectOptions,
): Promise<number> {
  return await withEngine(options, async (engine) => {
    const found: [Network, readonly Endpoint[]][] = []
    const failures: unknown[] = []
    for (const name of names) {
      try {
        found.push(await both(engine, name))
      } catch (error) {
        failures.push(error)
      }
    }
    const { stdout } = process
    const views = found.map(([network, endpoints]) => inspectView(network, endpoints))
    if (options.format !== undefined) stdout.write(formatItems(options.format, views))
    else if (options.json === true) {
      const all = found.map(([network, endpoints]) => ({
        ...encodeNetwork(network),
        endpoints: endpoints.map(encodeEndpoint),
      }))
      stdout.write(`${JSON.stringify(all, undefined, 2)}\n`)
    } else stdout.write(`${JSON.stringify(views, undefined, 4)}\n`)
    return Math.max(EXIT.ok, ...failures.map(fail))
  })
}

async function both(engine: Engine, name: string): Promise<[Network, readonly Endpoint[]]> {
  const network = await engine.network(name)
  return [network, await engine.endpoints(network.name)]
}
