/**
 * The daemon as its users meet it: endpoints asked for one after another over its socket, in a
 * process of its own with its store on disk, each in a namespace of its own. Beside it iproute2
 * doing the same ops in one batch, which changes no namespace and remembers nothing: the floor; and
 * where a dockerd can run, `docker network connect` to a network of its built-in driver.
 *
 * `ENDPOINTS=4000` shows whether the last come as quickly as the first, and what the daemon weighs.
 * `STORE=etcd` has the store on an etcd; the peer is one transaction of it: the least that a lease
 * can cost.
 */
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Op } from '../src/fabric/plan.ts'
import { openKernel } from '../src/kernel/fabric.ts'
import { buildProgram, programWords, removeProgram } from '../test/support/program.ts'
import { DockerApi } from '../src/plugin/docker/api.ts'
import { openEtcdStore } from '../src/store/etcd.ts'
import { DockerWorld, whyNoDocker } from '../test/docker/world.ts'
import { startEtcd } from '../test/support/etcd.ts'
import { type Contestant, ipBatch, measure, needRoot, timeMs } from './harness.ts'
import { parentOn, PREFIX } from './worlds.ts'

const COUNT = Number(process.env.ENDPOINTS ?? 200)
const HOST = `${PREFIX}daemon`
const ONE = `${HOST}-one`
const boxes = Array.from({ length: COUNT }, (_, i) => `${HOST}-${i}`)
const SUBNET = 0x0a640000
const DOCKER_TIMES = 20
const ON_ETCD = process.env.STORE === 'etcd'
const IN_HOST = ['nsenter', `--net=/run/netns/${HOST}`] as const
const self = fileURLToPath(import.meta.url)

const folder = mkdtempSync(join(tmpdir(), 'lanyard-bench-'))
const socket = join(folder, 'lanyard.sock')
const agent = new Agent({ keepAlive: true, maxSockets: 1 })

/** One request on a connection that stays open. */
function ask(method: string, path: string, body?: unknown): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath: socket, agent, method, path }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => (text += part))
      response.on('end', () => {
        const { statusCode = 0 } = response
        if (statusCode >= 400) reject(new Error(`${method} ${path}: ${text}`))
        else resolve(text === '' ? undefined : JSON.parse(text))
      })
    })
    // A peer that ran long held this loop up, and the daemon has closed meanwhile what was idle.
    const again = (): void => void ask(method, path, body).then(resolve, reject)
    asked.on('error', (error) => (asked.reusedSocket ? again() : reject(error)))
    asked.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

const network = {
  name: 'lan',
  kind: 'macvlan',
  parent: 'p0',
  pools: [{ subnet: '10.100.0.0/16', gateway: '10.100.0.1' }],
  // A question to the LAN takes a fifth of a second by itself; `ip` asks nobody.
  check: 'never',
}

const at = (figures: readonly number[], share: number): number =>
  figures.toSorted((a, b) => a - b)[Math.floor((figures.length - 1) * share)] ?? Number.NaN

/** What a round showed besides the middle of its times. */
const figures: Record<string, number>[] = []
const round2 = (figure: number): number => Math.round(figure * 100) / 100

async function connectAll(): Promise<number> {
  const each: number[] = []
  for (const box of boxes)
    each.push(
      await timeMs(() =>
        ask('POST', '/v1/networks/lan/endpoints', { endpoint: box, sandbox: box }),
      ),
    )
  const [first, last] = [at(each.slice(0, 100), 0.5), at(each.slice(-100), 0.5)]
  figures.push({
    p50Ms: round2(at(each, 0.5)),
    p99Ms: round2(at(each, 0.99)),
    first100Ms: round2(first),
    last100Ms: round2(last),
    lastToFirst: round2(last / first),
  })
  return at(each, 0.5)
}

/** The same links, addresses and routes, the host's way to each included. */
function batchLines(): { readonly links: string[]; readonly inside: string[] } {
  const links: string[] = []
  const inside: string[] = []
  for (const i of boxes.keys()) {
    const ip = `10.100.${100 + (i >> 8)}.${i & 255}`
    links.push(`link add link p0 name e${i} netns ${ONE} type macvlan mode bridge`)
    links.push(`route replace ${ip}/32 dev p0 src 10.100.0.2`)
    inside.push(`addr add ${ip}/16 dev e${i}`, `link set e${i} up`)
    inside.push(`route replace default via 10.100.0.1 dev e${i} metric ${i + 1}`)
  }
  return { links, inside }
}

