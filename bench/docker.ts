/**
 * `docker network connect` and `disconnect` of a running container on a stock dockerd: `-d lanyard`
 * beside the built-in `-d macvlan`, asked over Docker's own socket. At the end, how long Lanyard
 * itself took for each request Docker made.
 */
import { DockerApi } from '../src/plugin/docker/api.ts'
import { DockerWorld, whyNoDocker } from '../test/docker/world.ts'
import { buildProgram, removeProgram } from '../test/support/program.ts'
import { type Contestant, measure } from './harness.ts'

/** Times a round; five rounds make fifty. */
const TIMES = 10
// A question to the LAN takes a fifth of a second by itself; the built-in driver asks nobody.
const NETWORKS = {
  lanyard: '-d lanyard --ipam-driver lanyard --subnet 192.168.8.0/24 -o check=never',
  macvlan: '-d macvlan --subnet 10.8.0.0/24',
} as const
type Driver = keyof typeof NETWORKS

const why = whyNoDocker()
if (why !== undefined) throw new Error(`no dockerd can run here: ${why}`)
const world = new DockerWorld()
await buildProgram()

async function prepare(): Promise<DockerApi> {
  await world.open()
  await world.startLanyard('--log-level', 'debug')
  await world.startDockerd()
  world.importImage()
  for (const [name, options] of Object.entries(NETWORKS)) {
    world.docker(`network create ${options} -o parent=eth0 ${name}`)
    world.docker(`run -d --name ${name}-box --network none bb sleep 100000`)
    world.docker(`network disconnect none ${name}-box`)
  }
  return new DockerApi(`/proc/${world.init}/root/run/docker.sock`)
}

const median = (figures: readonly number[]): number =>
  figures.toSorted((a, b) => a - b)[Math.floor(figures.length / 2)] ?? Number.NaN

async function round(api: DockerApi, driver: Driver): Promise<Record<'on' | 'off', number>> {
  const took = { on: [] as number[], off: [] as number[] }
  const body = { Container: `${driver}-box` }
  for (let i = 0; i < TIMES; i++) {
    const start = performance.now()
    await api.ask('POST', `/networks/${driver}/connect`, body)
    const connected = performance.now()
    await api.ask('POST', `/networks/${driver}/disconnect`, body)
    took.on.push(connected - start)
    took.off.push(performance.now() - connected)
  }
  return { on: median(took.on), off: median(took.off) }
}

const contestants = (api: DockerApi, what: 'on' | 'off'): Contestant[] =>
  (['lanyard', 'macvlan'] as const).map((driver) => ({
    name: driver === 'lanyard' ? 'docker network, -d lanyard' : 'docker network, -d macvlan',
    run: async () => (await round(api, driver))[what],
  }))

/** What the daemon wrote down of each request. */
function ownPart(): Readonly<Record<string, unknown>> {
  const lines = world.logOf('lanyard').matchAll(/"docker":"(?<method>[^"]+)","ms":(?<ms>[\d.]+)/g)
  const all = [...lines].map(({ groups }) => ({
    method: groups?.['method'] ?? '',
    ms: Number(groups?.['ms']),
  }))
  const figures = (some: readonly { readonly ms: number }[]) => {
    const sorted = some.map(({ ms }) => ms).toSorted((a, b) => a - b)
    const p99 = sorted[Math.ceil(sorted.length * 0.99) - 1]
    return { count: sorted.length, median: median(sorted), p99, max: sorted.at(-1) }
  }
  const methods = [...new Set(all.map(({ method }) => method))]
  const by = methods.map((method) => [method, figures(all.filter((one) => one.method === method))])
  return { all: figures(all), ...Object.fromEntries(by) }
}

try {
  const api = await prepare()
  const asked = { unit: 'ms', better: 'lower', rounds: 5 } as const
  await measure('docker connect', () => ({
    ...asked,
    question: 'how long does docker network connect take?',
    contestants: contestants(api, 'on'),
  }))
  await measure('docker disconnect', () => ({
    ...asked,
    question: 'how long does docker network disconnect take?',
    contestants: contestants(api, 'off'),
  }))
  process.stdout.write(`${JSON.stringify({ ownPartMs: ownPart() }, undefined, 2)}\n`)
} finally {
  await world.close()
  removeProgram()
}
