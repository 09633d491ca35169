/**
 * A world with a real dockerd: network, mount and process namespaces of its own, so that it meets
 * nobody's Docker and ends with one kill. Its root network namespace is the Docker host, with its
 * card on a switch; router and foreign host are named namespaces on the same switch.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PROGRAM, ROOT } from '../support/program.ts'

export interface Ran {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** What the image can do: the applets the tests call. */
const APPLETS = [
  'sh',
  'ip',
  'ping',
  'sleep',
  'true',
  'cat',
  'ls',
  'nslookup',
  'nc',
  'sysctl',
  'arping',
]
/** Debian's comes with its dockerd and speaks all of its API; another may be newer. */
const CLIENT = existsSync('/usr/bin/docker') ? '/usr/bin/docker' : 'docker'
/** Inside a guest Node may have to leave some of its processor's registers alone. */
const NODE = [
  process.execPath,
  ...process.execArgv.filter((flag) => flag.startsWith('--no-enable-')),
]
/** A busy machine may take its time; nothing here is about time. */
const PATIENCE_MS = 90_000

/** Why no dockerd can run here; undefined when one can. */
export function whyNoDocker(): string | undefined {
  if (process.platform !== 'linux') return 'needs Linux'
  if (process.getuid?.() !== 0) return 'needs root'
  for (const program of ['dockerd', 'docker', 'busybox', 'unshare', 'nsenter', 'ip'])
    if (spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0) return `needs ${program}`
  return undefined
}

const SCRIPT = `
mount -t tmpfs tmpfs /run
ip link set lo up
mkdir -p /run/netns /run/docker/plugins
# A guest of ours has no control groups yet; they are this world's in any case.
[ -e /sys/fs/cgroup/cgroup.controllers ] || [ -e /sys/fs/cgroup/cpu ] || mount -t cgroup2 cgroup2 /sys/fs/cgroup
for name in sw gw peer; do ip netns add $name; ip -n $name link set lo up; done
ip -n sw link add br0 type bridge
ip -n sw link set br0 up
ip link add eth0 type veth peer name p0 netns sw
ip -n gw link add eth0 type veth peer name p1 netns sw
ip -n peer link add eth0 type veth peer name p2 netns sw
for port in p0 p1 p2; do ip -n sw link set $port master br0 up; done
ip address add 192.168.8.$2/24 dev eth0
ip address add fd00:8::$2/64 dev eth0 nodad
ip link set eth0 up
ip -n gw address add 192.168.8.1/24 dev eth0
ip -n gw address add fd00:8::1/64 dev eth0 nodad
ip -n peer address add 192.168.8.9/24 dev eth0
ip -n peer address add fd00:8::9/64 dev eth0 nodad
ip -n gw link set eth0 up
ip -n peer link set eth0 up
ip route add default via 192.168.8.1
# A guest's kernel has tables only of the older kind, which Docker's name server lives by.
if ! iptables -t nat -N lanyard 2>/dev/null && iptables-legacy -t nat -L >/dev/null 2>&1; then
  mount --bind "$(readlink -f "$(command -v iptables-legacy)")" "$(readlink -f "$(command -v iptables)")"
fi
iptables -t nat -X lanyard 2>/dev/null || true
touch "$1/ready"
# The first process reaps what others leave: a dead containerd looks alive until then.
while :; do sleep 3600 & wait $!; done
`

export interface DockerdOptions {
  readonly liveRestore?: boolean
}

export interface WorldOptions {
  /** The last number of the host's addresses, 192.168.8.N and fd00:8::N. */
  readonly host?: number
}

/** What nsenter started, where it did not become it. */
function innerOf({ pid = 0 }: ChildProcess): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
  return Number(children.split(' ')[0] || pid)
}

function signalInner(child: ChildProcess | undefined, signal: NodeJS.Signals): void {
  if (child === undefined) return
  process.kill(innerOf(child), signal)
  // nsenter stops together with what it started, and has to reap it.
  if (signal === 'SIGCONT') child.kill(signal)
}

export class DockerWorld {
  readonly #host: number
  readonly folder = mkdtempSync(join(tmpdir(), 'lanyard-docker-'))
  readonly #tag = `lanyard-${process.pid}-${Math.trunc(performance.now())}`
  #unshare: ChildProcess | undefined
  /** Process id of the world's first process, as seen from here. */
  #init = 0
  #dockerd: ChildProcess | undefined
  #lanyard: ChildProcess | undefined
  #etcd: ChildProcess | undefined

  constructor({ host = 110 }: WorldOptions = {}) {
    this.#host = host
  }

