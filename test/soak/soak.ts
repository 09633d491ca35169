/**
 * Seed 002 without its `--ip` pins: two hosts on one LAN and one etcd. Sandboxes come and go at
 * random on both while daemons and members of etcd are killed and stopped; then kernel, table and
 * store are read back and must say the same.
 */
import { formatIp } from '../../src/addr/ip.ts'
import { ipOfHex, isSpare, lastWord } from '../../src/ipam/keys.ts'
import type { Reply } from '../support/daemon.ts'
import type { EtcdCluster } from '../support/etcd.ts'
import type { Ended } from '../support/program.ts'
import { HOSTS, type Host, type Pair } from '../support/two-hosts.ts'

/** Two hosts on one etcd, whatever they are made of ({@link TwoHosts}, UmlHosts). */
export interface SoakHosts {
  readonly etcd: EtcdCluster
  lanyard(host: Host, line: string): Promise<Ended>
  ask(host: Host, method: string, path: string, body?: object): Promise<SoakReply>
  startDaemon(host: Host): Promise<void>
  /** SIGKILL, and waits until it is gone. */
  endDaemon(host: Host): Promise<void>
  signalDaemon(host: Host, signal: NodeJS.Signals): unknown
  /** A sandbox's namespace, made (again); its whole name. */
  sandbox(name: string, host: Host): string | Promise<string>
  endSandbox(netns: string, host: Host): unknown
  /** What the kernel says that eth0 in there has; empty without one. */
  addressIn(netns: string, host: Host): string | Promise<string>
  keys(prefix: string): readonly Pair[]
  close(): Promise<void>
}

export type SoakReply = Pick<Reply, 'status' | 'text' | 'json'>

export interface SoakOptions {
  readonly seconds: number
  readonly seed: number
  readonly open: () => Promise<SoakHosts>
  readonly log?: (line: string) => void
}

export interface SoakResult {
  readonly connects: number
  readonly disconnects: number
  /** Sandboxes that ended while they were connected. */
  readonly ended: number
  /** Addresses asked for that another had. */
  readonly refused: number
  /** Of them those that a sandbox which had ended still answered for, for seconds. */
  readonly ghosts: number
  /** Questions repeated because a daemon or the store was away. */
  readonly repeated: number
  readonly kills: Readonly<Record<string, number>>
  /** How often the addresses of all namespaces were read while all this went on. */
  readonly looks: number
  /** Connected at the end. */
  readonly held: number
  /** What is not as it must be; empty. */
  readonly wrong: readonly string[]
}

interface Sandbox {
  readonly host: Host
  readonly name: string
  netns: string
  /** What was last answered. */
  address: string | undefined
  busy: boolean
}

const EACH = 8
const WORKERS = 2
/** Asked for by name now and then, by both. */
const WANTED = ['10.9.0.201', '10.9.0.202', '10.9.0.203']
const PATIENCE_MS = 120_000
const ENDPOINTS = '/v1/networks/lan/endpoints'

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))