async function open() {
  needRoot()
  const kernel = await openKernel()
  await buildProgram()
  const all = [HOST, ONE, ...boxes]
  const clean = () =>
    kernel.apply(
      all.map((netns): Op => ({ do: 'netns.del', netns })),
      { keepGoing: true },
    )
  await clean()
  await kernel.apply([
    ...all.map((netns): Op => ({ do: 'netns.add', netns })),
    { do: 'link.set', netns: HOST, name: 'lo', up: true },
    ...parentOn(HOST, SUBNET + 2),
  ])
  const etcd = ON_ETCD ? await startEtcd({ wrap: IN_HOST }) : undefined
  const [endpoint] = etcd?.endpoints ?? []
  // As many threads as bin/lanyard.cjs gives the daemon.
  const env = {
    ...process.env,
    UV_THREADPOOL_SIZE: '128',
    LANYARD_SOCKET: socket,
    LANYARD_STATE: join(folder, 'state'),
    ...(endpoint === undefined ? {} : { LANYARD_STORE: `etcd://${endpoint}` }),
  }
  const [node = '', ...words] = programWords('daemon', '--log-level', 'warn', '--docker', 'none')
  // `PROFILE=folder` leaves where its time went.
  const profile = process.env.PROFILE
  const flags = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]
  const [enter, ...there] = IN_HOST
  const child = spawn(enter, [...there, node, ...flags, ...words], {
    env,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  for (let up = false; !up; ) {
    if (child.exitCode !== null) throw new Error('the daemon ended')
    up = await ask('GET', '/v1/version').then(
      () => true,
      () => false,
    )
    if (!up) await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const rss = (): string =>
    /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1] ?? ''
  /** Processor time of all its threads; the kernel counts it in hundredths of a second. */
  const cpuMs = (): number => {
    const words = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    return (Number(words[11]) + Number(words[12])) * 10
  }
  const close = async (): Promise<void> => {
    const gone = new Promise((resolve) => child.once('exit', resolve))
    if (child.exitCode === null && child.kill('SIGTERM')) await gone
    agent.destroy()
    await etcd?.stop()
    await clean()
    await kernel.close()
    removeProgram()
    rmSync(folder, { recursive: true })
  }
  return { rss, cpuMs, endpoint, close }
}

/** Transactions of an etcd, one after another, by a process in the daemon's place. */
async function transactions(endpoint: string): Promise<void> {
  const store = await openEtcdStore({ endpoints: [endpoint] })
  const each: number[] = []
  for (const box of boxes) {
    const key = `bare/${process.pid}/${box}`
    const create = { when: [{ key, is: 'absent' }], then: [{ put: key, value: box }] } as const
    each.push(await timeMs(() => store.transact(create)))
  }
  process.stdout.write(`${at(each, 0.5)}`)
  await store.close()
}

const [, , role, etcdAt = ''] = process.argv
if (role === 'transactions') {
  await transactions(etcdAt)
  rmSync(folder, { recursive: true })
  process.exit(0)
}
const docker = ON_ETCD ? undefined : await openDocker()
const world = await open()
const rounds = COUNT > 500 ? 1 : 5
try {
  await measure('daemon', () => ({
    question: `how long does one of ${COUNT} endpoints take to come, through the daemon? (p50)`,
    unit: 'ms',
    better: 'lower',
    rounds,
    contestants: [
      {
        name: 'lanyard daemon, a request each',
        run: async () => {
          await ask('POST', '/v1/networks', network)
          const before = world.cpuMs()
          const p50 = await connectAll()
          // A busy machine changes this little.
          const cpuMs = round2((world.cpuMs() - before) / COUNT)
          Object.assign(figures.at(-1) ?? {}, { cpuMs })
          return p50
        },
        reset: async () => {
          const rssMib = Math.round(Number(world.rss()) / 1024)
          const ms = await timeMs(() => ask('DELETE', '/v1/networks/lan?disconnect=true'))
          Object.assign(figures.at(-1) ?? {}, { rssMib, removedMs: Math.round(ms) })
        },
      },
      {
        name: 'ip -batch, one namespace',
        run: async () => {
          const { links, inside } = batchLines()
          const ms = await timeMs(() => {
            ipBatch(links, HOST)
            ipBatch(inside, ONE)
          })
          return ms / COUNT
        },
        reset: () => ipBatch(['link set p0 group 0', 'link del p0', ...remade()], HOST),
      },
      ...(docker === undefined ? [] : [docker.contestant]),
      ...(world.endpoint === undefined ? [] : [etcdAlone(world.endpoint)]),
    ],
  }))
  // The first round warmed up.
  process.stdout.write(`${JSON.stringify({ figures: figures.slice(1) }, undefined, 2)}\n`)
} finally {
  await docker?.close()
  await world.close()
}

/** The least that a lease can cost. */
function etcdAlone(endpoint: string): Contestant {
  const [enter, ...there] = IN_HOST
  const words = [...there, process.execPath, self, 'transactions', endpoint]
  const run = (): number => Number(execFileSync(enter, words, { encoding: 'utf8' }))
  return { name: 'one create-only transaction of that etcd', run }
}

/** A dockerd of its own, with a container that comes to a network and goes. */
async function openDocker(): Promise<
  { readonly contestant: Contestant; close(): Promise<void> } | undefined
> {
  const why = whyNoDocker()
  if (why !== undefined) {
    process.stderr.write(`no docker beside it: ${why}\n`)
    return undefined
  }
  const docker = new DockerWorld()
  await docker.open()
  await docker.startDockerd()
  docker.importImage()
  docker.docker('network create -d macvlan --subnet 10.8.0.0/24 -o parent=eth0 lan')
  docker.docker('run -d --name box --network none bb sleep 100000')
  docker.docker('network disconnect none box')
  const api = new DockerApi(`/proc/${docker.init}/root/run/docker.sock`)
  const run = async (): Promise<number> => {
    const each: number[] = []
    for (let i = 0; i < DOCKER_TIMES; i++) {
      const body = { Container: 'box' }
      each.push(await timeMs(() => api.ask('POST', '/networks/lan/connect', body)))
      await api.ask('POST', '/networks/lan/disconnect', body)
    }
    return at(each, 0.5)
  }
  const contestant = { name: 'docker network connect, -d macvlan', run }
  return { contestant, close: () => docker.close() }
}

/** Every child goes with its parent, and its routes. */
function remade(): string[] {
  return [
    'link add p0 type veth peer name p1',
    'link set p0 up',
    'link set p1 up',
    'addr add 10.100.0.2/16 dev p0',
  ]
}