  /** Makes the namespaces and the LAN; nothing runs in them yet. */
  async open(): Promise<void> {
    const flags = ['--mount', '--net', '--pid', '--fork', '--kill-child', '--mount-proc']
    this.#unshare = spawn(
      'unshare',
      [
        ...flags,
        '--propagation',
        'private',
        'sh',
        '-ec',
        SCRIPT,
        'sh',
        this.folder,
        `${this.#host}`,
      ],
      { stdio: ['ignore', 'ignore', this.#log('world')] },
    )
    await until(() => {
      if (existsSync(join(this.folder, 'ready'))) return true
      if (this.#unshare?.exitCode !== null) throw new Error(this.logOf('world'))
      return false
    })
    const children = `/proc/${this.#unshare.pid}/task/${this.#unshare.pid}/children`
    this.#init = Number(readFileSync(children, 'utf8').trim())
  }

  get init(): number {
    return this.#init
  }

  /** The host is off and on again: what is on disk stays, processes, namespaces and /run do not. */
  async reboot(): Promise<void> {
    await this.#off()
    rmSync(join(this.folder, 'ready'))
    await this.open()
  }

  async #off(): Promise<void> {
    const child = this.#unshare
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    // The first process of a process namespace takes all others with it.
    process.kill(this.#init, 'SIGKILL')
    await gone
  }

  /** Ends everything in it. */
  async close(): Promise<void> {
    await this.#off()
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
    spawnSync('sh', [
      '-c',
      `find /sys/fs/cgroup -depth -type d -path '*/${this.#tag}*' -exec rmdir {} + 2>/dev/null`,
    ])
  }

  #log(name: string): number {
    return openSync(join(this.folder, `${name}.log`), 'a')
  }

  logOf(name: string): string {
    return readFileSync(join(this.folder, `${name}.log`), 'utf8')
  }

  /** The command line before a command that shall run in the world. */
  get inside(): readonly string[] {
    return ['nsenter', `--target=${this.#init}`, '--mount', '--net', '--pid', '--']
  }

  run(...command: readonly string[]): Ran {
    const [program = '', ...args] = [...this.inside, ...command]
    const { status, stdout, stderr } = spawnSync(program, args, {
      encoding: 'utf8',
      timeout: PATIENCE_MS,
    })
    return { status, stdout, stderr }
  }

  /** The command's output, which must have gone well. */
  ok(...command: readonly string[]): string {
    const { status, stdout, stderr } = this.run(...command)
    if (status !== 0) throw new Error(`${command.join(' ')}: status ${status}: ${stderr}${stdout}`)
    return stdout
  }

  #docker(words: readonly string[]): readonly string[] {
    return [CLIENT, '--host', 'unix:///run/docker.sock', ...words]
  }

