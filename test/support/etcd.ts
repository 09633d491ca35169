/** Real etcd servers for tests and benchmarks: on loopback, with data folders of their own. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Why no etcd can be started here; undefined when one can. */
export function whyNoEtcd(): string | undefined {
  try {
    execFileSync('etcd', ['--version'], { stdio: 'ignore' })
    return undefined
  } catch {
    return 'there is no etcd on this machine (Debian: etcd-server)'
  }
}

export interface Member {
  readonly name: string
  /** `host:port`, as clients are told. */
  readonly endpoint: string
  readonly folder: string
  /** SIGKILL, SIGSTOP, SIGCONT. */
  signal(signal: NodeJS.Signals): void
  kill(): Promise<void>
  /** Started again on what it has. */
  start(): Promise<void>
}

export interface EtcdCluster {
  readonly members: readonly Member[]
  readonly endpoints: readonly string[]
  stop(): Promise<void>
}

export interface EtcdSetup {
  readonly members?: number
  readonly args?: readonly string[]
  /** Command line before `etcd`. */
  readonly wrap?: readonly string[]
  readonly host?: string
  /** `https` when the arguments say so. */
  readonly scheme?: 'http' | 'https'
  /** Where the data is; default a new folder. */
  readonly folder?: string
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise<void>((resolve) => server.close(() => resolve()))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

/** Starts a cluster, and waits until each member serves. */
export async function startEtcd(setup: EtcdSetup = {}): Promise<EtcdCluster> {
  const { members: count = 1, args = [], wrap = [], scheme = 'http' } = setup
  const host = setup.host ?? '127.0.0.1'
  const folder = setup.folder ?? mkdtempSync(join(tmpdir(), 'lanyard-etcd-'))
  const ports: (readonly [number, number])[] = []
  for (let i = 0; i < count; i++) ports.push([await freePort(), await freePort()])
  const cluster = ports.map(([, peer], i) => `m${i}=http://${host}:${peer}`).join(',')
  const members = ports.map(([client, peer], i): Member & { child?: ChildProcess } => {
    const name = `m${i}`
    const data = join(folder, name)
    const url = `${scheme}://${host}:${client}`
    let child: ChildProcess | undefined
    const line = [
      ...wrap,
      'etcd',
      ...['--name', name, '--data-dir', data, '--logger', 'zap', '--log-level', 'error'],
      ...['--listen-client-urls', url, '--advertise-client-urls', url],
      ...['--listen-peer-urls', `http://${host}:${peer}`],
      ...['--initial-advertise-peer-urls', `http://${host}:${peer}`],
      ...['--initial-cluster', cluster, '--initial-cluster-token', folder],
      ...args,
    ]
    const kill = async (): Promise<void> => {
      const was = child
      if (was === undefined || was.exitCode !== null || was.signalCode !== null) return
      const gone = new Promise((resolve) => was.once('exit', resolve))
      was.kill('SIGCONT')
      was.kill('SIGKILL')
      await gone
    }
    return {
      name,
      endpoint: `${host}:${client}`,
      folder: data,
      signal: (signal) => void child?.kill(signal),
      kill,
      start: async () => {
        await kill()
        const [command = '', ...rest] = line
        child = spawn(command, rest, { stdio: ['ignore', 'ignore', 'pipe'] })
        let said = ''
        child.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text).slice(-4000))
        await serving(child, host, client, wrap, () => said)
      },
    }
  })
  const stop = async (): Promise<void> => {
    await Promise.all(members.map((member) => member.kill()))
    if (setup.folder === undefined) rmSync(folder, { recursive: true, force: true })
  }
  try {
    await Promise.all(members.map((member) => member.start()))
  } catch (error) {
    await stop()
    throw error
  }
  return { members, endpoints: members.map((member) => member.endpoint), stop }
}

/** Waits until its port is open: etcd opens it when it has joined. */
async function serving(
  child: ChildProcess,
  host: string,
  port: number,
  wrap: readonly string[],
  said: () => string,
): Promise<void> {
  const end = performance.now() + 60_000
  while (performance.now() < end) {
    if (child.exitCode !== null) throw new Error(`etcd ended: ${said()}`)
    const check = `exec 3<>/dev/tcp/${host}/${port}`
    try {
      execFileSync('env', [...wrap, 'bash', '-c', check], { stdio: 'ignore', timeout: 5000 })
      return
    } catch {
      await new Promise((done) => setTimeout(done, 100))
    }
  }
  throw new Error(`etcd does not open its port: ${said()}`)
}