/** mulberry32: what is done is drawn by the seed; when it happens is the machine's. */
function draws(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Runs it; `buildProgram` first. What it finds is in `wrong`, not thrown. */
export async function soak(options: SoakOptions): Promise<SoakResult> {
  const hosts = await options.open()
  try {
    return await new Soak(hosts, options).run()
  } finally {
    await hosts.close()
  }
}

class Soak {
  readonly #hosts: SoakHosts
  readonly #options: SoakOptions
  readonly #sandboxes: Sandbox[] = []
  readonly #wrong = new Set<string>()
  readonly #kills: Record<string, number> = {}
  readonly #count = {
    connects: 0,
    disconnects: 0,
    ended: 0,
    refused: 0,
    ghosts: 0,
    repeated: 0,
    looks: 0,
  }
  #over = false

  constructor(hosts: SoakHosts, options: SoakOptions) {
    this.#hosts = hosts
    this.#options = options
  }

  async run(): Promise<SoakResult> {
    const made = await this.#hosts.lanyard(
      'alpha',
      'network create --subnet 10.9.0.0/24 --gateway 10.9.0.1 --ip-range 10.9.0.16-10.9.0.254 -o parent=eth0 lan',
    )
    if (made.status !== 0) throw new Error(made.stderr)
    for (const host of HOSTS) {
      await this.#hosts.startDaemon(host)
      for (let i = 0; i < EACH; i++) {
        const name = `${host}-${i}`
        const netns = await this.#hosts.sandbox(name, host)
        this.#sandboxes.push({ host, name, netns, address: undefined, busy: false })
      }
    }
    const workers = HOSTS.flatMap((host, n) =>
      Array.from({ length: WORKERS }, (_, i) =>
        this.#work(host, draws(this.#options.seed * 100 + n * 10 + i)),
      ),
    )
    const ending = pause(this.#options.seconds * 1000).then(() => (this.#over = true))
    const illness = this.#ail(draws(this.#options.seed * 100 + 99))
    await Promise.all([...workers, illness, this.#watch(), ending])
    await this.#settle()
    await this.#compare()
    const held = this.#sandboxes.filter((one) => one.address !== undefined).length
    return { ...this.#count, kills: this.#kills, held, wrong: [...this.#wrong] }
  }

  /** One hand on a host: takes a sandbox that nobody else has in hand, and changes its state. */
  async #work(host: Host, draw: () => number): Promise<void> {
    while (!this.#over) {
      const free = this.#sandboxes.filter((one) => one.host === host && !one.busy)
      const one = free[Math.floor(draw() * free.length)]
      if (one === undefined) throw new Error('fewer sandboxes than hands')
      one.busy = true
      if (one.address === undefined) await this.#connect(one, draw)
      else await this.#take(one, draw() < 0.3)
      one.busy = false
      await pause(draw() * 100)
    }
  }

  async #connect(one: Sandbox, draw: () => number): Promise<void> {
    const wanted = draw() < 0.25 ? WANTED[Math.floor(draw() * WANTED.length)] : undefined
    const answer = await this.#insist(one.host, 'POST', ENDPOINTS, {
      endpoint: one.name,
      sandbox: one.netns,
      ...(wanted === undefined ? {} : { addresses: [wanted] }),
    })
    if (answer.status >= 300) {
      if (wanted !== undefined && /10\.9\.0\.20\d is held by /.test(answer.text))
        this.#count.refused++
      else if (wanted !== undefined && answer.text.includes(' has given it back, but its link')) {
        this.#count.refused++
        this.#count.ghosts++
      } else this.#wrong.add(`connect ${one.name} ${wanted ?? ''}: ${answer.text}`)
      return
    }
    this.#count.connects++
    const [address = ''] = (answer.json['addresses'] as string[])[0]?.split('/') ?? []
    one.address = address
    const kernel = await this.#addressIn(one)
    if (kernel !== address)
      this.#wrong.add(`${one.name}: was answered ${address}, its namespace has "${kernel}"`)
    if (wanted !== undefined && address !== wanted)
      this.#wrong.add(`${one.name}: asked for ${wanted}, got ${address}`)
  }

  /** Disconnects; or the sandbox ends first, as a container that dies. */
  async #take(one: Sandbox, dies: boolean): Promise<void> {
    if (dies) {
      await this.#hosts.endSandbox(one.netns, one.host)
      this.#count.ended++
    }
    const answer = await this.#insist(one.host, 'DELETE', `${ENDPOINTS}/${one.name}`)
    if (answer.status >= 300) this.#wrong.add(`disconnect ${one.name}: ${answer.text}`)
    one.address = undefined
    this.#count.disconnects++
    if (dies) one.netns = await this.#hosts.sandbox(one.name, one.host)
    else if ((await this.#addressIn(one)) !== '')
      this.#wrong.add(`${one.name}: was disconnected and still has an address`)
  }

  /** Whoever meets a killed daemon or a store that is away asks again, the same. */
  async #insist(host: Host, method: string, path: string, body?: object) {
    const end = performance.now() + PATIENCE_MS
    for (;;) {
      const answer = await this.#hosts.ask(host, method, path, body).catch(() => undefined)
      if (answer !== undefined && answer.status < 500) return answer
      this.#count.repeated++
      if (performance.now() > end)
        throw new Error(`${host}: ${method} ${path} for two minutes: ${answer?.text ?? 'nobody'}`)
      await pause(100)
    }
  }

  /** One illness after another, each over before the next. */
  async #ail(draw: () => number): Promise<void> {
    const pick = <T>(all: readonly T[]): T => all[Math.floor(draw() * all.length)] as T
    while (!this.#over) {
      await pause(500 + draw() * 2000)
      const host = pick(HOSTS)
      const member = pick(this.#hosts.etcd.members)
      const ill = pick(['daemon killed', 'daemon stopped', 'member killed', 'member stopped'])
      this.#kills[ill] = (this.#kills[ill] ?? 0) + 1
      this.#options.log?.(`${ill}: ${ill.startsWith('daemon') ? host : member.name}`)
      if (ill === 'daemon killed') {
        await this.#hosts.endDaemon(host)
        await this.#hosts.startDaemon(host)
      } else if (ill === 'daemon stopped') {
        await this.#hosts.signalDaemon(host, 'SIGSTOP')
        await pause(1000)
        await this.#hosts.signalDaemon(host, 'SIGCONT')
      } else if (ill === 'member killed') {
        await member.kill()
        await member.start()
      } else {
        member.signal('SIGSTOP')
        await pause(1000)
        member.signal('SIGCONT')
      }
    }
  }

  /** Reads every namespace again and again: at no time do two have one address. */
  async #watch(): Promise<void> {
    while (!this.#over) {
      await pause(1000)
      this.#count.looks++
      await this.#unique('while all went on')
    }
  }

  async #addressIn({ netns, host }: Sandbox): Promise<string> {
    return await this.#hosts.addressIn(netns, host)
  }

  async #unique(when: string): Promise<void> {
    // A sandbox may have just ended.
    const has = (one: Sandbox): Promise<string> => this.#addressIn(one).catch(() => '')
    const first = new Map<string, Sandbox>()
    for (const one of this.#sandboxes) {
      const address = await has(one)
      const other = first.get(address)
      if (address === '') continue
      if (other === undefined) first.set(address, one)
      // The first was read a while ago: both once more.
      else if ((await has(other)) === address && (await has(one)) === address)
        this.#wrong.add(`${when}: ${address} is in ${other.name} and in ${one.name}`)
    }
  }

  /** What a killed connect left is mended by its own host: until nothing is left to mend. */
  async #settle(): Promise<void> {
    for (const host of HOSTS) {
      const end = performance.now() + PATIENCE_MS
      for (;;) {
        await this.#insist(host, 'POST', '/v1/reconcile')
        const { text, json } = await this.#insist(host, 'GET', '/v1/status')
        if (Array.isArray(json) && json.length === 0) break
        if (performance.now() > end) {
          this.#wrong.add(`status of ${host}: ${text}`)
          break
        }
        await pause(500)
      }
    }
  }

  async #compare(): Promise<void> {
    await this.#unique('at the end')
    const list = (entries: Iterable<string>): string => [...entries].toSorted().join(', ')
    const answered = list(
      this.#sandboxes.flatMap(({ name, address }) => (address ? [`${name} ${address}`] : [])),
    )
    const inside: string[] = []
    for (const one of this.#sandboxes) {
      const address = await this.#addressIn(one)
      if (address !== '') inside.push(`${one.name} ${address}`)
    }
    const said: Record<string, string> = {
      kernel: list(inside),
      store: list(
        this.#hosts.keys('/lanyard/ipam/ip/').flatMap(({ key, value }) => {
          const { endpoint } = JSON.parse(value) as { endpoint: string }
          return isSpare(endpoint) ? [] : [`${endpoint} ${formatIp(ipOfHex(lastWord(key)))}`]
        }),
      ),
    }
    for (const host of HOSTS) {
      const { json } = await this.#insist(host, 'GET', '/v1/leases')
      const leases = json as unknown as { kind: string; holder: string; address: string }[]
      said[`table of ${host}`] = list(
        leases.filter((l) => l.kind === 'endpoint').map((l) => `${l.holder} ${l.address}`),
      )
    }
    for (const [who, what] of Object.entries(said))
      if (what !== answered) this.#wrong.add(`answered was: ${answered}; ${who} says: ${what}`)
    const count = answered === '' ? 0 : answered.split(', ').length
    const clean = `1 networks, ${count} endpoints, ${count} addresses, 2 hosts: clean\n`
    const { stdout, stderr } = await this.#hosts.lanyard('alpha', 'store check')
    // Spares come and go by themselves.
    if (stdout.replace(/\d+ spares, /, '') !== clean)
      this.#wrong.add(`store check: ${stdout}${stderr}`)
  }
}