  /** `docker LINE`, words apart by spaces. */
  docker(line: string): string {
    return this.ok(...this.#docker(line.split(' '))).trim()
  }

  /** The same, whatever comes of it. */
  tryDocker(line: string): Ran {
    return this.run(...this.#docker(line.split(' ')))
  }

  /** The same of words that have blanks in them. */
  tryDockerWords(words: readonly string[]): Ran {
    return this.run(...this.#docker(words))
  }

  /** `docker-compose -f FILE WORDS`, of Debian. */
  compose(file: string, line: string): Ran {
    const at = ['env', 'DOCKER_HOST=unix:///run/docker.sock', 'docker-compose']
    return this.run(...at, '--project-name', 'shop', '-f', file, ...line.split(' '))
  }

  /** The same, at once with others. */
  async dockerAsync(line: string): Promise<Ran> {
    const [program = '', ...args] = [...this.inside, ...this.#docker(line.split(' '))]
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let [stdout, stderr] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    return await new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (status) => resolve({ status, stdout, stderr }))
    })
  }

  lanyard(line: string): Ran {
    return this.run(...NODE, PROGRAM, ...line.split(' '), '--state', this.state)
  }

  /** Where Lanyard keeps its own. */
  get state(): string {
    return join(this.folder, 'state')
  }

  pings(to: string, from?: string): boolean {
    const at = from === undefined ? [] : ['ip', 'netns', 'exec', from]
    return this.run(...at, 'ping', '-c1', '-W2', '-q', to).status === 0
  }

  /** Waits until a ping is answered: what is made known behind a request's back takes a moment. */
  async reaches(to: string, from?: string): Promise<void> {
    await until(() => this.pings(to, from), `${from ?? 'the host'} does not reach ${to}`)
  }

  async startDockerd({ liveRestore = false }: DockerdOptions = {}): Promise<void> {
    const options = ['--host=unix:///run/docker.sock', `--data-root=${this.folder}/data`]
    options.push('--exec-root=/run/docker', '--pidfile=/run/docker.pid', '--storage-driver=vfs')
    options.push('--iptables=false', '--ip6tables=false', '--bridge=none', '--userland-proxy=false')
    options.push(`--cgroup-parent=/${this.#tag}`)
    if (liveRestore) options.push('--live-restore')
    this.#dockerd = this.#start('dockerd', ['dockerd', ...options])
    await this.#until('dockerd', () => this.tryDocker('version').status === 0)
  }

  /** Cables this world's switch to another's, whose own router and foreign host leave the LAN. */
  cableTo(other: DockerWorld): void {
    for (const port of ['p1', 'p2']) other.ok('ip', '-n', 'sw', 'link', 'set', port, 'down')
    const here = ['nsenter', `--net=/proc/${this.#init}/ns/net`]
    const cable = ['link', 'add', 'cable', 'type', 'veth', 'peer', 'name', 'cable']
    const made = spawnSync(here[0] ?? '', [
      ...here.slice(1),
      ...['ip', ...cable, 'netns', `${other.init}`],
    ])
    if (made.status !== 0) throw new Error(`no cable: ${made.stderr.toString()}`)
    for (const world of [this, other]) {
      world.ok('ip', 'link', 'set', 'cable', 'netns', 'sw')
      world.ok('ip', '-n', 'sw', 'link', 'set', 'cable', 'master', 'br0', 'up')
    }
  }

  /** Who Lanyard takes this host for: all worlds of a machine share its machine-id. */
  name(id: string, name: string): void {
    mkdirSync(this.state, { recursive: true })
    writeFileSync(join(this.state, 'host-id'), `${id} ${name}\n`)
  }

  /** An etcd on this host's card. @returns where it is, as `--store` takes it */
  async startEtcd(): Promise<string> {
    const at = `192.168.8.${this.#host}:2379`
    const options = [`--data-dir=${this.folder}/etcd`, `--listen-client-urls=http://${at}`]
    options.push(`--advertise-client-urls=http://${at}`, '--listen-peer-urls=http://127.0.0.1:2380')
    this.#etcd = this.#start('etcd', ['etcd', ...options])
    const health = ['etcdctl', '--endpoints', at, 'endpoint', 'health']
    await until(() => this.run('env', 'ETCDCTL_API=3', ...health).status === 0, 'etcd is not there')
    return `etcd://${at}`
  }

  signalEtcd(signal: NodeJS.Signals): void {
    signalInner(this.#etcd, signal)
  }

  signalLanyard(signal: NodeJS.Signals): void {
    signalInner(this.#lanyard, signal)
  }

  async startLanyard(...options: readonly string[]): Promise<void> {
    const command = [...NODE, PROGRAM, 'daemon', '--state', this.state, ...options]
    this.#lanyard = this.#start('lanyard', command)
    const log = this.logOf('lanyard').length
    await this.#until('lanyard', () => this.logOf('lanyard').slice(log).includes('"msg":"ready"'))
  }

  /** Whatever the last cycle of a random test left dead. */
  async startIfDead(): Promise<void> {
    if (this.#lanyard?.exitCode !== null || this.#lanyard.signalCode !== null)
      await this.startLanyard()
    if (this.#dockerd?.exitCode !== null || this.#dockerd.signalCode !== null)
      await this.startDockerd({ liveRestore: true })
  }

  stopDockerd(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    return this.#stop('dockerd', this.#dockerd, signal)
  }

  stopLanyard(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    return this.#stop('lanyard', this.#lanyard, signal)
  }

  #start(name: string, command: readonly string[]): ChildProcess {
    const [program = '', ...args] = [...this.inside, ...command]
    const log = this.#log(name)
    return spawn(program, args, { cwd: ROOT, stdio: ['ignore', log, log] })
  }

  async #until(name: 'dockerd' | 'lanyard', what: () => boolean): Promise<void> {
    const child = name === 'dockerd' ? this.#dockerd : this.#lanyard
    await until(() => {
      if (child?.exitCode === null) return what()
      throw new Error(`${name} ended: ${this.logOf(name).slice(-2000)}`)
    })
  }

  /** nsenter forks for the process namespace: the signal is for its child. */
  async #stop(
    name: string,
    child: ChildProcess | undefined,
    signal: NodeJS.Signals,
  ): Promise<void> {
    if (child === undefined || child.exitCode !== null) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    process.kill(innerOf(child), signal)
    await Promise.race([gone, lateness(`${name} did not end`)])
  }

  /** An image of busybox, called bb. */
  importImage(): void {
    this.docker(`import ${this.imageTar()} bb`)
  }

  /** @returns the path of the tree of that image */
  imageTar(): string {
    const root = join(this.folder, 'image')
    mkdirSync(join(root, 'bin'), { recursive: true })
    cpSync('/bin/busybox', join(root, 'bin/busybox'))
    for (const applet of APPLETS) symlinkSync('busybox', join(root, 'bin', applet))
    const tar = join(this.folder, 'image.tar')
    this.ok('tar', '-C', root, '-cf', tar, '.')
    return tar
  }

  writeFile(name: string, text: string): string {
    const path = join(this.folder, name)
    writeFileSync(path, text)
    return path
  }
}

async function lateness(what: string): Promise<never> {
  await new Promise((resolve) => setTimeout(resolve, PATIENCE_MS).unref())
  throw new Error(what)
}

/** Waits for a state, never for a time. */
export async function until(
  what: () => boolean | Promise<boolean>,
  name: string | (() => string) = 'it did not come to be',
): Promise<void> {
  const end = Date.now() + PATIENCE_MS
  while (!(await what())) {
    if (Date.now() > end) throw new Error(typeof name === 'string' ? name : name())
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}
