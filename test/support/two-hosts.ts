/**
 * Two hosts on one LAN and one etcd, on a real kernel: namespaces play the hosts, each with a
 * daemon of its own, and a third the switch between them, where etcd is, too.
 */
import { type ChildProcess, execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ask, type Reply } from './daemon.ts'
import { type EtcdCluster, startEtcd } from './etcd.ts'
import { type Ended, startProgram } from './program.ts'

export const HOSTS = ['alpha', 'beta'] as const
export type Host = (typeof HOSTS)[number]

export const ip = (line: string): string =>
  execFileSync('ip', line.split(' '), { encoding: 'utf8' })

export async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await what())) await new Promise((resolve) => setTimeout(resolve, 50))
}

/** `buildProgram` first. */
export class TwoHosts {
  readonly etcd: EtcdCluster
  readonly #tag: string
  readonly #folder: string
  readonly #daemons = new Map<Host, ChildProcess>()
  readonly #sandboxes = new Set<string>()

  private constructor(tag: string, folder: string, etcd: EtcdCluster) {
    this.#tag = tag
    this.#folder = folder
    this.etcd = etcd
  }

  /** Makes the namespaces and starts etcd; no daemon yet. */
  static async open(members = 1): Promise<TwoHosts> {
    const tag = `two${process.pid}`
    const lan = `${tag}-sw`
    const folder = mkdtempSync(join(tmpdir(), 'lanyard-two-'))
    try {
      addSwitch(lan)
      for (const [n, host] of HOSTS.entries()) {
        const netns = `${tag}-${host}`
        ip(`netns add ${netns}`)
        ip(`-n ${lan} link add p${n} type veth peer name eth0 netns ${netns}`)
        ip(`-n ${lan} link set p${n} master br0 up`)
        ip(`-n ${netns} address add 10.9.0.${n + 2}/24 dev eth0`)
        for (const link of ['eth0', 'lo']) ip(`-n ${netns} link set ${link} up`)
        mkdirSync(join(folder, host))
        // Both are on this machine, and have one machine-id.
        writeFileSync(join(folder, host, 'host-id'), `${tag}${host} ${host}\n`)
      }
      return new TwoHosts(tag, folder, await startEtcdOn(lan, members))
    } catch (error) {
      removeAll(tag, folder, [])
      throw error
    }
  }

