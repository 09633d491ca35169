/** `lanyard status`: where the work is done, what there is, and what is not as it should be. */
import { formatPrefix } from '../addr/prefix.ts'
import { encodeDrift, encodeNetwork } from '../daemon/codec.ts'
import type { Drift, Endpoint, Network } from '../engine/types.ts'
import { type DockerNames, dockerNames } from './docker-names.ts'
import { EXIT } from './failure.ts'
import { type Place, type PlaceOptions, withEngine } from './place.ts'
import { sweepRuns } from './run-records.ts'
import { formatTable } from './table.ts'
import { painter } from './terminal.ts'

export interface StatusOptions extends PlaceOptions {
  readonly heal?: boolean
  readonly json?: boolean
}

/** @returns 1 when something is not as it should be (and was not healed) */
export async function showStatus(options: StatusOptions): Promise<number> {
  return await withEngine(options, async (engine, place) => {
    if (options.heal === true) {
      await sweepRuns(options, engine)
      await engine.reconcile()
    }
    const networks = await engine.networks()
    const endpoints = await engine.endpoints()
    const drifts = await engine.status()
    if (options.json === true) {
      const all = {
        daemon: place.daemon,
        state: place.state,
        networks: networks.map((network) => ({
          ...encodeNetwork(network),
          endpoints: endpoints.filter((one) => one.network === network.name).length,
        })),
        drift: drifts.map(encodeDrift),
      }
      process.stdout.write(`${JSON.stringify(all, undefined, 2)}\n`)
    } else {
      const names = await dockerNames(engine)
      process.stdout.write(statusText(place, { networks, endpoints, drifts, names }))
    }
    return drifts.length === 0 ? EXIT.ok : EXIT.missed
  })
}

interface Seen {
  readonly networks: readonly Network[]
  readonly endpoints: readonly Endpoint[]
  readonly drifts: readonly Drift[]
  readonly names: DockerNames
}

function statusText(
  { daemon, state }: Place,
  { networks, endpoints, drifts, names }: Seen,
): string {
  const paint = painter(process.stdout)
  const who =
    daemon === undefined
      ? 'no daemon runs: looked at from here'
      : `daemon ${daemon.version}, process ${daemon.pid}`
  const rows = networks.map((one) => [
    names.network(one.name),
    one.kind,
    one.parentLink,
    one.pools.map(({ subnet }) => formatPrefix(subnet)).join(', '),
    String(endpoints.filter(({ network }) => network === one.name).length),
    drifts.some(({ network }) => network === one.name)
      ? paint('bad', 'drift')
      : paint('good', 'ok'),
  ])
  const head = ['NETWORK', 'DRIVER', 'PARENT', 'SUBNETS', 'ENDPOINTS', 'STATE']
  const lines = drifts.map(({ network, endpoint, what, mend }) => {
    const called = names.network(network)
    const where = endpoint === undefined ? called : `${called}/${names.endpoint(network, endpoint)}`
    const remedy = mend === undefined ? '' : `\n  ${paint('dim', 'mend:')} ${mend}`
    return `${paint('bad', '✗')} ${where}: ${what}${remedy}\n`
  })
  const table = networks.length === 0 ? 'no networks yet\n' : formatTable(head, rows)
  return `${who}; state in ${state}\n\n${table}${lines.length === 0 ? '' : `\n${lines.join('')}`}`
}
