/**
 * kill -9 of daemon and dockerd at random points of create, run, connect and rm: nothing leaks, no
 * address is given twice, and `docker network rm` always works in the end. What is drawn follows
 * from a seed; when a kill meets what, only the machine knows.
 */
import { type DockerWorld, until } from './world.ts'

const CREATE =
  'network create -d lanyard --ipam-driver lanyard --subnet 192.168.8.0/24 --gateway 192.168.8.1 -o parent=eth0 -o check=never'
/** Containers that may have stayed before all are removed. */
const MANY = 8
const LIVE = { liveRestore: true } as const

/** Numbers below `limit`, the same for the same seed. */
function draw(seed: number): (limit: number) => number {
  let state = seed
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
}

export interface CrashOptions {
  readonly cycles: number
  readonly seed: number
  /** Told after each cycle. */
  readonly onCycle?: (what: Cycle) => void
}

export interface Cycle {
  readonly cycle: number
  readonly killed: 'dockerd' | 'lanyard'
  readonly afterMs: number
  /** Which of the commands went well. */
  readonly well: readonly boolean[]
  /** Addresses of the containers that run now. */
  readonly addresses: readonly string[]
}

/** What is left when every container and network was removed. */
export interface Left {
  readonly links: readonly string[]
  readonly routes: readonly string[]
  readonly leases: readonly unknown[]
  readonly networks: boolean
}
export const NOTHING_LEFT: Left = { links: [], routes: [], leases: [], networks: false }

const linesOf = (world: DockerWorld, line: string): string[] =>
  world.tryDocker(line).stdout.trim().split('\n').filter(Boolean)

/** What a cycle types. */
function wordsOf(cycle: number, pick: (limit: number) => number): string[] {
  const network = `n${cycle % 2}`
  const [one, two] = [`a${cycle}`, `b${cycle}`]
  const run = (name: string) => `run -d --name ${name} --network ${network} bb sleep 10000`
  return [
    `${CREATE} ${network}`,
    run(one),
    run(two),
    [`restart -t 0 ${one}`, `network disconnect ${network} ${one}`][pick(2)] ?? '',
    `rm -f ${one}`,
    // Every other time something stays for the cycles after it.
    ...(pick(2) === 0 ? [`rm -f ${two}`, `network rm ${network}`] : []),
  ]
}

/**
 * The cycles, in a world whose daemon and dockerd (live-restore on) run: create, run, restart, rm
 * and network rm, with one kill at a random point among them.
 *
 * @throws Error an address that two running containers have
 */
export async function crash(world: DockerWorld, options: CrashOptions): Promise<void> {
  const pick = draw(options.seed)
  for (let cycle = 0; cycle < options.cycles; cycle++) {
    const killed = pick(3) === 0 ? 'dockerd' : 'lanyard'
    const afterMs = pick(3000)
    const typed = typeAll(world, wordsOf(cycle, pick))
    await new Promise((resolve) => setTimeout(resolve, afterMs))
    await killAndStart(world, killed)
    const well = await typed
    const addresses = addressesOf(world)
    options.onCycle?.({ cycle, killed, afterMs, well, addresses })
    if (new Set(addresses).size < addresses.length)
      throw new Error(`cycle ${cycle}: an address twice: ${addresses.join(' ')}`)
    if (addresses.length > MANY) await clearAll(world)
  }
}

/** One after the other, each whatever came of the one before. */
async function typeAll(world: DockerWorld, lines: readonly string[]): Promise<boolean[]> {
  const well: boolean[] = []
  for (const line of lines) well.push((await world.dockerAsync(line)).status === 0)
  return well
}

async function killAndStart(world: DockerWorld, killed: Cycle['killed']): Promise<void> {
  if (killed === 'dockerd') {
    await world.stopDockerd('SIGKILL')
    await world.startDockerd(LIVE)
  } else {
    await world.stopLanyard('SIGKILL')
    await world.startLanyard()
  }
}

/** Of the links themselves: what Docker and the address table believe is no witness. */
function addressesOf(world: DockerWorld): string[] {
  const running = linesOf(world, 'ps -q')
  return running.flatMap((id) =>
    linesOf(world, `exec ${id} ip -o -4 addr show scope global`).flatMap(
      (line) => /inet (\S+)\//.exec(line)?.[1] ?? [],
    ),
  )
}

/**
 * Removes everything through Docker.
 *
 * @throws Error a container or network that cannot be removed
 */
export async function clearAll(world: DockerWorld): Promise<void> {
  await world.startIfDead()
  await gone(world, 'ps -aq', 'rm -f', 'a container stays')
  const ours = 'network ls -q --filter driver=lanyard'
  await gone(world, ours, 'network rm', 'docker network rm does not work')
}

async function gone(world: DockerWorld, list: string, remove: string, name: string): Promise<void> {
  await until(() => {
    const all = linesOf(world, list)
    if (all.length > 0) world.tryDocker(`${remove} ${all.join(' ')}`)
    return linesOf(world, list).length === 0
  }, name)
}

/** What is left, once it had the time in which Lanyard asks Docker what was forgotten. */
export async function leftOver(world: DockerWorld): Promise<Left> {
  const left = (): Left => {
    const { stdout } = world.lanyard('ip ls --json')
    const leases = JSON.parse(stdout || '[]') as readonly { readonly kind: string }[]
    return {
      links: world.ok('ip', '-br', 'link').match(/^l[yhvd]-\S+/gm) ?? [],
      routes: world.ok('ip', 'route').match(/^.*dev l[yhvd]-.*$/gm) ?? [],
      leases: leases.filter(({ kind }) => kind === 'endpoint'),
      networks: !world.lanyard('status').stdout.includes('no networks yet'),
    }
  }
  const nothing = JSON.stringify(NOTHING_LEFT)
  await until(() => JSON.stringify(left()) === nothing).catch(() => undefined)
  return left()
}