  async close(): Promise<void> {
    for (const host of HOSTS) await this.endDaemon(host)
    await this.etcd.stop()
    removeAll(this.#tag, this.#folder, this.#sandboxes)
  }

  /** The namespace of the switch between them. */
  get switch(): string {
    return `${this.#tag}-sw`
  }

  /** A command's environment and place are the host's. */
  started(host: Host, line: string): ReturnType<typeof startProgram> {
    const env = {
      LANYARD_SOCKET: this.#socket(host),
      LANYARD_STATE: join(this.#folder, host),
      LANYARD_STORE: `etcd://${this.etcd.endpoints.join(',')}`,
    }
    const wrap = ['nsenter', `--net=/run/netns/${this.#tag}-${host}`]
    return startProgram(line.split(' '), env, wrap)
  }

  lanyard(host: Host, line: string): Promise<Ended> {
    return this.started(host, line).ended
  }

  /** A request to the host's daemon; rejected when there is none. */
  ask(host: Host, method: string, path: string, body?: object): Promise<Reply> {
    const text = body === undefined ? undefined : JSON.stringify(body)
    const headers: Record<string, string> =
      text === undefined ? {} : { 'content-type': 'application/json' }
    return ask(this.#socket(host), method, path, text, headers)
  }

  async startDaemon(host: Host): Promise<void> {
    const { child, ended } = this.started(host, 'daemon --log-level warn')
    this.#daemons.set(host, child)
    let failed: Ended | undefined
    void ended.then((end) => (failed = end))
    await until(async () => {
      if (failed !== undefined) throw new Error(`the daemon of ${host} ended: ${failed.stderr}`)
      const version = this.ask(host, 'GET', '/v1/version')
      return await version.then(({ json }) => json['pid'] === child.pid).catch(() => false)
    })
  }

  signalDaemon(host: Host, signal: NodeJS.Signals): void {
    this.#daemons.get(host)?.kill(signal)
  }

  /** SIGKILL, and waits until it is gone. */
  async endDaemon(host: Host): Promise<void> {
    const child = this.#daemons.get(host)
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
  }

  /** The host's id is that of another from now on, its name stays. */
  callItself(host: Host, id: Host): void {
    writeFileSync(join(this.#folder, host, 'host-id'), `${this.#tag}${id} ${host}\n`)
  }

  /** The host's cable is out. */
  cutOff(host: Host, out: boolean): void {
    ip(`-n ${this.#tag}-sw link set p${HOSTS.indexOf(host)} ${out ? 'down' : 'up'}`)
  }

  /** A sandbox's namespace, made (again); its whole name. */
  sandbox(name: string): string {
    const netns = `${this.#tag}-${name}`
    ip(`netns add ${netns}`)
    this.#sandboxes.add(netns)
    return netns
  }

  /** As a container that ended: everything in it is gone. */
  endSandbox(netns: string): void {
    ip(`netns del ${netns}`)
    this.#sandboxes.delete(netns)
  }

  /** What the kernel says that eth0 in there has; empty without one. */
  addressIn(netns: string): string {
    const args = ['-n', netns, '-4', '-o', 'address', 'show']
    const { stdout, status, stderr } = spawnSync('ip', args, { encoding: 'utf8' })
    if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr}`)
    return / inet ([0-9.]+)\/\d+ .*eth0/.exec(stdout)?.[1] ?? ''
  }

  /** What etcd's own client reads under a prefix. */
  keys(prefix: string): Pair[] {
    return readKeys(this.switch, this.etcd, prefix)
  }

  #socket(host: Host): string {
    return join(this.#folder, host, 'lanyard.sock')
  }
}

/** The switch between the hosts, 10.9.0.1, in a namespace of its own. */
export function addSwitch(lan: string): void {
  ip(`netns add ${lan}`)
  ip(`-n ${lan} link add br0 type bridge`)
  ip(`-n ${lan} address add 10.9.0.1/24 dev br0`)
  for (const link of ['br0', 'lo']) ip(`-n ${lan} link set ${link} up`)
}

export function startEtcdOn(lan: string, members: number): Promise<EtcdCluster> {
  return startEtcd({ members, host: '10.9.0.1', wrap: ['nsenter', `--net=/run/netns/${lan}`] })
}

export interface Pair {
  readonly key: string
  readonly value: string
}

/** What etcd's own client reads under a prefix, in the namespace of that name. */
export function readKeys(netns: string, { endpoints }: EtcdCluster, prefix: string): Pair[] {
  const [command = '', ...rest] = [
    ...['nsenter', `--net=/run/netns/${netns}`, 'etcdctl'],
    ...['--endpoints', endpoints.join(','), 'get', prefix, '--prefix', '-w', 'json'],
  ]
  const json = execFileSync(command, rest, {
    encoding: 'utf8',
    env: { ...process.env, ETCDCTL_API: '3' },
    maxBuffer: 1 << 26,
  })
  const text = (base64: string): string => Buffer.from(base64, 'base64').toString()
  const { kvs = [] } = JSON.parse(json) as { kvs?: { key: string; value: string }[] }
  return kvs.map(({ key, value }) => ({ key: text(key), value: text(value) }))
}

function removeAll(tag: string, folder: string, sandboxes: Iterable<string>): void {
  for (const netns of [...sandboxes, `${tag}-sw`, ...HOSTS.map((host) => `${tag}-${host}`)])
    spawnSync('ip', ['netns', 'del', netns])
  rmSync(folder, { recursive: true, force: true })
}
